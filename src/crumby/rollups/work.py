"""A connection that rollups are worked out on, as the engine sees it: the embedded database's or a server's.

Only one process works at a time. In SQLite the rollups lie in a file of their own, which has a lock of its own, and
the database beside it is only read. In a cluster, whose nodes know their own locks alone, they take turns.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from crumby import cluster
from crumby.database import LOG_KEPT, PRAGMAS
from crumby.migrations import make_for_owner
from crumby.wiping import SECURE, restart_log

LOCK: Final = "crumby rollups"
LOCK_NUMBER: Final = 0x6372756D62  # PostgreSQL names its locks by numbers; "crumb"
LEASE_S: Final = 30  # that a step may take in a cluster, before another process goes on in its place
STALL_S: Final = 2.0  # that a commit takes in a cluster which waits for a silent node
BUSY_S: Final = 2.0
STATEMENTS: Final = 400  # that SQLite keeps compiled: some five for each rollup
STEPS: Final = 100_000  # of SQLite's machine, some milliseconds, between two looks whether to go on
PAGES_KIB: Final = 4096  # of the rollups' file that SQLite keeps in memory
PURGE: Final = "delete from {0} where id < min(:until, (select min(id) from {0}) + :most)"
LOG_LONG: Final = 4 << 20  # bytes of the rollups' log that are moved into the file
OF_THE_FILE: Final = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG}
)
MYSQL_OF_THE_FILE: Final = range(1048, 1250)  # its numbers of what is wrong with a statement, but for these
MYSQL_OTHERS: Final = frozenset(
    {
        1053,
        1077,
        1078,
        1079,
        1080,
        1105,
        1114,
        1152,
        1153,
        1158,
        1159,
        1160,
        1161,
        1180,
        1181,
        1184,
        1203,
        1205,
        1206,
        1213,
    }
)


class Busy(Exception):
    """Another process is at it."""


class Writing(Protocol):
    """A transaction of the database itself."""

    dialect: str

    def rows(self, sql: str, values: Mapping[str, Any] = {}) -> Sequence[Any]: ...
    def do(self, sql: str, values: Mapping[str, Any] = {}) -> int:
        """How many rows it wrote."""

    def each(self, sql: str, values: Sequence[Mapping[str, Any]]) -> None: ...


class Work(Protocol):
    dialect: str
    moves: bool | None
    """Whether rows that are on their way arrive as time goes by: not in a cluster that stood still; None: unknown."""

    def rows(self, sql: str, values: Mapping[str, Any] = {}) -> Sequence[Any]: ...
    def do(self, sql: str, values: Mapping[str, Any] = {}) -> int:
        """How many rows it wrote."""

    def plain(self, sql: str) -> int:
        """The same, where nothing is bound: a colon is a colon, and a percent sign one."""

    def plain_rows(self, sql: str) -> Sequence[Any]:
        """The same, of what answers rows."""

    def each(self, sql: str, values: Sequence[Mapping[str, Any]]) -> None: ...

    def columns(self, sql: str) -> list[str]:
        """Of the answer. Nothing is bound."""

    def has(self, table: str) -> bool:
        """Whether there is such a table of the rollups'."""

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """Raises Busy."""

    def apart(self) -> contextlib.AbstractContextManager[None]:
        """For what concerns nobody else, such as temporary tables."""

    def writing(self) -> contextlib.AbstractContextManager[Writing]:
        """A transaction of the database, which hits may wait for, within one of the rollups' that has written nothing.

        On a server it takes the place of that one, whose lock goes on.
        """

    def restart_log(self) -> bool:
        """What was deleted is in no log either → whether that is so now. A server's logs are its own."""

    def purge(self, table: str, until: int, most: int) -> int:
        """Delete so many of its rows with a smaller id, within a transaction → how many there were."""

    def is_of_the_file(self, error: Exception) -> bool:
        """Whether the statement is at fault, not the database."""


