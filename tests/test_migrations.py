"""From nothing, and from 0.7.1, to today's schema: on each database, again, at once, and through a kill."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from crumby import migrations
from crumby.database import open_database
from crumby.errors import DatabaseUnavailable
from crumby.migrations import migrate
from crumby.tables import events, metadata, users, visits
from tests.conftest import MakeSettings
from tests.legacy import crumby071

ON_SERVERS = pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
NEXT_TO_LAST = 2**31 - 1  # the largest id of an integer column
AT = datetime(2017, 8, 20, 23, 59, 59)  # noqa: DTZ001 - UTC throughout
HIT_ID = bytes(range(16))

VISITS: tuple[dict[str, Any], ...] = (
    {
        "id": 1,
        "ip": "81.2.69.142",
        "cid": "1100000001",
        "datetime": AT,
        "doc_title": "Crème brûlée – “façon” Š €",  # noqa: RUF001 - latin1 of MySQL has them all
        "doc_uri": "https://example.com/caf\u00e9?a=100%&b=':x'",
        "latitude": 51.5142,
        "longitude": -122.3149,
        "city": "Linköping",
        "_lang": "sv",
    },
    {"id": 2, "cid": "null", "doc_title": ""},
    {"id": 7, "ip": "2001:db8::1", "longitude": -0.0931, "accuracy_radius": 1000},
)
EVENTS: tuple[dict[str, Any], ...] = ({"id": 1, "cid": "1", "datetime": AT, "name": "Größe", "value": "x" * 3000},)
USERS: tuple[dict[str, Any], ...] = ({"id": 1, "username": "zoë", "password": "$2b$12$" + "x" * 53},)
OLD_ROWS = {"visits": VISITS, "events": EVENTS, "users": USERS}


@pytest.fixture
async def engine(database_url: str, settings: MakeSettings) -> AsyncIterator[AsyncEngine]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        yield database.engine


@pytest.fixture
async def old(engine: AsyncEngine) -> AsyncEngine:
    await become_0_7_1(engine)
    return engine


async def become_0_7_1(engine: AsyncEngine) -> None:
    """Make the tables of 0.7.1, in the character set that a MySQL of its day had by itself, and some rows."""
    dialect = engine.dialect.name
    schema = crumby071.SCHEMA.with_suffix(".sql" if dialect == "sqlite" else f".{dialect}.sql")
    async with engine.begin() as connection:
        if dialect == "mysql":
            await connection.execute(text("alter database character set latin1 collate latin1_swedish_ci"))
        for statement in schema.read_text("utf-8").split(";\n"):
            if statement.strip():
                await connection.execute(text(statement))
        for table in (visits, events, users):
            for row in OLD_ROWS[table.name]:
                await connection.execute(insert(table), row)
            if dialect == "postgresql":  # its ids come from elsewhere
                await connection.execute(text(f"select setval('{table.name}_id_seq', 10)"))


async def differences(engine: AsyncEngine) -> list[Any]:
    """What Alembic would still change. On SQLite lengths and precisions mean nothing, so 0.7.1's stay there."""

    def compare(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(compare)
    flat = [change for each in found for change in (each if isinstance(each, list) else [each])]
    sqlite = engine.dialect.name == "sqlite"
    return [change for change in flat if not (sqlite and change[0] == "modify_type" and same_kind(*change[-2:]))]


def same_kind(one: Any, other: Any) -> bool:
    return bool(one.python_type is other.python_type)


async def rows(engine: AsyncEngine) -> dict[str, list[dict[str, Any]]]:
    """Every row, in the columns of 0.7.1 and in `hit_id`, without what is null."""
    found = {}
    async with engine.connect() as connection:
        for table in (visits, events, users):
            result = await connection.execute(select(table).order_by(table.c.id))
            found[table.name] = [
                {key: row[key] for key in (*crumby071.COLUMNS[table.name], "hit_id") if row.get(key) is not None}
                for row in result.mappings()
            ]
    return found


def equal_to_old(found: dict[str, list[dict[str, Any]]]) -> bool:
    return found == {name: list(kept) for name, kept in OLD_ROWS.items()}


async def schema(engine: AsyncEngine) -> dict[str, Any]:
    def reflect(connection: Connection) -> dict[str, Any]:
        inspector = inspect(connection)
        return {
            name: (
                [(column["name"], repr(column["type"])) for column in inspector.get_columns(name)],
                inspector.get_indexes(name),
            )
            for name in inspector.get_table_names()
        }

    async with engine.connect() as connection:
        return await connection.run_sync(reflect)


@pytest.mark.parametrize("start", ["empty", "0.7.1"])
async def test_any_database_gets_the_schema_of_the_tables_module(start: str, engine: AsyncEngine) -> None:
    if start == "0.7.1":
        await become_0_7_1(engine)
        assert await differences(engine) != []
    await migrate(engine)
    assert await differences(engine) == []


async def test_rows_of_0_7_1_are_kept_and_have_no_hit_id(old: AsyncEngine) -> None:
    await migrate(old)
    assert equal_to_old(await rows(old))


async def test_a_second_migration_changes_nothing(old: AsyncEngine) -> None:
    await migrate(old)
    before = await schema(old)
    await migrate(old)
    assert await schema(old) == before
    assert equal_to_old(await rows(old))


@pytest.mark.parametrize(
    ("table", "before"),
    [("shares", "0003"), ("tokens", "0004"), ("sessions", "0006"), ("guesses", "0006"), ("setups", "0006")],
)
async def test_a_database_from_before_them_gets_its_tables_and_keeps_its_rows(
    table: str, before: str, old: AsyncEngine
) -> None:
    """Planted: a revision that makes no table."""
    await migrate(old)
    async with old.begin() as connection:
        await connection.execute(text(f"drop table {table}"))
        await connection.execute(text("update alembic_version set version_num = :before"), {"before": before})
    await migrate(old)
    assert await differences(old) == []
    assert equal_to_old(await rows(old))


@pytest.mark.parametrize("start", ["empty", "0.7.1"])
async def test_eight_migrations_at_once_take_turns(
    start: str, engine: AsyncEngine, database_url: str, settings: MakeSettings
) -> None:
    if start == "0.7.1":
        await become_0_7_1(engine)
    async with contextlib.AsyncExitStack() as stack:
        opened = settings(sqlalchemy_database_uri=database_url)
        databases = [await stack.enter_async_context(open_database(opened)) for _ in range(8)]
        await asyncio.gather(*(migrate(database.engine) for database in databases))
    assert await differences(engine) == []
    assert start == "empty" or equal_to_old(await rows(engine))


@pytest.mark.parametrize("start", ["empty", "0.7.1"])
async def test_text_is_compared_by_code_point(start: str, engine: AsyncEngine) -> None:
    if start == "0.7.1":
        await become_0_7_1(engine)
    await migrate(engine)
    titles = ["a", "B", "b", "A", "é", "e", "z", "😀", "日本語"]
    async with engine.begin() as connection:
        await connection.execute(insert(visits), [{"cid": "order", "doc_title": title} for title in titles])
        mine = select(visits.c.doc_title).where(visits.c.cid == "order")
        assert list(await connection.scalars(mine.order_by(visits.c.doc_title))) == sorted(titles)
        assert list(await connection.scalars(mine.where(visits.c.doc_title == "A"))) == ["A"]
        await connection.execute(insert(users), [{"username": "ada"}, {"username": "Ada"}, {"username": "adá"}])


@pytest.mark.parametrize("start", ["empty", "0.7.1"])
async def test_what_is_new_has_room(start: str, engine: AsyncEngine) -> None:
    if start == "0.7.1":
        await become_0_7_1(engine)
    await migrate(engine)
    new = {"cid": "c" * 32, "datetime": AT.replace(microsecond=123456), "hit_id": HIT_ID, "latitude": 51.514212345678}
    async with engine.begin() as connection:
        await connection.execute(insert(visits), new)
        await connection.execute(insert(users), {"username": "long", "password": "x" * 255})
        columns = [visits.c[name] for name in new]
        kept = (await connection.execute(select(*columns).where(visits.c.hit_id == HIT_ID))).one()
    assert dict(kept._mapping) == new


@pytest.mark.parametrize("table", [visits, events], ids=lambda table: table.name)
async def test_a_hit_id_is_taken_once(table: Any, old: AsyncEngine) -> None:
    await migrate(old)
    async with old.begin() as connection:
        await connection.execute(insert(table), {"cid": "1", "hit_id": HIT_ID})
    with pytest.raises(IntegrityError):
        async with old.begin() as connection:
            await connection.execute(insert(table), {"cid": "2", "hit_id": HIT_ID})


@pytest.mark.parametrize("start", ["empty", "0.7.1"])
async def test_rows_can_be_counted_beyond_two_thousand_million(start: str, engine: AsyncEngine) -> None:
    if start == "0.7.1":
        await become_0_7_1(engine)
    await migrate(engine)
    ahead = {
        "sqlite": f"insert into visits (id) values ({NEXT_TO_LAST})",
        "mysql": f"alter table visits auto_increment = {NEXT_TO_LAST + 1}",
        "postgresql": f"select setval('visits_id_seq', {NEXT_TO_LAST})",
    }
    async with engine.begin() as connection:
        await connection.execute(text(ahead[engine.dialect.name]))
        await connection.execute(insert(visits).values(cid="next"))
        assert await connection.scalar(select(func.max(visits.c.id))) == NEXT_TO_LAST + 1


@ON_SERVERS
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)], ids=["each third", "each"])
async def test_a_migration_that_broke_off_anywhere_is_completed_by_the_next(engine: AsyncEngine, step: int) -> None:
    in_one_transaction = engine.dialect.name == "postgresql"  # there, fewer places will do
    for number in range(0, 200, 9 if in_one_transaction else step):
        await drop_everything(engine)
        await become_0_7_1(engine)
        with broken_off_at(engine, number) as broke_off:
            await migrate_in_vain(engine)
        await migrate(engine)
        assert await differences(engine) == []
        assert equal_to_old(await rows(engine))
        if not broke_off:
            break
    assert number > 5


