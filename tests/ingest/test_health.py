"""What a monitor is told, and who is told it."""

import asyncio
import os
import re
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from crumby.app import create_app
from crumby.ingest import writer as writer_module
from tests.conftest import MakeSettings
from tests.ingest.test_routes import ONLY_SQLITE, document
from tests.servers import Crumby, MariaDB, alive, wait_until

TOKEN = "a token that only the monitor has"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def monitor(request: httpx.Request) -> httpx.Request:
    """Send the token where it is one: a hit is none of a monitor's."""
    if request.url.path in {"/metrics", "/readyz"}:
        request.headers.update(BEARER)
    return request


@pytest.fixture
async def watched(database_url: str, settings: MakeSettings, mmdb: Path) -> AsyncIterator[httpx.AsyncClient]:
    made = settings(sqlalchemy_database_uri=database_url, geoip2_database_name=str(mmdb), metrics_token=TOKEN)
    async with alive(create_app(made)) as running:
        transport = httpx.ASGITransport(running.app, client=("81.2.69.160", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", auth=monitor) as client:
            yield client


def values(text: str) -> dict[str, float]:
    """The samples of Prometheus's text form, by their names with their labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, _, value in lines}


async def test_it_is_ready_while_the_database_takes_hits(watched: httpx.AsyncClient) -> None:
    answer = await watched.get("/readyz")
    told = answer.json()
    assert (answer.status_code, told["status"], told["away"], told["queue"]) == (200, "ready", None, 0)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", told["geo"]["built"])
    assert told["geo"]["age_days"] >= 0
    assert answer.headers["cache-control"] == "no-store"


@ONLY_SQLITE
@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}é"}])
async def test_only_the_bearer_and_users_look_inside(given: dict[str, str], watched: httpx.AsyncClient) -> None:
    """Seen to fail on a comparison with the token's beginning."""
    watched.auth = httpx.Auth()  # none
    headers = {name.encode(): value.encode() for name, value in given.items()}
    assert (await watched.get("/readyz", headers=headers)).json() == {"status": "ready"}
    refused = await watched.get("/metrics", headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (401, "SignInRequired")
    assert "METRICS_TOKEN" in refused.json()["detail"]


@ONLY_SQLITE
async def test_without_a_token_no_bearer_is_let_in(client: httpx.AsyncClient) -> None:
    for header in ("Bearer ", "Bearer None", ""):
        assert (await client.get("/metrics", headers={"Authorization": header})).status_code == 401


@ONLY_SQLITE
async def test_hits_are_counted_by_what_became_of_them(
    watched: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = [document(number) for number in range(1, 6)]
    await watched.post("/hit", json=array)
    await watched.get("/1.gif?v=1&t=visit&cid=42&dl=https%3A%2F%2Fexample.com%2F")
    await watched.post("/hit", content="no JSON")
    await watched.post("/hit", json=[document(7), document(8, cid=" ")])
    await watched.post("/hit", content=b" " * 70_000)
    monkeypatch.setattr(writer_module, "WAITING", 4)
    assert (await watched.post("/hit", json=array)).status_code == 503
    told = values((await watched.get("/metrics")).text)
    counted = {name: value for name, value in told.items() if name.startswith("crumby_hits_total")}
    assert counted == {
        'crumby_hits_total{outcome="stored",reason=""}': 6,
        'crumby_hits_total{outcome="refused",reason="InvalidHit"}': 2,
        'crumby_hits_total{outcome="refused",reason="HitTooLarge"}': 1,
        'crumby_hits_total{outcome="busy",reason="Overloaded"}': 5,
    }
    assert (told["crumby_batch_hits_sum"], told["crumby_batch_hits_count"]) == (6, 2)
    assert 0 < told["crumby_commit_seconds_sum"] < 10
    assert (told["crumby_ready"], told["crumby_database_up"], told["crumby_queue_hits"]) == (1, 1, 0)
    assert told["crumby_geo_age_seconds"] >= 0
    assert told["process_resident_memory_bytes"] > 0


async def test_a_machine_that_keeps_hits_in_its_spool_is_degraded_and_stays_in_use(tmp_path: Path) -> None:
    with MariaDB() as mariadb, Crumby(mariadb.database(), metrics_token=TOKEN) as server, server.client() as client:
        client.auth = monitor
        assert client.get("/readyz").json()["status"] == "ready"
        mariadb.kill()
        for number in range(3):
            assert client.post("/hit", json=document(number)).status_code == 204
        wait_until(lambda: client.get("/readyz").json()["spooled"] == 3, "three hits are in the spool")
        answer = client.get("/readyz")
        told = values(client.get("/metrics").text)
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert "mysql" in answer.json()["why"]
        assert (told["crumby_database_up"], told["crumby_ready"], told["crumby_spool_hits"]) == (0, 1, 3)
        assert 0 <= told["crumby_spool_oldest_seconds"] < 60
        mariadb.start()
        wait_until(lambda: client.get("/readyz").json()["spooled"] == 0, "the spool is empty")
        assert client.get("/readyz").json()["status"] == "ready"


async def test_a_machine_that_can_store_nothing_is_not_ready() -> None:
    with Crumby(metrics_token=TOKEN) as server, server.client() as client:
        other = sqlite3.connect(server.home / "crumby.db", isolation_level=None)
        other.execute("begin immediate")
        answer = await asyncio.to_thread(client.get, "/readyz", headers=BEARER)
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        other.close()
        wait_until(lambda: client.get("/readyz").status_code == 200, "it is ready again")


async def test_workers_count_together_and_forget_a_dead_ones_queue() -> None:
    with Crumby(arguments=["--workers", "2"], metrics_token=TOKEN) as server:
        for number in range(12):  # each over a connection of its own, so that both workers have some
            with server.client() as client:
                assert client.post("/hit", json=document(number)).status_code == 204
        with server.client() as client:
            told = values(client.get("/metrics", headers=BEARER).text)
        assert told['crumby_hits_total{outcome="stored",reason=""}'] == 12
        workers = [pid for pid in server.tree() if pid != server.process.pid]
        os.kill(workers[-1], signal.SIGKILL)
        wait_until(lambda: told_by(server) == told, "the other one tells the same")


def told_by(server: Crumby) -> dict[str, float]:
    try:
        with server.client() as client:
            return values(client.get("/metrics", headers=BEARER).text)
    except httpx.TransportError:  # its listener goes with the dead worker's connection
        return {}
