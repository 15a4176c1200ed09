"""A report on SQLite: prepared, run and read in one go on the thread of its connection.

Each way to that thread and back takes 0.1 ms, and SQLAlchemy would take nine of them. A report that reads rollups takes
2 ms in all.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeVar, cast

import aiosqlite

from crumby.engines import AsyncConnection
from crumby.errors import QueryFileError
from crumby.reporting.binding import Statement
from crumby.reporting.pace import STEPS, Pace
from crumby.reporting.reach import Reach
from crumby.traffic import Traffic

T = TypeVar("T")

AT_FIRST: Final = 501  # rows, which most reports have fewer of: some 2 ms of work


class Asked:
    """A statement under way on a connection. It is stopped by whoever waits for it no longer."""

    def __init__(self, driver: aiosqlite.Connection, statement: Statement, pace: Pace) -> None:
        self.statement = statement
        self.values = statement.of_sqlite
        self.columns: Sequence[str] = ()
        self._driver = driver
        self._pace = pace
        self._reach = Reach()
        self._cursor: sqlite3.Cursor | None = None
        self._confined = False
        self._read: list[Any] = []  # that nobody has fetched yet

    async def begin(self) -> None:
        """Raises sqlite3.Error, and QueryFileError for what is not a report's."""
        await self._told(self._begun)

    def _begun(self, connection: sqlite3.Connection) -> None:
        self._confined = True
        connection.set_progress_handler(self._pace, STEPS)
        connection.set_authorizer(self._reach)
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
        connection.set_authorizer(None)
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
        """What it gives. No cancellation reaches the thread, so it has to be told."""
        self._pace.begin()
        running = asyncio.ensure_future(_on_its_thread(self._driver, work))
        try:
            await asyncio.wait({running})
        finally:
            if not running.done():  # the limit, or a client that left
                self._pace.stop()
            while not running.done():  # told again, since between two steps it does not hear
                await self._driver.interrupt()
                await asyncio.wait({running}, timeout=0.05)
            error = running.exception()  # looked at, even where nobody waits
        if error and self._reach.refused:
            raise QueryFileError(self._reach.refused)
        return running.result()


@contextlib.asynccontextmanager
async def asked(connection: AsyncConnection, statement: Statement, traffic: Traffic) -> AsyncIterator[Asked]:
    """Raises as `Asked.begin`."""
    driver = cast("aiosqlite.Connection", (await connection.get_raw_connection()).driver_connection)
    running = connection.sync_engine.pool.checkedout  # type: ignore[attr-defined]  # as only a queue of them has it
    pace = Pace(running, traffic)
    asking = Asked(driver, statement, pace)
    connection.sync_engine.logger.info("%s %r", statement.text, asking.values)  # with SQLALCHEMY_ECHO
    try:
        await asking.begin()
        yield asking
    finally:
        await asking.end()


async def _on_its_thread(driver: Any, work: Callable[[sqlite3.Connection], T]) -> T:
    """There is no public word for several things at a time."""
    result: T = await driver._execute(lambda: work(driver._conn))  # noqa: SLF001
    return result