class BrokeOff(Exception):
    pass


@contextlib.contextmanager
def broken_off_at(engine: AsyncEngine, number: int) -> Iterator[list[str]]:
    """The change of that number (from 0) is not made any more; the list tells which it was."""
    made: list[str] = []
    broke_off: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().lower().startswith(("select", "show", "describe")):
            return
        made.append(statement)
        if len(made) > number:
            broke_off.append(statement)
            raise BrokeOff

    event.listen(engine.sync_engine, "before_cursor_execute", listen)
    yield broke_off
    event.remove(engine.sync_engine, "before_cursor_execute", listen)


async def migrate_in_vain(engine: AsyncEngine) -> None:
    with contextlib.suppress(BrokeOff):
        await migrate(engine)


async def drop_everything(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for table in (*metadata.tables, "alembic_version"):
            await connection.execute(text(f"drop table if exists {table}"))


LOCKS = {
    "sqlite": "delete from users where id = 0",  # what writes, locks
    "mysql": "select get_lock('crumby migration', 0)",
    "postgresql": f"select pg_advisory_lock({migrations.POSTGRES_LOCK})",
}


async def test_a_migration_that_never_gets_its_turn_says_so_and_changes_nothing(
    old: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", 1)
    before = await schema(old)
    async with old.connect() as other:
        await other.execute(text(LOCKS[old.dialect.name]))
        with pytest.raises(DatabaseUnavailable, match=r"another process|database is locked|lock timeout"):
            await migrate(old)
        assert await schema(old) == before
        await other.rollback()
        await other.invalidate()  # servers keep such a lock for the connection
    await migrate(old)
    assert await differences(old) == []


async def test_a_file_that_another_process_writes_to_is_waited_for(tmp_path: Path, settings: MakeSettings) -> None:
    path = tmp_path / "crumby.db"
    crumby071.build(path)  # not in WAL mode yet, and SQLite lets nobody wait for that
    async with open_database(settings(sqlalchemy_database_uri=f"sqlite:///{path}")) as database:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            migration = asyncio.create_task(migrate(database.engine))
            await asyncio.sleep(0.2)
            assert not migration.done()
            other.execute("commit")
            await migration
        assert await differences(database.engine) == []


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "a#b.db", "ä'.db"])
async def test_a_file_of_any_name_is_migrated_itself(
    name: str, tmp_path: Path, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    async with open_database(settings(sqlalchemy_database_uri="sqlite:///crumby.db")) as database:
        await migrate(database.engine)
        assert await differences(database.engine) == []
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in folder.iterdir()} >= {"crumby.db"}


