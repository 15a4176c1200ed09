"""Reports that ask a replica: a second server that follows the first one by its own replication."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from crumby.app import create_app
from crumby.cli.doctor import examine
from crumby.database import open_database
from crumby.engines import AsyncEngine
from crumby.errors import ConfigurationError
from crumby.migrations import migrate
from crumby.rollups import Rollups
from crumby.settings import Settings
from tests.cluster import REPLICATED, FollowingMariaDB, Pair
from tests.conftest import MakeSettings
from tests.faults.ledger import count, new_hit
from tests.reporting.bakery import WEEK, bake
from tests.servers import READY_S, alive

ANEW = {"Cache-Control": "no-cache"}


@pytest.fixture(scope="module", params=["mariadb", "postgres"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with REPLICATED[request.param]() as servers:
        yield servers


@pytest.fixture
def url(pair: Pair) -> Iterator[str]:
    """Of an empty database, at the writer, while the replica follows."""
    writer, replica = pair
    made = writer.database()
    yield made
    replica.go_on()
    writer.drop(made)


@contextlib.asynccontextmanager
async def crumby(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Rollups]]:
    async with alive(create_app(settings)) as running:
        transport = httpx.ASGITransport(running.app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", timeout=READY_S) as client:
            yield client, running._state["rollups"]


async def hit(client: httpx.AsyncClient) -> None:
    answer = await client.post("/hit", content=json.dumps(new_hit("visit")))
    assert answer.status_code == 204


async def views(client: httpx.AsyncClient, **filters: str) -> int:
    answer = await client.get("/api/public/summary", params=filters, headers=ANEW)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return int(body["data"][0][body["columns"].index("views")])


async def until(count_: int, asked: Callable[[], object]) -> None:
    """Until that many are told. More than that never are."""
    async with asyncio.timeout(READY_S):
        while (told := await asked()) != count_:  # type: ignore[misc]
            assert told < count_
            await asyncio.sleep(0.1)


async def test_reports_are_the_replicas_and_hits_go_on_without_it(
    pair: Pair, url: str, settings: MakeSettings, tmp_path: Path
) -> None:
    """Seen to fail on reports that ask the writer."""
    _, replica = pair
    (tmp_path / "other").mkdir()
    plain = settings(sqlalchemy_database_uri=url, spool=str(tmp_path / "other" / "spool.db"))
    following = settings(sqlalchemy_database_uri=url, reports_database_uri=replica.at(url))
    async with crumby(plain) as (writing, counted), crumby(following) as (reading, followed):
        for _ in range(3):
            await hit(reading)
        async with open_database(following) as database:
            await until(3, lambda: _visits(database.asked))
        await until(3, lambda: views(reading))
        await until(len(counted.names()), lambda: _ready(followed))
        await until(3, lambda: views(reading))  # the rollups have them a second or so after the visits

        replica.stand_still()
        for _ in range(2):
            await hit(reading)
        await until(5, lambda: views(writing))
        await counted.forget()
        await counted.finish()
        await followed.catch_up()
        for filters in ({}, {"browser": ""}, {"browser": "Firefox"}):
            there = 0 if filters.get("browser") == "Firefox" else 3
            assert await views(reading, **filters) == there
        assert await views(writing, browser="") == 5
        replica.go_on()
        await until(5, lambda: views(reading))
        await until(5, lambda: views(reading, browser=""))

        replica.kill()
        answer = await reading.get("/api/public/summary", headers=ANEW)
        assert answer.status_code == 503
        assert "replica" in answer.json()["detail"]
        await hit(reading)
        assert await count(url) == 6
        assert (await reading.get("/readyz")).status_code == 200
        said = await diagnosis(following)
        assert "fault: replica" in said
        assert "ok: database" in said
        replica.start()
        await until(6, lambda: views(reading))


async def _ready(rollups: Rollups) -> int:
    await rollups.catch_up()
    return len(rollups.ready)


async def test_a_rollup_is_read_once_the_replica_has_it(pair: Pair, url: str, settings: MakeSettings) -> None:
    """It is made by the writer while the replica stands still, and the replica's visits answer in its place.

    Seen to fail on rollups of which the writer alone says that they are ready.
    """
    _, replica = pair
    following = settings(sqlalchemy_database_uri=url, reports_database_uri=replica.at(url))
    async with open_database(following) as database:
        await migrate(database.engine)
        await bake(database.engine)
        baked = await _visits(database.engine)
        await until(baked, lambda: _visits(database.asked))
    replica.stand_still()
    async with crumby(following) as (client, rollups):
        await rollups.finish()
        assert await _ready(rollups) == 0
        assert await views(client, **WEEK) == 16
        replica.go_on()
        await until(len(rollups.names()), lambda: _ready(rollups))
        assert await views(client, **WEEK) == 16
        assert not rollups.imported.spans
        keys = "`keys`" if isinstance(replica, FollowingMariaDB) else "keys"
        into = f"insert into totals (origin, rollup, day, prev_day, {keys}, sums)"
        values = """values ('plausible example.com', 'pages', 20250101, 0, '["/"]', '{"views": 1}')"""
        pair[0].execute(f"{into} {values}", url.rpartition("/")[2])
        await until(1, lambda: _imported(rollups))


async def _imported(rollups: Rollups) -> int:
    await rollups.catch_up()
    return len(rollups.imported.spans)


async def _visits(engine: AsyncEngine) -> int:
    with contextlib.suppress(SQLAlchemyError):  # there is no such table yet
        async with engine.connect() as connection:
            return await connection.scalar(text("select count(*) from visits")) or 0
    return 0


async def test_the_doctor_says_how_the_replica_is(pair: Pair, url: str, settings: MakeSettings) -> None:
    """Planted: a lag that is taken for none where nothing tells it."""
    _, replica = pair
    following = settings(sqlalchemy_database_uri=url, reports_database_uri=replica.at(url))
    async with open_database(following) as database:
        await migrate(database.engine)

    async def sound() -> int:
        return "ok: replica: it has the schema" in await diagnosis(following)

    await until(1, sound)
    said = await diagnosis(following)
    assert "ok: replica: it follows" in said
    assert "warning: replica" not in said
    itself = settings(sqlalchemy_database_uri=url, reports_database_uri=url)
    assert "warning: replica: it follows no other server" in await diagnosis(itself)
    nothing = settings(sqlalchemy_database_uri=url, reports_database_uri=replica.at(f"{url}x"))
    assert "fault: replica" in await diagnosis(nothing)
    if isinstance(replica, FollowingMariaDB):
        replica.stand_still()
        assert "warning: replica: its replication stands still" in await diagnosis(following)


async def diagnosis(settings: Settings) -> str:
    return "\n".join(f"{each.verdict}: {each.subject}: {each.said}" for each in await examine(settings, offline=True))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("sqlite:///a.db", "sqlite:///b.db", "REPORTS_DATABASE_URI: SQLite has no replica"),
        ("mysql://a/b", "sqlite:///b.db", "REPORTS_DATABASE_URI: sqlite is no replica of the mysql"),
        ("mysql://a/b", "postgresql://a/b", "REPORTS_DATABASE_URI: postgresql is no replica of the mysql"),
        ("postgresql://a/b", "oracle://a/b", "REPORTS_DATABASE_URI: oracle is no replica of the postgresql"),
    ],
)
async def test_what_can_be_no_replica_is_refused(first: str, second: str, said: str, settings: MakeSettings) -> None:
    with pytest.raises(ConfigurationError, match=said):
        async with open_database(settings(sqlalchemy_database_uri=first, reports_database_uri=second)):
            pass
