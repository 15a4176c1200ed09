"""One input after the other into the database, some thousand rows in a transaction.

    source ──► a portion of items ─┬─► Hit, Client ── enrich ──► to be placed ─┐
    (in a thread)                  ├─► rows that are placed already ───────────┼─► storing.py
                                   ├─► visitors ──────────────────────────────┘
                                   ├─► totals.py
                                   └─► what is left out, and why ──► ledger.py, with how far it came

While one portion is stored, the next is read.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import String, Table

from crumby.database import Database
from crumby.days import try_to_cover
from crumby.errors import CrumbyError
from crumby.importing.input import BROKEN, Input
from crumby.importing.item import Found, Item, Person, Refused, Row, Skipped, Total, Waiting
from crumby.importing.ledger import Entry, Ledger
from crumby.importing.sorting import in_time
from crumby.importing.source import ImportRefused, Source, Wanted, module_of, recognised
from crumby.importing.storing import Batch, Storing, refuse, storing_in
from crumby.ingest import enrich
from crumby.ingest.enrich import Event, Visit
from crumby.ingest.geo import Geo, Place
from crumby.ingest.hit import EARLIEST
from crumby.ingest.privacy import KEPT
from crumby.ingest.store import RowRefused
from crumby.ingest.text import MAX_TEXT, clean
from crumby.tables import events, visits

PORTION: Final = 2000  # items, at least those that become rows
READ: Final = 20_000  # items of all kinds
PAUSE_S: Final = 1.0  # between two looks at what is followed
EXAMPLE: Final = 100  # characters
AHEAD: Final = timedelta(days=1)  # that another machine's clock may be

BEFORE: Final = "before --since"
AFTER: Final = "after --until"
AT_NO_TIME: Final = "its time can't be"
REFUSED: Final = "the database takes no such value"

Tell = Callable[[int, int], None]  # how far, of how much; the latter 0 where nobody knows


@dataclass(slots=True)
class Outcome:
    """What came of an input this time."""

    entry: Entry  # and of all times
    resumed: int = 0  # the mark at which it went on
    visits: int = 0
    events: int = 0
    totals: int = 0
    visitors: int = 0
    known: int = 0  # rows that were there already
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


class Importer:
    """`outcomes` has what was done, also when it ends in the middle."""

    def __init__(self, database: Database, wanted: Wanted, *, dry: bool = False, anew: bool = False) -> None:
        self._database = database
        self._wanted = wanted
        self._dry = dry
        self._anew = anew
        self._geo = Geo(wanted.settings.geoip2_database_name, wanted.settings.spool.parent)
        self.outcomes: list[Outcome] = []

    async def take(self, given: Input, kind: str | None = None, tell: Tell = lambda _done, _of: None) -> Outcome:
        """All of it, from where it was left. Raises ImportRefused, InputUnreadable and what the database does.

        From its beginning where that tells nothing: marks are of another order than what is sorted, who follows a file
        may have seen others under its name, and of a short one nobody can say whether it is the same.
        """
        name = kind if kind is not None else await asyncio.to_thread(recognised, given)
        source: Source = await asyncio.to_thread(module_of(name).opened, given, self._wanted)
        ledger = Ledger(self._database, given, name, self._wanted)
        entry = await ledger.find()
        if self._anew or not source.ordered or self._wanted.follow or given.is_short():
            entry.forget()
        entry.done = False
        outcome = Outcome(entry, entry.mark)
        self.outcomes.append(outcome)
        async with _closing(storing_in(self._database)) as storing:
            run = _Run(self._database, self._wanted, self._geo, source, storing, ledger, outcome, dry=self._dry)
            with _named(given):
                await run.to_the_end(tell)
        return outcome

    async def begins(self, given: Input, kind: str | None = None) -> datetime:
        """The time of its first page view or event, by which several logs are put in order; the earliest for none."""
        return await asyncio.to_thread(self._begins, given, kind)

    def _begins(self, given: Input, kind: str | None) -> datetime:
        with _named(given):
            source: Source = module_of(kind or recognised(given)).opened(given, self._wanted)
            items = islice(source.items(0), READ) if source.ordered and not self._wanted.follow else ()
            return next((item.hit.datetime for item in items if isinstance(item, Found)), EARLIEST)

    async def end(self) -> None:
        """The calendar has the days of what was imported."""
        if not self._dry:
            await try_to_cover(self._database.engine)


@contextlib.asynccontextmanager
async def _closing(storing: Storing) -> AsyncIterator[Storing]:
    try:
        yield storing
    finally:
        await storing.close()


@contextlib.contextmanager
def _named(given: Input) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise ImportRefused(
            f"{given.name} is damaged, or not all of it is there: {error}; what came before stays"
        ) from error


@dataclass(slots=True)
class _Portion:
    items: list[Item]
    mark: int
    waiting: bool  # there is no more for now
    over: bool


class _Run:
    def __init__(
        self,
        database: Database,
        wanted: Wanted,
        geo: Geo,
        source: Source,
        storing: Storing,
        ledger: Ledger,
        outcome: Outcome,
        *,
        dry: bool,
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._geo = geo
        self._kept = KEPT[wanted.settings.ip_storage]
        self._source = source
        self._storing = storing
        self._ledger = ledger
        self._outcome = outcome
        self._entry = outcome.entry
        self._dry = dry
        self._latest = datetime.now(UTC).replace(tzinfo=None) + AHEAD
        items = source.items(self._entry.mark)
        self._items = items if source.ordered else in_time(items)

    async def to_the_end(self, tell: Tell) -> None:
        """However it ends, what was stored is in the ledger."""
        try:
            await self._portions(tell)
            self._entry.done = True
        finally:
            if not self._dry:
                await self._ledger.write()

    async def _portions(self, tell: Tell) -> None:
        reading = self._reading()
        while True:
            portion = await reading
            if not portion.over:
                reading = self._reading(PAUSE_S if portion.waiting else 0)
            await self._take(portion.items)
            self._entry.mark = portion.mark if self._source.ordered else 0
            tell(portion.mark, self._source.size)
            if portion.over:
                return
            if not self._dry:
                await self._ledger.write_now_and_then()

    def _reading(self, pause: float = 0.0) -> "asyncio.Task[_Portion]":
        async def read() -> _Portion:
            await asyncio.sleep(pause)
            return await asyncio.to_thread(self._read)

        return asyncio.create_task(read(), name="crumby-import-read")

    def _read(self) -> _Portion:
        found: list[Item] = []
        rows = 0
        for item in islice(self._items, READ):
            if isinstance(item, Waiting):
                return _Portion(found, self._source.mark, waiting=True, over=False)
            found.append(item)
            rows += not isinstance(item, Skipped)
            if rows >= PORTION:
                return _Portion(found, self._source.mark, waiting=False, over=False)
        return _Portion(found, self._source.mark, waiting=False, over=len(found) < READ)

    # What becomes of a portion

    async def _take(self, items: list[Item]) -> None:
        places = await self._geo.locate(item.client.ip for item in items if isinstance(item, Found))
        batch = Batch()
        for item in items:
            if isinstance(item, Found):
                self._enrich(item, places[item.client.ip], batch)
            elif isinstance(item, Skipped):
                self._skip(item)
            elif isinstance(item, Row):
                self._put(item.row, batch.placed_visits, batch.placed_events)
            elif isinstance(item, Person):
                batch.people.append(item.visitor)
        if len(batch):
            await self._store(batch)
        counted = [item for item in items if isinstance(item, Total)]
        if counted:
            await self._add(counted)
        refused = {(datetime.fromisoformat(r.quarter), r.reason): r.hits for r in items if isinstance(r, Refused)}
        if refused and not self._dry:
            await refuse(self._database, refused)

    def _enrich(self, found: Found, place: Place, batch: Batch) -> None:
        client, kept = self._kept.client(found.client), self._kept.place(place)
        is_visit = found.hit.kind == "visit"
        row = enrich.visit(found.hit, client, kept) if is_visit else enrich.event(found.hit, client)
        if found.known:
            row = replace(row, **fitting(visits if is_visit else events, found.known))
        self._put(row, batch.visits, batch.events)

    def _put(self, row: Visit | Event, visits: list[Visit], events: list[Event]) -> None:
        why = self._untimely(row.datetime)
        if why:
            self._skip(Skipped(why, f"{row.datetime} {row.doc_uri}"))
            return
        self._entry.saw(row.datetime)
        if isinstance(row, Visit):
            visits.append(row)
        else:
            events.append(row)

    def _untimely(self, at: datetime) -> str | None:
        if self._wanted.since and at < self._wanted.since:
            return BEFORE
        if self._wanted.until and at >= self._wanted.until:
            return AFTER
        return None if EARLIEST <= at <= self._latest or self._wanted.follow else AT_NO_TIME

    def _skip(self, skipped: Skipped) -> None:
        self._outcome.skipped[skipped.why] += 1
        self._entry.skipped[skipped.why] += 1
        if skipped.why not in self._outcome.examples:
            self._outcome.examples[skipped.why] = (clean(skipped.what) or "")[:EXAMPLE]

    async def _store(self, batch: Batch) -> None:
        """Where the database takes no such row, it is found, and left out."""
        try:
            stored = await (self._storing.count(batch) if self._dry else self._storing.store(batch))
        except RowRefused as error:
            halves = batch.halves()
            if not halves:
                self._skip(Skipped(REFUSED, str(error)))
            for half in halves:
                await self._store(half)
            return
        outcome = self._outcome
        outcome.visits += stored.visits
        outcome.events += stored.events
        outcome.visitors += stored.people
        outcome.known += len(batch) - len(batch.people) - stored.visits - stored.events
        self._entry.visits += stored.visits
        self._entry.events += stored.events

    async def _add(self, counted: list[Total]) -> None:
        from crumby.importing import totals

        zone = self._wanted.settings.zone
        added = await totals.add(self._database, self._source.origin, counted, zone=zone, dry=self._dry)
        self._outcome.totals += added.rows
        self._entry.totals += added.rows
        for why, many in added.skipped.items():
            self._outcome.skipped[why] += many
            self._entry.skipped[why] += many


def fitting(table: Table, known: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a source says of a row, as much as its columns hold.

    Raises CrumbyError for a column that there is not.
    """
    fits = {}
    for name, value in known.items():
        if name not in table.c:
            raise CrumbyError(f"{table.name} have no column {name!r}")
        kind = table.c[name].type
        if isinstance(value, str) and isinstance(kind, String):
            fits[name] = clean(value, kind.length or MAX_TEXT)
        else:
            fits[name] = value
    return fits
