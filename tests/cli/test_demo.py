"""`crumby demo`: a year that every report has something to say of."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from crumby.accounts import Accounts
from crumby.app import create_app
from crumby.database import open_database
from crumby.demo.bakery import Bakery, busy
from crumby.demo.filling import held
from crumby.demo.people import Day, People
from crumby.settings import Settings
from tests.cli.conftest import Ask
from tests.conftest import MakeSettings
from tests.servers import alive

VISITS = 4000
UNTIL = datetime(2026, 3, 29, 14)  # noqa: DTZ001 - UTC, as the tables have it
TAKES_STEPS = "private/funnel"  # and shows nothing without them


def counted(path: Path, sql: str) -> Any:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchone()


def test_it_fills_an_empty_database_and_no_other(verb: Ask, home: Path) -> None:
    """Planted: it does not look whether the database is empty."""
    said = json.loads(verb("demo", "--visits", "500", "--json").out)
    assert said["visits"] == 500
    assert counted(home / "crumby.db", "select count(*) from visits") == (500,)
    assert counted(home / "crumby.db", "select count(*) from events") == (said["events"],)

    again = verb("demo", "--visits", "10")
    assert again.status == 1
    assert again.err.startswith("crumby: the database holds 500 visits and ")
    assert "--force" in again.err
    assert "--into" in again.err
    assert counted(home / "crumby.db", "select count(*) from visits") == (500,)

    other = verb("demo", "--visits", "1200", "--into", "other.db")
    assert other.status == 0
    assert other.out.startswith("1,200 visits and ")
    assert f"sqlite:///{home / 'other.db'}" in other.out
    assert counted(home / "other.db", "select count(*) from visits") == (1200,)

    assert verb("demo", "--visits", "10", "--force", "--seed", "2").status == 0
    assert counted(home / "crumby.db", "select count(*) from visits") == (510,)


@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
def test_it_fills_a_server_as_well(
    kind: str, verb: Ask, settings: MakeSettings, request: pytest.FixtureRequest
) -> None:
    """Planted: `insert` of the events left out."""
    server = request.getfixturevalue(kind)
    url = server.database()
    try:
        answer = verb("demo", "--visits", "700", "--json", CRUMBY_SQLALCHEMY_DATABASE_URI=url)
        said = json.loads(answer.out)
        assert said["visits"] == 700
        assert asyncio.run(there(settings(sqlalchemy_database_uri=url))) == (700, said["events"])
    finally:
        server.drop(url)


def test_every_report_has_something_to_show(settings: MakeSettings, home: Path, verb: Ask) -> None:
    """Of the last 30 days as the page asks, and the live ones of the last half hour.

    Planted: a town without campaigns, one without lost pages, and a year without its last half hour.
    """
    begun = datetime.now(UTC).replace(tzinfo=None)
    database = home / "shown.db"
    said = json.loads(verb("demo", "--visits", str(VISITS), "--into", str(database), "--json").out)
    assert begun - timedelta(days=367) < datetime.fromisoformat(said["from"]) < begun - timedelta(days=360)
    assert asyncio.run(empty(settings(sqlalchemy_database_uri=f"sqlite:///{database}"))) == [TAKES_STEPS]


async def there(settings: Settings) -> tuple[int, int]:
    async with open_database(settings) as opened:
        return await held(opened)


async def empty(settings: Settings) -> list[str]:
    """The reports whose answer has no number."""
    async with open_database(settings) as opened:
        await Accounts(opened.engine).add("ada", "gingerbread and tea")
    async with alive(create_app(settings)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            await client.post("/login", data={"username": "ada", "password": "gingerbread and tea"})
            listed = (await client.get("/api")).json()["queries"]
            return [
                f"{query['collection']}/{query['name']}"
                for query in listed
                if not has_numbers((await client.get(query["url"])).json()["data"])
            ]


def has_numbers(rows: list[list[Any]]) -> bool:
    return any(isinstance(value, (int, float)) and value > 0 for row in rows for value in row[1:] or row)


def made(seed: int) -> list[Day]:
    people = People(Bakery, 400, UNTIL, months=12, seed=seed, busy=busy(seed))
    return [*people.days(), people.lately(20, timedelta(minutes=29))]


def test_the_same_seed_and_end_make_the_same_visitors() -> None:
    """Planted: a weather that has dice of its own."""
    assert made(1) == made(1)
    assert made(1) != made(2)


def test_the_last_half_hour_is_not_empty() -> None:
    late = made(3)[-1].visits
    assert len(late) == 20
    assert all(UNTIL - timedelta(minutes=30) < visit.datetime < UNTIL for visit in late)
