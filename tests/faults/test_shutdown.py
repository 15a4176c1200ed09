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
from tests.servers import Crumby, answers, wait_until

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


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_server_that_leaves_takes_no_connection_that_it_would_not_serve(workers: int) -> None:
    """Who connects while requests under way are waited for is refused, and finds another server or comes again.

    Seen to fail on uvicorn's own parent of two workers, which keeps their socket until both have ended.
    """
    with Crumby(arguments=["--workers", str(workers)]) as server:
        client = Client(server.port, Ledger())
        # A worker that still starts would wait for the lock, with the door in its hand.
        started = "Application startup complete"
        await asyncio.to_thread(wait_until, lambda: server.log.count(started) == workers, "all workers serve")
        with locked(server.home / "crumby.db"):
            flight = asyncio.create_task(client.attempt(new_hit()))
            await asyncio.sleep(0.5)
            stop = asyncio.create_task(asyncio.to_thread(server.stop))
            await asyncio.to_thread(wait_until, lambda: not answers(server.port), "the door is closed", EXIT_S / 2)
            assert not flight.done()
        assert await flight == "ok"
        client.disconnect()
        await stop


async def test_workers_whose_parent_is_killed_leave_as_if_told_to() -> None:
    """And let go of the address, which the next start needs. Planted: workers that don't look after their parent."""
    ledger = Ledger()
    with Crumby(arguments=["--workers", "2"]) as server:
        async with load(server.port, ledger):
            await ledger.next_ok()
            server.process.kill()
            server.process.wait()
            await asyncio.to_thread(wait_until, lambda: not server.tree(), "the workers have ended", EXIT_S)
            await asyncio.to_thread(server.start)
            await ledger.next_ok()
        server.stop()
        await judge(f"sqlite:///{server.home / 'crumby.db'}", ledger)
    assert ledger.raced == 0, ledger.outcomes


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep every other writer waiting."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        yield


@pytest.mark.parametrize(
    ("cycles", "workers"),
    [
        pytest.param(3, 1, id="3 stops"),
        pytest.param(2, 2, id="2 stops of two workers"),
        pytest.param(20, 1, id="20 stops", marks=pytest.mark.long),
        pytest.param(20, 2, id="20 stops of two workers", marks=pytest.mark.long),
    ],
)
async def test_a_stop_under_load_loses_no_hit_and_cuts_no_request(cycles: int, workers: int) -> None:
    """A request that comes to a connection which the stop finds idle counts as accepted: uvicorn would cut it.

    Seen to fail on uvicorn's own protocol, and on a writer that acknowledges before it commits and drops its queue.
    """
    ledger = Ledger()
    exits = []
    with Crumby(arguments=["--workers", str(workers)]) as server:
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
    assert ledger.raced == 0, ledger.outcomes
    if workers == 1:  # whom the last of several finds at its door when it closes it, it has not let in
        assert ledger.outcomes["unknown"] == 0, ledger.outcomes
