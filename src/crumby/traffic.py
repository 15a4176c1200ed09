"""How many hits this process stores, for those who let them go first."""

import time
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 0.25  # over which they are counted, at least


class Traffic:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.hits = 0  # stored since the start
        self._clock = clock
        self._sample = (clock(), 0)
        self._rate = 0.0

    @property
    def rate(self) -> float:
        """Hits a second, since it was asked for last."""
        now, hits = self._clock(), self.hits
        since, before = self._sample
        if now - since >= WINDOW_S:
            self._rate = (hits - before) / (now - since)
            self._sample = (now, hits)
        return self._rate
