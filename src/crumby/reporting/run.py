"""A rendered statement is run: on a read-only connection, with a time limit and a row limit."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import aiosqlite
from sqlalchemy import TextClause
from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from crumby.database import Database, first_line
from crumby.errors import DatabaseUnavailable, QueryFileError, QueryTimeout
from crumby.reporting.pace import STEPS, Pace
from crumby.reporting.period import Period
from crumby.reporting.query import Query
from crumby.reporting.reach import confined, tidy
from crumby.reporting.wal import wait_for_reset

# What the databases say when they stop a statement: SQLite, MariaDB, MySQL, PostgreSQL.
STOPPED = re.compile(r"interrupted|max_statement_time|maximum statement execution time|statement timeout")


CONNECT_TIMEOUT: Final = 5.0  # seconds for a connection, be it the network or the other reports that keep it waiting


@dataclass(frozen=True, slots=True)
class Result:
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    truncated: bool  # there are more rows than these


@dataclass(frozen=True, slots=True)
class Limits:
    timeout_s: float
    rows: int

    def after(self, waited_s: float) -> "Limits":
        """What is left of the time."""
        return Limits(max(0.0, self.timeout_s - waited_s), self.rows)

    @property
    def patience_s(self) -> float:
        """The databases keep the limit themselves; this is for one that has gone silent."""
        return self.timeout_s * 1.1 + 0.1


async def run(database: Database, query: Query, period: Period, arguments: Mapping[str, Any], limits: Limits) -> Result:
    """The query's answer.

    Raises QueryFileError for SQL that the database does not take, QueryTimeout, and DatabaseUnavailable.
    """
    statement = query.render(database.dialect, period, arguments)
    clock = asyncio.get_running_loop().time
    started = clock()
    await _let_the_log_be_reset(database, query, limits)
    async with _connected(database, limits.after(clock() - started), statement) as connection:
        try:
            return await _answer(connection, statement, limits.after(clock() - started))
        except QueryFileError as error:
            raise QueryFileError(f"{query.shown}: {error}") from None
        except DBAPIError as error:
            message = first_line(error)
            if STOPPED.search(message):
                raise QueryTimeout(f"{query.shown} ran past {limits.timeout_s:g} s and was stopped") from None
            if error.connection_invalidated:
                raise DatabaseUnavailable(message) from error
            raise QueryFileError(f"{query.shown}: {message}") from error
        except ResourceClosedError:
            await connection.invalidate()  # who knows what it did to the session
            raise QueryFileError(f"{query.shown}: answers no rows; a query file asks, with `select`") from None
        except TimeoutError:
            raise QueryTimeout(f"{query.shown} ran past {limits.timeout_s:g} s and was stopped") from None
        except OSError as error:
            raise DatabaseUnavailable(f"the database went away: {error}") from error


async def _let_the_log_be_reset(database: Database, query: Query, limits: Limits) -> None:
    if not database.sqlite_path:
        return
    try:
        await wait_for_reset(database.sqlite_path, limits.timeout_s)
    except TimeoutError:
        raise QueryTimeout(
            f"{query.shown} waited {limits.timeout_s:g} s for the database's log to be reset, and was not run"
        ) from None


@contextlib.asynccontextmanager
async def _connected(database: Database, limits: Limits, statement: TextClause) -> AsyncIterator[AsyncConnection]:
    """A connection, whose waiting counts into the report's time. The next report finds nothing of this one in it."""
    try:
        async with asyncio.timeout(min(CONNECT_TIMEOUT, limits.patience_s)):
            connection = await database.reports.connect()
    except TimeoutError as error:
        raise DatabaseUnavailable("the database does not answer, or too many reports wait for it") from error
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be reached: {first_line(error)}") from error
    try:
        yield connection
    finally:
        await asyncio.shield(_give_back(connection, statement))  # a client that leaves now must not leave it open


async def _give_back(connection: AsyncConnection, statement: TextClause) -> None:
    try:
        await tidy(connection, statement.text)
    finally:
        await connection.close()


async def _answer(connection: AsyncConnection, statement: TextClause, limits: Limits) -> Result:
    if connection.dialect.name == "sqlite":
        return await _interruptible(connection, statement, limits)
    async with asyncio.timeout(limits.patience_s), _errors_wrapped(connection):
        return await _fetch(connection, statement, limits.rows)


async def _fetch(connection: AsyncConnection, statement: TextClause, limit: int) -> Result:
    """As many rows as the limit lets through. The others stay in the database: they may be millions."""
    stream = await connection.stream(statement)
    columns = list(stream.keys())
    rows = await stream.fetchmany(limit + 1)
    truncated = len(rows) > limit
    if truncated:
        await connection.invalidate()  # MySQL would send the others first
    return Result(columns, rows[:limit], truncated)


@contextlib.asynccontextmanager
async def _errors_wrapped(connection: AsyncConnection) -> AsyncIterator[None]:
    """SQLAlchemy wraps the drivers' errors, but not those that asyncpg has while it streams."""
    if connection.dialect.name != "postgresql":
        yield
        return
    import asyncpg

    raw = await connection.get_raw_connection()
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        gone = cast("asyncpg.Connection", raw.driver_connection).is_closed()
        if gone:
            await connection.invalidate()
        raise DBAPIError(None, None, error, connection_invalidated=gone) from error


async def _interruptible(connection: AsyncConnection, statement: TextClause, limits: Limits) -> Result:
    """SQLite runs in a thread that no cancellation reaches: it has to be told."""
    raw = await connection.get_raw_connection()
    driver = cast("aiosqlite.Connection", raw.driver_connection)
    pace = Pace(connection.sync_engine.pool.checkedout)  # type: ignore[attr-defined]  # as only a queue of them has it
    await driver.set_progress_handler(pace, STEPS)
    async with confined(driver) as reach:
        running = asyncio.ensure_future(_fetch(connection, statement, limits.rows))
        try:
            await asyncio.wait({running}, timeout=limits.timeout_s)
        finally:  # the limit, or a client that left
            pace.stop()
            while not running.done():  # told again, since between two steps it does not hear
                await driver.interrupt()
                await asyncio.wait({running}, timeout=0.05)
            await asyncio.gather(running, return_exceptions=True)  # its error is not one that nobody asked for
    if running.exception() and reach.refused:
        raise QueryFileError(reach.refused)
    return running.result()
