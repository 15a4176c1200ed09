"""Where a batch of an import becomes durable: one transaction, in which what is stored already changes nothing.

It is the ingest's own, but for three things. Hits that are known are always looked for, since a second run brings
nothing else. Rows that another Crumby has placed in their sessions stay there. And whoever is known from later days
goes on with the session that the batch before ended in, where a hit would begin one of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from msgspec.structs import replace
from sqlalchemy import insert, select, update

from crumby.database import Database
from crumby.dimensions.session import APART, EPOCH, Placed, Visitor, place
from crumby.engines import AsyncConnection, AsyncEngine
from crumby.ingest.batch import ServerBatch, SqliteBatch, cids_of
from crumby.ingest.enrich import Event, Visit
from crumby.ingest.store import ServerStore, SqliteThread
from crumby.tables import events, refusals, visits

CHECKPOINT: Final = 8  # transactions of SQLite's between two, of some thousand rows: a log of 30 MiB
SESSIONS: Final = 10_000  # that are remembered before those that are over are forgotten
COME: Final = ("source", "channel", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


@dataclass(slots=True)
class Batch:
    """Page views and events to be placed; those that are; and visitors as another Crumby remembers them."""

    visits: list[Visit] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    placed_visits: list[Visit] = field(default_factory=list)
    placed_events: list[Event] = field(default_factory=list)
    people: list[Visitor] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(getattr(self, each.name)) for each in fields(self))

    def halves(self) -> "list[Batch]":
        """Of each kind the first half and the second; nothing of a batch of one."""
        if len(self) == 1:
            return []
        rest = 0  # whose turn it is to have the odd one
        first, second = Batch(), Batch()
        for each in fields(self):
            rows = getattr(self, each.name)
            middle = (len(rows) + rest) // 2
            rest = (rest + len(rows)) % 2
            setattr(first, each.name, rows[:middle])
            setattr(second, each.name, rows[middle:])
        return [first, second]


class Stored(NamedTuple):
    """How many rows are new."""

    visits: int
    events: int
    people: int


class Storing(Protocol):
    async def store(self, batch: Batch) -> Stored:
        """Raises RowRefused or DatabaseUnavailable; then nothing of the batch is stored."""

    async def count(self, batch: Batch) -> Stored:
        """What `store` would store."""

    async def close(self) -> None: ...


def storing_in(database: Database) -> Storing:
    if database.sqlite_path:
        return SqliteStoring(database)
    return ServerStoring(database)


class _Late:
    """The sessions in which visitors were who are known from later days as well."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._sessions: dict[str, Visitor] | None = None

    async def before(self, batch: Batch) -> dict[str, Visitor]:
        """To be changed, and given back once that is committed. A run that goes on finds them in the database."""
        moments = [*(visit.datetime for visit in batch.visits), *(event.datetime for event in batch.events)]
        if moments and self._sessions is None:
            self._sessions = await _recalled(self._engine, min(moments))
        elif moments and len(self._sessions or {}) > SESSIONS:
            over = min(moments) - APART
            self._sessions = {cid: each for cid, each in (self._sessions or {}).items() if each.last >= over}
        return dict(self._sessions or {})

    def keep(self, sessions: dict[str, Visitor]) -> None:
        self._sessions = sessions


async def _recalled(engine: AsyncEngine, at: datetime) -> dict[str, Visitor]:
    """Who was there in the half hour before, with their sessions."""
    found: dict[str, Visitor] = {}
    columns = ("cid", "datetime", "session", "seq", "entry", "page", *COME)
    async with engine.connect() as connection:
        for table, names in ((visits, columns), (events, columns[:3])):
            of_then = table.c.datetime.between(at - APART, at) & table.c.session.is_not(None)
            asked = select(*(table.c[name] for name in names)).where(of_then).order_by(table.c.datetime, table.c.id)
            for row in await connection.execute(asked):
                _take(found, row)
    return found


def _take(found: dict[str, Visitor], row: Any) -> None:
    begun = EPOCH + timedelta(seconds=row.session >> 31)
    if hasattr(row, "seq"):
        come = {name: getattr(row, name) for name in COME}
        facts = {"seq": row.seq or 0, "entry": row.entry, "page": row.page, **come}
        found[row.cid] = Visitor(row.cid, None, begun, row.datetime, row.datetime, row.session, **facts)
    elif row.cid not in found:
        found[row.cid] = Visitor(row.cid, None, begun, row.datetime, None, row.session)
    elif found[row.cid].session == row.session:
        found[row.cid] = replace(found[row.cid], last=max(found[row.cid].last, row.datetime))


