"""The spool: a local SQLite file where hits wait, durable, while the database server is away.

Its rows are those that the server is owed, in the order in which they were acknowledged. A known hit id changes
nothing, as in the server itself.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from crumby.errors import DatabaseUnavailable, SpoolUnavailable
from crumby.ingest.enrich import Event, Visit
from crumby.ingest.store import SqliteThread

SCHEMA: Final = (
    """
    create table if not exists hits (
        number integer primary key autoincrement,
        hit_id blob not null unique,
        kind text not null,
        row text not null
    )
    """,
    # What the server does not take, with its reason: kept for a person to look at, in nobody's way.
    "create table if not exists refused (number integer primary key, kind text, row text, reason text)",
)
PAGE: Final = 4096  # bytes

_encode = msgspec.json.Encoder().encode
_visit = msgspec.json.Decoder(Visit).decode
_event = msgspec.json.Decoder(Event).decode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spooled:
    """Some rows from the spool's head."""

    numbers: Sequence[int] = ()
    visits: Sequence[Visit] = field(default_factory=list)
    events: Sequence[Event] = field(default_factory=list)


class Spool:
    def __init__(self, path: Path, limit_mib: int) -> None:
        self.path = path
        self._thread = SqliteThread(path, f"max_page_count = {limit_mib * 1024 * 1024 // PAGE}")

    async def open(self) -> None:
        """Create the file if need be, readable by its owner alone: it holds people's addresses."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        await self._transact(lambda connection: [connection.execute(statement) for statement in SCHEMA])

    async def add(self, visits: Sequence[Visit], events: Sequence[Event]) -> None:
        """Return when the rows are on the disk. Raises SpoolUnavailable, also when it is full."""
        rows = [(visit.hit_id, "visit", _encode(visit).decode()) for visit in visits]
        rows += [(event.hit_id, "event", _encode(event).decode()) for event in events]
        insert = "insert into hits (hit_id, kind, row) values (?, ?, ?) on conflict (hit_id) do nothing"
        await self._transact(lambda connection: connection.executemany(insert, rows))

    async def first(self, count: int) -> Spooled:
        """The `count` rows that have waited longest; fewer, or none, where there are no more."""
        return await self._read("select number, kind, row from hits order by number limit ?", count)

    async def one(self, number: int) -> Spooled:
        return await self._read("select number, kind, row from hits where number = ?", number)

    async def _read(self, select: str, argument: int) -> Spooled:
        rows = await self._transact(lambda connection: connection.execute(select, (argument,)).fetchall())
        return Spooled(
            numbers=[number for number, _, _ in rows],
            visits=[_visit(row) for _, kind, row in rows if kind == "visit"],
            events=[_event(row) for _, kind, row in rows if kind == "event"],
        )

    async def remove(self, spooled: Spooled) -> None:
        """What the server has committed."""
        await self._transact(
            lambda connection: connection.executemany(
                "delete from hits where number = ?", [(number,) for number in spooled.numbers]
            )
        )

    async def set_aside(self, number: int, reason: str) -> None:
        """What the server will never take."""

        def move(connection: sqlite3.Connection) -> None:
            connection.execute(
                "insert into refused select number, kind, row, ? from hits where number = ?", (reason, number)
            )
            connection.execute("delete from hits where number = ?", (number,))

        await self._transact(move)

    async def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._thread.transact(work)
        except DatabaseUnavailable as error:
            raise SpoolUnavailable(str(error)) from error

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is this process's turn to empty the spool. The turn of a process that dies ends with it."""
        with self.path.with_suffix(".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    async def close(self) -> None:
        await self._thread.close()