class SqliteWriting:
    """A connection, as `Writing` has it."""

    dialect = "sqlite"
    moves: bool | None = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Mapping[str, Any] = {}) -> Sequence[Any]:
        return self._connection.execute(sql, values).fetchall()

    def do(self, sql: str, values: Mapping[str, Any] = {}) -> int:
        return self._connection.execute(sql, values).rowcount

    def each(self, sql: str, values: Sequence[Mapping[str, Any]]) -> None:
        self._connection.executemany(sql, values)


class SqliteWork(SqliteWriting):
    def __init__(self, database: Path, rollups: Path) -> None:
        """Raises sqlite3.Error."""
        self._path = rollups
        make_for_owner(rollups)
        self._database = database
        super().__init__(
            sqlite3.connect(
                rollups, isolation_level=None, check_same_thread=False, uri=True, cached_statements=STATEMENTS
            )
        )
        self._connection.text_factory = _text
        try:
            for pragma in (
                f"busy_timeout = {BUSY_S * 1000:.0f}",
                "journal_mode = wal",
                "synchronous = normal",  # what a power failure takes is worked out again
                "wal_autocheckpoint = 0",  # see `checkpoint`
                f"journal_size_limit = {LOG_KEPT}",
                f"cache_size = -{PAGES_KIB}",
                "temp_store = memory",
            ):
                self._connection.execute(f"pragma {pragma}")
            self._connection.execute("attach ? as source", (f"file:{quote(str(database))}?mode=ro",))
        except BaseException:
            self._connection.close()
            raise
        self._inodes = self._found()
        self._stopped = False
        self._connection.set_progress_handler(lambda: self._stopped, STEPS)

    @property
    def gone(self) -> bool:
        """Whether somebody has deleted a file, or put another one there."""
        try:
            return self._found() != self._inodes
        except OSError:
            return True

    def _found(self) -> tuple[int, int]:
        return self._path.stat().st_ino, self._database.stat().st_ino

    def interrupt(self) -> None:
        """From another thread: what is going on fails, and is undone."""
        self._stopped = True  # SQLite's own `interrupt` is forgotten where it comes between two statements

    def plain(self, sql: str) -> int:
        return self._connection.execute(sql).rowcount

    def plain_rows(self, sql: str) -> Sequence[Any]:
        return self._connection.execute(sql).fetchall()

    def columns(self, sql: str) -> list[str]:
        cursor = self._connection.execute(sql)
        try:
            return [column[0] for column in cursor.description or ()]
        finally:
            cursor.close()

    def has(self, table: str) -> bool:
        return bool(self.rows("select 1 from main.sqlite_master where name = :table", {"table": table}))

    def apart(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self._begin()
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def _begin(self) -> None:
        self._connection.execute("pragma busy_timeout = 0")
        try:
            self._connection.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise Busy from error
            raise
        finally:
            self._connection.execute(f"pragma busy_timeout = {BUSY_S * 1000:.0f}")

    def checkpoint(self) -> None:
        """Move a long log into the file while another connection holds the lock: `ingest/store.py` says why."""
        log = self._path.with_name(f"{self._path.name}-wal")
        with contextlib.suppress(OSError, sqlite3.Error):  # the next one is another chance
            if log.stat().st_size <= LOG_LONG:
                return
            with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as guard:
                guard.execute("pragma wal_autocheckpoint = 0")
                guard.execute("begin immediate")
                self._connection.execute("pragma main.wal_checkpoint(passive)")
                guard.execute("rollback")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writing]:
        with contextlib.closing(sqlite3.connect(self._database, isolation_level=None, timeout=BUSY_S)) as connection:
            connection.text_factory = _text
            for pragma in (*PRAGMAS, SECURE):
                connection.execute(f"pragma {pragma}")
            connection.execute("begin immediate")
            yield SqliteWriting(connection)
            connection.execute("commit")  # what is not committed is undone when it is closed

    def restart_log(self) -> bool:
        return restart_log(self._database) and restart_log(self._path)

    def purge(self, table: str, until: int, most: int) -> int:
        with self.writing() as database:
            return database.do(PURGE.format(table), {"until": until, "most": most})

    def is_of_the_file(self, error: Exception) -> bool:
        if isinstance(error, sqlite3.Warning | sqlite3.ProgrammingError):  # two statements, or something bound
            return True
        return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in OF_THE_FILE

    def close(self) -> None:
        self._connection.close()


