"""MySQL, MariaDB and PostgreSQL, copied row by row: of a million, no more than BATCH are in memory."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, NullPool, Table, create_engine, delete, event, func, insert, inspect, select, text
from sqlalchemy.types import String

from crumby.backup.contents import (
    OLDEST,
    VERSION,
    BackupError,
    Contents,
    Progress,
    migrate_file,
    named,
    read_only,
    refuse_to_replace,
    unsynced,
)
from crumby.database import first_line
from crumby.engines import AsyncConnection, AsyncEngine
from crumby.errors import CrumbyError, DatabaseUnavailable
from crumby.migrations import HEAD, migrate
from crumby.tables import metadata, visitors

BATCH: Final = 1000

Row = dict[str, Any]


async def copy(engine: AsyncEngine, partial: Path, progress: Progress) -> Contents:
    """The rows of one snapshot, into a file of the same schema."""
    async with _asked(engine), engine.connect() as server:
        await _begin_snapshot(server)
        copied = await _contents(server)
        await migrate_file(partial)
        total, done = sum(copied.rows.values()), 0
        with _file(lambda: unsynced(partial)) as file:
            for table in metadata.sorted_tables:
                async with server.stream(_all(table), execution_options={"yield_per": BATCH}) as result:
                    async for rows in result.mappings().partitions():
                        file.execute(insert(table), [dict(row) for row in rows])
                        done += len(rows)
                        progress("copying", done, total)
    return copied


async def replace(source: Path, engine: AsyncEngine, found: Contents, *, force: bool, progress: Progress) -> int:
    """In one transaction, with the tables locked → how many values were cut.

    Hits that come meanwhile wait, in the spool after a while, and draw their ids behind those of the backup.
    """
    await migrate(engine)
    total, done, cut = sum(found.rows.values()), 0, 0
    async with _asked(engine), engine.connect() as server:
        await _lock(server)
        refuse_to_replace(engine.url.render_as_string(), await _held(server), force=force)
        for table in metadata.sorted_tables:
            await server.execute(delete(table))
            for rows in _batches(source, table):
                cut += sum(_fit(table, row, engine.dialect.name) for row in rows)
                await server.execute(insert(table), rows)
                done += len(rows)
                progress("copying", done, total)
        await _go_on_counting(server)
        await server.commit()
        if engine.dialect.name == "mysql":
            await server.execute(text("unlock tables"))
    return cut


async def _begin_snapshot(server: AsyncConnection) -> None:
    if server.dialect.name == "mysql":
        await server.execute(text("set transaction isolation level repeatable read"))
        await server.execute(text("start transaction with consistent snapshot, read only"))
    else:
        await server.execute(text("set transaction isolation level repeatable read, read only"))


async def _contents(server: AsyncConnection) -> Contents:
    names = await server.run_sync(lambda connection: inspect(connection).get_table_names())
    schema = await server.scalar(text(f"select version_num from {VERSION}")) if VERSION in names else None  # noqa: S608
    if schema != HEAD:
        raise BackupError(
            f"the database has schema {schema or OLDEST}, and this Crumby backs up {HEAD}: "
            "`crumby users` brings an older one up to date"
        )
    return await _held(server)


async def _held(server: AsyncConnection) -> Contents:
    count = select(func.count())
    return Contents(
        HEAD,
        {table.name: int(await server.scalar(count.select_from(table)) or 0) for table in metadata.tables.values()},
    )


async def _lock(server: AsyncConnection) -> None:
    """The visitors first, as a batch of hits does: PostgreSQL locks one table after the other, in the order given."""
    if server.dialect.name == "mysql":
        await server.execute(text("lock tables " + ", ".join(f"{name} write" for name in metadata.tables)))
    else:
        names = sorted(metadata.tables, key=visitors.name.__ne__)
        await server.execute(text(f"lock table {', '.join(names)} in exclusive mode"))


async def _go_on_counting(server: AsyncConnection) -> None:
    """PostgreSQL's ids come from sequences of their own, which no rollback takes back: they only go ahead."""
    if server.dialect.name != "postgresql":
        return
    for table in (each.name for each in metadata.tables.values() if "id" in each.c):
        sequence = f"{table}_id_seq"
        last = f"greatest((select max(id) from {table}), (select last_value from {sequence}))"  # noqa: S608
        await server.execute(text(f"select setval('{sequence}', {last})"))


def _batches(source: Path, table: Table) -> Iterator[list[Row]]:
    with named(source), _file(lambda: read_only(source)) as file:
        for rows in file.execution_options(yield_per=BATCH).execute(_all(table)).mappings().partitions():
            yield [dict(row) for row in rows]


def _fit(table: Table, row: Row, dialect: str) -> int:
    """Cut what is longer than its column, as the ingest does, and NUL, which PostgreSQL's text does not hold."""
    cut = 0
    for column in table.columns:
        value = row[column.name]
        if isinstance(value, str) and isinstance(column.type, String):
            fitting = (value.replace("\0", "") if dialect == "postgresql" else value)[: column.type.length]
            row[column.name] = fitting
            cut += fitting != value
    return cut


def _all(table: Table) -> Any:
    return select(table).order_by(*table.primary_key)


@contextlib.contextmanager
def _file(connect: Callable[[], sqlite3.Connection]) -> Iterator[Connection]:
    """A file of SQLite's, in one transaction."""
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin"))
    with engine.begin() as connection:
        yield connection


@contextlib.asynccontextmanager
async def _asked(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever goes wrong is the server's fault, but for what SQLite says of the file."""
    try:
        yield
    except CrumbyError:
        raise
    except Exception as error:  # drivers have odd ones for a server that dies
        said = getattr(error, "orig", None)
        if isinstance(said, sqlite3.Error):
            raise said from error
        raise DatabaseUnavailable(f"{engine.url.render_as_string()}: {first_line(error)}") from error
