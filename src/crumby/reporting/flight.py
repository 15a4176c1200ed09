"""What many ask for at once is made once, for all of them. It ends with the last of those who wait for it."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


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
