"""A rollup in the place of visits or events: the days that a question is about, added up beforehand.

    from {{ visits() }}  →  from visits
                            from (select country, sum(case when prev_day < 20261101 then views else 0 end) as visitors,
                                    sum(views) as views, sum(sessions) as sessions from rollup_countries_day
                                    where day >= 20261101 and day <= 20261122 group by country) visits

It is read where it holds what is asked for: days of the zone that it was made for, and filters by nothing but what it
is kept by. A visitor of the period is a view whose visitor was not there before, in the period.

Whole months of a period are read as such, and days at its ends alone. What a month forgets is on which day of an
earlier one its visitors were there; where the period begins in the midst of a month, `rollup_…_return` knows those who
were there in its first days, before the period. Where few days of its last month come after it, the whole month is
read, and they are taken off again: if there is one row alone, or the file leaves those of nothing out (`some`).

Of a ranking ten rows are wanted, and a thousand towns are not read to their days for them. The months that the period
lies in have at most so much of each: what the ten with the most have of the period itself is the bar, and only who can
reach it is read. `bounds`, `likely`, `reached` and `bar` are these steps in the statement.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from crumby.reporting.dialects import Dialect
from crumby.reporting.filters import DIMENSIONS, OF_EVENTS, Filters
from crumby.reporting.interval import Interval, buckets
from crumby.reporting.period import Period
from crumby.rollups.files import Rollup as Kept

SPARED: Final = 10  # days, at least, that months must have in their place: they are read in two tables more
SPARED_SUMS: Final = 3  # at least, of those that are wanted, for a ranking by days: its first rows are read twice
A_MONTH: Final = 100  # between one month's number and the next, but in December: enough for its days
FIRST_DAY: Final = "first_day"  # among a rollup's key: of the visitor, and so never after `day`
COUNTED: Final = "views"  # or the first that it adds up: of events they are `events`
COLUMNS: Final = {  # of a rollup's key that visits call otherwise
    "language": "lang",
    "screen": "screen_res",
    "region": "subdivision_1",
}


@dataclass(frozen=True, slots=True)
class Rollup:
    name: str
    columns: tuple[tuple[str, str], ...]  # of the key: in the rollup, and as visits or events call it
    sums: tuple[str, ...]

    @classmethod
    def of(cls, rollup: Kept) -> "Rollup":
        names = [key.name for key in rollup.keys]
        return cls(rollup.name, tuple((name, COLUMNS.get(name, name)) for name in names), rollup.sums)

    @property
    def counted(self) -> str:
        """What it adds up that counts rows."""
        return COUNTED if COUNTED in self.sums else self.sums[0]

    def answers(self, filters: Filters) -> bool:
        """Whether what is filtered by is among what it is kept by."""
        return not self.lacks(filters)

    def lacks(self, filters: Filters) -> list[str]:
        """By what it can't be filtered."""
        known = {name for _, name in self.columns}
        asked = sorted({condition.dimension for condition in filters.conditions})
        return [name for name in asked if (OF_EVENTS.get(name) or DIMENSIONS[name].column) not in known]


@dataclass(frozen=True, slots=True)
class Part:
    """Of one table the rows from one day to another, both as numbers: 20261122."""

    table: str  # day, month or return
    first: int
    last: int
    since: int  # who was there on this day or later counts no more
    until: int = 0  # of `return`: the days on which its visitors were there before, from `since` on
    taken_off: bool = False  # another part has them, and the period has not


def chosen(names: Sequence[str], ready: Mapping[str, Kept], filters: Filters) -> tuple[Rollup, ...]:
    """The rollups of these names, if all of them can be read; else none."""
    found = tuple(Rollup.of(ready[name]) for name in names if name in ready)
    return found if len(found) == len(names) and all(each.answers(filters) for each in found) else ()


def why_not(names: Sequence[str], ready: Mapping[str, Kept], filters: Filters) -> str:
    """Why `chosen` finds none: "filter=country,page", or "not-ready"."""
    found = [Rollup.of(ready[name]) for name in names if name in ready]
    lacking = [name for each in found for name in each.lacks(filters)]
    return f"filter={','.join(dict.fromkeys(lacking))}" if lacking else "not-ready"


