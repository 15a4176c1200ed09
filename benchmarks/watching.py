"""What a database server is at while others load it: its processor time by connection, and what these wait for.

MariaDB has a thread a connection and PostgreSQL a process; either says which is whose, and the kernel how long it ran.
"""

import asyncio
import contextlib
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.machine import cpu_ticks, family
from crumby.database import open_database
from crumby.settings import Settings
from tests.servers import DatabaseServer

LOOK_S: Final = 0.05
LEAST: Final = 0.02  # of the busiest connection's time; who used less was not asked in this turn
COUNTING: Final = re.compile(r"rollup|\bhits\b|\bacts\b|max\(id\)", re.IGNORECASE)
STORING: Final = re.compile(r"visit", re.IGNORECASE)
MARIADB: Final = """
select p.tid, p.command, concat(coalesce(p.state, ''), ' ', coalesce(t.trx_state, '')), coalesce(p.info, '')
from information_schema.processlist p
left join information_schema.innodb_trx t on t.trx_mysql_thread_id = p.id
where p.id <> connection_id() and p.db = database()
"""
POSTGRESQL: Final = """
select pid, coalesce(state, ''), concat(wait_event_type, ' ', wait_event), query
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""
COUNTERS: Final = (
    "Innodb_os_log_fsyncs", "Innodb_data_fsyncs", "Innodb_row_lock_time", "Innodb_deadlocks",
    "Bytes_received", "Bytes_sent",
)  # fmt: skip


@dataclass(slots=True)
class Seen:
    """Of one turn."""

    waits: Counter[str] = field(default_factory=Counter)
    looks: int = 0  # at connections that store hits
    hits_s: float = 0.0  # processor time of these
    rollups_s: float = 0.0
    rest_s: float = 0.0
    syncs: float = 0.0
    written: float = 0.0  # bytes, to the disk
    talked: float = 0.0
    lock_ms: float = 0.0
    deadlocks: float = 0.0

    @property
    def total_s(self) -> float:
        return self.hits_s + self.rollups_s + self.rest_s


class Watch:
    """Nothing is seen of SQLite, which is Crumby itself."""

    def __init__(self, url: str, server: DatabaseServer | None) -> None:
        self._url = url
        self._server = server
        self._connection: AsyncConnection | None = None
        self._role: dict[int, str] = {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if self._server:
                database = await stack.enter_async_context(open_database(Settings(sqlalchemy_database_uri=self._url)))
                connection = await stack.enter_async_context(database.engine.connect())
                self._connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            yield

    async def analyze(self) -> None:
        """As autovacuum does within a minute: PostgreSQL has planned for tables that were empty."""
        if self._connection and self._connection.dialect.name == "postgresql":
            await self._connection.execute(text("analyze visits, events, visitors"))

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[Seen]:
        seen = Seen()
        if not self._server or not self._connection:
            yield seen
            return
        pid = self._server.process.pid
        looks: list[tuple[int, str]] = []
        used, counted, wrote = threads(pid), await self._counters(self._connection), written(family(pid))
        task = asyncio.create_task(self._look(self._connection, looks))
        try:
            yield seen
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        spent = {tid: seconds - used.get(tid, 0.0) for tid, seconds in threads(pid).items()}
        self._share_out(seen, spent, looks)
        seen.written = written(family(pid)) - wrote
        now = await self._counters(self._connection)
        self._count(seen, {name: now[name] - counted.get(name, 0.0) for name in now})

    async def _look(self, connection: AsyncConnection, looks: list[tuple[int, str]]) -> None:
        mysql = connection.dialect.name == "mysql"
        while True:
            for tid, command, state, said in await asyncio.shield(self._rows(MARIADB if mysql else POSTGRESQL)):
                self._know(tid, said)
                looks.append((tid, (of_mariadb if mysql else of_postgresql)(command, state, said)))
            await asyncio.sleep(LOOK_S)

    async def _rows(self, sql: str) -> list[tuple[int, str, str, str]]:
        assert self._connection  # noqa: S101 - who looks has one
        return [(row[0], row[1], row[2], row[3]) for row in await self._connection.execute(text(sql))]

    def _know(self, tid: int, said: str) -> None:
        if COUNTING.search(said):
            self._role[tid] = "rollups"
        elif STORING.search(said):
            self._role.setdefault(tid, "hits")

    def _share_out(self, seen: Seen, spent: Mapping[int, float], looks: Iterable[tuple[int, str]]) -> None:
        storing = {tid: seconds for tid, seconds in spent.items() if self._role.get(tid) == "hits"}
        busy = {tid for tid, seconds in storing.items() if seconds > LEAST * max(storing.values())}
        seen.hits_s = sum(storing.values())
        seen.rollups_s = sum(seconds for tid, seconds in spent.items() if self._role.get(tid) == "rollups")
        seen.rest_s = sum(spent.values()) - seen.hits_s - seen.rollups_s
        seen.waits = Counter(kind for tid, kind in looks if tid in busy)
        seen.looks = seen.waits.total()

    async def _counters(self, connection: AsyncConnection) -> dict[str, float]:
        if connection.dialect.name == "mysql":
            wanted = ", ".join(f"'{name}'" for name in COUNTERS)
            rows = await connection.execute(text(f"show global status where variable_name in ({wanted})"))
            return {name: float(value) for name, value in rows}
        found = await connection.execute(text("select wal_sync from pg_stat_wal"))
        deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
        return {
            "wal_sync": float(found.scalar_one()),
            "deadlocks": float(await connection.scalar(text(deadlocks)) or 0),
        }

    def _count(self, seen: Seen, counted: Mapping[str, float]) -> None:
        syncs = ("wal_sync", "Innodb_os_log_fsyncs", "Innodb_data_fsyncs")
        seen.syncs = next((counted[name] for name in syncs if name in counted), 0.0)
        seen.talked = counted.get("Bytes_received", 0.0) + counted.get("Bytes_sent", 0.0)
        looked = 1e3 * LOOK_S * seen.waits["another's row"]
        seen.lock_ms = counted.get("Innodb_row_lock_time", looked)
        seen.deadlocks = counted.get("Innodb_deadlocks", counted.get("deadlocks", 0.0))


def of_mariadb(command: str, state: str, said: str) -> str:
    if "LOCK WAIT" in state:
        return "another's row"
    if command == "Sleep":
        return "Crumby's turn"
    return "commit" if state.startswith("Commit") or said.lower().startswith("commit") else "statement"


def of_postgresql(state: str, event: str, _said: str) -> str:
    kind, _, name = event.partition(" ")
    if state != "active" or kind == "Client":
        return "Crumby's turn"
    if kind == "Lock":
        return "another's row"
    if name.startswith("WAL"):
        return "commit"
    return "statement"


def threads(pid: int) -> dict[int, float]:
    """Seconds of processor time of each thread of the process, and of all that descend from it."""
    found = {}
    for each in family(pid):
        with contextlib.suppress(OSError):  # it may have ended
            for task in Path(f"/proc/{each}/task").iterdir():
                found[int(task.name)] = cpu_ticks((task / "stat").read_text()) / os.sysconf("SC_CLK_TCK")
    return found


def written(pids: Iterable[int]) -> float:
    """Bytes that they had the disk write."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended, or it is another user's
            lines = Path(f"/proc/{pid}/io").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))
    return float(total)
