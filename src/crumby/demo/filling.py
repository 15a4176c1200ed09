"""The bakery's visitors into a database, in the ordinary way of hits: placed in sessions, visitors kept."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from crumby.database import Database
from crumby.demo.bakery import Bakery, busy
from crumby.demo.people import Day, People
from crumby.errors import CrumbyError, DatabaseUnavailable, HitTooLarge, InvalidHit, Overloaded
from crumby.ingest.enrich import Event, Visit
from crumby.ingest.refusals import Refusals
from crumby.ingest.store import ServerStore, SqliteStore, Store
from crumby.tables import events, visits

MONTHS: Final = 12
AT_ONCE: Final = 2000  # rows of a transaction
JUST_NOW: Final = timedelta(minutes=29)
FEW: Final = 12  # visits of the last half hour, at the least; where there are a hundred and more
OF_ALL: Final = 1500  # visits, one of which came in the last half hour
REFUSED: Final = ((InvalidHit(), 60), (HitTooLarge(), 900), (Overloaded(), 2500))  # one among so many visits

Tell = Callable[[int], None]  # visits that are stored so far


class NotEmpty(CrumbyError):
    """The database holds visits already. Nothing has changed."""


@dataclass(frozen=True, slots=True)
class Filled:
    visits: int
    events: int
    first: datetime  # UTC; so is the next
    until: datetime


async def held(database: Database) -> tuple[int, int]:
    """How many visits and events there are."""
    try:
        async with database.engine.connect() as connection:
            numbers = [await connection.scalar(select(func.count()).select_from(each)) for each in (visits, events)]
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be asked: {error}") from error
    return int(numbers[0] or 0), int(numbers[1] or 0)


async def fill(database: Database, count: int, until: datetime, seed: int, tell: Tell = lambda _: None) -> Filled:
    """`count` visits of the year before `until` (UTC), oldest first. Raises DatabaseUnavailable."""
    late = min(count // 10, max(FEW, count // OF_ALL))
    people = People(Bakery, count - late, until, months=MONTHS, seed=seed, busy=busy(seed))
    store = SqliteStore(database.sqlite_path) if database.sqlite_path else ServerStore(database.hits)
    filling = _Filling(store, tell)
    try:
        for day in people.days():
            await filling.add(day, until)
        await filling.add(people.lately(late, JUST_NOW), until)
        filled = await filling.end(until)
    finally:
        if isinstance(store, SqliteStore):
            await store.close()
    await _refuse(database, filled)
    return filled


class _Filling:
    def __init__(self, store: Store, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        self._visits: list[Visit] = []
        self._events: list[Event] = []
        self._stored = self._done = 0
        self._first: datetime | None = None

    async def add(self, day: Day, until: datetime) -> None:
        self._first = min(filter(None, [self._first, *(visit.datetime for visit in day.visits)]), default=None)
        self._visits += day.visits
        self._events += [event for event in day.events if event.datetime < until]
        if len(self._visits) >= AT_ONCE:
            await self._flush()

    async def end(self, until: datetime) -> Filled:
        await self._flush()
        return Filled(self._stored, self._done, self._first or until, until)

    async def _flush(self) -> None:
        await self._store.insert(self._visits, self._events)
        self._stored += len(self._visits)
        self._done += len(self._events)
        self._visits, self._events = [], []
        self._tell(self._stored)


async def _refuse(database: Database, filled: Filled) -> None:
    """A few hits a day that were not taken, and why: a site without any is too good to be true."""
    days = max(1, (filled.until - filled.first).days + 1)
    dice = random.Random(days)  # noqa: S311 - as above
    at = filled.first
    refusals = Refusals(database.engine, lambda: at)
    for number in range(days):
        at = min(filled.first + timedelta(days=number, hours=24 * dice.random()), filled.until)
        for error, among in REFUSED:
            hits = round(filled.visits / days / among + dice.random())
            if hits:
                refusals.count(error, hits)
    await refusals.close()