@lru_cache(maxsize=64)  # 30 µs, and all reports of a page are of the same days
def parts(period: Period, today: date, interval: Interval | None, *, less: bool = False) -> Sequence[Part]:
    """Which tables have the period; `interval` if its steps are told apart. `less`: something may be taken off."""
    t0, t1 = number(period.t0), number(period.t1)
    first = period.t0 if period.t0.day == 1 else next_month(period.t0)
    end, month_end = period.t1 + timedelta(days=1), next_month(period.t1)
    surplus = (min(month_end, today + timedelta(days=1)) - end).days  # of its last month; nothing comes after today
    whole = surplus <= 0 or (less and interval is None and period.t1.day - surplus >= SPARED)
    after = month_end if whole else end.replace(day=1)
    if interval not in {None, "month"} or (min(end, after) - first).days < SPARED:
        return (Part("day", t0, t1, t0),)
    months = (month(first), month(after - timedelta(days=1)))
    found = []
    if period.t0 < first:
        found.append(Part("day", t0, number(first - timedelta(days=1)), t0))
    if after <= period.t1:
        found.append(Part("day", number(after), t1, t0))
    if whole and surplus > 0:
        found.append(Part("day", number(end), number(month_end - timedelta(days=1)), t0, taken_off=True))
    found.append(Part("month", *months, month(period.t0)))
    if period.t0 < first and interval is None:
        found.append(Part("return", *months, month(period.t0), t0))
    return tuple(found)


def next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def month(day: date) -> int:
    return number(day.replace(day=1))


def number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


@lru_cache(maxsize=64)
def around(period: Period, today: date) -> Part | None:
    """The months that the period lies in, where half of their days or more are its own; who may be a visitor of it."""
    first = period.t0.replace(day=1)
    end = min(next_month(period.t1), today + timedelta(days=1))
    if (end - first).days > 2 * ((period.t1 - period.t0).days + 1):
        return None
    return Part("month", number(first), month(period.t1), number(first) + 1)  # the day before cut to its month, as well


@dataclass(frozen=True, slots=True)
class Foremost:
    """Of what the request wants to see so many rows of, those that come first: by `most`, then by `columns`."""

    columns: str  # as in `page`, or `country, city`
    most: str  # of sums, as in `sum(views)`: more rows make it no less
    named: Collection[str]  # what is added up for that

    def names(self, rollup: Rollup) -> tuple[str, str]:
        """Its columns as the rollup calls them, and as visits do."""
        names = [name.strip() for name in self.columns.split(",")]
        rolled = {name: rolled for rolled, name in rollup.columns}
        return ", ".join(rolled.get(name, name) for name in names), ", ".join(names)


