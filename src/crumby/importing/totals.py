"""Totals of days become rows of `totals`, a ledger: what is stored of a day is looked up, and what differs is added.

    so far   plausible example.com, pages, 20240531, ["/a"]   {"views": 12}
    now                                                       {"views": 15}
    added    plausible example.com, pages, 20240531, ["/a"]   {"views": 3}

No row is ever changed, so the rollups take the new ones in as they do visits. A second run adds nothing.

Days that Crumby has counted by itself would count twice. So what is of the day of its first visit or of a later one is
left out: of the first visit to the site, where the origin names one. Visits that were imported do not matter, for who
imports both wants both; and an archive of Crumby's own has each day once.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import func, insert, select, text

from crumby.database import Database
from crumby.engines import AsyncConnection
from crumby.importing.item import Total
from crumby.ingest.text import clean
from crumby.tables import imports, pruned, totals, visits

LOCK: Final = "crumby totals"
PATIENCE_S: Final = 60
LONGEST: Final = 100  # characters of an origin
LONGEST_NAME: Final = 64  # of a rollup's name
EARLIEST: Final = 19700101
LATEST: Final = 99991231
LARGEST: Final = 1 << 53  # of a sum
OURS: Final = frozenset({"crumby", "crumby-0.7.1", "pruned"})  # begin origins, and name sources, of Crumby's own counts

NO_DAY: Final = "its day can't be"
TOO_MUCH: Final = "its numbers can't be"

Sums = dict[str, int]
Place = tuple[int, int, str]  # day, prev_day, keys as JSON

_sums: Final = msgspec.json.Decoder(Sums).decode


@dataclass(frozen=True, slots=True)
class Added:
    rows: int = 0  # of the table
    skipped: Mapping[str, int] = field(default_factory=dict)  # totals, by why


async def add(
    database: Database, origin: str, given: Sequence[Total], *, zone: ZoneInfo | None = None, dry: bool = False
) -> Added:
    """Of totals of one place the last counts. `zone`: whose days Crumby counts by. Raises what the database does.

    All of it or nothing; `dry`: what would be added.
    """
    skipped: Counter[str] = Counter()
    async with _locked(database) as connection:
        last = max((each.day for each in given), default=0)
        since = await _own_since(connection, origin, last, zone or ZoneInfo("UTC"))
        wanted: dict[tuple[str, str], dict[Place, Sums]] = defaultdict(dict)
        for each in given:
            why = _wrong(each, since)
            if why:
                skipped[why] += 1
            else:
                of = clean(each.origin or origin, LONGEST) or "", clean(each.rollup, LONGEST_NAME) or ""
                wanted[of][_place(each)] = dict(each.sums)
        rows = [row for of, those in wanted.items() for row in await _differing(connection, *of, those)]
        if rows and not dry:
            await connection.execute(insert(totals), rows)
    return Added(len(rows), skipped)


def _wrong(total: Total, since: date | None) -> str | None:
    if not EARLIEST <= total.day <= LATEST or not 0 <= total.prev_day <= LATEST or _date(total.day) is None:
        return NO_DAY
    if any(abs(amount) > LARGEST for amount in total.sums.values()):
        return TOO_MUCH
    if since and total.day >= _number(since):
        return f"Crumby counts by itself since {since}"
    return None


def _place(total: Total) -> Place:
    keys = [clean(key) or "" if isinstance(key, str) else key for key in total.keys]
    return total.day, total.prev_day, msgspec.json.encode(keys).decode()


async def _differing(
    connection: AsyncConnection, origin: str, rollup: str, wanted: Mapping[Place, Sums]
) -> list[dict[str, Any]]:
    stored = await _stored(connection, origin, rollup, [day for day, _, _ in wanted])
    rows = []
    for place, sums in wanted.items():
        known = stored.get(place, Counter())
        more = {name: sums.get(name, 0) - known[name] for name in sorted({*sums, *known})}
        more = {name: amount for name, amount in more.items() if amount}
        if more:
            day, prev_day, keys = place
            told = msgspec.json.encode(more).decode()
            rows.append(
                {"origin": origin, "rollup": rollup, "day": day, "prev_day": prev_day, "keys": keys, "sums": told}
            )
    return rows


async def _stored(
    connection: AsyncConnection, origin: str, rollup: str, days: Sequence[int]
) -> Mapping[Place, Counter[str]]:
    """What there is of these days."""
    of = totals.c
    asked = select(of.day, of.prev_day, of["keys"], of.sums).where(
        of.rollup == rollup, of.day.between(min(days), max(days)), of.origin == origin
    )
    found: dict[Place, Counter[str]] = defaultdict(Counter)
    for day, prev_day, keys, sums in await connection.execute(asked):
        found[day, prev_day, keys].update(_sums(sums))
    return found


@contextlib.asynccontextmanager
async def _locked(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction, one at a time: what is looked up is what is there when it is written to."""
    async with database.engine.connect() as connection:
        if database.dialect == "sqlite":
            await connection.exec_driver_sql("begin immediate")
        elif database.dialect == "postgresql":
            await connection.execute(text("lock table totals in share row exclusive mode"))
        else:
            await connection.execute(text(f"select get_lock(concat('{LOCK} ', database()), {PATIENCE_S})"))
        try:
            yield connection
            await connection.commit()
        finally:
            if database.dialect == "mysql" and not connection.invalidated:
                await asyncio.shield(connection.execute(text(f"do release_lock(concat('{LOCK} ', database()))")))


