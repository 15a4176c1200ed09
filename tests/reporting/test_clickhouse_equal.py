"""ClickHouse says what SQLite says, of the same visits: any report, of any days, filtered by anything, in any zone."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import delete, insert

from crumby.database import Database
from crumby.dimensions.session import place
from crumby.reporting.query import Query, QueryFolders
from crumby.reporting.questions import understand
from crumby.reporting.results import plain_rows
from crumby.settings import load_settings, shipped
from crumby.tables import events, visitors, visits
from tests.clickhouse import ClickHouse
from tests.reporting.copied import CopiedSite, open_copied
from tests.reporting.test_rolled import BERLIN, FIRST, LAST, SPANS, people

SITES = ("clickhouse",)
BY_THE_CLOCK = {"last_hit", "live", "live_now", "live_pages", "live_countries", "live_sources"}
QUERIES = [query for query in QueryFolders(shipped("queries")).all() if query.name not in BY_THE_CLOCK]
FILTERS: list[dict[str, Any]] = [
    {},
    {"country": "SE"},
    {"device": "!mobile"},
    {"page": "~A"},
    {"browser": ["firefox", "!safari"]},
    {"language": ""},
    {"event": "signup"},
    {"site": "a.example", "country": "!"},
]
OWN: dict[str, list[dict[str, Any]]] = {
    "goals": [{}, {"goal_1": "/a*", "goal_2": "signup"}],
    "funnel": [{"step_1": "/", "step_2": "/a*", "step_3": "signup"}, {"step_1": "/a*", "step_2": "/a*"}],
    "retention": [{}, {"cohort": "month"}],
}
ZONES = [BERLIN, "Etc/UTC", "Asia/Kathmandu", "America/New_York"]
INTERVALS: list[dict[str, Any]] = [{}, {"interval": "day"}, {"interval": "week"}, {"interval": "month"}]
TIMES = 2  # each report


@pytest.fixture(scope="module")
def module_url(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    module_url: str, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CopiedSite]:
    placed = place({}, *people(random.Random("equal")))  # noqa: S311 - the same ones at each run
    async with open_copied(clickhouse, tmp_path_factory.mktemp("equal"), time_zone=BERLIN) as opened:
        async with opened.database.engine.begin() as connection:
            for table, rows in ((visits, placed.visits), (events, placed.events), (visitors, placed.new)):
                await connection.execute(delete(table))
                await connection.execute(insert(table), [msgspec.structs.asdict(row) for row in rows])
        await opened.take(rolled=True)
        yield opened


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.collection}-{query.name}")
async def test_clickhouse_and_sqlite_give_one_answer(site: CopiedSite, query: Query) -> None:
    """Planted: a rollup's day that is summed before the period's; `weekday` from Sunday; a left join of zeros."""
    source = random.Random(query.name)  # noqa: S311 - the same one at each run
    sqlite = replace(site.database, reports=site.database.reading, replica=None, reader=None)
    for _ in range(TIMES):
        asked = _some(query, source)
        told = await _answer(site.database, query, asked, site.rollups.ready)
        assert told == await _answer(sqlite, query, asked, {}), asked


def _some(query: Query, source: random.Random) -> dict[str, Any]:
    first = FIRST.date() + timedelta(days=source.randrange(-5, (LAST - FIRST).days))
    asked: dict[str, Any] = {"from": first.isoformat()}
    asked["to"] = (first + timedelta(days=source.choice(SPANS) - 1)).isoformat()
    asked |= {"tz": source.choice(ZONES)} | source.choice(INTERVALS) | source.choice(OWN.get(query.name, [{}]))
    asked |= source.choice([{}, source.choice(FILTERS)])
    return {name: value for name, value in asked.items() if name in {"from", "to", "tz", *query.understands}}


async def _answer(database: Database, query: Query, asked: dict[str, Any], ready: Any) -> list[Any]:
    settings = load_settings({"CRUMBY_TIME_ZONE": BERLIN, "CRUMBY_SECRET_KEY": "a secret of the tests, long enough"})
    pairs = [(name, each) for name, value in asked.items() for each in (value if isinstance(value, list) else [value])]
    question = understand(query, pairs, settings, datetime.now(UTC).replace(tzinfo=None), ready=ready)
    rows = plain_rows((await question.answer(database, settings)).result, query)
    return [[pytest.approx(each, 1e-9) if isinstance(each, float) else each for each in row] for row in rows]