class Source:
    """What stands behind `from`, as one dialect has it. `interval` is given where its steps are told apart.

    `some`: rows of nothing do no harm. Its days are bound: `binds` has them.
    """

    def __init__(
        self, period: Period, today: date, interval: Interval | None, dialect: Dialect, *, some: bool = False
    ) -> None:
        self.binds: dict[str, int | str] = {}
        self._parts = parts(period, today, interval, less=some)
        self._parts_of_one_row = parts(period, today, interval, less=True)
        self._around = around(period, today)
        self._steps = steps(period, interval) if interval else ()
        self._interval = interval
        self._dialect = dialect

    def of(self, rollup: Rollup, named: Collection[str] | None, foremost: Foremost | None = None) -> str:
        """`named`: of what it adds up, what is to be in it; None: all. `foremost`: of what alone."""
        wanted = _wanted(rollup, named)
        if not foremost:
            return f"({self._pieces(rollup, wanted)})"
        ranked = _wanted(rollup, {*foremost.named, rollup.counted})
        if self._around:
            first = self._within_reach(rollup, foremost, ranked, self._around)
        elif len(wanted) >= len(ranked) + SPARED_SUMS:
            first = self._ranked(rollup, foremost, ranked)
        else:
            return f"({self._pieces(rollup, wanted)})"
        return f"(with foremost as ({first}) {self._pieces(rollup, wanted, _among(rollup, foremost, 'foremost'))})"

    def _ranked(self, rollup: Rollup, foremost: Foremost, sums: Sequence[str]) -> str:
        """The first ones."""
        rolled, names = foremost.names(rollup)
        named = ", ".join(f"{name} as {own}" for own, name in zip(rolled.split(", "), names.split(", "), strict=True))
        falling = self._dialect.sorted(foremost.most, falling=True)
        return (
            f"select {named} from ({self._pieces(rollup, sums)}) ranked group by {names}"  # noqa: S608
            f" having sum({rollup.counted}) > 0 order by {falling}, {names} limit :_limit"
        )

    def _within_reach(self, rollup: Rollup, foremost: Foremost, sums: Sequence[str], months: Part) -> str:
        """Those that may be among the first; all of them, where there are fewer than are wanted."""
        rolled, names = foremost.names(rollup)
        of_row = self._sums(rollup, months, added=False)
        row = ", ".join([rolled, *(f"{of_row[name]} as {name}" for name in sums)])
        days = f"day >= {self._bound(months.first)} and day <= {self._bound(months.last)}"
        rows = f"select {row} from rollup_{rollup.name}_{months.table} where {days}"  # noqa: S608
        falling = self._dialect.sorted("most", falling=True)
        period = self._pieces(rollup, sums, _among(rollup, foremost, "likely"))
        return (
            f"with bounds as (select {rolled}, {foremost.most} as most from ({rows}) months group by {rolled}), "  # noqa: S608
            f"likely as (select {rolled} from bounds order by {falling}, {rolled} limit :_limit), "
            f"reached as (select {foremost.most} as most from ({period}) period group by {names}"
            f" having sum({rollup.counted}) > 0), "
            "bar as (select case when count(most) = :_limit then min(most) end as most from reached) "
            f"select {rolled} from bounds, bar where bar.most is null or bounds.most >= bar.most"
        )

    def _pieces(self, rollup: Rollup, wanted: Sequence[str], among: str = "") -> str:
        parts = self._parts if rollup.columns else self._parts_of_one_row
        parts = [part for part in parts if part.table != "return" or "visitors" in wanted]
        return " union all ".join(self._piece(rollup, part, wanted, among) for part in parts)

    def _piece(self, rollup: Rollup, part: Part, wanted: Sequence[str], among: str) -> str:
        key = [rolled if rolled == name else f"{rolled} as {name}" for rolled, name in rollup.columns]
        grouped = [rolled for rolled, _ in rollup.columns]
        if self._interval:
            key.append(f"{self._moment()} as moment")
            grouped.append("day")
        rows = f"day >= {self._bound(part.first)} and day <= {self._bound(part.last)}"
        if FIRST_DAY in grouped:
            last = part.last if part.table == "day" else part.last + A_MONTH
            rows += f" and {FIRST_DAY} <= {self._bound(last)}"  # the key begins with it, where days come last
        rows += f" and {among}" if among else ""
        if part.table == "return":
            rows += f" and prev_day >= {self._bound(part.since)} and prev_day < {self._bound(part.until)}"
            sums = {**dict.fromkeys(wanted, "0"), "visitors": f"sum({rollup.counted})"}
        else:
            sums = self._sums(rollup, part, added=True)
        sign = "-" if part.taken_off else ""
        columns = ", ".join([*key, *(f"{sign}{sums[name]} as {name}" for name in wanted)])
        grouping = f" group by {', '.join(grouped)}" if grouped else ""
        return f"select {columns} from rollup_{rollup.name}_{part.table} where {rows}{grouping}"  # noqa: S608

    def _sums(self, rollup: Rollup, part: Part, *, added: bool) -> dict[str, str]:
        """Of its rows, or one of them."""
        counted = rollup.counted
        rows = {
            **{name: name for name in rollup.sums},
            "visitors": f"case when prev_day < {self._since(part)} then {counted} else 0 end",
            "first_views": f"case when prev_day = 0 then {counted} else 0 end",
        }
        return {name: f"sum({of_row})" for name, of_row in rows.items()} if added else rows

    def _since(self, part: Part) -> str:
        """Before which day its visitor was there last, for a view to count as another visitor."""
        if not self._interval:
            return self._bound(part.since)
        if self._interval == "day" or part.table == "month":
            return "day"
        return self._case([max(number(step), part.since) for step in self._steps])

    def _moment(self) -> str:
        """As the macro `bucket` has it."""
        if self._interval == "week":
            return self._case([step.isoformat() for step in self._steps])
        day = self._dialect.dashed("day")
        return day if self._interval == "day" else f"substr({day}, 1, 7)"

    def _case(self, values: Sequence[int] | Sequence[str]) -> str:
        """The value of a day's step."""
        *cases, last = map(self._bound, values)
        ends = [self._bound(number(step)) for step in self._steps[1:]]
        whens = "".join(f"when day < {end} then {value} " for end, value in zip(ends, cases, strict=True))
        return f"case {whens}else {last} end" if whens else last

    def _bound(self, value: int | str) -> str:
        """In the order of their use, so that the same question of other days is the same text."""
        name = f"_day_{len(self.binds)}"
        self.binds[name] = value
        return f":{name}"


def _wanted(rollup: Rollup, named: Collection[str] | None) -> list[str]:
    sums = ["visitors", "first_views", *rollup.sums]
    return [name for name in sums if named is None or name in named] or ["visitors"]


def _among(rollup: Rollup, foremost: Foremost, table: str) -> str:
    rolled, _ = foremost.names(rollup)
    return f"({rolled}) in (select {rolled} from {table})"  # noqa: S608


@lru_cache(maxsize=64)
def steps(period: Period, interval: Interval) -> Sequence[date]:
    """Their first days."""
    names = buckets(period, interval)
    return tuple(date.fromisoformat(name if interval != "month" else f"{name}-01") for name in names)
