"""The database: its URL, one engine that writes and one that only reads, of the same server or of one that follows it.

SQLite gets the pragmas that make a commit durable (WAL, `synchronous = full`), and readers that cannot write;
the servers get read-only sessions with a time limit for reports, and UTC everywhere. What follows is a replica of the
same kind, or a ClickHouse that has a copy.
"""

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import re2
from sqlalchemy import URL, QueuePool, Table, event, make_url
from sqlalchemy.exc import DisconnectionError

from crumby import cluster, spider
from crumby.columnar.engine import DIALECT, clickhouse_url, is_clickhouse, open_clickhouse
from crumby.engines import AsyncEngine, create_async_engine
from crumby.errors import ConfigurationError
from crumby.migrations import make_for_owner
from crumby.settings import Settings
from crumby.traffic import Traffic

DRIVERS: Final[Mapping[str, str]] = {
    "sqlite": "sqlite+aiosqlite",
    "mysql": "mysql+asyncmy",
    "mariadb": "mysql+asyncmy",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
PREPARED: Final = 64  # statements of a MySQL connection that writes hits: one for each set of columns
# What PostgreSQL prepares while a table is empty reads all of it, until the table is analyzed. For a minute or
# more each batch of hits would read all visitors. Hits ask for nothing but rows whose keys they know.
BY_KEY: Final = {"enable_seqscan": "off"}
MYSQL_REFUSALS: Final = frozenset({1044, 1045, 1049, 1698})  # access denied, unknown database
GOODBYE: Final = 3.0  # seconds that closing the connections to a server may take
IN_USE: Final = 10.0  # seconds that whoever still asks a file may take, on a machine that stands still for a while
LOOK_AGAIN: Final = 0.01  # second
BUSY_TIMEOUT: Final = 30  # seconds that SQLite waits for another writer
STATEMENTS: Final = 48  # prepared ones that a connection of SQLite's reports keeps: a page has thirty, of 40 kB each
LONGEST: Final = 4 << 20  # bytes of a text or a row of SQLite's, in a report
LONGEST_SORTED: Final = 8192  # bytes, the most that MariaDB takes
RECEIVED: Final = 64 << 10  # bytes that wait in the socket of a MySQL report; Linux takes twice as many
LOG_KEPT: Final = 32 << 20  # bytes of SQLite's write-ahead log that stay on the disk when it starts anew
# What a connection that writes needs. None checkpoints of its own accord: `ingest/store.py` says who does, and why.
# Its caches stay small: 2 MiB each, a reader of rollups profits from no more.
PRAGMAS: Final = (
    "journal_mode = wal",
    "synchronous = full",
    "wal_autocheckpoint = 0",
    f"journal_size_limit = {LOG_KEPT}",
    f"busy_timeout = {BUSY_TIMEOUT * 1000}",
)


@dataclass(frozen=True, slots=True)
class Database:
    engine: AsyncEngine  # reads and writes
    hits: AsyncEngine  # writes hits, in a server's fastest way
    reports: AsyncEngine  # reads; a statement that runs past the limit is stopped
    sqlite_path: Path | None  # of the embedded database
    replica: AsyncEngine | None = None  # of the server that reports ask, where it is not the one that is written to
    reader: AsyncEngine | None = None  # of SQLite's file, where reports ask a ClickHouse
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def dialect(self) -> str:
        """Of what is written to: `sqlite`, `mysql` (MariaDB as well) or `postgresql`."""
        return self.engine.dialect.name

    @property
    def asking(self) -> str:
        """The dialect of what reports ask: the same, or `clickhouse`."""
        return DIALECT if self.replica and is_clickhouse(self.replica.url) else self.dialect

    @property
    def reading(self) -> AsyncEngine:
        """Reads what is written to, and on SQLite does no more than that."""
        return self.reader or (self.reports if self.sqlite_path else self.engine)

    @property
    def asked(self) -> AsyncEngine:
        """Of the server that reports ask, without their limits."""
        return self.replica or self.engine


@contextlib.asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Both engines, for as long as the context lasts. Nothing is connected before it is used."""
    url = async_url(settings.sqlalchemy_database_uri)
    replica = _replica_url(url, settings.reports_database_uri)
    embedded = url.get_backend_name() == "sqlite"
    copied = replica if replica and is_clickhouse(replica) else None
    follower = None if copied else replica
    database = _open_sqlite(url, settings) if embedded else _open_server(url, follower, settings)
    database = _with_copy(database, copied, settings) if copied else database
    try:
        yield database
    finally:
        engines = {database.engine, database.hits, database.reports, database.asked, database.reading}
        await asyncio.gather(*map(_close, engines))


async def _close(engine: AsyncEngine) -> None:
    """A server that is frozen would keep its goodbye for ever; a file is closed, however busy the machine is."""
    if engine.dialect.name == "sqlite":
        await _given_back(cast("QueuePool", engine.sync_engine.pool))
        await engine.dispose()
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await engine.dispose()


async def _given_back(pool: QueuePool) -> None:
    """Wait for who was told to end and has not yet: what comes back after the goodbye is closed by nobody."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(IN_USE):
            while pool.checkedout():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(LOOK_AGAIN)


def async_url(uri: str, key: str = "SQLALCHEMY_DATABASE_URI") -> URL:
    """The URL with the async driver of its database, whatever driver it named.

    `mysql+pymysql://root:pw@localhost/crumby` → `mysql+asyncmy://…`; `sqlite:///~/crumby.db` → the home folder.
    """
    url = make_url(uri)
    backend = url.drivername.partition("+")[0]
    if backend not in DRIVERS:
        known = ", ".join(DRIVERS)
        raise ConfigurationError(f"{key}: Crumby does not speak {backend!r}, only {known}")
    url = url.set(drivername=DRIVERS[backend])
    if backend == "sqlite":
        return _sqlite_url(url)
    if url.drivername == "postgresql+asyncpg" and "sslmode" in url.query:  # libpq's word for asyncpg's `ssl`
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    if url.drivername == "mysql+asyncmy":
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def _replica_url(url: URL, uri: str | None) -> URL | None:
    """Of what replicates the other one. Raises ConfigurationError for what can't."""
    if uri is None:
        return None
    key = "REPORTS_DATABASE_URI"
    replica = make_url(uri)
    if is_clickhouse(replica):
        return clickhouse_url(replica)
    if url.get_backend_name() == "sqlite":
        raise ConfigurationError(
            f"{key}: SQLite has no replica but a ClickHouse; leave it out, or use MariaDB or PostgreSQL"
        )
    if DRIVERS.get(replica.get_backend_name()) != url.drivername:
        raise ConfigurationError(
            f"{key}: {replica.get_backend_name()} is no replica of the {url.get_backend_name()} that "
            "SQLALCHEMY_DATABASE_URI names; both have to be of one kind"
        )
    return async_url(uri, key)


def _with_copy(database: Database, url: URL, settings: Settings) -> Database:
    """The same, and reports ask a ClickHouse: one engine does, for each report brings its limits along."""
    patience_s = settings.query_timeout * 1.1 + 1.0
    engine = open_clickhouse(url, timeout_s=patience_s, echo=settings.sqlalchemy_echo)
    return replace(database, reports=engine, replica=engine, reader=database.reading)


def _sqlite_url(url: URL) -> URL:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            "SQLALCHEMY_DATABASE_URI: an in-memory SQLite forgets every hit; name a file, "
            "such as sqlite:////var/lib/crumby/crumby.db"
        )
    return url.set(database=str(Path(url.database).expanduser().absolute()))


