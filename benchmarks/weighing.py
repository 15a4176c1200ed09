"""What each package takes when a server is imported: prints `{"sqlalchemy": 13804, …}`, KiB of anonymous memory."""

import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

# What `crumby run` of one process imports, in its order.
SERVER = ("crumby.cli.serve", "crumby.cli.start", "crumby.cli.protocol", "uvloop", "crumby.app")


class Weigher:
    """A finder in front of the others: what they find is weighed while it is made and run, without what it imports."""

    def __init__(self) -> None:
        self.kib: Counter[str] = Counter()
        self._inside = [0]  # what is imported within the modules that are being imported

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec:
                self._weigh(spec)
                return spec
        return None

    def _weigh(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        if isinstance(loader, type) or not loader:  # of what is built in
            return
        package = spec.name if spec.name.startswith("crumby.") else spec.name.partition(".")[0]
        for step in ("create_module", "exec_module"):
            setattr(loader, step, self._weighing(package, getattr(loader, step)))

    def _weighing(self, package: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def weighed(subject: object) -> Any:
            self._inside.append(0)
            before = anonymous_kib()
            try:
                return step(subject)
            finally:
                taken = anonymous_kib() - before
                self.kib[package] += taken - self._inside.pop()
                self._inside[-1] += taken

        return weighed


def anonymous_kib() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def main() -> None:
    weigher = Weigher()
    sys.meta_path.insert(0, weigher)
    for name in SERVER:
        importlib.import_module(name)
    print(json.dumps(weigher.kib))


if __name__ == "__main__":
    main()
