"""A database of visits that nobody paid: `python -m benchmarks.fill --visits 1 --folder /var/tmp/crumby`.

`people.py` makes the rows, Crumby's own `place` stamps them as it does at each hit, and they are written as fast as
the database takes them: without a log into an SQLite file, by `copy` into PostgreSQL. The schema is that of
`crumby.migrations`. The same seed and end make the same rows.
"""

import argparse
import asyncio
import contextlib
import marshal
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Table, insert
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, DropIndex

from benchmarks.people import People
from crumby import tables
from crumby.database import open_database
from crumby.dimensions.session import Placed, Visitor, place
from crumby.ingest.enrich import Event, Visit
from crumby.migrations import migrate
from crumby.settings import Settings

MILLION: Final = 1_000_000
TOLD_EVERY: Final = 5.0  # seconds
AT_ONCE: Final = 5_000  # rows that a server is given in one call
CACHE_KIB: Final = 512 << 10  # of SQLite, while it is filled: the visitors' keys come in no order
PRAGMAS: Final = ("journal_mode = off", "synchronous = off", "locking_mode = exclusive", f"cache_size = -{CACHE_KIB}")
# Two indexes are made in the end, when they need not be kept in order. Every row comes after the one before in both.
LATE: Final = (*tables.visits.indexes, *tables.events.indexes)

Rows = Sequence[msgspec.Struct]
Progress = Callable[[int], None]  # visits written so far


@dataclass(frozen=True, slots=True)
class Filling:
    """What is to be made."""

    visits: int
    until: datetime  # UTC
    seed: int = 1


class Sink(Protocol):
    """Where rows go to; it is told when all are there."""

    async def write(self, table: Table, rows: Rows) -> None: ...
    async def close(self) -> None: ...


async def fill(url: str, filling: Filling, progress: Progress = lambda _: None) -> None:
    """Fill an empty database, which is brought to the newest schema first."""
    settings = Settings(sqlalchemy_database_uri=url)
    async with open_database(settings) as database:
        await migrate(database.engine)
        if database.sqlite_path:
            await pour(filling, SqliteSink(database.sqlite_path), progress)
            return
        async with database.engine.connect() as connection:
            sinks: Mapping[str, Callable[[AsyncConnection], Sink]] = {"mysql": MariaSink, "postgresql": PostgresSink}
            await pour(filling, sinks[database.dialect](connection), progress)


async def pour(filling: Filling, sink: Sink, progress: Progress) -> None:
    """A day after the other. A visitor's row is written once, when they have gone for good."""
    states: dict[str, Visitor] = {}
    written = 0
    for day in People(filling.visits, filling.until, filling.seed).days():
        placed = stamped(states, day.visits, day.events)
        await sink.write(tables.visits, placed.visits)
        await sink.write(tables.events, placed.events)
        await sink.write(tables.visitors, [states.pop(cid) for cid in day.gone if cid in states])
        written += len(placed.visits)
        progress(written)
    await sink.write(tables.visitors, list(states.values()))
    await sink.close()


def stamped(states: dict[str, Visitor], visits: list[Visit], events: list[Event]) -> Placed[Visit, Event]:
    """The rows as Crumby would have written them; `states` is brought up to date."""
    cids = {cid for cid in (*(row.cid for row in visits), *(row.cid for row in events)) if cid}
    placed = place({cid: states[cid] for cid in cids & states.keys()}, visits, events)
    for visitor in (*placed.new, *placed.begun, *placed.going_on):
        states[visitor.cid] = visitor
    return placed


def columns(table: Table) -> list[str]:
    """All but the id, which counts up; a row's fields stand in the same order."""
    return [column.name for column in table.columns if column.name != "id"]


class SqliteSink:
    """A process of its own writes, while the next day's rows are made. A crash leaves a file that is of no use."""

    def __init__(self, path: Path) -> None:
        processes = multiprocessing.get_context("spawn")
        received, self._pipe = processes.Pipe(duplex=False)
        self._process = processes.Process(target=write, args=(str(path), received), daemon=True)
        self._process.start()
        received.close()

    async def write(self, table: Table, rows: Rows) -> None:
        names = columns(table)
        instants = [n for n, name in enumerate(names) if table.c[name].type.python_type is datetime]
        self._pipe.send_bytes(marshal.dumps((insertion(table), list(formed(rows, instants)))))

    async def close(self) -> None:
        self._pipe.close()
        self._process.join()
        if self._process.exitcode:
            raise RuntimeError("the process that writes ended early; its words are above")