def _open_sqlite(url: URL, settings: Settings) -> Database:
    path = Path(url.database or "")
    if not path.parent.is_dir():
        raise ConfigurationError(f"SQLALCHEMY_DATABASE_URI: there is no folder {path.parent}; make it first")
    engine = create_async_engine(url, echo=settings.sqlalchemy_echo, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _run_each(f"pragma {pragma}" for pragma in PRAGMAS))
    read_only = url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    # Nothing of a report is left to be rolled back.
    reports = create_async_engine(
        read_only,
        echo=settings.sqlalchemy_echo,
        hide_parameters=True,
        connect_args={"factory": _Reader},
        pool_reset_on_return=None,
    )
    event.listen(reports.sync_engine, "connect", _replace_regexp)
    event.listen(
        reports.sync_engine,
        "connect",
        _run_each(["pragma query_only = on", f"pragma busy_timeout = {BUSY_TIMEOUT * 1000}"]),
    )
    event.listen(reports.sync_engine, "connect", _attach(rollups_path(path)))
    event.listen(reports.sync_engine, "checkout", _leave_a_deleted_file(rollups_path(path)))
    return Database(engine, engine, reports, path)


def rollups_path(database: Path) -> Path:
    """Where the embedded database's rollups are: `crumby.db` → `crumby-rollups.db`."""
    return database.with_name(f"{database.stem}-rollups.db")


