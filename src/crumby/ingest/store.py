"""Where rows become durable: one transaction for each batch, in which a known hit id changes nothing."""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from crumby import spider
from crumby.database import LOG_KEPT, PRAGMAS
from crumby.errors import CrumbyError, DatabaseUnavailable
from crumby.ingest.batch import ServerBatch, SqliteBatch
from crumby.ingest.connections import KeptConnections
from crumby.ingest.enrich import Engagement, Event, Visit

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_S: Final = 1.0  # between two looks at the log
CHECKPOINT: Final = 256  # transactions between two: a log of 4 MiB in a quiet hour, of 20 under load
SOON: Final = 8  # transactions, where a report still read the log: 16 MiB under load, where waiting made 46

LOG_BEGINS_S: Final = 2.0  # for another worker to begin a new file's log
LOOK_AGAIN_S: Final = 0.05
TRIES: Final = 4  # of a batch whose rows other workers write as well
CROSSED: Final = frozenset({1213, "40P01", "40001"})  # a deadlock, as MySQL and PostgreSQL say it; a serialization

# Any other error of SQLite's is the file's, a malformed one included: its hits are to be sent again.
OF_A_ROW: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeEncodeError,
)


class RowRefused(CrumbyError):
    """The database takes no such value: a fault of one row, not of the database."""

    status = 400


@dataclass(frozen=True, slots=True)
class Condition:
    """How a store is at the moment."""

    away: str | None = None  # why the database takes nothing; None while it does
    spooling: bool = False  # hits are taken all the same
    spooled: int = 0  # hits that wait
    oldest_s: float = 0.0  # since the first of them came
    set_aside: int = 0  # hits that the database will never take


class Store(Protocol):
    at_once: int
    """Batches that are worth giving it together, none of which has a visitor or a hit of another one."""

    async def insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        """Return when all are committed; raise RowRefused or DatabaseUnavailable when nothing is."""


class WatchedStore(Store, Protocol):
    async def condition(self) -> Condition: ...


class SqliteThread:
    """One connection in one thread of its own: a transaction costs a single hop.

    Hops between threads are what a batch costs, not the disk: over aiosqlite, with one for each statement, this
    took twice the time.

    The thread also moves the write-ahead log into the file, between transactions, and nobody else does: a checkpoint
    that meets the commit of another connection can corrupt the file, in SQLite before 3.51.3
    (<https://sqlite.org/wal.html#walresetbug>). So a second connection, the guard, holds the write lock meanwhile,
    and no worker, command or program commits.
    """

    def __init__(self, path: Path, *pragmas: str, checkpoint: int = CHECKPOINT) -> None:
        """`checkpoint`: transactions between two of them."""
        self._path = path
        self._checkpoint_after = checkpoint
        self._pragmas = (*PRAGMAS, *pragmas)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"crumby-{path.stem}")
        self._connection: sqlite3.Connection | None = None
        self._guard: sqlite3.Connection | None = None
        self._transactions = 0  # since the last checkpoint

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the work returns, once it is committed. Raises RowRefused or DatabaseUnavailable; then nothing is."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._connection or self._connect()
            connection.execute("begin immediate")
            try:
                result = work(connection)
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:  # a full disk, an I/O error have rolled back already
                    connection.execute("rollback")
                raise
        except OF_A_ROW as error:
            raise RowRefused(str(error)) from error
        except sqlite3.Error as error:  # locked, full, unreadable, malformed
            raise DatabaseUnavailable(f"{self._path}: {error}") from error
        self._transactions += 1
        if self._transactions >= self._checkpoint_after:
            self._transactions = 0
            self._thread.submit(self._checkpoint)  # behind this one, whose caller need not wait for it
        return result

    def _checkpoint(self) -> None:
        try:
            if self._connection and not self._move_log(self._connection):
                self._transactions = max(0, self._checkpoint_after - SOON)
        except sqlite3.Error as error:  # what was committed is safe in the log
            log.warning("%s: the write-ahead log stays where it is for now: %s", self._path, error)

    def _move_log(self, connection: sqlite3.Connection) -> bool:
        """As far as no report still reads the log → whether that was all of it."""
        self._guard = self._guard or self._open()
        self._guard.execute("begin immediate")
        try:
            _, logged, moved = connection.execute("pragma wal_checkpoint(passive)").fetchone()
        finally:
            self._guard.execute("rollback")
        return bool(moved >= logged)

    async def keep_log_short(self) -> None:
        """Have no end. A log that reports made long starts anew once they have ended, though no hit comes."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.get_running_loop().run_in_executor(self._thread, self._reset_a_long_log)

    def _reset_a_long_log(self) -> None:
        """A log that is in the file as a whole starts anew with the next write, where no report reads it: so write."""
        with contextlib.suppress(OSError, CrumbyError, sqlite3.Error):  # the next look is another chance
            if self._path.with_name(f"{self._path.name}-wal").stat().st_size > LOG_KEPT:
                self._connection = self._connection or self._connect()
                self._checkpoint()
                self._transact(_rewrite_the_version)

    def _connect(self) -> sqlite3.Connection:
        """Open the file, and sync what a process that was killed may have left in the log before it could.

        Those rows are there to be read: a hit that comes again finds its own, writes nothing, and would be
        acknowledged without any sync.
        """
        connection = self._open()
        try:
            self._move_log(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in self._pragmas:
                _set(connection, pragma)
        except BaseException:
            connection.close()
            raise
        return connection

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _disconnect(self) -> None:
        for connection in filter(None, (self._guard, self._connection)):
            connection.close()


def _rewrite_the_version(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("pragma user_version").fetchone()
    connection.execute(f"pragma user_version = {version}")


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """Where two workers begin a new file's log at once, SQLite refuses one, without the wait that it has elsewhere."""
    deadline = time.monotonic() + LOG_BEGINS_S
    while True:
        try:
            connection.execute(f"pragma {pragma}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(LOOK_AGAIN_S)
        else:
            return


class SqliteStore:
    """The embedded database."""

    at_once = 1  # it has one writer

    def __init__(self, path: Path) -> None:
        self._thread = SqliteThread(path)
        self._batch = SqliteBatch()

    async def insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        try:
            await self._insert(visits, events, engagements, look=False)
        except RowRefused as error:
            if not isinstance(error.__cause__, sqlite3.IntegrityError):
                raise
            await self._insert(visits, events, engagements, look=True)

    async def _insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement], *, look: bool
    ) -> None:
        await self._thread.transact(
            lambda connection: self._batch.insert(connection, visits, events, engagements, look=look)
        )

    async def keep_log_short(self) -> None:
        await self._thread.keep_log_short()

    async def condition(self) -> Condition:
        try:
            await self._thread.transact(lambda _connection: None)
        except DatabaseUnavailable as error:
            return Condition(away=str(error))
        return Condition()

    async def close(self) -> None:
        await self._thread.close()


