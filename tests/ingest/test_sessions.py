"""Sessions as they are stored, in the transaction of their hits; what hits sent again and other workers do to them.

Where a session begins and ends is in tests/dimensions/test_session.py.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from crumby.database import Database, open_database
from crumby.dimensions.session import session_id
from crumby.ingest.client import Client
from crumby.ingest.enrich import Event, Visit, event, visit
from crumby.ingest.geo import NOWHERE
from crumby.ingest.hit import Hit
from crumby.ingest.spool import Spool
from crumby.ingest.store import ServerStore, SqliteStore, Store
from crumby.migrations import migrate
from crumby.tables import events, visitors, visits
from tests.conftest import MakeSettings
from tests.legacy import crumby071
from tests.servers import MariaDB

CLIENT = Client(ip="81.2.69.160", user_agent=None, referrer=None, lang=None)
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456)  # noqa: DTZ001 - UTC throughout
ON_SERVERS = pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
SESSION = ("datetime", "session", "seq", "gap", "entry", "source", "utm_source")

OLDER = {"hit_id", *crumby071.COLUMNS["visits"], *crumby071.COLUMNS["events"]}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def a_visit(number: int, minutes: float, uri: str = "https://a.example/", cid: str = "42", referrer: str = "") -> Visit:
    return visit(Hit("visit", number.to_bytes(16), cid, at(minutes), uri, None, referrer=referrer), CLIENT, NOWHERE)


def an_event(number: int, minutes: float, cid: str = "42") -> Event:
    hit = Hit("event", number.to_bytes(16), cid, at(minutes), "https://a.example/", None, name="bite")
    return event(hit, CLIENT)


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as opened:
        await migrate(opened.engine)
        yield opened


@contextlib.asynccontextmanager
async def a_store(database: Database) -> AsyncIterator[Store]:
    if not database.sqlite_path:
        yield ServerStore(database.hits)
        return
    store = SqliteStore(database.sqlite_path)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    async with a_store(database) as opened:
        yield opened


async def stored(database: Database, *names: str) -> list[tuple[Any, ...]]:
    columns = [visits.c[name] for name in names or SESSION]
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(select(*columns).order_by(visits.c.id))]


async def sessions_of_events(database: Database) -> list[int | None]:
    async with database.engine.connect() as connection:
        return list(await connection.scalars(select(events.c.session).order_by(events.c.id)))


async def who(database: Database, cid: str = "42") -> Row[Any]:
    async with database.engine.connect() as connection:
        return (await connection.execute(select(visitors).where(visitors.c.cid == cid))).one()


def views_of(visitor: Row[Any]) -> tuple[int, datetime, datetime]:
    return visitor.seq, visitor.last, visitor.viewed


async def test_views_of_one_visitor_in_one_batch_are_one_session(database: Database, store: Store) -> None:
    """Seen to fail on a batch that reads each visitor once and places each row alone."""
    batch = [
        a_visit(3, 10, "https://a.example/c?utm_source=x"),
        a_visit(1, 0, "https://www.A.example/a?utm_source=fb", referrer="https://www.google.com/"),
        a_visit(2, 5, "https://a.example/b"),
        a_visit(4, 50, "https://a.example/d", referrer="https://duckduckgo.com/"),
    ]
    await store.insert(batch, [an_event(5, 12)])
    first, second = session_id("42", at(0)), session_id("42", at(50))
    assert await stored(database) == [
        (at(0), first, 1, 0, "/a", "Facebook", "fb"),
        (at(5), first, 2, 300, "/a", "Facebook", "fb"),
        (at(10), first, 3, 300, "/a", "Facebook", "fb"),
        (at(50), second, 1, 0, "/d", "DuckDuckGo", None),
    ]
    assert await sessions_of_events(database) == [first]
    visitor = await who(database)
    assert tuple(visitor)[:8] == ("42", at(0), at(50), at(50), at(50), second, 1, "/d")


async def test_a_session_goes_on_from_batch_to_batch(database: Database, store: Store) -> None:
    await store.insert([a_visit(1, 0, "https://a.example/a", referrer="https://www.google.com/")], [])
    await store.insert([], [an_event(2, 25)])
    await store.insert([a_visit(3, 45, "https://a.example/b")], [])
    await store.insert([a_visit(4, 99, "https://a.example/c")], [])
    first, second = session_id("42", at(0)), session_id("42", at(99))
    assert await stored(database) == [
        (at(0), first, 1, 0, "/a", "Google", None),
        (at(45), first, 2, 45 * 60, "/a", "Google", None),
        (at(99), second, 1, 0, "/c", None, None),
    ]
    assert await sessions_of_events(database) == [first]
    visitor = await who(database)
    assert (visitor.first, visitor.begun, *views_of(visitor)) == (at(0), at(99), 1, at(99), at(99))


async def test_a_session_that_an_event_begins_is_that_of_the_next_view(database: Database, store: Store) -> None:
    await store.insert([], [an_event(1, 0)])
    assert (await who(database)).seq == 0
    await store.insert([a_visit(2, 5, "https://a.example/in", referrer="https://www.google.com/")], [])
    session = session_id("42", at(0))
    assert await sessions_of_events(database) == [session]
    assert await stored(database) == [(at(5), session, 1, 0, "/in", "Google", None)]
    visitor = await who(database)
    assert (visitor.first, visitor.entry, visitor.source, visitor.seq) == (at(5), "/in", "Google", 1)


async def test_a_late_hit_is_stored_and_moves_nothing_back(database: Database, store: Store) -> None:
    await store.insert([a_visit(1, 0, "https://a.example/a"), a_visit(2, 20)], [])
    await store.insert([a_visit(3, -10), a_visit(4, -300, "https://a.example/old")], [an_event(5, 10)])
    session, stray = session_id("42", at(0)), session_id("42", at(-300))
    assert [row[1:5] for row in await stored(database)] == [
        (session, 1, 0, "/a"),
        (session, 2, 20 * 60, "/a"),
        (stray, 1, 0, "/old"),
        (session, 3, 0, "/a"),
    ]
    visitor = await who(database)
    assert (visitor.first, visitor.begun, *views_of(visitor)) == (at(-300), at(0), 3, at(20), at(20))


async def test_a_hit_that_comes_again_changes_no_visitor(database: Database, store: Store) -> None:
    """Seen to fail on rows that are placed before the known ones are dropped."""
    await store.insert([a_visit(1, 0), a_visit(1, 0)], [an_event(9, 1), an_event(9, 1)])
    before = await who(database)
    assert before.seq == 1
    await store.insert([a_visit(1, 5)], [an_event(9, 6)])
    assert await who(database) == before
    await store.insert([a_visit(1, 7), a_visit(2, 8), a_visit(2, 8), a_visit(1, 7)], [an_event(9, 99), an_event(8, 9)])
    assert [row[2:4] for row in await stored(database)] == [(1, 0), (2, 8 * 60)]
    assert len(await sessions_of_events(database)) == 2
    assert views_of(await who(database)) == (2, at(9), at(8))


async def test_a_batch_of_nothing_but_hits_that_are_there_is_acknowledged(database: Database, store: Store) -> None:
    batch = [a_visit(number, number / 100, cid=str(number % 7)) for number in range(1, 700)]  # more than one look asks
    await store.insert(batch, [])
    await store.insert(batch, [])
    assert len(await stored(database)) == len(batch)


async def test_whoever_has_no_name_has_no_session(database: Database, store: Store) -> None:
    await store.insert([a_visit(1, 0, cid="null", referrer="https://www.google.com/")], [an_event(2, 1, cid="null")])
    assert [row[1:6] for row in await stored(database)] == [(None, None, None, None, "Google")]
    assert await sessions_of_events(database) == [None]
    async with database.engine.connect() as connection:
        assert (await connection.execute(select(visitors))).all() == []


@pytest.mark.timeout(120)
async def test_workers_that_meet_the_same_visitors_count_each_view_once(
    database: Database, database_url: str, settings: MakeSettings
) -> None:
    """New ones and known ones, in any order, with each hit sent to two of the workers.

    Seen to fail on visitors that are read without a lock, and on new ones that are written over another worker's.
    """
    workers, rounds, size = 4, 12, 12
    async with contextlib.AsyncExitStack() as stack:
        made = settings(sqlalchemy_database_uri=database_url)
        databases = [await stack.enter_async_context(open_database(made)) for _ in range(workers)]
        stores = [await stack.enter_async_context(a_store(each)) for each in databases]
        for number in range(rounds):
            batches = [some_views(number, worker, size) for worker in range(workers)]
            await asyncio.gather(
                *(store.insert([*batch, *batches[0]], []) for store, batch in zip(stores, batches, strict=True))
            )
    rows = await stored(database, "cid", "session", "seq", "hit_id")
    assert len(rows) == workers * rounds * size
    seqs: dict[tuple[str, int], list[int]] = {}
    for cid, session, seq, _ in rows:
        seqs.setdefault((cid, session), []).append(seq)
    assert len(seqs) == len({cid for cid, *_ in rows}), "a visitor had two sessions"
    for (cid, _), numbers in seqs.items():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert (await who(database, cid)).seq == len(numbers)


def some_views(number: int, worker: int, size: int) -> list[Visit]:
    """Of visitors whom the other workers meet as well, in another order: old ones, and some that are new this time."""
    cids = [f"old{each}" for each in range(size // 2)] + [f"new{number}.{each}" for each in range(size - size // 2)]
    turned = cids[worker:] + cids[:worker]
    start = (number * 100 + worker) * size + 1
    return [a_visit(start + each, number, cid=cid) for each, cid in enumerate(turned)]


@ON_SERVERS
async def test_a_deadlock_is_tried_again(database: Database, store: Store) -> None:
    """Seen to fail on a store that calls the database away."""
    await store.insert([a_visit(1, 0, cid="a"), a_visit(2, 0, cid="b")], [])
    async with database.engine.connect() as other:
        for number in range(50):  # the server gives up whoever has done less
            await other.execute(insert(events).values(hit_id=number.to_bytes(16)))
        await lock(other, "b")
        waiting = asyncio.create_task(store.insert([a_visit(3, 1, cid="a"), a_visit(4, 1, cid="b")], []))
        await asyncio.sleep(0.2)  # PostgreSQL looks for a deadlock once, when it has waited for a second
        await lock(other, "a")
        await other.rollback()
    await waiting
    assert [row[0] for row in await stored(database, "seq")] == [1, 1, 2, 2]


async def lock(connection: AsyncConnection, cid: str) -> None:
    await connection.execute(select(visitors).where(visitors.c.cid == cid).with_for_update())


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
async def test_a_visitor_who_is_not_there_locks_nobody_else_out(database: Database) -> None:
    """Seen to fail on InnoDB's own isolation level, which locks the gap."""
    async with database.engine.connect() as one, database.engine.connect() as other:
        await lock(one, "nobody")
        await other.execute(text("set innodb_lock_wait_timeout = 1"))
        await other.execute(insert(visitors).values(cid="new"))
        await other.rollback()


