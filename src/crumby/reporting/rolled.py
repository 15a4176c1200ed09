"""A rollup in the place of visits or events: the days that a question is about, added up beforehand.

    from {{ visits() }}  →  from visits
                            from (select country, sum(case when prev_day < 20261101 then views else 0 end) as visitors,
                                    sum(views) as views, sum(sessions) as sessions from rollup_countries_day
                                    where day >= 20261101 and day <= 20261122 group by country) visits

It is read where it holds what is asked for: days of the zone that it was made for, and filters by nothing but what it
is kept by. A visitor of the period is a view whose visitor was not there before, in the period.

Whole months of a period are read as such, and days at its ends alone. What a month forgets is on which day of an
earlier one its visitors were there; where the period begins in the midst of a month, `rollup_…_return` knows those who
were there in its first days, before the period.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from crumby.reporting.dialects import Dialect
from crumby.reporting.filters import DIMENSIONS, OF_EVENTS, Filters
from crumby.reporting.interval import Interval, buckets
from crumby.reporting.period import Period
from crumby.rollups.files import Rollup as Kept

SPARED: Final = 10  # days, at least, that months must have in their place: they are read in two tables more
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
    first = period.t0 if period.t0.day == 1 else next_month(period.t0)
    end = period.t1 + timedelta(days=1)
    after = next_month(period.t1) if end > today else end.replace(day=1)  # nothing comes after today
    if interval not in {None, "month"} or (min(end, after) - first).days < SPARED:
        return [Part("day", t0, t1, t0)]
    months = (month(first), month(after - timedelta(days=1)))
    found = []
    if period.t0 < first:
        found.append(Part("day", t0, number(first - timedelta(days=1)), t0))
    if after <= period.t1:
        found.append(Part("day", number(after), t1, t0))
    found.append(Part("month", *months, month(period.t0)))
    if period.t0 < first and interval is None:
        found.append(Part("return", *months, month(period.t0), t0))
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

    def of(self, rollup: Rollup, named: Collection[str] | None) -> str:
        """`named`: of what it adds up, what is to be in it; None: all."""
        sums = ["visitors", "first_views", *rollup.sums]
        wanted = [name for name in sums if named is None or name in named] or ["visitors"]
        parts = [part for part in self._parts if part.table != "return" or "visitors" in wanted]
        return f"({' union all '.join(self._piece(rollup, part, wanted) for part in parts)})"

    def _piece(self, rollup: Rollup, part: Part, wanted: Sequence[str]) -> str:
        key = [rolled if rolled == name else f"{rolled} as {name}" for rolled, name in rollup.columns]
        grouped = [rolled for rolled, _ in rollup.columns]
        if self._interval:
            key.append(f"{self._moment()} as moment")
            grouped.append("day")
        rows = f"day >= {self._bound(part.first)} and day <= {self._bound(part.last)}"
        counted = rollup.counted
        if part.table == "return":
            rows += f" and prev_day >= {self._bound(part.since)} and prev_day < {self._bound(part.until)}"
            sums = {**dict.fromkeys(wanted, "0"), "visitors": f"sum({counted})"}
        else:
            sums = {
                **{name: f"sum({name})" for name in rollup.sums},
                "visitors": f"sum(case when prev_day < {self._since(part)} then {counted} else 0 end)",
                "first_views": f"sum(case when prev_day = 0 then {counted} else 0 end)",
            }
        columns = ", ".join([*key, *(f"{sums[name]} as {name}" for name in wanted)])
        grouping = f" group by {', '.join(grouped)}" if grouped else ""
        return f"select {columns} from rollup_{rollup.name}_{part.table} where {rows}{grouping}"  # noqa: S608

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
