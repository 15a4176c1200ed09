"""What is told of a visit after it was stored, over HTTP, on each database."""

import json
from typing import Any

import httpx
import pytest

from crumby.app import create_app
from crumby.database import open_database
from tests.conftest import MakeSettings
from tests.ingest.test_health import TOKEN, monitor, values
from tests.ingest.test_routes import document, views
from tests.servers import alive

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def told(number: int = 1, *, es: object = 7, sp: object = 80) -> dict[str, Any]:
    return {"v": 2, "t": "engagement", "id": f"{number:032x}", "cid": "42", "es": es, "sp": sp}


async def post(client: httpx.AsyncClient, *documents: dict[str, Any]) -> int:
    return (await client.post("/hit", content=json.dumps(documents))).status_code


async def known(url: str, settings: MakeSettings) -> list[tuple[int | None, int | None]]:
    """Seconds and percent of each visit, in the order of their hit ids."""
    async with (
        open_database(settings(sqlalchemy_database_uri=url)) as database,
        database.engine.connect() as connection,
    ):
        rows = await connection.exec_driver_sql("select engaged, scroll from visits order by hit_id")
        return [tuple(row) for row in rows]


async def test_a_visit_keeps_the_largest_that_it_is_told(
    client: httpx.AsyncClient, database_url: str, settings: MakeSettings
) -> None:
    """Seen to fail on the last one instead of the largest, and on null that stays null."""
    assert await post(client, document(1)) == 204
    assert await known(database_url, settings) == [(None, None)]
    for es, sp in ((7, 80), (3, 90), (7, 80), (9, 10)):
        assert await post(client, told(es=es, sp=sp)) == 204
    assert await known(database_url, settings) == [(9, 90)]
    assert await post(client, document(1)) == 204  # the visit comes again
    assert await known(database_url, settings) == [(9, 90)]
    assert await views(client) == 1


async def test_one_that_comes_with_its_visit_is_stored_after_it(
    client: httpx.AsyncClient, database_url: str, settings: MakeSettings
) -> None:
    """Seen to fail where they are stored before the visits."""
    assert await post(client, told(2, es=5), told(1), document(1), document(2), told(1, es=8, sp=0)) == 204
    assert await known(database_url, settings) == [(8, 80), (5, 80)]


async def test_what_is_told_of_a_visit_twice_in_an_array_is_added_once(
    client: httpx.AsyncClient, database_url: str, settings: MakeSettings
) -> None:
    """Seen to fail where each adds what it is more than the visit had before both: 7 and 9 seconds made 16."""
    assert await post(client, document(1), told(1, es=7, sp=95), told(1, es=9, sp=40), told(1, es=8, sp=0)) == 204
    assert await known(database_url, settings) == [(9, 95)]
    async with (
        open_database(settings(sqlalchemy_database_uri=database_url)) as database,
        database.engine.connect() as connection,
    ):
        asked = "select engaged, told, scroll, scrolled, finished from engagements"
        assert [tuple(row) for row in await connection.exec_driver_sql(asked)] == [(9, 1, 95, 1, 1)]


async def test_one_that_names_no_visit_changes_nothing(
    client: httpx.AsyncClient, database_url: str, settings: MakeSettings
) -> None:
    assert await post(client, document(1), document(3, t="event", en="buy")) == 204
    assert await post(client, told(2), told(3)) == 204
    assert await known(database_url, settings) == [(None, None)]


@ONLY_SQLITE
async def test_the_pixel_tells_it_too(client: httpx.AsyncClient, database_url: str, settings: MakeSettings) -> None:
    await post(client, document(1))
    answer = await client.get("/1.gif", params=told())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert await known(database_url, settings) == [(7, 80)]
    assert (await client.get("/1.gif", params=told() | {"v": 1})).status_code == 400


@ONLY_SQLITE
async def test_an_array_that_holds_a_bad_one_is_refused_whole(client: httpx.AsyncClient) -> None:
    assert await post(client, document(1), told(es=-1)) == 400
    assert await views(client) == 0


async def test_it_is_counted_apart_from_hits(settings: MakeSettings) -> None:
    """Seen to fail where it counts as a hit."""
    app = create_app(settings(metrics_token=TOKEN))
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", auth=monitor) as client:
            await post(client, document(1), told(1), told(1, es=9))
            counted = values((await client.get("/metrics")).text)
    assert counted['crumby_hits_total{outcome="stored",reason=""}'] == 1
    assert counted["crumby_engagements_total"] == 2
