"""What comes into the database, as it is committed: each visit and event once, and how many hits were refused.

    ───────── floor ─────────────── head ────────▶ ids
     all told       some may be missing    to be read next

SQLite gives ids in the order of commits. A server gives them before, so that one which is missing below the head may be
of a transaction that is not over, or of one that never was: it is looked for in as many looks as a transaction may
take. Where the last rows are taken out meanwhile, SQLite gives their ids again: then it goes back to what still stands.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Table, func, select

from crumby.database import Database
from crumby.engines import AsyncConnection
from crumby.tables import events, refusals, visits

PAGE: Final = 1000  # rows of a table at a look: 20 ms, 1 MiB
LOOKS: Final = 40  # for an id that is missing: 20 s; the longest transaction, of a spool that is emptied, takes 10
REMEMBERED: Final = 500  # rows, to go back to
ASKED: Final = 500  # ids in one statement
LAST_HOUR: Final = timedelta(hours=1)
LAST_DAY: Final = timedelta(days=1)
REFUSED_EVERY: Final = 4  # looks; they are written each ten seconds

# Nothing of an address, and no cid: who looks over a shoulder learns what came, and not of whom.
COLUMNS: Final = {
    visits: (
        "id", "hit_id", "datetime", "site", "page", "doc_title", "referrer", "source", "channel",
        "country", "city", "browser", "platform", "device",
    ),
    events: ("id", "hit_id", "datetime", "site", "page", "doc_title", "name", "value", "properties"),
}  # fmt: skip


class Refused(NamedTuple):
    reason: str
    hits: int
    since: datetime | None = None  # UTC; None: just now


@dataclass(frozen=True, slots=True)
class Look:
    hits: Sequence[Row[Any]]  # in the order of their time; one with a `name` is an event
    refused: Sequence[Refused]
    more: bool  # there is already more


class Arrivals:
    """All that comes from the beginning on, in looks of some rows. A look that fails may be tried again."""

    def __init__(self, database: Database, back: int) -> None:
        """`back`: so many ids before those of now are looked at first."""
        self._database = database
        # A ClickHouse gets its rows some at a time, and may get one once more.
        self._asked = database.reading if database.asking == "clickhouse" else database.reports
        in_order = self._asked.dialect.name == "sqlite"
        self._tables = [Told(table, back, in_order=in_order) for table in (visits, events)]
        self._refused: Counter[tuple[datetime, str]] | None = None
        self._looks = 0
        self._file: int | None = None

    async def look(self) -> Look:
        """Raises what the database does, and FileNotFoundError."""
        await self._open_anew_where_it_is_another()
        async with self._asked.connect() as connection:
            read = [await told.read(connection) for told in self._tables]
            counts = None if self._looks % REFUSED_EVERY else await _refusals(connection)
        self._looks += 1
        more = any(len(rows) > PAGE for rows in read)
        new = [row for told, rows in zip(self._tables, read, strict=True) for row in told.take(rows, waited=not more)]
        refused = [] if counts is None else self._risen(counts)
        return Look(sorted(new, key=lambda row: row.datetime or datetime.min), refused, more)  # noqa: DTZ901 - UTC

    async def _open_anew_where_it_is_another(self) -> None:
        """Who has a file of SQLite's open goes on reading it when it is deleted, and made anew under the same name."""
        path = self._database.sqlite_path
        if path:
            file = path.stat().st_ino
            if self._file not in {None, file}:
                await self._asked.dispose()
            self._file = file

    def _risen(self, counts: Counter[tuple[datetime, str]]) -> list[Refused]:
        before, self._refused = self._refused, counts
        if before is None:
            since = _utc() - LAST_HOUR
            return _by_reason(Counter({key: hits for key, hits in counts.items() if key[0] >= since}), since)
        return _by_reason(counts - before)  # whatever a day ago was, and is not read any more, has not risen


def _by_reason(counts: Counter[tuple[datetime, str]], since: datetime | None = None) -> list[Refused]:
    reasons: Counter[str] = Counter()
    for (_, reason), hits in counts.items():
        reasons[reason] += hits
    return [Refused(reason, hits, since) for reason, hits in reasons.most_common()]


