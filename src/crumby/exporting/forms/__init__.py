"""The forms of an archive, a module each: how it writes tables into the zip, and how it reads them again.

    writer(packing)                → Writer
    rows(file, part)               → what a table of it holds, record by record: {"id": 12, "page": "/a", …}

A form is imported by whoever wants it: that of Parquet is pyarrow's, which takes 60 MiB.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, Protocol

from crumby.exporting.columns import Rows, Shape
from crumby.exporting.manifest import Format, Part

MODULES: Final[Mapping[Format, str]] = {
    "ndjson": "ndjson",
    "csv": "comma",
    "sqlite": "embedded",
    "parquet": "columnar",
}


class Writer(Protocol):
    """One table after the other, and its rows in their order."""

    def begin(self, shape: Shape) -> None: ...
    def write(self, rows: Rows) -> None: ...
    def end(self) -> None:
        """Of the table."""

    def close(self) -> Iterator[None]:
        """Of all of them, in steps, after each of which somebody takes on what was written."""

    def parts(self) -> tuple[Part, ...]:
        """Once it is closed."""

    def discard(self) -> None:
        """Leave nothing behind. It may be closed, or not have come that far."""


def module(form: Format) -> Any:
    return import_module(f"crumby.exporting.forms.{MODULES[form]}")
