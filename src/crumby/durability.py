"""What a database forgets although it said that it was committed: a promise that its settings, or its version, break.

Crumby says 2xx at the commit, so it is worth no more than the commit is. These are looked at once at the start, and
by `crumby doctor`; each is a sentence with its remedy.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from crumby.database import Database, first_line
from crumby.engines import AsyncConnection

log = logging.getLogger(__name__)

MENDED: Final = (3, 51, 3)  # SQLite's WAL-reset bug; and in these two of older lines
MENDED_ALSO: Final = frozenset({(3, 44, 6), (3, 50, 7)})
FIRST_WITH_WAL: Final = (3, 7, 0)
FAR_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"})


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    durable: tuple[str, ...]  # values; the first is the one to choose
    harm: str  # of any other


MYSQL: Final = (
    Setting("innodb_flush_log_at_trx_commit", ("1", "3"), "a power loss takes the last second's hits"),
    Setting("sync_binlog", ("1",), "a power loss undoes commits that the binary log has not yet"),
    Setting("innodb_doublewrite", ("ON", "DETECT_AND_RECOVER"), "a power loss can tear a page in two"),
)
POSTGRESQL: Final = (
    Setting("fsync", ("on",), "a power loss takes hits, or the whole database"),
    Setting(
        "synchronous_commit",
        ("on", "local", "remote_write", "remote_apply"),
        "a crash takes the last moments' hits",
    ),
    Setting("full_page_writes", ("on",), "a power loss can tear a page in two"),
)


async def warn(database: Database) -> None:
    """Tell the log, once, at the start."""
    try:
        for shortfall in await shortfalls(database):
            log.warning("%s", shortfall)
    except (SQLAlchemyError, OSError) as error:
        log.warning("the database does not tell how durable its commits are: %s", first_line(error))


async def shortfalls(database: Database) -> list[str]:
    """Why a hit that this database has committed may be lost all the same; empty where nothing is known.

    Raises SQLAlchemyError or OSError for a database that can't be asked.
    """
    reader = database.reading
    async with reader.connect() as connection:
        if database.sqlite_path:
            return [*_of_sqlite(database.sqlite_path, sqlite3.sqlite_version_info), *await _of_journal(connection)]
        if database.dialect == "mysql":
            return [*await _of_mysql(connection), *await _of_mysql_tables(connection)]
        return [*await _of_postgresql(connection), *await _of_postgresql_tables(connection)]


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """A checkpoint that meets a commit can corrupt the file: <https://sqlite.org/wal.html#walresetbug>."""
    return FIRST_WITH_WAL <= version < MENDED and version not in MENDED_ALSO


def _of_sqlite(path: Path, version: tuple[int, ...]) -> Iterator[str]:
    if has_wal_reset_bug(version):
        yield (
            f"SQLite {'.'.join(map(str, version))} has the WAL-reset bug, mended in 3.51.3. Crumby goes around it: "
            f"nothing of it commits during a checkpoint. Let no other program write to {path} while it runs"
        )
    kind = _file_system(path, Path("/proc/mounts"))
    if kind in FAR_FILE_SYSTEMS:
        yield (
            f"{path} lies on {kind}, where SQLite's locks and its log do not hold: put it on a local disk, "
            "or use MariaDB or PostgreSQL"
        )


def _file_system(path: Path, mounts: Path) -> str | None:
    """Its kind, by the mount that is nearest to the path; None where the system does not tell."""
    try:
        lines = [line.split() for line in mounts.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return None
    folders = {str(folder) for folder in path.absolute().parents}
    kinds = [(len(folder), kind) for _device, folder, kind, *_ in lines if folder in folders]
    return max(kinds)[1] if kinds else None


async def _of_journal(connection: AsyncConnection) -> list[str]:
    mode = await connection.scalar(text("pragma journal_mode"))
    if mode == "wal":
        return []
    return [f"SQLite's journal_mode is {mode}, for its file system allows no write-ahead log; put it on a local disk"]


async def _of_mysql(connection: AsyncConnection) -> list[str]:
    rows = await connection.execute(text("show global variables"))
    values = {name: str(value).upper() for name, value in rows}
    if values.get("log_bin") != "ON":
        values.pop("sync_binlog", None)
    return _other_than(MYSQL, values)


async def _of_postgresql(connection: AsyncConnection) -> list[str]:
    rows = await connection.execute(text("select name, setting from pg_settings"))
    return _other_than(POSTGRESQL, {row.name: row.setting for row in rows})


def _other_than(settings: Iterable[Setting], values: Mapping[str, str]) -> list[str]:
    return [
        f"{each.name} is {values[each.name]}: {each.harm}; set it to {each.durable[0]}"
        for each in settings
        if values.get(each.name, each.durable[0]) not in each.durable
    ]


async def _of_mysql_tables(connection: AsyncConnection) -> list[str]:
    rows = await connection.execute(
        text(
            "select table_name, engine from information_schema.tables where table_schema = database() "
            "and table_name in ('visits', 'events') and engine in ('MyISAM', 'Aria', 'MEMORY', 'CSV', 'BLACKHOLE')"
        )
    )
    return [
        f"the table {name} is of the engine {engine}, which has no durable commit; alter table {name} engine = InnoDB"
        for name, engine in rows
    ]


async def _of_postgresql_tables(connection: AsyncConnection) -> list[str]:
    rows = await connection.execute(
        text("select relname from pg_class where relname in ('visits', 'events') and relpersistence = 'u'")
    )
    return [f"the table {name} is unlogged: a crash empties it; alter table {name} set logged" for (name,) in rows]
