"""The way from any older schema to the one in `tables`, by Alembic, in one step that is safe to repeat.

A database of Crumby 0.7.1 and one whose migration broke off take the same path: revision 0001 is 0.7.1's schema and
creates only what is missing. One that is up to date, and one without any table of Crumby's, need no Alembic: 8 MiB.
"""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from crumby import cluster, spider
from crumby.background import beside
from crumby.engines import AsyncConnection, AsyncEngine
from crumby.errors import DatabaseUnavailable
from crumby.tables import metadata

HEAD: Final = "0009"  # the newest of versions/
LOCK_TIMEOUT: Final = 3600  # seconds that a process waits for another one's migration, of many millions of rows
LOCKED: Final = f"another process has been migrating the database for {LOCK_TIMEOUT} s"
TURN: Final = "crumby migration"
LEASE_S: Final = 120  # that a process which died in a cluster keeps the others waiting
LOOK_AGAIN_S: Final = 1.0
POSTGRES_LOCK: Final = 0x6372756D6279  # "crumby"

Tell = Callable[[int, int], None]  # hits that are placed in their sessions so far, and in all


def silent(_done: int, _total: int) -> None:
    pass


async def migrate(engine: AsyncEngine, tell: Tell = silent) -> None:
    """Bring the database to the newest schema. Processes that start at once take turns.

    `tell` is called while older hits are placed in their sessions, from another thread; what it raises undoes all.

    Raises DatabaseUnavailable, which names the database and what it said.
    """
    try:
        if engine.dialect.name == "sqlite":
            await asyncio.to_thread(_migrate_sqlite, engine.url.database or "", tell)
            return
        async with engine.connect() as connection:
            if await connection.run_sync(cluster.is_there):
                await _migrate_cluster(engine, connection, tell)
            else:
                await connection.run_sync(_migrate_server, tell)
    except (SQLAlchemyError, OSError) as error:
        said = getattr(error, "orig", None) or error
        raise DatabaseUnavailable(f"{engine.url.render_as_string()}: {said}") from error


def _migrate_sqlite(path: str, tell: Tell = silent) -> None:
    """One transaction for all: a kill leaves the old schema or the new one. WAL has to come before it."""
    make_for_owner(Path(path))
    options = {"timeout": LOCK_TIMEOUT, "isolation_level": None}
    engine = create_engine(URL.create("sqlite", database=path), connect_args=options, hide_parameters=True)
    event.listen(engine, "connect", lambda raw, _: _prepare(raw))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin immediate"))
    try:
        with engine.begin() as connection:
            _upgrade(connection, tell)
    finally:
        engine.dispose()


def make_for_owner(path: Path) -> None:
    """Make an empty file that none but its owner reads; SQLite's own is as the umask has it, and its log as the file.

    One that is there stays as it is. Where none can be made, SQLite says why.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _prepare(connection: sqlite3.Connection) -> None:
    """Checkpoints are `ingest/store.py`'s. What is no UTF-8, and SQLite keeps all the same, ends no migration.

    Processes that turn WAL on at once are told `locked` without being made to wait, whatever the timeout says.
    """
    connection.text_factory = lambda octets: octets.decode(errors="replace")
    connection.execute("pragma wal_autocheckpoint = 0").close()
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            connection.execute("pragma journal_mode = wal").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


async def _migrate_cluster(engine: AsyncEngine, connection: AsyncConnection, tell: Tell) -> None:
    """Where there is nothing to do, nobody waits for whose turn it is."""
    if await connection.run_sync(_is_new):
        return
    turn = await connection.run_sync(cluster.Turn, TURN, LEASE_S)
    deadline = time.monotonic() + LOCK_TIMEOUT
    while not await connection.run_sync(lambda _: turn.take()):
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(LOCKED)
        await asyncio.sleep(LOOK_AGAIN_S)
    async with beside(_renewed(engine, turn), "crumby-turn"):
        await connection.run_sync(_migrate_in_turn, turn, tell)


def _migrate_in_turn(connection: Connection, turn: cluster.Turn, tell: Tell) -> None:
    with cluster.given_back(turn, connection):
        _upgrade(connection, tell)
        turn.ends()
        connection.commit()


def _is_new(connection: Connection) -> bool:
    new = inspect(connection).has_table("alembic_version") and _revision(connection) == HEAD
    connection.commit()
    return new


async def _renewed(engine: AsyncEngine, turn: cluster.Turn) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 10)
        with contextlib.suppress(SQLAlchemyError, OSError):  # the next one is another chance
            async with engine.connect() as other:
                await other.run_sync(turn.renew)


def _migrate_server(connection: Connection, tell: Tell) -> None:
    mysql = connection.dialect.name == "mysql"
    if mysql:
        _lock_mysql(connection)
    else:
        _lock_postgresql(connection)
    try:
        _upgrade(connection, tell)
        connection.commit()
    finally:
        connection.rollback()
        if mysql:
            connection.execute(text("select release_lock('crumby migration')"))
        else:
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": POSTGRES_LOCK})
        connection.commit()


def _lock_mysql(connection: Connection) -> None:
    question = text("select get_lock('crumby migration', :timeout)")
    if not connection.scalar(question, {"timeout": LOCK_TIMEOUT}):
        raise DatabaseUnavailable(LOCKED)


def _lock_postgresql(connection: Connection) -> None:
    connection.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT}s'"))
    connection.execute(text("select pg_advisory_lock(:key)"), {"key": POSTGRES_LOCK})
    connection.execute(text("set local lock_timeout to default"))  # a table in use may be waited for


def _upgrade(connection: Connection, tell: Tell) -> None:
    revision = _revision(connection)
    if revision == HEAD:
        return
    is_empty = not set(metadata.tables).intersection(inspect(connection).get_table_names())
    if is_empty or (revision is None and spider.is_laid(connection)):
        spider.lay(connection)
        metadata.create_all(connection)
        connection.execute(text("insert into alembic_version values (:head)"), {"head": HEAD})
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["tell"] = tell
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        # As Alembic's own, but for the primary key's name, over which MySQL grumbles.
        connection.execute(text("create table alembic_version (version_num varchar(32) not null primary key)"))
    revision: str | None = connection.scalar(text("select version_num from alembic_version"))
    return revision
