"""Row 34 of the card: `crumby` is killed in the middle of a migration from 0.7.1, and the next start ends it.

SQLite and PostgreSQL migrate in one transaction: what is left is the old schema or the new one. MySQL and MariaDB
commit each statement, and each part of the rows that are placed in sessions. There a kill leaves some of them done,
no row changed in what it held before, and the rest to the next start, before which nothing is served.
"""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from crumby.database import open_database
from crumby.migrations import POSTGRES_LOCK, migrate
from crumby.tables import events, visitors, visits
from tests.conftest import MakeSettings
from tests.legacy import crumby071
from tests.servers import DatabaseServer
from tests.test_migrations import differences, drop_everything, schema

FEW: Final = 2_000  # rows of the short form, which kills at every other point
# A word of the statement that it dies at, how often that has to come, and the seconds that the statement is given.
POINTS: Final = (
    ("alter table visits", 1, 0.0),
    ("create unique index visits_hit_id", 1, 0.02),
    ("create index visits_datetime", 1, 0.0),
    ("create index events_datetime", 1, 0.0),
    ("create table visitors", 1, 0.0),
    ("insert into visitors", 2, 0.0),
    ("insert into visitors", 2, 0.02),
    ("commit", 1, 0.0),
)
MIGRATE = """
import os, signal, sys
from sqlalchemy import Engine, event
from crumby.cli import main

word, times, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

def die_at(statement):
    global times
    times -= word in " ".join(statement.lower().split())
    if (times == 0 and not delay) or (times < 0 and statement == "commit"):  # a fast machine comes to that before
        os.kill(os.getpid(), signal.SIGKILL)
    elif times == 0:
        times = -1
        signal.setitimer(signal.ITIMER_REAL, delay)  # whose signal ends a process as SIGKILL does

event.listen(Engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: die_at(statement))
event.listen(Engine, "commit", lambda _: die_at("commit"))
sys.argv[1:] = ["users"]
main()
"""
OLD = {name: columns for name, columns in crumby071.COLUMNS.items() if name != "calendar"}
NUMBERS: Final = {  # from 1000 on, as a table
    "sqlite": "(with recursive n(i) as (select 1000 union all select i + 1 from n where i < {last}) select i from n)",
    "mysql": "(select seq as i from seq_1000_to_{last})",
    "postgresql": "(select i from generate_series(1000, {last}) as numbers(i))",
}
LATER: Final = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', old.datetime, n.i || ' seconds')",
    "mysql": "old.datetime + interval n.i second",
    "postgresql": "old.datetime + n.i * interval '1 second'",
}
EQUAL: Final = {"sqlite": "is", "mysql": "<=>", "postgresql": "is not distinct from"}  # null equals null


def killed(url: str, word: str, times: int, delay_s: float) -> bool:
    """Run `crumby users`, which migrates → whether it was killed, and had not come to its end before."""
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE, word, str(times), str(delay_s)],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "CRUMBY_SQLALCHEMY_DATABASE_URI": url},
    )
    if done.returncode == 0:
        return False
    assert -done.returncode in {signal.SIGKILL, signal.SIGALRM}
    assert [line for line in done.stderr.splitlines() if not line.startswith("older hits are placed")] == []
    return True


