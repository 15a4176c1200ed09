"""Row 8 of the card: a stop answers what it has accepted, whatever was under way."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.clients import CLIENTS, Client, load
from tests.faults.ledger import Ledger, judge, new_hit
from tests.servers import Crumby

EXIT_S = 10.0


@pytest.mark.parametrize("workers", [1, 2])
async def test_64_requests_in_flight_are_stored_and_answered_before_the_exit(workers: int) -> None:
    """Seen to fail on a uvicorn that waits for no request (`timeout_graceful_shutdown=0`)."""
    ledger = Ledger()
    with Crumby(arguments=["--workers", str(workers)]) as server:
        database = server.home / "crumby.db"
        clients = [Client(server.port, ledger) for _ in range(CLIENTS)]
        with locked(database):
            flight = [asyncio.create_task(client.attempt(new_hit())) for client in clients]
            await asyncio.sleep(0.5)
            assert not any(task.done() for task in flight)
            started = time.monotonic()
            stop = asyncio.create_task(asyncio.to_thread(server.stop))
            await asyncio.sleep(0.5)
        await asyncio.wait([*flight, stop])
        assert time.monotonic() - started <= EXIT_S
        for client in clients:
            client.disconnect()
        assert dict(ledger.outcomes) == {"ok": CLIENTS}
        await judge(f"sqlite:///{database}", ledger)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep every other writer waiting."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        yield


@pytest.mark.parametrize(
    "cycles",
    [pytest.param(5, id="5 stops"), pytest.param(20, id="20 stops", marks=pytest.mark.long)],
)
async def test_a_stop_under_load_loses_no_hit_and_cuts_no_request(cycles: int) -> None:
    """A request that comes to a connection which the stop finds idle counts as accepted: uvicorn would cut it.

    Seen to fail on uvicorn's own protocol, and on a writer that acknowledges before it commits and drops its queue.
    """
    ledger = Ledger()
    exits = []
    with Crumby() as server:
        async with load(server.port, ledger):
            for _ in range(cycles):
                await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311
                started = time.monotonic()
                await asyncio.to_thread(server.stop)
                exits.append(time.monotonic() - started)
                await asyncio.to_thread(server.start)
                await ledger.next_ok()
        server.stop()
        await judge(f"sqlite:///{server.home / 'crumby.db'}", ledger)
    assert max(exits) <= EXIT_S
    assert ledger.outcomes["unknown"] == 0, ledger.outcomes
