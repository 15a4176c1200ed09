"""An export of Crumby, in any of its forms: docs/export.md has the format, and `crumby.exporting` writes it.

Kept: visits, events, visitors, refusals and totals, each value as it was, in the order of their ids; these are given
anew. A column that an older Crumby did not have is null. Lost: rows without a time. A row without a hit id, as 0.7.1
stored them, gets one, which is the same whenever that archive is read. What a server's text can't hold is cut or left
out of it, as `crumby restore` does: what is longer than its column, NUL in PostgreSQL, octets that are no text.
"""

import hashlib
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import IO, Any, ClassVar, Final, TypeVar

import msgspec
from sqlalchemy import String

from crumby.dimensions.session import Visitor
from crumby.exporting.forms import module
from crumby.exporting.forms.filed import Record
from crumby.exporting.manifest import NAME as MANIFEST
from crumby.exporting.manifest import VERSION, Manifest, Part, decoded, facts
from crumby.importing.input import BROKEN, Input
from crumby.importing.item import Item, Person, Refused, Row, Skipped, Total
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest.enrich import Event, Visit
from crumby.tables import metadata

NAME: Final = "crumby"
ZIP: Final = b"PK\x03\x04"
PIECE: Final = 1 << 20  # octets
ON_DISK: Final = frozenset({"sqlite", "parquet"})  # forms that are read here and there

Reader = Callable[[Record], Item]
T = TypeVar("T")


def recognises(given: Input) -> bool:
    """A zip without an end is nobody's, and most likely what was left of one of ours."""
    return MANIFEST in given.members() if given.is_folder else given.head().startswith(ZIP)


def opened(given: Input, wanted: Wanted) -> "Archive":
    """Raises ImportRefused for what is of a newer Crumby, damaged or not whole: nothing of it is stored then."""
    files = _Files(given)
    try:
        manifest = _manifest(given, files.read(MANIFEST))
        for file in {part.file: part for part in manifest.files}.values():
            _check(given, files, file)
    except KeyError as error:
        raise ImportRefused(f"{given.name}: {error.args[0]}; not all of the archive is there") from None
    except BROKEN as error:
        raise ImportRefused(f"{given.name} is damaged: {error}; get it again, or export again") from error
    return Archive(given.name, files, manifest, wanted)


class _Files:
    """Of a folder or a zip; one that comes by standard input as well."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._zip: zipfile.ZipFile | None = None
        if not given.is_folder:
            file = given.open()
            try:
                self._zip = zipfile.ZipFile(file)
            except zipfile.BadZipFile:
                file.close()
                raise ImportRefused(
                    f"{given.name} is a zip archive whose end is missing; get it again, or export again"
                ) from None

    def open(self, name: str) -> IO[bytes]:
        """Raises KeyError for what is not there."""
        if self._zip:
            return self._zip.open(name)
        if name not in self._given.members():
            raise KeyError(f"there is no file {name} in it")
        return self._given.open(name)

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()


def _manifest(given: Input, content: bytes) -> Manifest:
    known = facts(content)
    if not known:
        raise ImportRefused(f"{given.name}: {MANIFEST} is none of Crumby's; say whose files these are by --from")
    version = known.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise ImportRefused(
            f"{given.name} is an archive of version {version}, made by Crumby {known.get('crumby')}, and this Crumby "
            f"knows up to {VERSION}; use a newer one"
        )
    try:
        manifest = decoded(content)
    except msgspec.MsgspecError as error:
        raise ImportRefused(f"{given.name}: {MANIFEST} is damaged: {error}") from error
    for part in manifest.files:
        _refuse_unknown(given, manifest, part)
    return manifest


def _refuse_unknown(given: Input, manifest: Manifest, part: Part) -> None:
    if part.table not in READERS:
        raise ImportRefused(
            f"{given.name} has a table {part.table!r}, which this Crumby does not know; use a newer one"
        )
    unknown = [name for name in part.shape.names if name not in metadata.tables[part.table].c]
    if unknown:
        raise ImportRefused(
            f"{given.name}: {part.table} have a column {unknown[0]!r} there, made by Crumby {manifest.crumby} with "
            f"schema {manifest.schema}, which this Crumby does not know; use a newer one"
        )


def _check(given: Input, files: _Files, part: Part) -> None:
    digest = hashlib.sha256()
    with files.open(part.file) as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    if digest.hexdigest() != part.sha256:
        raise ImportRefused(
            f"{given.name}: {part.file} is not what was exported: its SHA-256 is {digest.hexdigest()}, and {MANIFEST} "
            f"has {part.sha256}; get it again, or export again"
        )


class Archive:
    """Its marks are numbers of rows, of all tables in their order."""

    NAME: ClassVar[str] = NAME

    def __init__(self, name: str, files: _Files, manifest: Manifest, wanted: Wanted) -> None:
        self.ordered = True  # its rows know their sessions: it is theirs by which they are stored
        self.size = sum(part.rows for part in manifest.files)
        self.mark = 0
        self.origin = NAME
        self._name = name
        self._files = files
        self._manifest = manifest
        self._wanted = wanted
        self._readers = Readers(wanted)

    def items(self, mark: int) -> Iterator[Item]:
        self.mark = 0
        for part in self._manifest.files:
            if mark >= self.mark + part.rows:
                self.mark += part.rows
            elif part.table == "totals":
                yield from self._totals(part)
                self.mark += part.rows
            else:
                yield from self._rows(part, max(0, mark - self.mark))

    def _rows(self, part: Part, left_out: int) -> Iterator[Item]:
        self.mark += left_out
        for item in self._read(part, self._readers.of(part.table), left_out):
            self.mark += 1
            yield item

    def _totals(self, part: Part) -> Iterator[Item]:
        """What was counted of a day in several goes is one: so all are read before the first is given."""
        with closing(_Sums()) as sums:
            sums.add(self._read(part, lambda record: record))
            yield from map(self._readers.of(part.table), sums.records())

    def _read(self, part: Part, made: Callable[[Record], T], left_out: int = 0) -> Iterator[T]:
        """What is made of its records. Raises ImportRefused."""
        number = left_out
        try:
            with self._opened(part) as file:
                for record in islice(module(self._manifest.form).rows(file, part), left_out, None):
                    yield made(record)
                    number += 1
        except (ValueError, TypeError, KeyError) as error:
            raise ImportRefused(f"{self._name}: {part.file}, row {number + 1}: {error}") from error
        if number != part.rows:
            raise ImportRefused(f"{self._name}: {part.file} has {number:,} rows, and {part.rows:,} were exported")

    @contextmanager
    def _opened(self, part: Part) -> Iterator[IO[bytes]]:
        with self._files.open(part.file) as file:
            if self._manifest.form not in ON_DISK:
                yield file
                return
            with tempfile.NamedTemporaryFile(prefix="crumby-import-") as aside:
                shutil.copyfileobj(file, aside, PIECE)
                aside.flush()
                yield aside


class _Sums:
    """Totals in a file of SQLite's that has no name, in the order of what they are of."""

    COLUMNS: Final = ("origin", "rollup", "day", "prev_day", "keys", "sums")

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute(f"create table totals ({', '.join(self.COLUMNS)})")
        self._file.execute("begin")

    def add(self, records: Iterable[Record]) -> None:
        rows = ([record[name] for name in self.COLUMNS] for record in records)
        self._file.executemany("insert into totals values (?, ?, ?, ?, ?, ?)", rows)

    def records(self) -> Iterator[Record]:
        rows = self._file.execute(f"select * from totals order by {', '.join(self.COLUMNS[:-1])}, rowid")  # noqa: S608 - ours
        for place, several in groupby(rows, key=itemgetter(slice(len(self.COLUMNS) - 1))):
            sums: Counter[str] = Counter()
            for *_, more in several:
                sums.update(json.loads(more))
            yield dict(zip(self.COLUMNS, (*place, json.dumps(sums)), strict=True))

    def close(self) -> None:
        self._file.close()


