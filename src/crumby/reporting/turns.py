"""Reports let hits go first: while many come in, they begin one after the other, however many ask.

`pace.py` slows one long statement among others. Of a dashboard's short ones half the work is in the event loop, where
hits are taken in, and six of a browser's at a time left hits half of their rate. So while hits come in by the
thousand, each report begins a while after the one before: so long that they have a third of a thread between them.
"""

import asyncio
from typing import Final

from crumby.traffic import Traffic

MANY: Final = 1000  # hits a second; of fewer the reports take nothing away
SPACED: Final = 3  # times what a report takes: from one beginning to the next
LONGEST_S: Final = 0.25  # that one report counts for; a longer one is slowed by itself
WEIGHT: Final = 0.1  # of the latest one in what a report takes


class Turns:
    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._takes_s = 0.0
        self._next = 0.0  # when another one may begin

    async def wait(self) -> None:
        """For the turn of a report."""
        if self._traffic.rate < MANY:
            return
        now = asyncio.get_running_loop().time()
        begins = max(now, self._next)
        self._next = begins + SPACED * self._takes_s
        await asyncio.sleep(begins - now)

    def took(self, seconds: float) -> None:
        """So long a report ran."""
        self._takes_s += WEIGHT * (min(seconds, LONGEST_S) - self._takes_s)
