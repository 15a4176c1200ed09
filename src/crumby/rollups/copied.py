"""What a copy of the rollups elsewhere is told, in the very transactions in which they change.

    a chunk's rows of each rollup ──┐
    its marks                       ├──► Copy, which writes it down beside the marks ──► columnar/
    what goes for its age, or at all┘

There is none but where reports ask a ClickHouse: then nothing of this is called.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from crumby.rollups.files import Rollup
from crumby.rollups.marks import Marks, State
from crumby.rollups.settling import Heads
from crumby.rollups.work import Work

OUTBOX: Final = "outbox"
MARKS: Final = "outbox_marks"
TURN: Final = "outbox_turn"
TABLES: Final = (OUTBOX, MARKS, TURN)  # beside the rollups: columnar/outbox.py


class Copy(Protocol):
    """All of it within a transaction of the rollups', but for `connected`."""

    def connected(self, work: Work) -> None:
        """On a new connection. Raises Busy."""

    def begin(self, work: Work, states: Sequence[State], rollups: Mapping[str, Rollup], *, all_of_them: bool) -> None:
        """A step begins with these; without `all_of_them` others are left alone."""

    def added(self, rollup: Rollup, rows: Sequence[Sequence[Any]]) -> None:
        """In the order of its columns; days of any kind."""

    def moved(self, work: Work, states: Sequence[State]) -> None:
        """Rollups that have come equally far are here now."""

    def end(self, work: Work) -> None:
        """Of the step."""

    def take_in(self, work: Work, heads: Heads) -> None:
        """Which visits, events and totals are new, or others than they were."""

    def marks(self, work: Work) -> Marks:
        """What was before them nobody has to keep for the copy."""

    def pruned(self, work: Work, before: str) -> None:
        """Visits and events from before that instant are gone."""

    def swept(self, work: Work) -> None:
        """Rows of nothing are to go as well."""


def drop(work: Work) -> None:
    """There is no copy any more."""
    with work.apart():
        there = [table for table in TABLES if work.has(table)]
    if there:
        with work.transaction():
            for table in there:
                work.do(f"drop table {table}")
