"""manifest.json: what an archive is, of which Crumby, what was chosen, and what each of its files holds.

It is the last of the archive, for only then the checksums are known: without it, not all of the archive is there.
"""

from typing import Any, Final, Literal, get_args

import msgspec

from crumby import __version__
from crumby.exporting.columns import Shape, Type
from crumby.migrations import HEAD

Format = Literal["ndjson", "csv", "sqlite", "parquet"]

NAME: Final = "manifest.json"
KIND: Final = "crumby export"
VERSION: Final = 1  # of what stands in docs/export.md; a reader of it reads all before it
FORMATS: Final = get_args(Format)
PRUNED: Final = "pruned"  # the origin of totals whose visits are deleted


class Column(msgspec.Struct, frozen=True):
    name: str
    type: Type


class Part(msgspec.Struct, frozen=True):
    """A table, and the file that has it; of a database several tables have the same."""

    file: str
    table: str
    columns: tuple[Column, ...]
    rows: int
    sha256: str

    @property
    def shape(self) -> Shape:
        return Shape(self.table, tuple((column.name, column.type) for column in self.columns))


class Chosen(msgspec.Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """Days, both of them included, of `time_zone`; nulls are no bounds."""

    first: str | None = None
    last: str | None = None
    time_zone: str = "UTC"
    site: str | None = None
    visitor: str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: str = KIND
    version: int = VERSION
    form: Format
    crumby: str = __version__
    schema: str = HEAD
    made: str  # UTC
    selection: Chosen
    files: tuple[Part, ...]

    def encoded(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def decoded(content: bytes) -> Manifest:
    """Raises msgspec.MsgspecError for what is no manifest of this version or an older one."""
    return msgspec.json.decode(content, type=Manifest)


def facts(content: bytes) -> dict[str, Any]:
    """What can be told of any: `format`, `version`, `crumby`. Nothing, where it is none."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) and found.get("format") == KIND else {}