class ServerStore:
    """MySQL, MariaDB and PostgreSQL, through SQLAlchemy."""

    at_once = 2  # a third waits for this process, not for the server

    def __init__(self, engine: AsyncEngine) -> None:
        self._name = engine.dialect.name
        self.connections = KeptConnections(engine, self.at_once)
        self._batch = ServerBatch(engine.dialect)

    async def insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        async def work(connection: AsyncConnection, again: bool) -> None:  # noqa: FBT001 - as `transact` calls it
            if visits or events or engagements:
                await self._batch.insert(connection, visits, events, engagements, look=again)
            else:  # whoever asks how it is wants to go on
                await connection.run_sync(spider.mend)

        await self.transact(work)

    async def transact(self, work: Callable[[AsyncConnection, bool], Awaitable[T]]) -> T:
        """What the work returns, once it is committed. It may be begun again, and is told so.

        Raises RowRefused or DatabaseUnavailable; then nothing is.
        """
        more = TRIES
        while True:
            more -= 1
            kept = self.connections.kept
            try:
                async with self.connections.begin() as connection:
                    done = await work(connection, more < TRIES - 1)
            except Exception as error:  # drivers have odd ones for a server that dies; the rows are to be kept anyhow
                if more and (kept or _may_pass_again(error)):
                    continue
                raise self._told(error) from error
            return done

    def _told(self, error: Exception) -> CrumbyError:
        if not isinstance(error, DBAPIError):
            return DatabaseUnavailable(f"{self._name}: {type(error).__name__}: {error}")
        return (
            RowRefused(str(error.orig)) if _is_of_a_row(error) else DatabaseUnavailable(f"{self._name}: {error.orig}")
        )


def _may_pass_again(error: Exception) -> bool:
    """Whether nothing is wrong but that another worker was there first, or this very hit."""
    if not isinstance(error, DBAPIError):
        return False
    code = str(getattr(error.orig, "sqlstate", None) or "")
    number = error.orig.args[0] if error.orig and error.orig.args else None
    return isinstance(error, IntegrityError) or code.startswith("23") or code in CROSSED or number in CROSSED


def _is_of_a_row(error: DBAPIError) -> bool:
    """Whether a value is at fault. In doubt it is not: a hit that is refused for good would be lost.

    asyncpg gives no class for it but PostgreSQL's own code (22: data, 23: integrity), or what it stumbled over itself.
    """
    code = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        isinstance(error, DataError | IntegrityError)
        or code.startswith(("22", "23"))
        or isinstance(error.orig, TypeError | ValueError | OverflowError)
        or isinstance(error.orig and error.orig.__cause__, ValueError)
    )