MIGRATE = """
import asyncio, sys
from crumby.database import open_database
from crumby.migrations import migrate
from crumby.settings import Settings

async def main() -> None:
    async with open_database(Settings(sqlalchemy_database_uri=sys.argv[1])) as database:
        await migrate(database.engine)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""


def test_four_processes_that_start_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "crumby.db"
    write_many(path, 20_000)  # time enough to meet
    command = [sys.executable, "-c", MIGRATE, f"sqlite:///{path}"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(command, text=True, **pipes)) for _ in range(4)]
        assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 4
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        outcomes = [(process.wait(60), process.stderr.read()) for process in processes if process.stderr]
    assert outcomes == [(0, "")] * 4
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("select count(*), count(hit_id) from visits").fetchone() == (20_000, 0)


# Migrates copies of an old file in children of its own and kills them: each at a later statement than the one
# before or, where delays are given, so many seconds after the first. Tells what is left: whether there is a version,
# how many of the new columns and indexes, and how many rows differ.
MIGRATE_AND_KILL = """
import asyncio, json, os, shutil, signal, sqlite3, sys, time
from pathlib import Path
from sqlalchemy import Engine, event
from crumby import tables
from crumby.migrations import _migrate_sqlite

old, work = Path(sys.argv[1]), Path(sys.argv[2])
OURS = "select id, cid, doc_title from {0}.visits"

