"""A rendered statement is run: on a read-only connection, with a time limit and a row limit."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import aiosqlite
from sqlalchemy import Row, TextClause
from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult

from crumby.database import Database, first_line
from crumby.errors import DatabaseUnavailable, QueryFileError, QueryTimeout
from crumby.reporting.pace import STEPS, Pace
from crumby.reporting.query import Query
from crumby.reporting.reach import Reach, confined, tidy
from crumby.reporting.view import View
from crumby.reporting.wal import wait_for_reset

# What the databases say when they stop a statement: SQLite, MariaDB, MySQL, PostgreSQL.
STOPPED = re.compile(r"interrupted|max_statement_time|maximum statement execution time|statement timeout")


CONNECT_TIMEOUT: Final = 5.0  # seconds for a connection, be it the network or the other reports that keep it waiting

KILL_S: Final = 1.0  # for a word to the server
Rows = Sequence[Sequence[Any]]
Step = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]  # does one thing that the database may be long at


@dataclass(frozen=True, slots=True)
class Result:
    columns: Sequence[str]
    rows: Rows
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
        return self.timeout_s * 1.1 + 1.0


class Reading:
    """An answer that is being read: as many rows as the limit lets through, some at a time.

    The others stay in the database: they may be millions.
    """

    def __init__(self, stream: AsyncResult[Any], most: int, step: Step) -> None:
        self.columns = list(stream.keys())
        self.truncated = False  # known with the last rows: there are more
        self.ended = False
        self._stream = stream
        self._left = most
        self._step = step

    async def rows(self, most: int) -> Sequence[Row[Any]]:
        """The next ones; none, or fewer than `most`, when it has ended. Raises what `reading` does."""
        if self.ended:
            return []
        size = most if most < self._left else self._left + 1  # one more tells whether it is cut
        try:
            rows: Sequence[Row[Any]] = await self._step(lambda: self._stream.fetchmany(size))
        except Exception:
            self.ended = True  # the database has ended it
            raise
        self.ended = len(rows) < size
        if len(rows) > self._left:
            self.ended = self.truncated = True
            rows = rows[: self._left]
        self._left -= len(rows)
        return rows


async def run(database: Database, query: Query, view: View, arguments: Mapping[str, Any], limits: Limits) -> Result:
    """The query's answer. Raises what `reading` does."""
    async with reading(database, query, view, arguments, limits) as answer:
        rows = await answer.rows(limits.rows)
        return Result(answer.columns, rows, answer.truncated)


@contextlib.asynccontextmanager
async def reading(
    database: Database, query: Query, view: View, arguments: Mapping[str, Any], limits: Limits
) -> AsyncIterator[Reading]:
    """The query's answer, row by row. The time limit is for all of it, whoever is slow to take the rows.

    Raises QueryFileError for SQL that the database does not take, QueryTimeout, and DatabaseUnavailable.
    """
    statement = query.render(database.dialect, view, arguments)
    clock = asyncio.get_running_loop().time
    started = clock()
    await _let_the_log_be_reset(database, query, limits)
    async with _connected(database, limits.after(clock() - started), statement) as connection:
        try:
            async with _opened(connection, statement, limits.after(clock() - started)) as answer:
                yield answer
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
        async with asyncio.timeout(min(CONNECT_TIMEOUT, limits.timeout_s)):
            connection = await database.reports.connect()
    except TimeoutError as error:
        raise DatabaseUnavailable("the database does not answer, or too many reports wait for it") from error
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be reached: {first_line(error)}") from error
    thread = await _thread(connection)
    try:
        yield connection
    finally:
        # A client that leaves now must not leave it open.
        await asyncio.shield(_give_back(database, connection, statement, thread))


async def _give_back(database: Database, connection: AsyncConnection, statement: TextClause, thread: int) -> None:
    try:
        if thread and connection.invalidated:
            await _kill(database, thread)
        await tidy(connection, statement.text)
    finally:
        await connection.close()


async def _thread(connection: AsyncConnection) -> int:
    """MySQL's number of it; 0 of another database."""
    if connection.dialect.name != "mysql":
        return 0
    driver: Any = (await connection.get_raw_connection()).driver_connection
    return int(driver.thread_id())


async def _kill(database: Database, thread: int) -> None:
    """MySQL goes on with a statement whose connection is gone, for as long as it has nothing to send."""
    with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):  # it has ended by itself, or so has the server
        async with asyncio.timeout(KILL_S), database.engine.connect() as other:
            await other.exec_driver_sql(f"kill {thread}")


@contextlib.asynccontextmanager
async def _opened(connection: AsyncConnection, statement: TextClause, limits: Limits) -> AsyncIterator[Reading]:
    sqlite = connection.dialect.name == "sqlite"
    steps = _interruptible(connection) if sqlite else _errors_wrapped(connection)
    async with asyncio.timeout(limits.timeout_s if sqlite else limits.patience_s), steps as step:
        answer = Reading(await step(lambda: connection.stream(statement)), limits.rows, step)
        try:
            yield answer
        finally:
            if (answer.truncated or not answer.ended) and not connection.invalidated:
                await connection.invalidate()  # MySQL would send the others first


async def _straight(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


@contextlib.asynccontextmanager
async def _errors_wrapped(connection: AsyncConnection) -> AsyncIterator[Step]:
    """SQLAlchemy wraps the drivers' errors, but not those that asyncpg has while it streams."""
    if connection.dialect.name != "postgresql":
        yield _straight
        return
    import asyncpg

    driver = cast("asyncpg.Connection", (await connection.get_raw_connection()).driver_connection)
    try:
        yield _straight
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        gone = driver.is_closed()
        if gone:
            await connection.invalidate()
        raise DBAPIError(None, None, error, connection_invalidated=gone) from error


@contextlib.asynccontextmanager
async def _interruptible(connection: AsyncConnection) -> AsyncIterator[Step]:
    """SQLite runs in a thread that no cancellation reaches: it has to be told."""
    raw = await connection.get_raw_connection()
    driver = cast("aiosqlite.Connection", raw.driver_connection)
    pace = Pace(connection.sync_engine.pool.checkedout)  # type: ignore[attr-defined]  # as only a queue of them has it
    await driver.set_progress_handler(pace, STEPS)
    async with confined(driver) as reach:
        try:
            yield lambda work: _told(driver, pace, reach, work)
        finally:
            pace.stop()


async def _told(driver: aiosqlite.Connection, pace: Pace, reach: Reach, work: Callable[[], Awaitable[Any]]) -> Any:
    pace.begin()
    running = asyncio.ensure_future(work())
    try:
        await asyncio.wait({running})
    finally:
        if not running.done():  # the limit, or a client that left
            pace.stop()
        while not running.done():  # told again, since between two steps it does not hear
            await driver.interrupt()
            await asyncio.wait({running}, timeout=0.05)
        await asyncio.gather(running, return_exceptions=True)  # its error is not one that nobody asked for
    if running.exception() and reach.refused:
        raise QueryFileError(reach.refused)
    return running.result()
