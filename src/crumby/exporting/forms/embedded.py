"""SQLite: crumby.db, a database with the tables. It is made beside: no database is written from end to end."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

from crumby.exporting.columns import Rows, Shape, Type, instants
from crumby.exporting.forms.filed import Record, part
from crumby.exporting.manifest import Part
from crumby.exporting.packing import Packing

FILE: Final = "crumby.db"
TYPES: Final[dict[Type, str]] = {
    "integer": "integer",
    "float": "real",
    "text": "text",
    "bytes": "blob",
    "datetime": "text",
}
PIECE: Final = 1 << 20  # bytes that go into the zip at a time


def writer(packing: Packing) -> "Embedded":
    return Embedded(packing)


class Embedded:
    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._folder = Path(tempfile.mkdtemp(prefix="crumby-export-"))
        self._path = self._folder / FILE
        os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode = off").close()
        self._database.execute("pragma synchronous = off")
        self._database.execute("begin")
        self._tables: list[tuple[Shape, int]] = []
        self._sha256 = ""

    def begin(self, shape: Shape) -> None:
        columns = ", ".join(f'"{name}" {TYPES[kind]}' for name, kind in shape.columns)
        self._database.execute(f"create table {shape.table} ({columns})")
        self._tables.append((shape, 0))

    def write(self, rows: Rows) -> None:
        shape, count = self._tables[-1]
        moments = shape.places("datetime")
        stored = [_stored(row, moments) for row in rows]
        marks = ", ".join(["?"] * len(shape.columns))
        try:
            self._database.executemany(f"insert into {shape.table} values ({marks})", stored)  # noqa: S608 - ours
        except UnicodeEncodeError:
            self._write_octets(shape, stored[self._since(shape, count) :])
        self._tables[-1] = shape, count + len(rows)

    def _since(self, shape: Shape, count: int) -> int:
        """How many were written before the one that could not be."""
        ((there,),) = self._database.execute(f"select count(*) from {shape.table}")  # noqa: S608 - a name of ours
        return int(there) - count

    def _write_octets(self, shape: Shape, rows: Sequence[Sequence[Any]]) -> None:
        """Text that is none becomes the octets that it was."""
        texts = set(shape.places("text", "datetime"))
        marks = ", ".join("cast(? as text)" if place in texts else "?" for place in range(len(shape.columns)))
        insert = f"insert into {shape.table} values ({marks})"  # noqa: S608 - a name of ours
        for row in rows:
            values = [_octets(value) if place in texts else value for place, value in enumerate(row)]
            self._database.execute(insert, values)

    def end(self) -> None:
        pass

    def close(self) -> Iterator[None]:
        self._database.execute("commit")
        self._database.close()
        member = self._packing.member(FILE)
        with self._path.open("rb") as file:
            while piece := file.read(PIECE):
                member.write(piece)
                yield
        self._sha256 = member.close()

    def parts(self) -> tuple[Part, ...]:
        return tuple(part(shape, FILE, rows, self._sha256) for shape, rows in self._tables)

    def discard(self) -> None:
        self._database.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _stored(row: Sequence[Any], moments: Sequence[int]) -> Sequence[Any]:
    values = list(row)
    for place in moments:
        if isinstance(values[place], datetime):
            values[place] = values[place].isoformat(" ", "microseconds")
    return [repr(value) if value != value else value for value in values]  # noqa: PLR0124 - SQLite knows no NaN


def _octets(value: Any) -> Any:
    return value.encode(errors="surrogateescape") if isinstance(value, str) else value


def text_of(octets: bytes) -> str:
    return octets.decode(errors="surrogateescape")


def rows(file: IO[bytes], part: Part) -> Iterator[Record]:
    """`file` has a name on the disk. Raises ValueError where it is no such database."""
    shape = part.shape
    names = ", ".join(f'"{name}"' for name in shape.names)
    moments, numbers = instants(shape), shape.places("float")
    address = f"file:{quote(file.name)}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as database:
            database.text_factory = text_of
            for row in database.execute(f'select {names} from "{shape.table}" order by rowid'):  # noqa: S608 - as it says
                (values,) = moments([row])
                values = [float(v) if p in numbers and isinstance(v, str) else v for p, v in enumerate(values)]
                yield dict(zip(shape.names, values, strict=True))
    except sqlite3.Error as error:
        raise ValueError(str(error)) from error
