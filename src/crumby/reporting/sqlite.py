"""A report on SQLite: prepared, run and read in one go on the thread of its connection.

Each way to that thread and back takes 0.1 ms, and SQLAlchemy would take nine of them. Its pool keeps the connections,
its own around them are left out: they cost as much again.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Self, TypeVar, cast

import aiosqlite
from sqlalchemy import PoolProxiedConnection, QueuePool
from sqlalchemy.util import greenlet_spawn

from crumby.engines import AsyncEngine
from crumby.errors import QueryFileError
from crumby.reporting.binding import Statement
from crumby.reporting.pace import STEPS, Pace
from crumby.reporting.reach import Reach
from crumby.traffic import Traffic

T = TypeVar("T")

AT_FIRST: Final = 501  # rows, which most reports have fewer of: some 2 ms of work
AGAIN_S: Final = 0.05  # between two words to a statement that is to stop
REACH: Final = "reach"  # among what the pool remembers of a connection


class Held:
    """A connection of the reports' pool, with its driver, until it is given back."""

    def __init__(self, engine: AsyncEngine, proxied: PoolProxiedConnection) -> None:
        self.pool = cast("QueuePool", engine.sync_engine.pool)
        self.logger = engine.sync_engine.logger
        self.driver = cast("aiosqlite.Connection", proxied.driver_connection)
        self.reach: Reach = proxied.info.setdefault(REACH, Reach())
        self._proxied = proxied

    @classmethod
    async def of(cls, engine: AsyncEngine) -> Self:
        """Raises what the pool does."""
        return cls(engine, await engine.raw_connection())

    async def give_back(self) -> None:
        if self.pool.checkedin() < self.pool.size():
            self._proxied.close()
        else:  # it is one too many, and is closed on its thread, though a client leave now
            await asyncio.shield(greenlet_spawn(self._proxied.close))


class Asked:
    """A statement under way on a connection. It is stopped by whoever waits for it no longer."""

    def __init__(self, held: Held, statement: Statement, pace: Pace) -> None:
        self.statement = statement
        self.values = statement.of_sqlite
        self.columns: Sequence[str] = ()
        self._driver = held.driver
        self._reach = held.reach
        self._pace = pace
        self._cursor: sqlite3.Cursor | None = None
        self._confined = False
        self._read: list[Any] = []  # that nobody has fetched yet

    async def begin(self) -> None:
        """Raises sqlite3.Error, and QueryFileError for what is not a report's."""
        await self._told(self._begun)

    def _begun(self, connection: sqlite3.Connection) -> None:
        self._confined = True
        connection.set_progress_handler(self._pace, STEPS)
        self._reach.confine(connection)
        self._cursor = connection.execute(self.statement.text, self.values)
        if not self._cursor.description:
            raise QueryFileError("answers no rows; a query file asks, with `select`")
        self.columns = [column[0] for column in self._cursor.description]
        self._read = self._fetched(connection, AT_FIRST)

    def _fetched(self, connection: sqlite3.Connection, size: int) -> list[Any]:
        rows = self._cursor.fetchmany(size) if self._cursor else []
        if len(rows) < size:
            self._ended(connection)
        return rows

    def _ended(self, connection: sqlite3.Connection) -> None:
        """The next one finds the connection as it was. An open cursor would keep the log from being reset."""
        if self._cursor:
            self._cursor.close()
            self._cursor = None
        self._reach.release()
        connection.set_progress_handler(None, 0)
        self._confined = False

    async def fetch(self, size: int) -> Sequence[Any]:
        """The next rows; fewer than `size` when it has ended. Raises as `begin`."""
        wanted = size - len(self._read)
        if wanted > 0 and self._cursor:
            self._read += await self._told(lambda connection: self._fetched(connection, wanted))
        rows, self._read = self._read[:size], self._read[size:]
        return rows

    async def end(self) -> None:
        self._pace.stop()
        if self._confined:
            await _on_its_thread(self._driver, self._ended)

    async def _told(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What it gives. Raises QueryFileError for what is not a report's."""
        self._pace.begin()
        try:
            return await _on_its_thread(self._driver, work)
        except asyncio.CancelledError:  # the limit, or a client that left
            await self._stopped()
            raise
        except sqlite3.Error:
            if self._reach.refused:
                raise QueryFileError(self._reach.refused) from None
            raise

    async def _stopped(self) -> None:
        """No cancellation reaches the thread, so it has to be told: again, since between two steps it does not hear."""
        self._pace.stop()
        ended = asyncio.ensure_future(_on_its_thread(self._driver, self._ended))  # as soon as it has stopped
        while not ended.done():
            await self._driver.interrupt()
            await asyncio.wait({ended}, timeout=AGAIN_S)


@contextlib.asynccontextmanager
async def asked(held: Held, statement: Statement, traffic: Traffic) -> AsyncIterator[Asked]:
    """Raises as `Asked.begin`."""
    pace = Pace(held.pool.checkedout, traffic)
    asking = Asked(held, statement, pace)
    held.logger.info("%s %r", statement.text, asking.values)  # with SQLALCHEMY_ECHO
    try:
        await asking.begin()
        yield asking
    finally:
        await asking.end()


async def _on_its_thread(driver: Any, work: Callable[[sqlite3.Connection], T]) -> T:
    """There is no public word for several things at a time."""
    result: T = await driver._execute(lambda: work(driver._conn))  # noqa: SLF001
    return result
