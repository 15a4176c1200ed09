"""Row 4 of the card: while the database is away hits are taken, kept and stored later; the rest says so."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from tests.faults.clients import CLIENTS, load
from tests.faults.ledger import Ledger, count, judge
from tests.faults.proxy import Proxy
from tests.servers import Crumby, DatabaseServer, MariaDB, Postgres

PACE_S = 0.2  # 64 clients send some 300 hits a second, a tenth of what Crumby takes
STALL_S = 2.5  # the 2 s that a batch waits for the database, and what comes on top
DRAINED_S = 30.0
BACK_WITHIN_S = 5.0
REPORT = "/api/public/visits"

Outage = Callable[[DatabaseServer, Proxy], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(database: DatabaseServer, _proxy: Proxy) -> AsyncIterator[None]:
    await asyncio.to_thread(database.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(database.start)


@asynccontextmanager
async def frozen(database: DatabaseServer, _proxy: Proxy) -> AsyncIterator[None]:
    database.pause()
    try:
        yield
    finally:
        database.resume()


@asynccontextmanager
async def closed(_database: DatabaseServer, proxy: Proxy) -> AsyncIterator[None]:
    proxy.refuse()
    yield
    proxy.resume()


@pytest.fixture(scope="module", params=[MariaDB, Postgres])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """One of these tests' own, to be killed."""
    with request.param() as server:
        yield server


@pytest.mark.parametrize(
    ("outage", "workers", "seconds"),
    [
        pytest.param(killed, 2, 2.5, id="killed"),
        pytest.param(frozen, 2, 0.5, id="frozen"),
        pytest.param(closed, 1, 2.5, id="closed"),
        *(
            pytest.param(outage, workers, 30.0, id=f"{outage.__name__} {workers} 30 s", marks=pytest.mark.long)
            for outage in (killed, frozen, closed)
            for workers in (1, 2)
        ),
    ],
)
async def test_hits_of_an_outage_are_acknowledged_and_stored_once(
    database: DatabaseServer, outage: Outage, workers: int, seconds: float
) -> None:
    """Seen to fail without a spool, and on a patience of 20 s with a database that does not answer."""
    ledger = Ledger()
    url = database.database()
    with Proxy(database.port) as proxy, Crumby(proxy.before(url), arguments=["--workers", str(workers)]) as crumby:
        async with load(crumby.port, ledger, PACE_S):
            await asyncio.sleep(0.5)
            async with outage(database, proxy):
                await asyncio.sleep(seconds)
                await without_database(crumby, ledger)
        await drained(crumby, url, ledger)
        await judge(url, ledger)
    no_more_than_a_stall(ledger)


@pytest.mark.parametrize(
    "outage",
    [pytest.param(closed, id="closed"), pytest.param(frozen, id="frozen", marks=pytest.mark.long)],
)
async def test_hits_of_a_start_without_the_database_outlive_kill_9(database: DatabaseServer, outage: Outage) -> None:
    """Seen to fail on a start that needs the database, and on a spool in memory."""
    ledger = Ledger()
    url = database.database()
    with Proxy(database.port) as proxy, ExitStack() as stack:
        async with outage(database, proxy):
            crumby = stack.enter_context(Crumby(proxy.before(url), arguments=["--workers", "2"]))
            async with load(crumby.port, ledger, PACE_S):
                await asyncio.sleep(1)
                await without_database(crumby, ledger)
                await asyncio.to_thread(crumby.kill)
                await asyncio.to_thread(crumby.start)
                await ledger.next_ok()
        await drained(crumby, url, ledger)
        await judge(url, ledger)


@pytest.mark.long
async def test_a_database_that_is_killed_ten_times_gets_each_hit_once(database: DatabaseServer) -> None:
    """Row 3. Seen to fail on tables without a unique hit id."""
    ledger = Ledger()
    url = database.database()
    with Proxy(database.port) as proxy, Crumby(proxy.before(url), arguments=["--workers", "2"]) as crumby:
        async with load(crumby.port, ledger, PACE_S):
            for _ in range(10):
                async with killed(database, proxy):
                    await asyncio.sleep(1)
                assert await ledger.next_ok() <= BACK_WITHIN_S
                await asyncio.sleep(random.uniform(0.5, 3))  # noqa: S311
        await drained(crumby, url, ledger)
        await judge(url, ledger)
    assert set(ledger.outcomes) == {"ok"}


def http(crumby: Crumby) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=crumby.url, trust_env=False, timeout=10)


async def without_database(crumby: Crumby, ledger: Ledger) -> None:
    """What needs no database works, what needs it says that it is away."""
    async with http(crumby) as client:
        for path in ("/cmb.js", "/healthz"):
            try:
                assert (await client.get(path)).status_code == 200
            except httpx.HTTPError as error:
                error.add_note(crumby.log)
                raise
        report = await client.get(REPORT)
        assert report.status_code == 503, (report.status_code, report.text, crumby.log)
        assert report.json()["error"] == "DatabaseUnavailable"
        assert int(report.headers["Retry-After"]) > 0
    await ledger.next_ok()


async def drained(crumby: Crumby, url: str, ledger: Ledger) -> None:
    deadline = time.monotonic() + DRAINED_S
    async with http(crumby) as client:
        while (await client.get(REPORT)).status_code != 200:
            assert time.monotonic() < deadline, "reports stay away"
            await asyncio.sleep(0.2)
    stored = 0
    while stored < len(ledger.ok):
        assert time.monotonic() < deadline, f"{stored} of {len(ledger.ok)} are stored"
        with suppress(DBAPIError):  # the tables are being made
            stored = await count(url)
        await asyncio.sleep(0.2)


def no_more_than_a_stall(ledger: Ledger) -> None:
    """Each client may have waited once for the database that did not answer."""
    assert max(ledger.seconds) <= STALL_S
    assert sum(seconds > 2 for seconds in ledger.seconds) <= CLIENTS
    if len(ledger.seconds) > 100 * CLIENTS:  # else the stalls alone are more than one in a hundred
        assert ledger.percentile(0.99) <= 2
    assert set(ledger.outcomes) == {"ok"}
