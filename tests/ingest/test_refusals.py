"""The numbers of refused hits, on each database: they add up, they last, and they are in no hit's way."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from crumby.app import create_app
from crumby.database import Database, open_database
from crumby.errors import HitTooLarge, InvalidHit, Overloaded
from crumby.ingest import refusals as module
from crumby.ingest.refusals import Refusals, open_refusals
from crumby.migrations import migrate
from crumby.tables import refusals
from tests.conftest import MakeSettings
from tests.servers import alive

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TEN_PAST = datetime(2026, 11, 22, 12, 10, 9, 8)  # noqa: DTZ001
NOON = datetime(2026, 11, 22, 12)  # noqa: DTZ001


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        await migrate(database.engine)
        yield database


async def rows(database: Database) -> list[tuple[Any, ...]]:
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(select(refusals).order_by(*refusals.primary_key))]


async def test_workers_add_up_by_reason_and_quarter_of_an_hour(database: Database) -> None:
    """Seen to fail on an upsert that replaces, and on counts that are written twice."""
    first, second = (Refusals(database.engine, lambda: TEN_PAST) for _ in range(2))
    first.count(InvalidHit("a"), 2)
    first.count(InvalidHit("b"), 3)
    second.count(InvalidHit("c"), 1)
    second.count(HitTooLarge("d"), 1)
    await first.write()
    await second.write()
    await first.write()
    assert await rows(database) == [(NOON, "HitTooLarge", 1), (NOON, "InvalidHit", 6)]
    first.count(InvalidHit("e"), 4)
    await first.write()
    assert (NOON, "InvalidHit", 10) in await rows(database)


@ONLY_SQLITE
async def test_each_quarter_of_an_hour_has_its_own_number(database: Database) -> None:
    clock = [TEN_PAST]
    counted = Refusals(database.engine, lambda: clock[0])
    for minute in (0, 14, 15, 59):
        clock[0] = TEN_PAST.replace(minute=minute)
        counted.count(InvalidHit("a"), 1)
    await counted.write()
    assert [(at.minute, hits) for at, _, hits in await rows(database)] == [(0, 2), (15, 1), (45, 1)]


async def test_what_is_counted_is_written_at_the_end(database: Database) -> None:
    """Seen to fail without the last write."""
    async with open_refusals(database.engine) as counted:
        counted.count(Overloaded("full"), 5)
    assert [row[1:] for row in await rows(database)] == [("Overloaded", 5)]


@ONLY_SQLITE
async def test_what_is_counted_is_written_while_it_runs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.02)
    async with open_refusals(database.engine) as counted, asyncio.timeout(5):
        counted.count(InvalidHit("a"), 1)
        while not await rows(database):  # noqa: ASYNC110 - polled, as a person would
            await asyncio.sleep(0.02)


class Away:
    """An engine whose server does not answer, or says no."""

    def __init__(self, engine: Any, *, frozen: bool) -> None:
        self.dialect = engine.dialect
        self.engine = engine
        self.frozen = frozen
        self.away = True

    def begin(self) -> Any:
        return self if self.away else self.engine.begin()

    async def __aenter__(self) -> None:
        if self.frozen:
            await asyncio.sleep(60)
        raise OperationalError("insert", {}, OSError("away"))

    async def __aexit__(self, *_error: object) -> None: ...


@ONLY_SQLITE
@pytest.mark.parametrize("frozen", [False, True], ids=["down", "frozen"])
async def test_a_database_that_is_away_gets_the_numbers_later(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, frozen: bool
) -> None:
    """Seen to fail where what was taken for a write is not put back."""
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    engine: Any = Away(database.engine, frozen=frozen)
    counted = Refusals(engine, lambda: TEN_PAST)
    for _ in range(3):
        counted.count(InvalidHit("a"), 1)
        started = time.monotonic()
        await counted.write()
        assert time.monotonic() - started < 5
        await asyncio.sleep(0)
    assert await rows(database) == []
    assert len(caplog.records) == 1, "one line for one outage"
    engine.away = False
    await counted.write()
    assert await rows(database) == [(NOON, "InvalidHit", 3)]


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """Seen to fail without the bound."""
    monkeypatch.setattr(module, "KEPT", 3)
    clock = [TEN_PAST]
    counted = Refusals(database.engine, lambda: clock[0])
    for hour in range(10):
        clock[0] = TEN_PAST.replace(hour=hour)
        counted.count(InvalidHit("a"), 1)
    await counted.write()
    assert [at.hour for at, _, _ in await rows(database)] == [7, 8, 9]


async def test_a_hit_that_is_refused_is_in_the_database_when_the_server_has_stopped(
    database_url: str, settings: MakeSettings
) -> None:
    """Seen to fail where nobody counts."""
    made = settings(sqlalchemy_database_uri=database_url)
    async with alive(create_app(made)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            assert (await client.post("/hit", content=b"{")).status_code == 400
            assert (await client.post("/hit", content=b" " * 70_000)).status_code == 413
            assert (await client.get("/1.gif?v=1")).status_code == 400
    async with open_database(made) as database:
        assert [row[1:] for row in await rows(database)] == [("HitTooLarge", 1), ("InvalidHit", 2)]
