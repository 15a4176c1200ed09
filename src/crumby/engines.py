"""SQLAlchemy's asyncio engines, without its ORM.

`sqlalchemy.ext.asyncio` imports the ORM for the sessions that it has as well: 6 MiB and 0.1 s of each process, and
Crumby has no sessions. Here the two modules that need it are imported when somebody asks for a name of theirs. Import
this module before anything that imports the package itself.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, Final

PACKAGE: Final = "sqlalchemy.ext.asyncio"
OF_THE_ORM: Final = (f"{PACKAGE}.scoping", f"{PACKAGE}.session")


class _Later(ModuleType):
    """Stands in for a module while the package is imported: each of its names is there, and is this module."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


def _import_without_orm() -> None:
    later = {name: _Later(name) for name in OF_THE_ORM}
    sys.modules.update(later)
    try:
        package = importlib.import_module(PACKAGE)
    finally:
        for name in later:
            del sys.modules[name]
    for name in [name for name, value in vars(package).items() if isinstance(value, _Later)]:
        delattr(package, name)
    package.__getattr__ = _of_the_orm  # type: ignore[method-assign]  # a module's own, by PEP 562


def _of_the_orm(name: str) -> Any:
    for module in OF_THE_ORM if not name.startswith("__") else ():
        if name in vars(importlib.import_module(module)):
            return getattr(sys.modules[module], name)
    raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")


if PACKAGE not in sys.modules:
    _import_without_orm()

from sqlalchemy.ext.asyncio import (  # noqa: E402 - behind the door that was just closed
    AsyncConnection,
    AsyncEngine,
    AsyncResult,
    create_async_engine,
)

__all__ = ["AsyncConnection", "AsyncEngine", "AsyncResult", "create_async_engine"]
