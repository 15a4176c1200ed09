"""A rollup in the place of visits or events: the days that a question is about, added up beforehand.

    from {{ visits() }}  →  from visits
                            from (select country, sum(case when prev_day < 20261101 then views else 0 end) as visitors,
                                    sum(views) as views, sum(sessions) as sessions from rollup_countries_day
                                    where day >= 20261101 and day <= 20261122 group by country) visits

It is read where it holds what is asked for: days of the zone that it was made for, and filters by nothing but what it
is kept by. A visitor of the period is a view whose visitor was not there before, in the period.

Three months are read day by day. Of a longer period whole months are read as such, and the days at its ends. What a
month forgets is on which day of an earlier one its visitors were there; where the period begins in the midst of a
month, `rollup_…_return` knows those who were there in its first days, before the period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from crumby.reporting.dialects import Dialect
from crumby.reporting.filters import DIMENSIONS, OF_EVENTS, Filters
from crumby.reporting.interval import Interval, buckets
from crumby.reporting.period import Period
from crumby.rollups.files import Rollup as Kept

DAYS: Final = 92  # of a period that is read day by day
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
        known = {name for _, name in self.columns}
        asked = {condition.dimension for condition in filters.conditions}
        return all((OF_EVENTS.get(name) or DIMENSIONS[name].column) in known for name in asked)


@dataclass(frozen=True, slots=True)
class Part:
    """Of one table the rows from one day to another, both as numbers: 20261122."""

    table: str  # day, month or return
    first: int
    last: int
    since: int  # who was there on this day or later counts no more
    until: int = 0  # of `return`: the days on which its visitors were there before, from `since` on


def chosen(names: Sequence[str], ready: Mapping[str, Kept], filters: Filters) -> tuple[Rollup, ...]:
    """The rollups of these names, if all of them can be read; else none."""
    found = tuple(Rollup.of(ready[name]) for name in names if name in ready)
    return found if len(found) == len(names) and all(each.answers(filters) for each in found) else ()


def parts(period: Period, today: date, interval: Interval | None) -> list[Part]:
    """Which tables have the period; `interval` if its steps are told apart."""
    t0, t1 = number(period.t0), number(period.t1)
    if (period.t1 - period.t0).days < DAYS or interval not in {None, "month"}:
        return [Part("day", t0, t1, t0)]
    found = []
    first = period.t0
    if first.day > 1:
        first = next_month(first)
        found.append(Part("day", t0, number(first - timedelta(days=1)), t0))
    last = period.t1
    if last < today and (last + timedelta(days=1)).day > 1:
        last = last.replace(day=1) - timedelta(days=1)
        found.append(Part("day", number(last + timedelta(days=1)), t1, t0))
    found.append(Part("month", month(first), month(last), month(period.t0)))
    if period.t0.day > 1 and interval is None:
        found.append(Part("return", month(first), month(last), month(period.t0), t0))
    return found


def next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def month(day: date) -> int:
    return number(day.replace(day=1))


def number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


class Source:
    """What stands behind `from`, as one dialect has it. `interval` is given where its steps are told apart.

    Its days are bound: `binds` has them.
    """

    def __init__(self, period: Period, today: date, interval: Interval | None, dialect: Dialect) -> None:
        self.binds: dict[str, int | str] = {}
        self._parts = parts(period, today, interval)
        self._steps = steps(period, interval) if interval else []
        self._interval = interval
        self._dialect = dialect

    def of(self, rollup: Rollup) -> str:
        pieces = " union all ".join(self._piece(rollup, part) for part in self._parts)
        return f"({pieces})"

    def _piece(self, rollup: Rollup, part: Part) -> str:
        key = [rolled if rolled == name else f"{rolled} as {name}" for rolled, name in rollup.columns]
        grouped = [rolled for rolled, _ in rollup.columns]
        if self._interval:
            key.append(f"{self._moment()} as moment")
            grouped.append("day")
        rows = f"day >= {self._bound(part.first)} and day <= {self._bound(part.last)}"
        counted = rollup.counted
        if part.table == "return":
            rows += f" and prev_day >= {self._bound(part.since)} and prev_day < {self._bound(part.until)}"
            sums = [f"sum({counted}) as visitors", "0 as first_views", *(f"0 as {name}" for name in rollup.sums)]
        else:
            new = f"sum(case when prev_day < {self._since(part)} then {counted} else 0 end) as visitors"
            first = f"sum(case when prev_day = 0 then {counted} else 0 end) as first_views"
            sums = [new, first, *(f"sum({name}) as {name}" for name in rollup.sums)]
        grouping = f" group by {', '.join(grouped)}" if grouped else ""
        return f"select {', '.join([*key, *sums])} from rollup_{rollup.name}_{part.table} where {rows}{grouping}"  # noqa: S608

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


def steps(period: Period, interval: Interval) -> list[date]:
    """Their first days."""
    return [date.fromisoformat(name if interval != "month" else f"{name}-01") for name in buckets(period, interval)]