def _merge(known: Mapping[str, Visitor], people: Sequence[Visitor], placed: Placed[Visit, Event]) -> None:
    """Who is known here as well goes on as they were seen last; their rows are to be told of each other."""
    for there in {each.cid: each for each in people}.values():
        here = known.get(there.cid)
        if here is None:
            placed.new.append(there)
        elif here != there:
            firsts = [each.first for each in (here, there) if each.first]
            latest = max(here, there, key=lambda each: each.last)
            if replace(latest, first=min(firsts, default=None)) != here:
                placed.begun.append(replace(latest, first=min(firsts, default=None)))
                placed.strays.append(there.cid)


def _together(placed: Placed[Visit, Event], more: tuple[list[Visit], list[Event]]) -> Stored:
    new_visits, new_events = more
    placed.visits += new_visits
    placed.events += new_events
    return Stored(len(placed.visits), len(placed.events), len(placed.new))


class SqliteStoring:
    def __init__(self, database: Database) -> None:
        assert database.sqlite_path  # noqa: S101 - else it is a server's
        self._thread = SqliteThread(database.sqlite_path, checkpoint=CHECKPOINT)
        self._batch = SqliteBatch()
        self._late = _Late(database.engine)

    async def store(self, batch: Batch) -> Stored:
        late = await self._late.before(batch)
        stored = await self._thread.transact(lambda connection: self._store(connection, batch, late))
        self._late.keep(late)
        return stored

    def _store(self, connection: Any, batch: Batch, late: dict[str, Visitor]) -> Stored:
        rows = self._batch
        new_visits, new_events = rows.new(connection, batch.visits, batch.events)
        placed = place(rows.known(connection, cids_of(new_visits, new_events)), new_visits, new_events, late)
        _merge(rows.known(connection, [each.cid for each in batch.people]), batch.people, placed)
        stored = _together(placed, rows.new(connection, batch.placed_visits, batch.placed_events))
        rows.write(connection, placed)
        return stored

    async def count(self, batch: Batch) -> Stored:
        return await self._thread.transact(lambda connection: self._count(connection, batch))

    def _count(self, connection: Any, batch: Batch) -> Stored:
        found = [
            self._batch.new(connection, *rows)
            for rows in ((batch.visits, batch.events), (batch.placed_visits, batch.placed_events))
        ]
        return Stored(sum(len(each[0]) for each in found), sum(len(each[1]) for each in found), len(batch.people))

    async def close(self) -> None:
        await self._thread.close()


class ServerStoring:
    def __init__(self, database: Database) -> None:
        self._store = ServerStore(database.hits)
        self._batch = ServerBatch(database.hits.dialect)
        self._late = _Late(database.engine)

    async def store(self, batch: Batch) -> Stored:
        before = await self._late.before(batch)
        late: dict[str, Visitor] = {}

        async def work(connection: AsyncConnection, _again: bool) -> Stored:  # noqa: FBT001 - as `transact` calls it
            late.clear()
            late.update(before)
            rows = self._batch
            new_visits, new_events = await rows.new(connection, batch.visits, batch.events)
            known = await rows.known(connection, cids_of(new_visits, new_events))
            placed = place(known, new_visits, new_events, late)
            _merge(await rows.known(connection, sorted(each.cid for each in batch.people)), batch.people, placed)
            stored = _together(placed, await rows.new(connection, batch.placed_visits, batch.placed_events))
            await rows.write(connection, placed)
            return stored

        stored = await self._store.transact(work)
        self._late.keep(late)
        return stored

    async def count(self, batch: Batch) -> Stored:
        async def work(connection: AsyncConnection, _again: bool) -> Stored:  # noqa: FBT001 - as above
            placed = await self._batch.new(connection, batch.placed_visits, batch.placed_events)
            found = await self._batch.new(connection, batch.visits, batch.events)
            return Stored(len(placed[0]) + len(found[0]), len(placed[1]) + len(found[1]), len(batch.people))

        return await self._store.transact(work)

    async def close(self) -> None:
        pass


async def refuse(database: Database, rows: Mapping[tuple[datetime, str], int]) -> None:
    """Hits that were refused elsewhere: of a quarter of an hour that is known here as well the larger number stays."""
    async with database.engine.begin() as connection:
        for (at, reason), hits in rows.items():
            is_it = (refusals.c.datetime == at) & (refusals.c.reason == reason)
            there = await connection.scalar(select(refusals.c.hits).where(is_it))
            if there is None:
                await connection.execute(insert(refusals).values(datetime=at, reason=reason, hits=hits))
            elif there < hits:
                await connection.execute(update(refusals).where(is_it).values(hits=hits))
