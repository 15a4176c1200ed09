"""One question that many ask at once is run once; and an answer is given again for as long as its file says.

Nothing is kept beyond that: a run ends with the last of those who wait for it, and its answer is forgotten.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

from crumby.reporting.period import Period
from crumby.reporting.questions import Answer, Question
from crumby.reporting.run import Limits
from crumby.reporting.view import View

KEPT: Final = 8 << 20  # bytes of answers, in each process
CELL: Final = 8  # bytes of a value's place in its row

T = TypeVar("T")


class Asked(NamedTuple):
    """All that an answer hangs on, but the moment it is asked in: two that are alike have one answer."""

    collection: str
    name: str
    source: str
    view: View
    arguments: tuple[tuple[str, Any], ...]
    compared: Period | None
    limits: Limits

    @classmethod
    def of(cls, question: Question, limits: Limits) -> "Asked":
        query, view = question.query, replace(question.view, now=datetime.min)  # noqa: DTZ901 - any would do
        arguments = tuple(sorted(question.arguments.items()))
        return cls(query.collection, query.name, query.source, view, arguments, question.compared, limits)

    def is_older_than(self, other: "Asked") -> bool:
        """Whether it was asked of a file that has been changed."""
        return (self.collection, self.name) == (other.collection, other.name) and self.source != other.source


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[Any]
    waiting: int = 0


class Flights:
    """What is under way. It is stopped when nobody waits for it any more, and its error reaches all who do."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}

    async def share(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        flight = self._flights.get(key) or self._begin(key, start())
        flight.waiting += 1
        try:
            result: T = await asyncio.shield(flight.task)
            return result
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._land(key, flight)  # who comes now begins anew
                flight.task.cancel()
                await asyncio.wait({flight.task})

    def _begin(self, key: Hashable, work: Coroutine[Any, Any, Any]) -> _Flight:
        flight = self._flights[key] = _Flight(asyncio.ensure_future(work))
        flight.task.add_done_callback(lambda _: self._land(key, flight))
        return flight

    def _land(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: Answer
    since: float
    until: float
    size: int  # bytes


class Kept:
    """Answers that are good for some seconds. Where there is no room for all, the newest stay."""

    def __init__(self, room: int = KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._room = room
        self._clock = clock
        self._entries: dict[Asked, _Entry] = {}  # the oldest first

    def get(self, asked: Asked) -> tuple[Answer, int] | None:
        """The answer, and how many seconds old it is."""
        found = self._entries.get(asked)
        now = self._clock()
        return (found.answer, int(now - found.since)) if found and now < found.until else None

    def put(self, asked: Asked, answer: Answer, lasts_s: float) -> None:
        now = self._clock()
        past = [key for key, entry in self._entries.items() if entry.until <= now or key.is_older_than(asked)]
        for key in {*past, asked} & self._entries.keys():
            del self._entries[key]
        size = _size(answer)
        if size > self._room:
            return
        self._entries[asked] = _Entry(answer, now, now + lasts_s, size)
        held = sum(entry.size for entry in self._entries.values())
        while held > self._room:
            held -= self._entries.pop(next(iter(self._entries))).size


def _size(answer: Answer) -> int:
    """What it takes in memory, in bytes; a value that stands in two rows counts twice."""
    rows = [row for row in chain(answer.result.rows, answer.compared or ()) if row is not None]
    return sum(sys.getsizeof(row) + sum(CELL + sys.getsizeof(value) for value in row) for row in rows)
