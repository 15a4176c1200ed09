"""Answers that may be given again, as they went out, in a bounded room. What nobody asks for goes first."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from crumby.reporting.body import Body

ROOM: Final = 8 << 20  # bytes, in each process
SHARE: Final = 8  # of the room: what takes more than an eighth of it is not kept
UNCHANGED_S: Final = 600.0  # that an answer may be old where nothing was committed
BESIDE: Final = 768  # bytes that an entry takes beside its body, its key among them: 590 were measured


@dataclass(frozen=True, slots=True)
class _Entry:
    body: Body
    since: float
    until: float
    sight: Hashable


class Kept:
    """`sight` tells one state of what is asked from another, or is None where that can't be told.

    An answer whose time is over is good as long as it is the same, for some minutes: a clock may be in the answer.
    """

    def __init__(
        self,
        room: int = ROOM,
        clock: Callable[[], float] = time.monotonic,
        sight: Callable[[], Hashable] = lambda: None,
    ) -> None:
        self._room = room
        self.clock = clock
        self.sight = sight
        self._held = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()  # the one asked for last at the end

    def get(self, key: Hashable) -> tuple[Body, int] | None:
        """The answer, and how many seconds old it is."""
        found = self._entries.get(key)
        if not found:
            return None
        now = self.clock()
        if now >= found.until and not self._unchanged(found, now):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return found.body, int(now - found.since)

    def _unchanged(self, entry: _Entry, now: float) -> bool:
        return entry.sight is not None and now < entry.since + UNCHANGED_S and entry.sight == self.sight()

    def put(self, key: Hashable, body: Body, since: float, until: float, sight: Hashable = None) -> None:
        """Keep an answer that is as of the clock's `since`, and of a `sight` before it was asked for.

        A large one is not kept, nor one whose time is over.
        """
        self._drop(key)
        size = _size(body)
        if until <= self.clock() or size * SHARE > self._room:
            return
        self._entries[key] = _Entry(body, since, until, sight)
        self._held += size
        while self._held > self._room:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        found = self._entries.pop(key, None)
        if found:
            self._held -= _size(found.body)


def _size(body: Body) -> int:
    return len(body.content) + BESIDE
