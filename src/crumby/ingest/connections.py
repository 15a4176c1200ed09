"""A server's connections that are kept from one batch to the next."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from crumby.engines import AsyncEngine

GOODBYE: Final = 1.0  # seconds that closing them may take: a frozen server answers nothing


class KeptConnections:
    """At most so many connections for one transaction after the other; the pool's, where nobody keeps them.

    The pool asks the server before each one whether it is still there, and has it undo nothing afterwards: two
    conversations of seven on MariaDB, three of nine on PostgreSQL, and 9 µs of a hit's 40 to 65 there. Without them
    whoever begins has to try once more where a connection that was `kept` turns out to be gone. Those that come while
    all are in use have another one.
    """

    def __init__(self, engine: AsyncEngine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._idle: list[AsyncConnection] = []
        self._keeps = False

    @property
    def kept(self) -> bool:
        """Whether the next transaction is of a connection that nobody has asked how it is."""
        return bool(self._idle)

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            idle, self._idle = self._idle, []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await asyncio.gather(*(connection.close() for connection in idle))

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end. A connection is not kept after an error."""
        connection = self._idle.pop() if self._idle else await self._engine.connect()
        try:
            async with connection.begin():
                yield connection
        except BaseException:
            await _close(connection)
            raise
        if self._keeps and len(self._idle) < self._most:
            self._idle.append(connection)
        else:
            await _close(connection)


async def _close(connection: AsyncConnection) -> None:
    """To its end, where whoever used it is cancelled."""
    await asyncio.shield(asyncio.ensure_future(connection.close()))