def _attach(rollups: Path) -> Any:
    """An empty file is a database, too, whose tables come later. Without one, reports read the visits."""

    def listener(connection: Any, record: Any) -> None:
        make_for_owner(rollups)
        if rollups.exists():
            record.info["rollups"] = rollups.stat().st_ino
            cursor = connection.cursor()
            cursor.execute("attach database ? as rollups", (f"file:{quote(str(rollups))}?mode=ro",))
            cursor.close()

    return listener


def _leave_a_deleted_file(rollups: Path) -> Any:
    """Who has the rollups open goes on reading them when they are deleted, and made anew under the same name."""

    def listener(_connection: Any, record: Any, _proxy: object) -> None:
        with contextlib.suppress(OSError):
            if record.info.get("rollups") != rollups.stat().st_ino:
                raise DisconnectionError  # the pool opens another one

    return listener


class _Reader(sqlite3.Connection):
    """Without a limit `printf('%*d', 900000000, 1)` takes 900 MB, and with them a small machine's server."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords | {"cached_statements": STATEMENTS})
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)


def _replace_regexp(connection: Any, _record: object) -> None:
    """SQLAlchemy's is Python's `re`: `'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' regexp '(a+)+$'` stops the process for minutes.

    RE2 takes time by the text's length alone; it knows no back references and does not look around.
    """
    connection.create_function("regexp", 2, _regexp, deterministic=True)


def _regexp(pattern: str, text: str | None) -> bool | None:
    return None if text is None else bool(re2.search(pattern, text))


def _open_server(url: URL, replica_url: URL | None, settings: Settings) -> Database:
    # Among a statement's values are links, hashes and addresses: no log, and no traceback, is the place for them.
    options: dict[str, Any] = {"echo": settings.sqlalchemy_echo, "hide_parameters": True, "pool_pre_ping": True}
    engine = hits = create_async_engine(url, **options)
    if url.drivername == "mysql+asyncmy":
        hits = create_async_engine(url, connect_args={"stmt_cache_size": PREPARED}, **options)
        for each in (engine, hits):
            event.listen(each.sync_engine, "connect", _lock_no_gaps)
        reports = create_async_engine(replica_url or url, **options)
        for each, answer_s in ((reports, settings.query_timeout), (hits, spider.HIT_S), (engine, spider.ANSWER_S)):
            event.listen(each.sync_engine, "connect", _reach_shards(answer_s, locks=each is hits))
        event.listen(reports.sync_engine, "connect", _limit_mysql(settings.query_timeout))
        event.listen(reports.sync_engine, "connect", _take_little)
        event.listen(reports.sync_engine, "begin", _begin_read_only)
    else:
        hits = create_async_engine(url, connect_args={"server_settings": BY_KEY}, **options)
        limits = {
            "default_transaction_read_only": "on",
            "statement_timeout": str(round(settings.query_timeout * 1000)),
            "standard_conforming_strings": "on",  # as `statement.py` reads them
            "timezone": "UTC",
        }
        options["execution_options"] = {"postgresql_readonly": True}  # each transaction, whatever the session says
        reports = create_async_engine(replica_url or url, connect_args={"server_settings": limits}, **options)
    replica = create_async_engine(replica_url, **options) if replica_url else None
    for each in {engine, hits, reports, replica or engine}:
        event.listen(each.sync_engine, "do_connect", _connect)
        if url.drivername == "mysql+asyncmy":
            event.listen(each.sync_engine, "connect", _see_what_others_committed)
            event.listen(each.sync_engine, "handle_error", _leave_a_node_that_is_out)
    return Database(engine, hits, reports, None, replica=replica)


def _connect(dialect: Any, _record: object, args: Any, kwargs: Any) -> Any:
    """A bare RuntimeError is what asyncmy has for a connection that is reset while it is made, as proxies do."""
    try:
        return dialect.connect(*args, **kwargs)
    except RuntimeError as error:
        raise ConnectionResetError(str(error)) from error


def _begin_read_only(connection: Any) -> None:
    """No statement within the transaction makes it write, whatever became of the session."""
    connection.exec_driver_sql("start transaction read only")


def insert_into(table: Table, dialect: str) -> Any:
    """An insert as that database knows it, which says what to do where the row is there. Loads no other's words."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


