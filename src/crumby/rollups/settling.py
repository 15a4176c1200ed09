"""How far a chunk may go.

SQLite gives ids in the order of commits. A server gives them before: an id that is missing below the greatest may be
of a transaction which is not over, or of one that never was. So where one is missing, the chunk ends at what was there
some seconds ago. The nodes of a Galera cluster leave ids out all the time, for those of the others; and while one of
them is silent, no transaction ends on any: such seconds do not count.
"""

import time
from collections import deque
from typing import Final

from crumby.rollups.marks import Marks
from crumby.rollups.work import Work

SETTLING_S: Final = 4.0  # that a transaction may take
HEADS: Final = f"select {', '.join(f'(select max(id) from {table})' for table in Marks._fields)}"


class Heads:
    """The greatest ids there are, now and some seconds ago."""

    def __init__(self) -> None:
        self._observed: deque[tuple[float, Marks]] = deque()

    def now(self, work: Work) -> Marks:
        heads = Marks(*(head or 0 for head in work.rows(HEADS)[0]))
        now = time.monotonic()
        if work.moves is None:
            return heads
        if not work.moves:
            self._observed.clear()
        self._observed.append((now, heads))
        while len(self._observed) > 1 and now - self._observed[1][0] >= SETTLING_S:
            self._observed.popleft()
        return heads

    @property
    def settled(self) -> Marks:
        """Nothing that is not there by now will appear before these."""
        if not self._observed:
            return Marks()
        then, heads = self._observed[0]
        return heads if time.monotonic() - then >= SETTLING_S else Marks()

    def chunk(self, work: Work, after: Marks, heads: Marks, most: int) -> Marks:
        """Its last ids: of visits, events and totals so many at the most, all that was told, and all that was amended.

        Whoever amends holds the rollups' lock, so that none is missing.
        """
        return Marks(
            self._end(work, "visits", after.visits, heads, most),
            self._end(work, "events", after.events, heads, most),
            self._end(work, "engagements", after.engagements, heads, heads.engagements),
            max(after.amended, heads.amended),
            self._end(work, "totals", after.totals, heads, most),
        )

    def _end(self, work: Work, table: str, after: int, heads: Marks, most: int) -> int:
        head: int = getattr(heads, table)
        if head - after > most:
            nth = f"select id from {table} where id > :after order by id limit 1 offset {most - 1}"
            found = work.rows(nth, {"after": after})
            head = min(head, found[0][0]) if found else head
        if work.dialect == "sqlite" or head <= after:
            return max(head, after)
        counting = f"select count(*) from {table} where id > :after and id <= :head"
        if work.rows(counting, {"after": after, "head": head})[0][0] == head - after:
            return head
        settled: int = getattr(self.settled, table)
        return max(after, min(head, settled))
