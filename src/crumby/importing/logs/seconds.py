"""Equal lines of one second are so many requests: each has its number among them, the same whenever the log is read.

So whoever goes on in the middle begins with the earliest line whose second may not be over: `mark`. A server writes a
line when it has answered, and may call it by when it was asked: a second is over once the log is SPREAD seconds ahead.
A line that comes later still has no number, and one that is equal to it is taken for the same. A log that goes back by
more than BACK seconds is another one behind the first, as `cat access.log.*` has them.
"""

from typing import Final, NamedTuple

SPREAD: Final = 10
BACK: Final = 3600


class Second(NamedTuple):
    begin: int  # of its first line
    lines: dict[int, int]  # how many there were, by their hash


class Seconds:
    def __init__(self, mark: int) -> None:
        self.mark = mark
        self._at: int | None = None  # the second of the line that is being read
        self._latest = -BACK
        self._held: dict[int, Second] = {}  # in the order of their beginnings
        self._now: Second | None = None  # None of a line that comes too late

    def restart(self) -> None:
        """What comes is of another log."""
        self.__init__(0)  # type: ignore[misc]

    def saw(self, second: int, begin: int) -> None:
        """A line of this second (since 1970) begins at this place."""
        if second == self._at:
            return
        self._at = second
        if second > self._latest:
            self._latest = second
            self._let_go(second - SPREAD)
        elif second < self._latest - BACK:
            self._latest = second
            self._held.clear()
        if second < self._latest - SPREAD:
            self._now = None
            return
        self._now = self._held.get(second)
        if self._now is None:
            self._now = self._held[second] = Second(begin, {})
        self.mark = next(iter(self._held.values())).begin

    def _let_go(self, oldest: int) -> None:
        """Those at the front: behind it an old one is met no more, for it is too late."""
        while self._held:
            first = next(iter(self._held))
            if first >= oldest:
                return
            del self._held[first]

    def number(self, line: bytes) -> int:
        """Of the line among those that are equal to it, from 0."""
        if self._now is None:
            return 0
        lines, key = self._now.lines, hash(line)
        number = lines.get(key, 0)
        lines[key] = number + 1
        return number
