"""The client leaves, or the database does."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests import servers
from tests.reporting.site import Site, open_site

ANEW = {"Cache-Control": "no-cache"}  # a known answer needs no database
ENDLESS = "select count(*) as n from calendar a, calendar b, calendar c, calendar d where a.datetime > b.datetime"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with open_site(module_url, tmp_path_factory.mktemp("site"), query_timeout="5") as opened:
        yield opened


async def test_a_client_that_leaves_stops_its_statement(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with site.query(ENDLESS) as address:
        start = time.monotonic()
        await site.status(address, {}, leaves_after_s=0.2)
        assert time.monotonic() - start < 3
    gc.collect()
    assert "never retrieved" not in caplog.text
    assert site.database.reports.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert (await site.answer("select 1 as one")).json()["data"] == [[1]]


@pytest.fixture(params=[servers.MariaDB, servers.Postgres])
def server(request: pytest.FixtureRequest) -> Iterator[servers.DatabaseServer]:
    """One of the test's own, to be stopped and killed."""
    with request.param() as started:
        yield started


def assert_unavailable(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["error"]) == (503, "DatabaseUnavailable"), response.text
    assert int(response.headers["Retry-After"]) > 0
    assert "\n" not in response.json()["detail"]
    assert "sqlalche.me" not in response.text


async def test_without_the_database_reports_answer_503_until_it_is_back(
    server: servers.DatabaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crumby.reporting.run.CONNECT_TIMEOUT", 1.0)
    monkeypatch.setattr("crumby.rollups.PATIENCE_S", 1.0)
    async with open_site(server.database(), tmp_path) as site:
        assert (await site.guest.get("/api/public/visits")).status_code == 200

        server.pause()
        try:
            start = time.monotonic()
            assert_unavailable(await site.guest.get("/api/public/visits", headers=ANEW))
            assert time.monotonic() - start < 5  # asyncpg waits 2 s for a goodbye
        finally:
            server.resume()
        assert (await site.guest.get("/api/public/visits")).status_code == 200

        with site.query(ENDLESS) as address:
            running = asyncio.ensure_future(site.guest.get(address))
            await asyncio.sleep(0.5)
            server.kill()
            assert_unavailable(await running)
        assert_unavailable(await site.guest.get("/api/public/visits", headers=ANEW))
        assert (await site.member.get("/api/private/events")).status_code == 503
        assert (await site.guest.get("/api")).status_code == 200
        server.start()
        assert (await site.guest.get("/api/public/visits")).status_code == 200
        assert (await site.member.get("/api/private/events")).status_code == 200