def more_rows(dialect: str, count: int) -> list[str]:
    """Statements that make of each old table's first row many, of 500 visitors who come again every 500 seconds."""
    statements = []
    for table, rows in (("visits", count), ("events", count // 10)):
        same = ", ".join(crumby071.COLUMNS[table][4:])
        number = "cast(n.i % 500 as char(10))" if dialect != "sqlite" else "n.i % 500"
        statements.append(
            f"insert into {table} (id, ip, cid, datetime, {same}) "
            f"select n.i, '198.51.100.7', {number}, {LATER[dialect]}, {same} "
            f"from {table} as old, {NUMBERS[dialect].format(last=1000 + rows)} as n where old.id = 1"
        )
    return statements


async def become_old(engine: AsyncEngine, server: DatabaseServer, count: int) -> None:
    """Fill the database with that many visits of 0.7.1, and copies of its tables to compare with."""
    await drop_everything(engine)
    dialect = engine.dialect.name
    name = engine.url.database or ""
    if dialect == "mysql":
        server.execute(f"alter database {name} character set latin1 collate latin1_swedish_ci")
    server.execute(crumby071.script(dialect), name)
    async with engine.begin() as connection:
        if dialect == "postgresql":
            await connection.execute(text("select setval('visits_id_seq', 1000000), setval('events_id_seq', 1000000)"))
        for statement in more_rows(dialect, count):
            await connection.execute(text(statement))
        for table in OLD:
            await connection.execute(text(f"drop table if exists old_{table}"))
            await connection.execute(text(f"create table old_{table} as select * from {table}"))


async def changed_rows(connection: AsyncConnection, old: str = "old_") -> int:
    """How many rows, of any old table, are not in both, whole and alike."""
    changed = 0
    for table, names in OLD.items():
        same = " and ".join(_equal(name, connection.dialect.name) for name in names)
        kept = f"select count(*) from {old}{table} as theirs join {table} as mine on mine.id = theirs.id where {same}"
        counts = f"select (select count(*) from {table}) + (select count(*) from {old}{table}) - 2 * ({kept})"
        changed += (await connection.execute(text(counts))).scalar_one()
    return changed


def _equal(name: str, dialect: str) -> str:
    """MySQL's float becomes a double, of which its four decimals count."""
    rounded = dialect == "mysql" and name in {"latitude", "longitude"}
    mine, theirs = (f"round({row}.{name}, 4)" if rounded else f"{row}.{name}" for row in ("mine", "theirs"))
    return f"{mine} {EQUAL[dialect]} {theirs}"


async def placed(engine: AsyncEngine) -> list[str]:
    """What the migration made of the rows, table by table, as a hash."""
    hashes = []
    async with engine.connect() as connection:
        for table in (visits, events, visitors):
            new = [column for column in table.columns if column.name not in OLD.get(table.name, ())]
            key = table.primary_key.columns[0]
            found = await connection.execute(select(key, *new).order_by(key))
            hashes.append(hashlib.sha256(repr(found.all()).encode()).hexdigest())
    return hashes


async def ours(engine: AsyncEngine) -> dict[str, Any]:
    return {name: found for name, found in (await schema(engine)).items() if not name.startswith("old_")}


async def unlike(engine: AsyncEngine) -> list[Any]:
    return [
        change for change in await differences(engine) if not str(getattr(change[1], "name", "")).startswith("old_")
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [FEW, pytest.param(100_000, marks=pytest.mark.long)])
async def test_a_killed_migration_of_a_0_7_1_file_leaves_the_old_schema_or_the_new_one(
    count: int, tmp_path: Path, settings: MakeSettings
) -> None:
    """Seen to fail on a migration that commits after each statement."""
    old, path = tmp_path / "old.db", tmp_path / "crumby.db"
    crumby071.build(old)
    with closing(sqlite3.connect(old)) as file, file:
        for statement in more_rows("sqlite", count):
            file.execute(statement)
    url = f"sqlite:///{path}"
    states: list[dict[str, Any]] = []
    sessions = []
    async with open_database(settings(sqlalchemy_database_uri=f"sqlite:///{old}")) as database:
        states.append(await schema(database.engine))
    points = POINTS if count > FEW else POINTS[::2]
    for point in points:
        for beside in tmp_path.glob("crumby.db*"):
            beside.unlink()
        shutil.copy(old, path)
        assert killed(url, *point), point
        states.append(await left(url, old, settings))
        async with open_database(settings(sqlalchemy_database_uri=url)) as database:
            await migrate(database.engine)
            assert await differences(database.engine) == []
            sessions.append(await placed(database.engine))
        states.append(await left(url, old, settings))
    before, after = states[0], states[-1]
    assert before != after
    assert states[1::2] == [before] * len(points), "killed before its commit, and not as it was"
    assert states[2::2] == [after] * len(points)
    assert sessions == sessions[:1] * len(points)


async def left(url: str, old: Path, settings: MakeSettings) -> dict[str, Any]:
    """The schema; the rows are seen to be the old ones, and the file to be sound."""
    async with open_database(settings(sqlalchemy_database_uri=url)) as database:
        async with database.reports.connect() as connection:
            await connection.execute(text("attach :old as old"), {"old": str(old)})
            assert await changed_rows(connection, "old.") == 0
            assert (await connection.execute(text("pragma main.integrity_check"))).all() == [("ok",)]
        return await schema(database.engine)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [FEW, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("database_url", ["mariadb", pytest.param("postgres", marks=pytest.mark.long)], indirect=True)
async def test_a_killed_migration_of_a_server_is_ended_by_the_next_and_changes_no_row(
    count: int, database_url: str, settings: MakeSettings, request: pytest.FixtureRequest
) -> None:
    """Seen to fail on a migration that takes every column for missing, and on one that keeps the visitors whom the
    killed one had written.
    """
    server = request.getfixturevalue("mariadb" if "mysql" in database_url else "postgres")
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        engine = database.engine
        await become_old(engine, server, count)
        await migrate(engine)
        sessions = await placed(engine)
        for point in POINTS if count > FEW else POINTS[::2]:
            await become_old(engine, server, count)
            before = await ours(engine)
            assert killed(database_url, *point), point
            if engine.dialect.name == "postgresql":
                await nobody_else(engine)
                assert await ours(engine) == before
            async with engine.connect() as connection:
                assert await changed_rows(connection) == 0
            await migrate(engine)
            assert await unlike(engine) == []
            assert await placed(engine) == sessions
            async with engine.connect() as connection:
                assert await changed_rows(connection) == 0


async def nobody_else(engine: AsyncEngine) -> None:
    """Return when the server has noticed that the killed one is gone."""
    async with engine.connect() as connection:
        await connection.execute(text(f"select pg_advisory_lock({POSTGRES_LOCK})"))
        await connection.rollback()
        await connection.invalidate()
