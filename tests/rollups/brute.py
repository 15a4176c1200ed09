"""What the rollups must hold, counted row by row in Python, from who came when: none of the stamps is looked at."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select, text

from crumby.database import Database
from crumby.tables import events, visits

NOBODY = {"", "null"}
Table = Mapping[tuple[Any, ...], tuple[int, ...]]  # the key, day and prev_day → the sums
Made = tuple[tuple[Any, ...], int, int, tuple[int, ...]]  # key, day, prev_day, sums

PLAIN: Mapping[str, tuple[str, ...]] = {
    "sites": ("site",),
    "countries": ("country",),
    "regions": ("country", "subdivision_1"),
    "cities": ("country", "subdivision_1", "city"),
    "languages": ("lang",),
    "browsers": ("browser",),
    "versions": ("browser", "version"),
    "platforms": ("platform",),
    "devices": ("device",),
    "screens": ("screen_res",),
}
OF_SESSIONS: Mapping[str, tuple[str, ...]] = {"channels": ("channel",), "sources": ("source",), "entries": ("entry",)}
MARKS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
OF_EVENTS: Mapping[str, tuple[str, ...]] = {
    "events": ("name",),
    "event_values": ("name", "value"),
    "event_pages": ("name", "page"),
}
NAMES = (
    *("totals", "pages", "hours", "exits", "retention", "campaigns"),
    *(*PLAIN, *OF_SESSIONS, *OF_EVENTS),
)


class Brute:
    def __init__(self, rows: Iterable[Row[Any]], acts: Iterable[Row[Any]], zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._rows = sorted(rows, key=lambda row: (row.datetime, row.id))
        self._acts = sorted(acts, key=lambda row: (row.datetime, row.id))

    @classmethod
    async def of(cls, database: Database, zone: str) -> "Brute":
        async with database.engine.connect() as connection:
            timed = (select(table).where(table.c.datetime.is_not(None)) for table in (visits, events))
            rows, acts = [(await connection.execute(each)).all() for each in timed]
            return cls(rows, acts, zone)

    def tables(self, name: str) -> tuple[Table, Table, Table]:
        """By day, by month, and those who were there in an earlier month."""
        made = list(self._made(name))
        counted = 0  # the first of the sums is what counts rows
        months = [(key, _month(day), before and _month(before), sums) for key, day, before, sums in made]
        returns = [
            (key, _month(day), before, (sums[counted],))
            for key, day, before, sums in made
            if before and _month(before) < _month(day)
        ]
        return _added(made), _added(months), _added(returns)

    def _made(self, name: str) -> Iterator[Made]:
        if name in PLAIN:
            columns = PLAIN[name]
            yield from self._views(lambda row: _of(row, columns), lambda row: (1, int(row.seq == 1)))
        elif name in OF_SESSIONS:
            columns = OF_SESSIONS[name]
            yield from self._with_second_views(lambda row: _of(row, columns))
        elif name == "totals":
            yield from self._with_second_views(lambda _: (), in_session=True)
        elif name == "campaigns":
            for mark in MARKS:
                marked = [row for row in self._rows if getattr(row, mark)]
                of_mark = Brute(marked, [], str(self._zone))
                for key, *rest in of_mark._with_second_views(lambda row, mark=mark: _of(row, (mark,))):  # type: ignore[misc]
                    yield (mark, *key), *rest  # type: ignore[misc]
        elif name in OF_EVENTS:
            yield from self._events(OF_EVENTS[name])
        else:
            yield from getattr(self, f"_{name}")()

    def _views(self, key: Callable[[Any], Any], sums: Callable[[Any], tuple[int, ...]]) -> Iterator[Made]:
        seen: dict[Any, datetime] = {}
        for row in self._rows:
            day = self._day(row.datetime)
            before = day
            if row.cid not in NOBODY:
                who = (row.cid, key(row))
                before = self._day(seen[who]) if who in seen else 0
                seen[who] = row.datetime
            yield key(row), day, before, sums(row)

    def _with_second_views(self, key: Callable[[Any], Any], *, in_session: bool = False) -> Iterator[Made]:
        def sums(row: Any, *, second: bool = False) -> tuple[int, ...]:
            if second:
                return (0, 0, 1, 0, *([0] if in_session else []))
            found = (1, int(row.seq == 1), 0, row.gap or 0)
            return (*found, int(row.session is not None)) if in_session else found

        yield from self._views(key, sums)
        for first, row in self._second_views():
            yield key(row), self._day(first.datetime), self._day(first.datetime), sums(row, second=True)

    def _second_views(self) -> Iterator[tuple[Any, Any]]:
        for of_session in self._sessions():
            if len(of_session) > 1:
                yield of_session[0], of_session[1]

    def _sessions(self) -> Iterable[list[Any]]:
        found = defaultdict(list)
        for row in self._rows:
            if row.session is not None:
                found[row.session].append(row)
        return found.values()

    def _pages(self) -> Iterator[Made]:
        def sums(row: Any) -> tuple[int, ...]:
            return (1, int(row.seq == 1), *[0] * 6)

        yield from self._views(lambda row: _of(row, ("page",)), sums)
        for row in self._rows:
            engaged = (row.engaged or 0, int(row.engaged is not None))
            scroll = (row.scroll or 0, int(row.scroll is not None), int((row.scroll or 0) >= 90))
            yield _of(row, ("page",)), self._day(row.datetime), self._day(row.datetime), (0, 0, 0, *engaged, *scroll)
        for first, _ in self._second_views():
            day = self._day(first.datetime)
            yield _of(first, ("page",)), day, day, (0, 0, 1, 0, 0, 0, 0, 0)

    def _hours(self) -> Iterator[Made]:
        for row in self._rows:
            local = self._local(row.datetime)
            day = self._day(row.datetime)
            yield (local.isoweekday(), local.hour), day, day, (1, int(row.seq == 1))

    def _exits(self) -> Iterator[Made]:
        for of_session in self._sessions():
            for number, row in enumerate(of_session, 1):
                day = self._day(row.datetime)
                yield _of(row, ("page",)), day, day, (int(number == len(of_session)), 1)

    def _retention(self) -> Iterator[Made]:
        first: dict[str, datetime] = {}
        came = set()
        for row in self._rows:
            if row.cid in NOBODY:
                continue
            begun = first.setdefault(row.cid, row.datetime)
            for span in (7, 30):
                age = (_seconds(row.datetime) - _seconds(begun)) // (86400 * span)
                if (row.cid, span, age) not in came:
                    came.add((row.cid, span, age))
                    day = self._day(row.datetime)
                    yield (span, self._day(begun), age), day, day, (1,)

    def _events(self, columns: tuple[str, ...]) -> Iterator[Made]:
        lengths = {"name": 200, "value": 512, "page": 512}
        seen: dict[Any, datetime] = {}
        for row in self._acts:
            key = tuple((getattr(row, column) or "")[: lengths[column]] for column in columns)
            day = self._day(row.datetime)
            before = day
            if row.cid not in NOBODY:
                before = self._day(seen[row.cid, key]) if (row.cid, key) in seen else 0
                seen[row.cid, key] = row.datetime
            yield key, day, before, (1,)

    def _local(self, at: datetime) -> datetime:
        return at.replace(tzinfo=UTC).astimezone(self._zone)

    def _day(self, at: datetime) -> int:
        return int(self._local(at).strftime("%Y%m%d"))


def _seconds(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC, microsecond=0).timestamp())


def _month(day: int) -> int:
    return day - day % 100 + 1


def _of(row: Any, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(getattr(row, column) or "" for column in columns)


def _added(made: Iterable[Made]) -> Table:
    found: dict[tuple[Any, ...], list[int]] = {}
    for key, day, before, sums in made:
        known = found.setdefault((*key, day, before), [0] * len(sums))
        known[:] = [one + other for one, other in zip(known, sums, strict=True)]
    return {key: tuple(sums) for key, sums in found.items() if any(sums)}


async def kept(database: Database, name: str, sums: int) -> tuple[Table, ...]:
    """What the rollup's tables hold; rows of nothing left out."""
    found = []
    async with database.reports.connect() as connection:
        for step, width in (("day", sums), ("month", sums), ("return", 1)):
            rows = (await connection.execute(text(f"select * from rollup_{name}_{step}"))).all()
            counted = Counter(tuple(row[:-width]) for row in rows)
            assert not [key for key, times in counted.items() if times > 1]
            made = [(tuple(row[: -width - 2]), row[-width - 2], row[-width - 1], tuple(row[-width:])) for row in rows]
            found.append(_added(chain(*map(_told_apart, made)) if name == "pages" and width > 1 else made))
    return tuple(found)


def _told_apart(made: Made) -> Iterator[Made]:
    """What is told of a visit later lies beside the visit, on the same day, so that no `prev_day` has to be known."""
    key, day, before, sums = made
    yield key, day, before, (*sums[:3], *[0] * 5)
    yield key, day, day, (0, 0, 0, *sums[3:])