def write(path: str, received: Connection) -> None:
    """In the words of SQLite's own driver, until the pipe ends."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in PRAGMAS:
            connection.execute(f"pragma {pragma}")
        connection.execute("begin")
        for index in LATE:
            connection.execute(ddl(DropIndex(index)))
        with contextlib.suppress(EOFError):
            while True:
                connection.executemany(*marshal.loads(received.recv_bytes()))  # noqa: S302 - our own process sent it
        for index in LATE:
            connection.execute(ddl(CreateIndex(index)))
        connection.execute("commit")
        connection.execute("pragma journal_mode = wal")


def insertion(table: Table) -> str:
    names = columns(table)
    return f"insert into {table.name} ({', '.join(names)}) values ({', '.join('?' * len(names))})"  # noqa: S608


def formed(rows: Rows, instants: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Instants in SQLAlchemy's form."""
    for row in rows:
        values = list(msgspec.structs.astuple(row))
        for index in instants:
            if values[index] is not None:
                values[index] = values[index].isoformat(" ", "microseconds")
        yield tuple(values)


def ddl(element: CreateIndex | DropIndex) -> str:
    return str(element.compile(dialect=sqlite.dialect()))


class MariaSink:
    """Rows of a call become one statement in the driver. A commit for each call."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def write(self, table: Table, rows: Rows) -> None:
        statement = insert(table).inline().compile(dialect=mysql.dialect(), column_keys=columns(table))
        for start in range(0, len(rows), AT_ONCE):
            values = [msgspec.structs.astuple(row) for row in rows[start : start + AT_ONCE]]
            await self._connection.exec_driver_sql(str(statement), values)
            await self._connection.commit()

    async def close(self) -> None:
        for table in ("visits", "events", "visitors"):
            await self._connection.exec_driver_sql(f"analyze table {table}")


class PostgresSink:
    """By `copy`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def write(self, table: Table, rows: Rows) -> None:
        raw = await self._connection.get_raw_connection()
        driver: Any = raw.driver_connection
        records = list(map(msgspec.structs.astuple, rows))
        await driver.copy_records_to_table(table.name, records=records, columns=columns(table))

    async def close(self) -> None:
        await self._connection.exec_driver_sql("analyze")
        await self._connection.commit()


def kept(folder: Path, filling: Filling, progress: Progress = lambda _: None) -> Path:
    """The file of so many visits, in a folder of its own in this one; it is made if it is not there."""
    path = folder / str(filling.visits) / "crumby.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.iterdir():
            old.unlink()
        part = path.with_suffix(".part")
        asyncio.run(fill(f"sqlite:///{part}", filling, progress))
        part.rename(path)
    return path


def today() -> datetime:
    """The hour that has begun, UTC."""
    return datetime.now(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)


def bar(count: int) -> Progress:
    """Tells a person how far it is, now and then."""
    begun = told = time.monotonic()

    def tell(written: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < TOLD_EVERY and written < count:
            return
        told = now
        rate = written / max(1e-9, now - begun)
        print(f"{written:,} of {count:,} visits, {rate:,.0f} a second", file=sys.stderr)

    return tell


def main() -> None:
    options = parse(sys.argv[1:])
    filling = Filling(round(options.visits * MILLION), options.until, options.seed)
    if options.database_url:
        asyncio.run(fill(options.database_url, filling, bar(filling.visits)))
        return
    folder = options.folder or Path(tempfile.mkdtemp(prefix="crumby-fill-"))
    path = kept(folder, filling, bar(filling.visits))
    print(f"{path}: {path.stat().st_size / filling.visits:,.0f} bytes a visit")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fill", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--visits", type=float, default=0.1, help="millions (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the SQLite file is to be (default: a temporary one)")
    parser.add_argument("--database-url", help="an empty database to fill instead")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other rows (%(default)s)")
    parser.add_argument("--until", type=datetime.fromisoformat, default=today(), help="the last instant, UTC (now)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
