"""The spool: a local SQLite file where hits wait, durable, while the database server is away.

Its rows are those that the server is owed, in the order in which they were acknowledged. A known hit id changes
nothing, as in the server itself. What is told of a visit later waits behind it, in rows of its own.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from crumby.errors import DatabaseUnavailable, SpoolUnavailable
from crumby.ingest.enrich import Engagement, Event, Visit, completed, completed_event
from crumby.ingest.store import SqliteThread
from crumby.wiping import SECURE

SCHEMA: Final = (
    """
    create table if not exists hits (
        number integer primary key autoincrement,
        hit_id blob not null unique,  -- with the two numbers behind it, where it is an engagement's
        kind text not null,
        row text not null,
        added integer not null  -- unix seconds
    )
    """,
    # What the server does not take, with its reason: kept for a person to look at, in nobody's way.
    "create table if not exists refused (number integer primary key, kind text, row text, reason text)",
)
# The ends of the index, and no count of what is between: 0.2 ms, where 2.5 million rows take 150 ms and more.
DEPTH: Final = """
    select
        coalesce((select max(number) from hits) - (select min(number) from hits) + 1, 0),
        (select added from hits order by number limit 1),
        (select count(*) from (select 1 from refused limit ?))
"""
PAGE: Final = 4096  # bytes
HELD: Final = ("hits", "refused")
READ: Final = 1000  # rows at a time, in 2 ms, for which hits wait
REFUSED_MOST: Final = 10_000  # rows that are counted, in 5 ms at the most

_encode = msgspec.json.Encoder().encode
_visit = msgspec.json.Decoder(Visit).decode
_event = msgspec.json.Decoder(Event).decode
_engagement = msgspec.json.Decoder(Engagement).decode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spooled:
    """Some rows from the spool's head."""

    numbers: Sequence[int] = ()
    visits: Sequence[Visit] = field(default_factory=list)
    events: Sequence[Event] = field(default_factory=list)
    engagements: Sequence[Engagement] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Depth:
    hits: int  # that wait; never too few, but one that was sent again meanwhile counts again
    oldest_s: float  # since the first of them came; 0 where none waits
    refused: int  # set aside, up to REFUSED_MOST


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row as it is written, of hits or of those that were set aside."""

    table: str
    number: int
    kind: str
    row: dict[str, Any]


class Spool:
    def __init__(self, path: Path, limit_mib: int) -> None:
        self.path = path
        self._lock: int | None = None  # a file of its own: SQLite's locks would go with any descriptor of the spool's
        self._thread = SqliteThread(path, f"max_page_count = {limit_mib * 1024 * 1024 // PAGE}", SECURE)

    async def open(self) -> None:
        """Create the file if need be, readable by its owner alone: it holds people's addresses."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self._lock = self._open_lock()
        await self._transact(_prepare)

    async def add(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        """Return when the rows are on the disk. Raises SpoolUnavailable, also when it is full."""
        now = int(time.time())
        rows = [(visit.hit_id, "visit", _encode(visit).decode(), now) for visit in visits]
        rows += [(event.hit_id, "event", _encode(event).decode(), now) for event in events]
        rows += [(_key(each), "engagement", _encode(each).decode(), now) for each in engagements]
        insert = "insert into hits (hit_id, kind, row, added) values (?, ?, ?, ?) on conflict (hit_id) do nothing"
        await self._transact(lambda connection: connection.executemany(insert, rows))

    async def holds_rows(self) -> bool:
        """Whether anything waits, of whichever worker. 0.1 ms. Raises SpoolUnavailable."""
        select = "select exists (select 1 from hits)"
        return bool((await self._transact(lambda connection: connection.execute(select).fetchone()))[0])

    async def first(self, count: int) -> Spooled:
        """The `count` rows that have waited longest; fewer, or none, where there are no more."""
        return await self._read("select number, kind, row from hits order by number limit ?", count)

    async def one(self, number: int) -> Spooled:
        return await self._read("select number, kind, row from hits where number = ?", number)

    async def _read(self, select: str, argument: int) -> Spooled:
        rows = await self._transact(lambda connection: connection.execute(select, (argument,)).fetchall())
        return Spooled(
            numbers=[number for number, _, _ in rows],
            visits=[completed(_visit(row)) for _, kind, row in rows if kind == "visit"],
            events=[completed_event(_event(row)) for _, kind, row in rows if kind == "event"],
            engagements=[_engagement(row) for _, kind, row in rows if kind == "engagement"],
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

    async def depth(self) -> Depth:
        """How much waits here, of all workers, and for how long. Raises SpoolUnavailable."""
        hits, added, refused = await self._transact(
            lambda connection: connection.execute(DEPTH, (REFUSED_MOST,)).fetchone()
        )
        oldest_s = 0.0 if added is None else max(0.0, time.time() - added)  # a clock may have been set back
        return Depth(hits, oldest_s, refused)

    async def matching(self, fits: Callable[[Waiting], bool]) -> list[Waiting]:
        """All those, in their order. Raises SpoolUnavailable."""
        found: list[Waiting] = []
        for table in HELD:
            after, more = -1, True
            while more:
                rows = await self._transact(lambda there, table=table, after=after: _some(there, table, after))  # type: ignore[misc]
                read = [Waiting(table, number, kind, msgspec.json.decode(row)) for number, kind, row in rows]
                found += filter(fits, read)
                after, more = (read[-1].number, True) if read else (after, False)
        return found

    async def forget(self, rows: Iterable[Waiting]) -> None:
        """Raises SpoolUnavailable."""
        for table in HELD:
            numbers = [(each.number,) for each in rows if each.table == table]
            delete = f"delete from {table} where number = ?"  # noqa: S608 - a name of ours
            await self._transact(
                lambda there, delete=delete, numbers=numbers: there.executemany(delete, numbers)  # type: ignore[misc]
            )

    async def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._thread.transact(work)
        except DatabaseUnavailable as error:
            raise SpoolUnavailable(str(error)) from error

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is this process's turn to empty the spool. The turn of a process that dies ends with it."""
        if self._lock is None:
            self._lock = self._open_lock()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _open_lock(self) -> int:
        """Once: a disk that is full later on must not keep the spool from being emptied."""
        return os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)

    async def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        await self._thread.close()


def _key(engagement: Engagement) -> bytes:
    """Another one for each that tells something new: which is the larger, the server knows."""
    return engagement.hit_id + engagement.engaged.to_bytes(4) + engagement.scroll.to_bytes(1)


def _some(connection: sqlite3.Connection, table: str, after: int) -> list[tuple[Any, ...]]:
    select = f"select number, kind, row from {table} where number > ? order by number limit {READ}"  # noqa: S608
    return connection.execute(select, (after,)).fetchall()


def _prepare(connection: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        connection.execute(statement)
    columns = {name for _, name, *_ in connection.execute("pragma table_info (hits)")}
    if "added" not in columns:  # the file of a development version; what it holds begins to wait now
        connection.execute(f"alter table hits add column added integer not null default {time.time():.0f}")