async def _refusals(connection: AsyncConnection) -> Counter[tuple[datetime, str]]:
    """Of a day: a database that was away gets what was counted meanwhile by the quarters in which it was."""
    found = await connection.execute(select(refusals).where(refusals.c.datetime >= _utc() - LAST_DAY))
    return Counter({(at, reason): hits for at, reason, hits in found})


class Told:
    """Which rows of a table were told."""

    def __init__(self, table: Table, back: int, *, in_order: bool) -> None:
        self._id = table.c.id
        self._hit_id = table.c.hit_id
        self._rows = select(*(table.c[name] for name in COLUMNS[table]))
        self._back = back
        self._in_order = in_order  # ids are
        self._head: int | None = None
        self._floor = 0
        self._told: dict[int, bytes | None] = {}  # with their hit ids: those above the floor, and the last ones below
        self._heads: deque[int] = deque(maxlen=LOOKS)  # as they were, a look each

    async def read(self, connection: AsyncConnection) -> list[Row[Any]]:
        """What may be new: some of it was told. More than PAGE of them: there are others."""
        if self._head is None:
            newest = await connection.scalar(select(func.max(self._id)))
            self._head = self._floor = max(0, (newest or 0) - self._back)
        page = await self._page(connection, self._head)
        if self._head in self._told and not self._stands(page):
            page = await self._page(connection, await self._go_back(connection))
        return [*page, *await self._late(connection)]

    def take(self, rows: Sequence[Row[Any]], *, waited: bool) -> list[Row[Any]]:
        """Those that were not told, and now are. `waited`: there was time for others between this look and the last."""
        new = [row for row in rows if row.id not in self._told]
        self._told |= {row.id: row.hit_id for row in new}
        head = self._head = max([self._head or 0, *(row.id for row in new)])
        if self._in_order:
            self._floor = head
        else:
            self._raise_floor(head, waited=waited)
        if len(self._told) > head - self._floor + 2 * REMEMBERED:
            below = sorted(known for known in self._told if known <= self._floor)
            for known in below[:-REMEMBERED]:
                del self._told[known]
        return new

    def _raise_floor(self, head: int, *, waited: bool) -> None:
        while self._floor + 1 in self._told:
            self._floor += 1
        if waited:
            self._heads.append(head)
        if len(self._heads) == LOOKS:
            self._floor = max(self._floor, self._heads[0])

    async def _page(self, connection: AsyncConnection, head: int) -> list[Row[Any]]:
        """From the head on: its own row tells whether it still stands."""
        found = await connection.execute(self._rows.where(self._id >= head).order_by(self._id).limit(PAGE + 1))
        return list(found)

    def _stands(self, page: Sequence[Row[Any]]) -> bool:
        return bool(page) and page[0].id == self._head and page[0].hit_id == self._told[page[0].id]

    async def _go_back(self, connection: AsyncConnection) -> int:
        """To the last of those that were told and are still there; to the newest there is, where none of them is."""
        first = min(self._told)
        found = await connection.execute(
            select(self._id, self._hit_id).where(self._id >= first, self._id <= self._head)
        )
        there = {known: hit_id for known, hit_id in found if known in self._told and self._told[known] == hit_id}
        head = max(there) if there else await connection.scalar(select(func.max(self._id))) or 0
        self._told, self._head, self._floor = there, head, min(self._floor, head)
        self._heads.clear()
        return head

    async def _late(self, connection: AsyncConnection) -> list[Row[Any]]:
        """Of the ids that were missing, those that have come."""
        if self._floor == self._head:
            return []
        found = await connection.scalars(select(self._id).where(self._id > self._floor, self._id <= self._head))
        missing = [known for known in found if known not in self._told]
        rows: list[Row[Any]] = []
        for at in range(0, len(missing), ASKED):
            rows += await connection.execute(self._rows.where(self._id.in_(missing[at : at + ASKED])))
        return rows


def _utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