class Readers:
    """Of each table, what makes an item of a record."""

    def __init__(self, wanted: Wanted) -> None:
        self._site = wanted.site
        self._names = wanted.names(NAME)
        scheme = wanted.settings.sqlalchemy_database_uri.partition(":")[0]
        self._bounded = not scheme.startswith("sqlite")
        self._nul = scheme.startswith("postgres")

    def of(self, table: str) -> Reader:
        make, lengths = READERS[table], _lengths(table) if self._bounded else {}

        def read(record: Record) -> Item:
            for name, value in record.items():
                if isinstance(value, str):
                    record[name] = self._fitting(value, lengths.get(name))
            return make(self, record)

        return read

    def _fitting(self, value: str, length: int | None) -> str:
        if not value.isascii():
            value = value.encode(errors="surrogateescape").decode(errors="replace")
        if self._nul and "\0" in value:
            value = value.replace("\0", "")
        return value if length is None else value[:length]

    def visit(self, record: Record) -> Item:
        return self._act("visits", Visit, record)

    def event(self, record: Record) -> Item:
        return self._act("events", Event, record)

    def _act(self, table: str, kind: type[Visit | Event], record: Record) -> Item:
        if not isinstance(record.get("datetime"), datetime):
            return Skipped("no time", f"{table}, id {record.get('id')}")
        if self._site is not None and record.get("site") != self._site:
            return Skipped("of another site", str(record.get("site")))
        if record.get("hit_id") is None:
            told = [table, *(str(record.get(name)) for name in ("id", "datetime", "cid", "ip", "doc_uri"))]
            record["hit_id"] = self._names.hit(record["datetime"], json.dumps(told).encode())
        return Row(_made(kind, record))

    def visitor(self, record: Record) -> Item:
        return Person(_made(Visitor, record))

    def refusal(self, record: Record) -> Item:
        at = record["datetime"]
        if not isinstance(at, datetime) or self._site is not None:
            return Skipped("refused hits of no one site" if self._site else "no time", f"{record['reason']}, {at}")
        return Refused(at.isoformat(), record["reason"], record["hits"])

    def total(self, record: Record) -> Item:
        if self._site is not None:
            return Skipped("totals of no one site", f"{record['rollup']} of {record['day']}")
        keys, sums = json.loads(record["keys"]), json.loads(record["sums"])
        return Total(record["rollup"], record["day"], record["prev_day"], tuple(keys), sums, record["origin"])


def _made(kind: Any, record: Record) -> Any:
    return kind(*map(record.get, kind.__struct_fields__))


def _lengths(table: str) -> dict[str, int | None]:
    columns = metadata.tables[table].c
    return {f"{column.name}": column.type.length for column in columns if isinstance(column.type, String)}


READERS: Final[Mapping[str, Callable[[Readers, Record], Item]]] = {
    "visits": Readers.visit,
    "events": Readers.event,
    "visitors": Readers.visitor,
    "refusals": Readers.refusal,
    "totals": Readers.total,
}
