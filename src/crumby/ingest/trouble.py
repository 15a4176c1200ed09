"""What the log says while hits cannot be stored: a full disk fails hundreds of batches a second, and gets no line each.

    hits are not stored, and answered 503: /var/lib/crumby/crumby.db: database or disk is full
    hits have not been stored for 10 s, 1843 tries: /var/lib/crumby/crumby.db: database or disk is full
    hits are stored again, after 14 s and 2590 tries

A try is a hit that was sent; its client sends it again.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

EVERY: Final = 10.0  # seconds between two lines while it lasts
QUIET: Final = 1.0  # second without a failure, after which it is over: where each other batch fails it is not


class Trouble:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._last = 0.0  # failure
        self._said = 0.0
        self._tries = 0  # hits that failed, each as often as it was sent

    def meet(self, hits: int, error: Exception) -> None:
        """So many hits were just not stored."""
        self._last = self._clock()
        self._tries += hits
        if self._since is None:
            self._since = self._said = self._last
            log.warning("hits are not stored, and answered 503: %s", error)
        elif self._last - self._said >= EVERY:
            self._said = self._last
            log.warning(
                "hits have not been stored for %.0f s, %s tries: %s", self._last - self._since, self._tries, error
            )

    def end(self) -> None:
        """Hits were just stored. Costs nothing where there was no trouble."""
        if self._since is None or self._clock() - self._last < QUIET:
            return
        log.warning("hits are stored again, after %.0f s and %s tries", self._last - self._since, self._tries)
        self._since = None
        self._tries = 0
