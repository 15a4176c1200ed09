"""A database of Crumby 0.7.1: its SQLite file, or a dump of MySQL's, MariaDB's or PostgreSQL's.

    tests/legacy/schema.sql, schema.mysql.sql and schema.postgresql.sql have its tables word for word

Kept is all of it, as it is: of visits and events each column, cookies among them, so that who comes again is known.
Times are UTC, as they were. Sessions, sources and devices, of which 0.7.1 knew nothing, are told from that.

Lost is nothing of visits and events. Users are left out, each with a word: their passwords are hashes of another kind
of thing to keep than visits, and `crumby adduser` is quick. The calendar Crumby makes itself.

A database of a later Crumby is refused: `crumby export` there gives all of it, or the file itself is put in place.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from heapq import merge
from typing import Any, ClassVar, Final
from urllib.parse import quote

from crumby.dimensions.device import device
from crumby.importing.dumps import Dump, is_dump
from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.records import moment
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest.client import Client
from crumby.ingest.hit import Hit
from crumby.ingest.text import clean

NAME: Final = "crumby-0.7.1"
SQLITE: Final = b"SQLite format 3\0"
TABLES: Final = ("visits", "events")
KNOWN: Final = (  # of a visit, beside what its hit and its client say
    "platform",
    "browser",
    "version",
    "continent",
    "country",
    "subdivision_1",
    "subdivision_2",
    "city",
    "latitude",
    "longitude",
    "accuracy_radius",
    "time_zone",
)
NUMBERS: Final = {"latitude": float, "longitude": float, "accuracy_radius": int}
LATER: Final = "hit_id"  # a column that 0.7.1 had not
A_USER: Final = "a user, whom `crumby adduser` adds"
SIGNS: Final = (
    b"CREATE TABLE `calendar`",
    b"CREATE TABLE `visits`",
    b"CREATE TABLE public.calendar",
    b"COPY public.visits",
)

Cells = Mapping[str, Any]


def recognises(given: Input) -> bool:
    head = given.head()
    if head.startswith(SQLITE):
        return b"CREATE TABLE visits" in head and b"doc_uri" in head
    return is_dump(head) and any(sign in head for sign in SIGNS)


def opened(given: Input, wanted: Wanted) -> "Crumby071":
    return Crumby071(given, wanted)


class Crumby071:
    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self._given = given
        self._ids = wanted.names(NAME)
        self.ordered = given.head().startswith(SQLITE)  # a dump has the events first
        self.size = self.mark = 0
        self.origin = NAME

    def items(self, mark: int) -> Iterator[Item]:
        """The mark counts rows; of a dump, bytes."""
        rows = self._of_database() if self.ordered else self._of_dump()
        if not self.ordered:
            yield from (self._item(table, cells) for table, cells in rows)
            return
        for number, (table, cells) in enumerate(rows, start=1):
            self.mark = number
            if number > mark:
                yield self._item(table, cells)

    # Where rows come from

    def _of_database(self) -> Iterator[tuple[str, Cells]]:
        with _database(self._given) as database:
            try:
                counts = [database.execute(f"select count(*) from {table}").fetchone()[0] for table in TABLES]  # noqa: S608 - our own names
                self.size = sum(counts)
                yield from merge(
                    *(_in_time(database, table) for table in TABLES), key=lambda row: str(row[1]["datetime"] or "")
                )
                yield from (("users", {"username": name}) for (name,) in _users(database))
            except sqlite3.Error as error:
                raise ImportRefused(f"{self._given.name}: {error}; is it a database of Crumby 0.7.1?") from None

    def _of_dump(self) -> Iterator[tuple[str, Cells]]:
        tables = {*TABLES, "users"}
        self.size = self._given.size()
        with self._given.open() as file:
            dump = Dump(file, self._given.name, tables.__contains__)
            for row in dump.rows():
                self.mark = dump.position
                if LATER in row.columns:
                    raise _later(self._given)
                yield row.table, {name: dump.text(cell) for name, cell in row.cells().items()}
            self.mark = self.size or self.mark  # behind the rows there is more

    # What becomes of a row

    def _item(self, table: str, cells: Cells) -> Item:
        if table == "users":
            return Skipped(A_USER, str(cells.get("username")))
        at = moment(cells.get("datetime"))
        if at is None:
            return Skipped("no time", f"{table} {cells.get('id')}")
        try:
            return self._visit(at, cells) if table == "visits" else self._event(at, cells)
        except ValueError:
            return Skipped("no number where there should be one", f"{table} {cells.get('id')}")

    def _visit(self, at: datetime, cells: Cells) -> Found:
        known = {name: NUMBERS.get(name, str)(cells[name]) if cells.get(name) is not None else None for name in KNOWN}
        known["device"] = device(cells.get("platform"), cells.get("screen_res"))
        hit = Hit(
            kind="visit",
            id=self._id("visits", at, cells),
            cid=clean(cells.get("cid")) or "",
            datetime=at,
            uri=clean(cells.get("doc_uri")),
            title=clean(cells.get("doc_title")),
            referrer=clean(cells.get("referrer")),
            encoding=clean(cells.get("doc_enc"), 25),
            screen_res=clean(cells.get("screen_res"), 25),
            screen_depth=clean(cells.get("screen_depth"), 10),
            lang=clean(cells.get("lang"), 10),
        )
        client = Client(clean(cells.get("ip")), None, clean(cells.get("_referrer")), clean(cells.get("_lang"), 10))
        return Found(hit, client, known)

    def _event(self, at: datetime, cells: Cells) -> Found:
        hit = Hit(
            kind="event",
            id=self._id("events", at, cells),
            cid=clean(cells.get("cid")) or "",
            datetime=at,
            uri=clean(cells.get("doc_uri")),
            title=clean(cells.get("doc_title")),
            name=clean(cells.get("name")),
            value=clean(cells.get("value")),
        )
        return Found(hit, Client(clean(cells.get("ip")), None, None, None))

    def _id(self, table: str, at: datetime, cells: Cells) -> bytes:
        return self._ids.hit(at, f"{table} {cells.get('id')} {at.isoformat()} {cells.get('cid')}".encode())


@contextmanager
def _database(given: Input) -> Iterator[sqlite3.Connection]:
    """Read only, and a copy of it where it is compressed, or came in by a pipe."""
    with tempfile.NamedTemporaryFile(prefix="crumby-import-") as copy:
        path = str(given.path)
        if given.is_stdin or given.is_folder or not given.size():
            with given.open() as file:
                shutil.copyfileobj(file, copy)
            copy.flush()
            path = copy.name
        with closing(
            sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
        ) as database:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            database.execute("pragma temp_store = file").close()
            yield database


def _in_time(database: sqlite3.Connection, table: str) -> Iterator[tuple[str, Cells]]:
    rows = database.execute(f"select * from {table} order by datetime, id")  # noqa: S608 - our own names
    columns = [column for column, *_ in rows.description]
    if LATER in columns:
        raise ImportRefused(_LATER)
    return ((table, dict(zip(columns, row, strict=True))) for row in rows)


def _users(database: sqlite3.Connection) -> Iterator[tuple[str]]:
    there = database.execute("select 1 from sqlite_master where name = 'users'").fetchone()
    yield from database.execute("select username from users order by id") if there else ()


_LATER: Final = (
    "this is the database of a later Crumby: `crumby export` there, and import that; or use the file itself, by "
    "SQLALCHEMY_DATABASE_URI"
)


def _later(given: Input) -> ImportRefused:
    return ImportRefused(f"{given.name}: {_LATER}")
