"""The visitors of `fill.py`, of eighteen months: those of `crumby demo`, in the benchmarks' own town."""

from datetime import datetime
from typing import Final

from benchmarks.town import Town
from crumby.demo import people

MONTHS: Final = 18


class People(people.People):
    """`count` visits until `until` (UTC). Rows that `place` has still to stamp."""

    def __init__(self, count: int, until: datetime, seed: int = 1) -> None:
        super().__init__(Town, count, until, months=MONTHS, seed=seed)
