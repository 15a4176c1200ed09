"""A day that is over, held against its visits.

    visits of the day ── counted ──► views, sessions, visitors ──► those of each rollup that counts all views,
                      │                                            but for what was added of `totals`
                      └─ visitors whose views do not say of exactly one that it was their first of the day ──► strays

A rollup that has others is made anew. Nothing but a fault of Crumby's, of a file or of the disk gets there: what comes
late, changes or goes is taken in.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from crumby.rollups import totals
from crumby.rollups.files import Rollup
from crumby.rollups.marks import Marks, State
from crumby.rollups.work import Work

MOST: Final = 200  # visitors that are put right
PLAIN: Final = re.compile(r"sum\((views|sessions)\) as \1\b")
CHOOSING: Final = re.compile(r"\b(where|join|having|union)\b")
OF_THE_DAY: Final = "from visits where datetime >= :begin and datetime < :end and id <= :until"


@dataclass(frozen=True, slots=True)
class Wrong:
    name: str
    has: str
    counted: str


class Audit:
    def __init__(self, work: Work, day: date, zone: str) -> None:
        self._work = work
        self.day = int(day.strftime("%Y%m%d"))
        begin, end = (
            datetime.combine(each, time(), ZoneInfo(zone)).astimezone(UTC) for each in (day, day + timedelta(1))
        )
        self._start = round(begin.timestamp())
        instants = {"begin": begin.replace(tzinfo=None), "end": end.replace(tzinfo=None)}
        self._where: dict[str, Any] = (
            {name: str(at) for name, at in instants.items()} if work.dialect == "sqlite" else {**instants}
        )

    def wrong(self, rollups: Mapping[str, Rollup], states: Mapping[str, State]) -> Iterator[Wrong]:
        """Those of them that are wrong, within a transaction; their marks are as they are there."""
        counted: dict[int, dict[str, int]] = {}
        for name, rollup in rollups.items():
            sums = _sums(rollup)
            until = states[name].marks.visits
            if sums:
                if until not in counted:
                    counted[until] = self._counted(until)
                wanted = {each: counted[until][each] for each in sums}
                has = self._has(rollup, sums)
                for each, amount in self._of_totals(rollup, states[name], sums).items():
                    has[each] -= amount
                if has != wanted:
                    yield Wrong(name, _shown(has), _shown(wanted))

    def _counted(self, until: int) -> dict[str, int]:
        sql = (
            "select count(*), coalesce(sum(case when seq = 1 then 1 else 0 end), 0), "
            f"coalesce(sum(case when prev < :start then 1 else 0 end), 0) {OF_THE_DAY}"
        )
        ((views, sessions, visitors),) = self._work.rows(sql, self._where | {"until": until, "start": self._start})
        return {"views": int(views), "sessions": int(sessions), "visitors": int(visitors)}

    def _has(self, rollup: Rollup, sums: tuple[str, ...]) -> dict[str, int]:
        told = {each: f"sum({each})" for each in sums}
        if "visitors" in told:
            told["visitors"] = "sum(case when prev_day < day then views else 0 end)"
        each = ", ".join(f"coalesce({sql}, 0)" for sql in told.values())
        (row,) = self._work.rows(f"select {each} from {rollup.day_table} where day = :day", {"day": self.day})
        return dict(zip(told, map(int, row), strict=True))

    def _of_totals(self, rollup: Rollup, state: State, sums: tuple[str, ...]) -> dict[str, int]:
        """What others had counted of the day, which no visits are there of."""
        if not state.marks.totals:
            return {}
        found = totals.read(self._work, rollup, 0, state.marks.totals, state.kept, (self.day, self.day))
        told = dict.fromkeys(sums, 0)
        for (_, day, prev_day), amounts in found.items():
            row = dict(zip(rollup.sums, amounts, strict=True))
            row["visitors"] = row["views"] if prev_day < day else 0
            for each in sums:
                told[each] += row[each]
        return told

    def strays(self, until: Marks) -> list[str]:
        """Visitors whose stamps do not add up to one."""
        sql = (
            f"select cid {OF_THE_DAY} and prev is not null group by cid "
            f"having sum(case when prev < :start then 1 else 0 end) <> 1 limit {MOST}"
        )
        rows = self._work.rows(sql, self._where | {"until": until.visits, "start": self._start})
        return [cid for (cid,) in rows]


def _sums(rollup: Rollup) -> tuple[str, ...]:
    """What adds up to the day's in it: the views of a rollup that leaves none out; without a key, visitors as well."""
    sql = " ".join(rollup.sql.lower().split())
    if CHOOSING.search(sql) or "hits" not in sql or "sum(views) as views" not in sql:
        return ()
    plain = tuple(found for found in PLAIN.findall(sql) if found in rollup.sums)
    return plain if rollup.keys or "{{ prev_day() }} as prev_day" not in sql else (*plain, "visitors")


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