class Logging(MariaDB):
    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--log-bin", "--binlog-format=STATEMENT"]


async def test_a_server_that_logs_statements_takes_hits(settings: MakeSettings) -> None:
    """Seen to fail on READ COMMITTED, at which such a server refuses every write."""
    with Logging() as server:
        async with open_database(settings(sqlalchemy_database_uri=server.database())) as database:
            await migrate(database.engine)
            async with a_store(database) as store:
                await store.insert([a_visit(1, 0), a_visit(2, 1)], [])
            assert [row[2] for row in await stored(database)] == [1, 2]


@ON_SERVERS
async def test_what_was_spooled_before_there_were_sessions_is_placed(
    database: Database, store: Store, tmp_path: Path
) -> None:
    """Rows of the older form, without the newer columns."""
    spool = Spool(tmp_path / "spool.db", 1)
    await spool.open()
    await spool.add([a_visit(1, 0), a_visit(2, 1)], [an_event(3, 2)])
    with contextlib.closing(sqlite3.connect(spool.path)) as file, file:
        for number, row in file.execute("select number, row from hits").fetchall():
            older = {name: value for name, value in json.loads(row).items() if name in OLDER}
            file.execute("update hits set row = ? where number = ?", (json.dumps(older), number))
    spooled = await spool.first(9)
    await spool.close()
    await store.insert(spooled.visits, spooled.events)
    session = session_id("42", at(0))
    assert [row[1:4] for row in await stored(database)] == [(session, 1, 0), (session, 2, 60)]
    assert await sessions_of_events(database) == [session]
