"""A rendered statement is run: on a read-only connection, with a time limit and a row limit."""

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError

from crumby.database import Database, first_line
from crumby.engines import AsyncConnection
from crumby.errors import DatabaseUnavailable, QueryFileError, QueryTimeout
from crumby.reporting import columnar
from crumby.reporting.binding import Statement
from crumby.reporting.innodb import narrowed
from crumby.reporting.query import Query
from crumby.reporting.reach import tidy
from crumby.reporting.sqlite import Held, asked
from crumby.reporting.view import View
from crumby.reporting.wal import wait_for_reset
from crumby.traffic import Traffic

# What the databases say when they stop a statement: SQLite, MariaDB, MySQL, PostgreSQL.
STOPPED = re.compile(r"interrupted|max_statement_time|maximum statement execution time|statement timeout")


CONNECT_TIMEOUT: Final = 5.0  # seconds for a connection, be it the network or the other reports that keep it waiting

KILL_S: Final = 1.0  # for a word to the server
Rows = Sequence[Sequence[Any]]
Fetch = Callable[[int], Awaitable[Rows]]  # at most so many rows; fewer when there are no more


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

    def __init__(self, columns: Sequence[str], most: int, fetch: Fetch) -> None:
        self.columns = columns
        self.truncated = False  # known with the last rows: there are more
        self.ended = False
        self._left = most
        self._fetch = fetch

    async def rows(self, most: int) -> Rows:
        """The next ones; none, or fewer than `most`, when it has ended. Raises what `reading` does."""
        if self.ended:
            return []
        size = most if most < self._left else self._left + 1  # one more tells whether it is cut
        try:
            rows = await self._fetch(size)
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
    statement = query.render(database.asking, view, arguments)
    clock = asyncio.get_running_loop().time
    started = clock()
    await _let_the_log_be_reset(database, query, limits)
    async with _connected(database, limits.after(clock() - started), statement) as connection:
        try:
            async with _opened(connection, statement, limits.after(clock() - started), database.traffic) as answer:
                yield answer
        except QueryFileError as error:
            raise QueryFileError(f"{query.shown}: {error}") from None
        except (DBAPIError, sqlite3.Error, sqlite3.Warning) as error:
            message = first_line(error)
            if STOPPED.search(message):
                raise QueryTimeout(f"{query.shown} ran past {limits.timeout_s:g} s and was stopped") from None
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise DatabaseUnavailable(message) from error
            raise QueryFileError(f"{query.shown}: {message}") from error
        except ResourceClosedError:
            if isinstance(connection, AsyncConnection):
                await connection.invalidate()  # who knows what it did to the session
            raise QueryFileError(f"{query.shown}: answers no rows; a query file asks, with `select`") from None
        except TimeoutError:
            raise QueryTimeout(f"{query.shown} ran past {limits.timeout_s:g} s and was stopped") from None
        except OSError as error:
            raise DatabaseUnavailable(f"{_which(database)} went away: {error}") from error


async def _let_the_log_be_reset(database: Database, query: Query, limits: Limits) -> None:
    if not database.sqlite_path or database.replica:
        return
    try:
        await wait_for_reset(database.sqlite_path, limits.timeout_s)
    except TimeoutError:
        raise QueryTimeout(
            f"{query.shown} waited {limits.timeout_s:g} s for the database's log to be reset, and was not run"
        ) from None


@contextlib.asynccontextmanager
async def _connected(database: Database, limits: Limits, statement: Statement) -> AsyncIterator[AsyncConnection | Held]:
    """A connection, whose waiting counts into the report's time. The next report finds nothing of this one in it."""
    opening: Awaitable[AsyncConnection | Held]
    opening = Held.of(database.reports) if statement.dialect == "sqlite" else database.reports.connect()
    try:
        async with asyncio.timeout(min(CONNECT_TIMEOUT, limits.timeout_s)):
            connection = await opening
    except TimeoutError as error:
        raise DatabaseUnavailable(f"{_which(database)} does not answer, or too many reports wait for it") from error
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"{_which(database)} can't be reached: {columnar.told(error)}") from error
    if isinstance(connection, Held):
        try:
            yield connection
        finally:
            await connection.give_back()
        return
    thread = await _thread(connection)
    try:
        yield connection
    finally:
        # A client that leaves now must not leave it open.
        await asyncio.shield(_give_back(database, connection, statement, thread))


def _which(database: Database) -> str:
    if database.asking == "clickhouse":
        return "the reports' ClickHouse"
    return "the reports' replica" if database.replica else "the database"


async def _give_back(database: Database, connection: AsyncConnection, statement: Statement, thread: int) -> None:
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
        async with asyncio.timeout(KILL_S), database.asked.connect() as other:
            await other.exec_driver_sql(f"kill {thread}")


@contextlib.asynccontextmanager
async def _opened(
    connection: AsyncConnection | Held, statement: Statement, limits: Limits, traffic: Traffic
) -> AsyncIterator[Reading]:
    if isinstance(connection, Held):
        async with asyncio.timeout(limits.timeout_s), asked(connection, statement, traffic) as answer:
            yield Reading(answer.columns, limits.rows, answer.fetch)
        return
    if statement.dialect == "clickhouse":
        most = limits.rows + 1
        async with (
            asyncio.timeout(limits.patience_s),
            columnar.asked(connection, statement, limits.timeout_s, most) as rows,
        ):
            yield Reading(rows.columns, limits.rows, rows.fetch)
        return
    async with asyncio.timeout(limits.patience_s), _errors_wrapped(connection):
        stream = await connection.stream((await narrowed(connection, statement)).clause)
        fetch = await _held_back(connection, stream.fetchmany)
        reading = Reading(list(stream.keys()), limits.rows, fetch)
        try:
            yield reading
        finally:
            if (reading.truncated or not reading.ended) and not connection.invalidated:
                await connection.invalidate()  # MySQL would send the others first


async def _held_back(connection: AsyncConnection, fetch: Fetch) -> Fetch:
    """The same rows, of which none come in while nobody fetches them: asyncmy buffers all that a server sends."""
    if connection.dialect.name != "mysql":
        return fetch
    driver: Any = (await connection.get_raw_connection()).driver_connection
    transport: asyncio.ReadTransport = driver._transport  # noqa: SLF001 - it has no public name

    async def fetched(most: int) -> Rows:
        transport.resume_reading()
        rows = await fetch(most)
        if len(rows) == most:  # there may be more
            transport.pause_reading()
        return rows

    return fetched


@contextlib.asynccontextmanager
async def _errors_wrapped(connection: AsyncConnection) -> AsyncIterator[None]:
    """SQLAlchemy wraps the drivers' errors, but not those that asyncpg has while it streams."""
    if connection.dialect.name != "postgresql":
        yield
        return
    import asyncpg

    driver = cast("asyncpg.Connection", (await connection.get_raw_connection()).driver_connection)
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        gone = driver.is_closed()
        if gone:
            await connection.invalidate()
        raise DBAPIError(None, None, error, connection_invalidated=gone) from error
