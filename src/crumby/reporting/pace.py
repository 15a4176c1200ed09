"""Long reports yield to hits, where some come in: the more of them run at once, the more each rests.

A report that runs alone is not slowed; two have two thirds of a core between them, ten a half. At full speed, ten
endless ones beside 64 visitors on two cores made the slowest hundredth of the hits wait ten times as long. A queue
would hold the short reports up behind the long. A low priority for their threads alone did less: one that holds the
interpreter's lock and is not run keeps the hits waiting.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from crumby.traffic import Traffic

STEPS: Final = 1_000_000  # of SQLite's machine, between two looks at the clock: 5 to 20 ms
SOME: Final = 100  # hits a second; of fewer nobody notices what the reports take
RESTS: Final = 2  # times as long as it ran, for each other report
LONGEST_S: Final = 0.5  # a rest: a machine that stood still is not the report's fault


class Pace:
    """What SQLite asks, in the report's thread, each so many steps: whether to go on; the answer may take its time."""

    def __init__(self, running: Callable[[], int], traffic: Traffic) -> None:
        """`running` counts the reports of this process, this one among them."""
        self._running = running
        self._traffic = traffic
        self._stopped = threading.Event()
        self._since = time.monotonic()

    def begin(self) -> None:
        """What was between two pieces of an answer was the client's time."""
        self._since = time.monotonic()

    def stop(self) -> None:
        self._stopped.set()

    def __call__(self) -> bool:
        """Whether SQLite is to stop."""
        ran = time.monotonic() - self._since
        others = self._running() - 1 if self._traffic.rate >= SOME else 0
        stopped = self._stopped.wait(min(LONGEST_S, ran * RESTS * others))
        self._since = time.monotonic()
        return stopped
