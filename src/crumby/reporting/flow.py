"""Rows that go out as the database gives them: a task reads them, never far ahead of the client who takes them.

A short answer is read to its end before its first byte goes out, so it can still say that it is cut, or fail with a
status of its own. A long one can't: its connection is broken off then. So an answer that ends is what it says it is.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from itertools import chain
from typing import Final

from crumby.reporting.run import Reading, Result, Rows

PIECE: Final = 500  # rows, some 2 ms of work for which hits wait
AHEAD: Final = 4  # pieces
SHORT: Final = 10_000  # rows: all that QUERY_ROW_LIMIT lets through, unless it is raised


class Flow:
    """The rows of an answer, which is stopped by whoever does not take them to the end."""

    def __init__(self, opening: AbstractAsyncContextManager[Reading]) -> None:
        self.columns: Sequence[str] = ()
        self.truncated = False  # both are known at the end
        self._pieces: asyncio.Queue[Rows | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(AHEAD)
        self._head: list[Rows] = []  # which were looked at
        self._taken = False
        self._task = asyncio.ensure_future(self._read(opening))

    async def _read(self, opening: AbstractAsyncContextManager[Reading]) -> None:
        try:
            async with opening as answer:
                self.columns = answer.columns
                while not answer.ended:
                    await self._room.acquire()
                    self._pieces.put_nowait(await answer.rows(PIECE))
                self.truncated = answer.truncated
        finally:
            self._pieces.put_nowait(None)

    def take(self) -> bool:
        """Whether it is the caller's: the first one's."""
        taken, self._taken = self._taken, True
        return not taken

    async def piece(self) -> Rows | None:
        """The next rows; None at the end. Raises what the reading does."""
        if self._head:
            return self._head.pop(0)
        rows = await self._pieces.get()
        if rows is None:
            await self._task
        self._room.release()
        return rows

    async def look(self) -> Result | None:
        """All of it, if it is short."""
        looked: list[Rows] = []
        while sum(map(len, looked)) <= SHORT:
            rows = await self.piece()
            if rows is None:
                return Result(self.columns, list(chain.from_iterable(looked)), self.truncated)
            looked.append(rows)
        self._head = looked
        return None

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


async def poured(opening: AbstractAsyncContextManager[Reading]) -> Result | Flow:
    """A short answer's result, or the flow of a long one. Raises what the reading does."""
    flow = Flow(opening)
    try:
        return await flow.look() or flow
    except BaseException:
        await flow.stop()
        raise