def _text(octets: bytes) -> str:
    """Another program may have written what is none."""
    return octets.decode(errors="replace")


class ServerWork:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.dialect = connection.dialect.name
        self.moves: bool | None = None if cluster.is_there(connection) else True

    def rows(self, sql: str, values: Mapping[str, Any] = {}) -> Sequence[Any]:
        return self._connection.execute(text(sql), values).fetchall()

    def do(self, sql: str, values: Mapping[str, Any] = {}) -> int:
        return self._connection.execute(text(sql), values).rowcount

    def plain(self, sql: str) -> int:
        return self._connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).rowcount

    def plain_rows(self, sql: str) -> Sequence[Any]:
        return self._connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).fetchall()

    def columns(self, sql: str) -> list[str]:
        found = self._connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
        names = list(found.keys())
        found.close()
        return names

    def has(self, table: str) -> bool:
        schema = "database()" if self.dialect == "mysql" else "current_schema()"
        sql = f"select 1 from information_schema.tables where table_schema = {schema} and table_name = :table"
        return bool(self.rows(sql, {"table": table}))

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        try:
            yield
            self._connection.commit()
        finally:
            if not self._connection.invalidated:
                self._connection.rollback()

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        cluster.undo(self._connection)
        return self._in_turn() if cluster.is_there(self._connection) else self._locked()

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Where the turn was over before the work was, nothing of it is committed."""
        turn = cluster.Turn(self._connection, LOCK, LEASE_S)
        began = time.monotonic()
        if not turn.take():
            raise Busy
        self.moves = time.monotonic() - began < STALL_S
        try:
            with cluster.given_back(turn, self._connection):
                yield
                if not turn.ends():
                    raise Busy
                self._connection.commit()
        except DBAPIError as error:
            if cluster.crossed(error):
                raise Busy from error
            raise
        finally:
            self.moves = None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock is the connection's, so that it outlasts the commits that MySQL puts around each `create table`."""
        lock, unlock = (
            (f"get_lock(concat('{LOCK} ', database()), 0)", f"release_lock(concat('{LOCK} ', database()))")
            if self.dialect == "mysql"
            else (f"pg_try_advisory_lock({LOCK_NUMBER})", f"pg_advisory_unlock({LOCK_NUMBER})")
        )
        locked = self.rows(f"select {lock}")[0][0]
        self._connection.commit()
        if not locked:
            raise Busy
        try:
            yield
            self._connection.commit()
        finally:
            if not self._connection.invalidated:
                self._connection.rollback()
                self.rows(f"select {unlock}")
                self._connection.commit()

    def each(self, sql: str, values: Sequence[Mapping[str, Any]]) -> None:
        self._connection.execute(text(sql), values)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writing]:
        self._connection.commit()
        yield self
        self._connection.commit()

    def restart_log(self) -> bool:
        return True

    def purge(self, table: str, until: int, most: int) -> int:
        first = self.rows(f"select min(id) from {table}")[0][0]
        if first is None:
            return 0
        return self.do(f"delete from {table} where id < :until", {"until": min(until, first + most)})

    def is_of_the_file(self, error: Exception) -> bool:
        if not isinstance(error, DBAPIError) or error.connection_invalidated:
            return False
        if isinstance(error, DataError | IntegrityError | NotSupportedError | ProgrammingError):
            return True
        number = error.orig.args[0] if error.orig and error.orig.args else None
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return state.startswith(("22", "23", "42")) or (number in MYSQL_OF_THE_FILE and number not in MYSQL_OTHERS)