def refuses_us(error: BaseException | None) -> bool:
    """Whether the server is there and says no, to the name, the password or the database: waiting mends nothing."""
    said = getattr(error, "orig", None)
    state = str(getattr(said, "sqlstate", None) or getattr(said, "pgcode", None) or "")
    number = said.args[0] if isinstance(said, Exception) and said.args else None
    return state.startswith("28") or state == "3D000" or number in MYSQL_REFUSALS


def first_line(error: Exception) -> str:
    """What the driver says, without SQLAlchemy's statement and link."""
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return lines[0] if lines else type(error).__name__


def _lock_no_gaps(connection: Any, _record: object) -> None:
    """By itself InnoDB locks what is not there along with what is, and two workers with new visitors deadlock.

    A server that logs statements (`binlog_format`) takes no writes then; there a deadlock has to be tried again.
    """
    cursor = connection.cursor()
    cursor.execute("select @@log_bin and @@binlog_format = 'STATEMENT'")
    if not cursor.fetchone()[0]:
        cursor.execute("set session transaction isolation level read committed")
    cursor.close()


def _see_what_others_committed(connection: Any, _record: object) -> None:
    """A hit's time on the page, or a sign-in, may come to another node of a cluster than what it is of."""
    cursor = connection.cursor()
    cursor.execute(cluster.ASKED)
    if (cursor.fetchone() or ("", ""))[1] == "ON":
        cursor.execute(cluster.CAUSAL)
    cursor.close()


def _reach_shards(answer_s: float, *, locks: bool) -> Any:
    """Where the server is Spider's head: in two phases, and without much patience."""

    def listener(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(spider.ASKED)
        is_head = cursor.fetchone()
        cursor.close()
        if is_head:
            _run_each(spider.session(answer_s, locks=locks))(connection, record)

    return listener


def _leave_a_node_that_is_out(context: Any) -> None:
    """It takes connections, and no statement, not even one that undoes the last: as if it were gone.

    So is a head without one of its shards.
    """
    said: Any = getattr(context.original_exception, "args", ())
    out = bool(said) and (said[0] == cluster.OUT or said[0] in spider.LOST)
    context.is_disconnect = context.is_disconnect or out


def _take_little(connection: Any, _record: object) -> None:
    """All that the socket holds asyncmy parses at once: of Linux's 6 to 32 MiB ten times as much in rows."""
    transport = connection.driver_connection._transport  # noqa: SLF001 - it has no public name
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)


def _run_each(statements: Any) -> Any:
    """A listener that runs the statements on each new connection."""
    texts = tuple(statements)

    def listener(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for text in texts:
            cursor.execute(text)
        cursor.close()

    return listener


def _limit_mysql(timeout_s: float) -> Any:
    """MariaDB counts seconds, MySQL milliseconds; both spare what is not a select.

    MariaDB sorts addresses of rows where the rows are long, and then reads each at its place: with rows that are sorted
    whole, pages of 200,000 visits are grouped in 0.8 s in place of 12. MySQL does so by itself.
    """

    def listener(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("select version()")
        mariadb = "mariadb" in str(cursor.fetchone()[0]).lower()
        cursor.close()
        limits = [f"max_execution_time = {timeout_s * 1000:.0f}"]
        if mariadb:
            limits = [f"max_statement_time = {timeout_s:g}", f"max_length_for_sort_data = {LONGEST_SORTED}"]
        session = [f"set session {limit}" for limit in limits]
        _run_each([*session, "set session transaction read only", "set session time_zone = '+00:00'"])(
            connection, record
        )

    return listener
