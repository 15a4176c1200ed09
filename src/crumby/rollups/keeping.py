"""What the rollups keep of days whose visits are gone, to be taken along: nothing else tells of it.

    rollup_…_day, its days before `kept` ── less the totals of these days
                                         ── less what visits add to them that are there yet ──► Kept, a row each

Whoever reads visits, events, totals and these has every day once. Visits that are there yet are late ones, which go
with the next pruning, and those of sessions that went on past the midnight.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from crumby.errors import CrumbyError
from crumby.rollups import kept, totals
from crumby.rollups.clock import Clock
from crumby.rollups.engine import Engine
from crumby.rollups.files import Rollup
from crumby.rollups.marks import NEW, State
from crumby.rollups.pruning import Horizon
from crumby.rollups.totals import Counted, Place
from crumby.rollups.work import Busy, Work

PART: Final = 20_000  # rows at a time
LATE: Final = 5000  # visits, or events, that are looked at one by one
LONGEST: Final = timedelta(days=1)  # that a visit may be after the one before it in its session


class Kept(NamedTuple):
    """As `importing.item.Total` has it."""

    rollup: str
    day: int
    prev_day: int
    keys: tuple[str | int, ...]
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Span:
    """Days of a rollup that are kept, together some thousand rows."""

    rollup: str
    first: int
    last: int
    before: int  # the days before this one are kept


class Moved(CrumbyError):
    """Visits were pruned meanwhile."""

    status = 503


def spans(work: Work, engine: Engine) -> list[Span]:
    """All of it, a rollup after the other. Raises Busy while one has not counted everything."""
    with work.transaction():
        mark = kept.mark(work)
        known = {name for name, each in kept.read(work).items() if each.mark == mark}
        states = [state for state in engine.complete(work) if state.name in known]
        return [span for state in states for span in _spans(work, engine.rollups[state.name], state.kept.day)]


def _spans(work: Work, rollup: Rollup, before: int) -> Iterator[Span]:
    counted = f"select day, count(*) from {rollup.day_table} where day < :before group by day order by day"
    days: list[int] = []
    held = 0
    for day, rows in work.rows(counted, {"before": before}):
        if days and held + rows > PART:
            yield Span(rollup.name, days[0], days[-1], before)
            days, held = [], 0
        days.append(day)
        held += rows
    if days:
        yield Span(rollup.name, days[0], days[-1], before)


def read(work: Work, engine: Engine, span: Span) -> list[Kept]:
    """Its rows. Raises Busy, and Moved."""
    with work.transaction():
        state = next((state for state in engine.complete(work) if state.name == span.rollup), None)
        if state is None or state.kept.day != span.before:
            raise Moved("visits were pruned meanwhile, and their totals with them; try again")
        rollup = engine.rollups[span.rollup]
        days = (span.first, span.last)
        found = totals.added(_places(rollup, _rows(work, rollup, days)), len(rollup.sums))
        _take_off(found, _of_visits(work, engine, rollup, state), days)
        if state.marks.totals:
            _take_off(found, totals.read(work, rollup, 0, state.marks.totals, NEW, days), days)
    return [
        Kept(rollup.name, day, prev_day, keys, dict(zip(rollup.sums, sums, strict=True)))
        for (keys, day, prev_day), sums in found.items()
        if any(sums)
    ]


def _rows(work: Work, rollup: Rollup, days: tuple[int, int]) -> Sequence[Sequence[Any]]:
    columns, (first, last) = ", ".join(rollup.columns), days
    return work.plain_rows(f"select {columns} from {rollup.day_table} where day >= {first:d} and day <= {last:d}")


def _places(rollup: Rollup, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[Place, Sequence[int]]]:
    """Of rows as its file answers them."""
    width = len(rollup.keys)
    for row in rows:
        yield (tuple(row[:width]), row[width], row[width + 1]), [int(amount) for amount in row[width + 2 :]]


def _take_off(found: Counted, others: Counted, days: tuple[int, int]) -> None:
    for place, sums in others.items():
        if days[0] <= place[1] <= days[1]:
            known = found.setdefault(place, [0] * len(sums))
            known[:] = map(int.__sub__, known, sums)


def _of_visits(work: Work, engine: Engine, rollup: Rollup, state: State) -> Counted:
    """What those that are there yet have added to the days that it keeps. Raises Busy, and Moved."""
    horizon = Horizon(datetime.strptime(str(state.kept.day), "%Y%m%d").date(), engine.zone)  # noqa: DTZ007 - a day
    visits = _ids(work, "visits", "gap", horizon, state.marks.visits)
    events = _ids(work, "events", "0", horizon, state.marks.events)
    if not visits and not events:
        return {}
    heads = engine.heads(work)
    if (heads.engagements, heads.amended) != (state.marks.engagements, state.marks.amended):
        raise Busy  # with that taken in, they are as they were counted
    with engine.filled(work, visits, events, state.marks) as clock:
        made = f"select * from ({rollup.select(clock)}) made where day < {state.kept.day:d}"
        return totals.added(_places(rollup, work.plain_rows(made)), len(rollup.sums))


def _ids(work: Work, table: str, gap: str, horizon: Horizon, until: int) -> list[int]:
    """Those from before it, and those whose session began before it."""
    later = replace(horizon, day=horizon.day + LONGEST)
    began = f"{Clock(work.dialect, 'UTC', 1970, 1970).seconds('datetime')} - coalesce({gap}, 0)"
    where = {"until": until, "since": horizon.seconds, "most": LATE + 1}
    rows = work.rows(
        f"select id from {table} where id <= :until and datetime < :later and "
        f"(datetime < :horizon or {began} < :since) order by id limit :most",
        where | horizon.bound(work.dialect) | {"later": later.bound(work.dialect)["horizon"]},
    )
    if len(rows) > LATE:
        raise Moved("visits of days that are pruned are there yet; let `crumby prune` end, and try again")
    return [number for (number,) in rows]