def migrate_and_die_at(number: int, delay: float) -> None:
    count = 0
    def listen(*_: object) -> None:
        nonlocal count
        if count == number:
            if not delay:
                os.kill(os.getpid(), signal.SIGKILL)
            signal.setitimer(signal.ITIMER_REAL, delay)  # whose signal ends a process as SIGKILL does
        count += 1
    event.listen(Engine, "before_cursor_execute", listen)
    _migrate_sqlite(str(work))
    os._exit(0)

def left() -> dict[str, object]:
    database = sqlite3.connect(work)
    names = [name for (name,) in database.execute("select name from sqlite_master")]
    columns = [row[1] for table in ("visits", "events") for row in database.execute(f"pragma table_info({table})")]
    database.execute("attach ? as old", [str(old)])
    mine, theirs = OURS.format("main"), OURS.format("old")
    lost, = database.execute(f"select count(*) from ({theirs} except {mine})").fetchone()
    more, = database.execute(f"select count(*) from ({mine} except {theirs})").fetchone()
    database.close()
    return {
        "version": "alembic_version" in names,
        "columns": columns.count("hit_id"),
        "indexes": sum(name.endswith(("_hit_id", "_datetime")) for name in names),
        "lost": lost,
        "more": more,
    }

step, *delays = sys.argv[3:]
for number, delay in [(0, float(word)) for word in delays] or [(number, 0) for number in range(0, 200, int(step))]:
    for path in work.parent.glob(work.name + "*"):
        path.unlink()
    shutil.copy(old, work)
    child = os.fork()
    if not child:
        migrate_and_die_at(number, delay)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) < 0
    print(json.dumps({**left(), "killed": killed}), flush=True)
    if not killed:
        break
"""
OLD_STATE = {"version": False, "columns": 0, "indexes": 0, "lost": 0, "more": 0}
NEW_STATE = {"version": True, "columns": 2, "indexes": 4, "lost": 0, "more": 0}


def write_many(path: Path, count: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.executescript(crumby071.SCHEMA.read_text("utf-8"))
        database.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
            "insert into visits (id, cid, datetime, doc_title) "
            "select i, i % 997, datetime('2017-08-20', i || ' seconds') || '.000000', 'Page ' || i from n",
            [count],
        )


def migrate_and_kill(folder: Path, count: int, step: int, *delays: float) -> list[dict[str, Any]]:
    """Kill a migration before each so many-th statement, or so long after the first."""
    write_many(folder / "old.db", count)
    arguments = [folder / "old.db", folder / "work.db", step, *delays]
    command = [sys.executable, "-c", MIGRATE_AND_KILL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.long)], ids=["each fourth", "each"])
def test_a_kill_before_any_statement_leaves_the_old_schema_or_the_new_one(tmp_path: Path, step: int) -> None:
    left = migrate_and_kill(tmp_path, 1000, step)
    assert [{**OLD_STATE, "killed": True}] * (len(left) - 1) == left[:-1]
    assert left[-1] == {**NEW_STATE, "killed": False}
    assert len(left) > 10


def test_a_kill_in_the_middle_of_a_large_file_leaves_the_old_schema_or_the_new_one(tmp_path: Path) -> None:
    left = migrate_and_kill(tmp_path, 100_000, 1, 0.002, 0.02, 0.06, 0.15, 0.4, 1.0)
    assert left[0]["killed"]
    for state in left:
        assert state in [{**OLD_STATE, "killed": True}, {**NEW_STATE, "killed": state["killed"]}]


def test_the_newest_revision_is_the_one_that_start_ups_look_for() -> None:
    versions = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert versions.get_heads() == [migrations.HEAD]
