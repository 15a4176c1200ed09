"""Days that another program had counted: whether an answer has them, as its header `X-Crumby-Imported` and a page say.

    included; 2024-01-01/2024-05-31                      it was read from rollups, which have them
    left-out; 2024-01-01/2024-05-31; filter=country      it was counted by visits, which there are none of
    left-out; 2024-01-01/2024-05-31; hours
    left-out; 2024-01-01/2024-05-31; tz
    left-out; 2024-01-01/2024-05-31; search
    left-out; 2024-01-01/2024-05-31; not-ready           they are on their way into the rollups
    left-out; 2024-01-01/2024-05-31; none                nothing was imported by what this report tells

Nothing is said of a period without such a day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from crumby.reporting.period import Period
from crumby.reporting.rolled import number
from crumby.rollups.totals import Imported

HEADER: Final = "X-Crumby-Imported"
WORDS: Final = {
    "hours": "they are of whole days",
    "tz": "they are of another time zone's days",
    "search": "they can't be searched",
    "not-ready": "they are still being counted",
    "none": "none were imported for this report",
}

NOTHING: Final = Imported()


@dataclass(frozen=True, slots=True)
class Told:
    first: date
    last: date
    why: str = ""  # they are left out; "" where they are in it

    def __str__(self) -> str:
        """As the header has it."""
        days = f"{self.first}/{self.last}"
        return f"left-out; {days}; {self.why}" if self.why else f"included; {days}"

    @property
    def words(self) -> str:
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        if not self.why:
            return f"With imported totals, {days}"
        kind, _, names = self.why.partition("=")
        reason = WORDS.get(kind) or f"they can't be filtered by {names.replace(',', ', ')}"
        return f"Without imported totals of {days}: {reason}"


def told(imported: Imported, names: Sequence[str], periods: Sequence[Period], why: str) -> Told | None:
    """Of the first of the periods that has such days. `names`: of the rollups that the report may read."""
    own = [span for name in names for span in imported.spans.get(name, {}).values()]
    every = [span for months in imported.spans.values() for span in months.values()]
    for spans, said in ((own, why or ("" if imported.whole else "not-ready")), (every, "none")):
        for period in periods:
            found = _within(spans, period)
            if found:
                return replace(found, why=said)
    return None


def _within(spans: Iterable[tuple[int, int]], period: Period) -> Told | None:
    t0, t1 = number(period.t0), number(period.t1)
    there = [(max(first, t0), min(last, t1)) for first, last in spans if first <= t1 and last >= t0]
    return Told(_date(min(first for first, _ in there)), _date(max(last for _, last in there))) if there else None


def _date(day: int) -> date:
    return date(day // 10_000, day // 100 % 100, day % 100)