# Since when Crumby counts by itself


async def _own_since(connection: AsyncConnection, origin: str, last: int, zone: ZoneInfo) -> date | None:
    """The day of the first visit that was not imported; None where that is after the day `last`."""
    name, _, site = origin.partition(" ")
    if name in OURS:
        return None
    ranges = await _imported(connection)
    gone = await connection.scalar(select(pruned.c.since))
    if gone:
        since = datetime.fromtimestamp(gone, UTC).replace(tzinfo=None)
        if not any(begin <= since <= end for begin, end in ranges):
            return _day(since, zone)
    for after, before in _between(ranges):
        first = await _first(connection, after, before, None)
        if first and _number(_day(first, zone)) <= last and "." in site:
            first = await _first(connection, after, before, site)
        if first:
            return _day(first, zone) if _number(_day(first, zone)) <= last else None
    return None


async def _imported(connection: AsyncConnection) -> list[tuple[datetime, datetime]]:
    """From when to when there are visits that others had recorded."""
    rows = await connection.execute(
        select(imports.c.first, imports.c.last)
        .where(imports.c.visits > 0, imports.c.first.is_not(None), imports.c.source.not_in(OURS))
        .order_by(imports.c.first)
    )
    return [(first, last) for first, last in rows]


def _between(ranges: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """What is before, between and after them."""
    found = []
    after = datetime.min  # noqa: DTZ901 - UTC throughout
    for begin, end in ranges:
        if begin > after:
            found.append((after, begin))
        after = max(after, end)
    return [*found, (after, datetime.max)]  # noqa: DTZ901


async def _first(connection: AsyncConnection, after: datetime, before: datetime, site: str | None) -> datetime | None:
    when = visits.c.datetime
    asked = select(func.min(when)).where(when > after, when < before)
    if site:
        bare = site.removeprefix("www.")
        asked = select(when).where(when > after, when < before, visits.c.site.in_([bare, f"www.{bare}"]))
        asked = asked.order_by(when).limit(1)
    first: datetime | None = await connection.scalar(asked)
    return first


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.replace(tzinfo=UTC).astimezone(zone).date()


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _date(number: int) -> date | None:
    try:
        return date(number // 10_000, number // 100 % 100, number % 100)
    except ValueError:
        return None
