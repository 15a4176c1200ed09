"""What is left out of a statement, and that nothing is lost by it."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select, text

from crumby.database import Database, open_database
from crumby.ingest.columns import FEW, ColumnInsert
from crumby.ingest.enrich import Visit
from crumby.ingest.text import MAX_TEXT
from crumby.migrations import migrate
from crumby.tables import events, visitors, visits
from tests.conftest import MakeSettings
from tests.ingest.test_sessions import a_store, a_visit, an_event

MANY = 3 * FEW
ASKED = ("hit_id", "doc_title", "doc_enc", "accuracy_radius", "gap", "prev", "city", "latitude", "lang")


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as opened:
        await migrate(opened.engine)
        yield opened


def some_visits(count: int) -> list[Visit]:
    """Each of another visitor, nearly all without a city, none with an encoding, all with a title of no letters."""
    rows = [
        replace(a_visit(number, 1, cid=str(number)), doc_title="", accuracy_radius=0, city=None, latitude=0.5)
        for number in range(1, count + 1)
    ]
    return [*rows[:-1], replace(rows[-1], city="Malmö", latitude=None)]


async def stored(database: Database) -> Sequence[tuple[Any, ...]]:
    async with database.engine.connect() as connection:
        found = await connection.execute(select(*(visits.c[name] for name in ASKED)).order_by(visits.c.hit_id))
        return [tuple(row) for row in found]


@pytest.mark.parametrize("count", [1, MANY])
async def test_what_is_stored_is_what_came(database: Database, count: int) -> None:
    """Seen to fail where a column goes unwritten that has nothing but zeros, or texts without a letter."""
    rows = some_visits(count)
    async with a_store(database) as store:
        await store.insert(rows, [])
    placed = [replace(row, gap=0, prev=0) for row in rows]
    assert await stored(database) == [tuple(getattr(row, name) for name in ASKED) for row in placed]


async def test_what_a_new_session_no_longer_has_is_not_left_with_its_visitor(database: Database) -> None:
    """Of none in the batch, so that its column is left out. Seen to fail where it is not among those that change."""
    numbers = range(1, MANY + 1)
    first = [a_visit(n, 1, "https://a.example/?utm_source=x", cid=str(n)) for n in numbers]
    later = [a_visit(n + MANY, 100, cid=str(n)) for n in numbers]
    async with a_store(database) as store:
        await store.insert(first, [])
        await store.insert(later, [])
    async with database.engine.connect() as connection:
        asked = select(visitors.c.utm_source, visitors.c.page, visitors.c.seq).distinct()
        assert [tuple(row) for row in await connection.execute(asked)] == [(None, "/", 1)]


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
async def test_mariadb_is_given_visitors_by_statements_that_are_prepared(database: Database) -> None:
    """As values, and not as text to be parsed: a third less work on both sides. Seen to fail without their cache."""
    rows = [a_visit(n, n, cid=str(n % MANY)) for n in range(1, 4 * MANY)]
    async with a_store(database) as store:
        before = await commands(database)
        for start in range(0, len(rows), MANY):
            await store.insert(rows[start : start + MANY], [])
        after = await commands(database)
    inserts, executes = (after[name] - before[name] for name in ("Com_insert", "Com_stmt_execute"))
    assert inserts > 0
    assert executes > inserts


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
async def test_ids_follow_one_another(database: Database) -> None:
    """Rollups wait for one that is left out. Seen to fail where MariaDB is given visits as an array of values."""
    async with a_store(database) as store:
        number = 0
        for size in (1, 3, 8, 20, 64, 1, 30):
            rows = range(number, number + size)
            await store.insert([a_visit(n, n, cid=str(n)) for n in rows], [an_event(n + 1000, n) for n in rows])
            number += size
    async with database.engine.connect() as connection:
        for table in (visits, events):
            asked = select(func.min(table.c.id), func.max(table.c.id), func.count())
            assert (await connection.execute(asked)).one() == (1, number, number)


async def commands(database: Database) -> dict[str, int]:
    """How often the server was given each."""
    async with database.engine.connect() as connection:
        found: Any = await connection.exec_driver_sql("show global status like 'Com\\_%%'")
        return {row[0]: int(row[1]) for row in found}


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
async def test_the_longest_rows_of_an_outage_fit_the_servers_packets(database: Database) -> None:
    """Seen to fail where all of them are one packet."""
    async with database.engine.begin() as connection:
        most = await connection.scalar(text("select @@max_allowed_packet"))
        await connection.exec_driver_sql(f"set global max_allowed_packet = {4 << 20}")
    long = "🍪" * MAX_TEXT
    try:
        async with a_store(database) as store:
            rows = [replace(a_visit(n, 1, cid=str(n)), doc_title=long, doc_uri=long, referrer=long) for n in range(500)]
            await store.insert(rows, [])
        async with database.engine.connect() as connection:
            assert await connection.scalar(select(func.sum(func.length(visits.c.doc_title)))) == 500 * 4 * MAX_TEXT
    finally:
        async with database.engine.begin() as connection:
            await connection.exec_driver_sql(f"set global max_allowed_packet = {most}")


def test_a_column_that_a_large_batch_leaves_empty_is_left_out() -> None:
    """Seen to fail where all of them are written: SQLite's driver takes 0.3 µs for a null."""
    insert = ColumnInsert(visits, "?")
    statement, values = insert.of(some_visits(MANY))
    assert "city" in statement
    assert "doc_title" in statement
    assert "doc_enc" not in statement
    assert {len(row) for row in values} == {statement.count("?")}


def test_few_rows_have_all_their_columns_so_that_they_share_a_statement() -> None:
    insert = ColumnInsert(visits, "?")
    assert insert.of(some_visits(1))[0] == insert.of(some_visits(2)[:1])[0]
    assert insert.of(some_visits(1))[0].count("?") == len(visits.columns) - 1
