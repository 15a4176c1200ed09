"""Row 17 of the card: what comes faster than it can be stored is refused at once, and nothing of it lasts."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import httpx
import pytest

from benchmarks import machine
from crumby.ingest.writer import BATCH, WAITING
from tests.faults.clients import PAUSE_S, Client, load
from tests.faults.ledger import Document, Ledger, judge, new_hit
from tests.faults.test_kill import slowness
from tests.faults.test_shutdown import locked
from tests.servers import Crumby, require

FLOODING = 256  # connections
ARRAY = 50  # hits a request
STEADY = 16  # clients that send one hit at a time before, during and after
BEFORE_S = 2.0
SYNC_S = 0.05  # makes a disk of some 1,500 hits a second
TIMES = 4  # the capacity that has to be offered at least
GROWTH_MIB = 150
BACK_WITHIN_S = 10.0
AT_ONCE = 4  # times quicker than what is stored in the end: a refused hit waits for nobody
WINDOW_S = 1.0

SLOW_DISK = (
    "--follow-forks",
    "--seccomp-bpf",
    "--interruptible=never",
    "--trace=fdatasync",
    f"--inject=fdatasync:delay_enter={SYNC_S * 1e6:.0f}",
    "--output=/dev/null",
)


Took = defaultdict[str, list[float]]  # seconds, by what came of it


class Flood(Client):
    """One that sends array after array, each again until it is ok or the flood ends, however often it is refused."""

    def __init__(self, port: int, ledger: Ledger, took: Took) -> None:
        super().__init__(port, ledger)
        self.took = took

    async def run(self, stop: asyncio.Event) -> None:
        hits = [new_hit() for _ in range(ARRAY)]
        while not stop.is_set():
            started = time.monotonic()
            word = await self.attempt(*hits)
            self.took[word].append(time.monotonic() - started)
            if word == "ok":
                hits = [new_hit() for _ in range(ARRAY)]
            else:
                await asyncio.sleep(PAUSE_S)
        self.disconnect()


async def test_a_refusal_says_when_to_come_again_and_shows_no_picture() -> None:
    """A picture would tell an old script that its hit is stored. Nothing is: the lock keeps the queue full meanwhile.

    Seen to fail on refusals that have a picture, or no Retry-After.
    """
    ledger = Ledger()
    with Crumby() as crumby:
        database = crumby.home / "crumby.db"
        full = WAITING // BATCH + 1  # one batch is with the database
        clients = [Client(crumby.port, ledger) for _ in range(full + 3)]
        with locked(database):
            arrays = [asyncio.create_task(client.deliver(*hits_of_a_batch())) for client in clients]
            async with asyncio.timeout(30):
                while ledger.outcomes.total() < 3:  # noqa: ASYNC110 - an answer is no event
                    await asyncio.sleep(0.05)
            async with httpx.AsyncClient(base_url=crumby.url, trust_env=False, timeout=5) as client:
                refusals = [await client.get("/1.gif", params=new_hit()), await client.post("/hit", json=new_hit())]
        for refusal in refusals:
            assert refusal.status_code == 503
            assert refusal.headers["Content-Type"] == "application/json"
            assert int(refusal.headers["Retry-After"]) > 0
            assert refusal.headers["X-Crumby"].startswith("unavailable: more hits wait")
        await asyncio.wait(arrays)
        for each in clients:
            each.disconnect()
        crumby.stop()
        await judge(f"sqlite:///{database}", ledger)
    assert ledger.outcomes["ok"] == len(clients)


def hits_of_a_batch() -> list[Document]:
    return [new_hit() for _ in range(BATCH)]


@pytest.mark.parametrize(
    ("flood_s", "times"),  # on a machine with other work to do, those who flood do not get so far in three seconds
    [pytest.param(3.0, 2, id="3 s"), pytest.param(60.0, TIMES, id="60 s", marks=pytest.mark.long)],
)
async def test_an_overload_is_refused_at_once_and_forgotten_when_it_ends(flood_s: float, times: int) -> None:
    """Seen to fail on a queue without a bound, on one that counts requests, on refusals that are answered 204 or late,
    on hits that are counted as waiting for ever, and on a list of all that was refused.
    """
    steady, flood = Ledger(), Ledger()
    took: Took = defaultdict(list)
    with Crumby(prefix=[str(require("strace")), *SLOW_DISK]) as crumby:
        process = machine.Server(crumby.port, crumby.process)
        async with load(crumby.port, steady, 0.02, STEADY):
            await asyncio.sleep(BEFORE_S)
            usual_s = steady.percentile(0.99)
            before = process.memory().resident
            async with flooded(crumby, flood, took):
                await asyncio.sleep(flood_s)
                after = process.memory().resident
            back_s = await usual_again(steady, usual_s)
        crumby.stop()
        await judge(f"sqlite:///{crumby.home / 'crumby.db'}", merged(steady, flood))
        assert "Traceback" not in crumby.log
    assert set(steady.outcomes) | set(flood.outcomes) == {"ok", "busy"}
    assert ARRAY * flood.outcomes.total() >= times * len(flood.ok)
    assert median(took["busy"]) * AT_ONCE <= median(took["ok"])
    assert after - before <= GROWTH_MIB
    assert back_s <= BACK_WITHIN_S * slowness(0)


@asynccontextmanager
async def flooded(crumby: Crumby, ledger: Ledger, took: Took) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(FLOODING):
            tasks.create_task(Flood(crumby.port, ledger, took).run(stop))
        yield
        stop.set()


async def usual_again(ledger: Ledger, usual_s: float) -> float:
    """Seconds until what was answered within a window was answered as quickly as before."""
    started = time.monotonic()
    while True:
        ledger.seconds.clear()
        ledger.outcomes["busy"] = 0
        await asyncio.sleep(WINDOW_S)
        if ledger.seconds and not ledger.outcomes["busy"] and ledger.percentile(0.99) <= 2 * usual_s:
            return time.monotonic() - started


def merged(one: Ledger, other: Ledger) -> Ledger:
    return Ledger(one.sent | other.sent, one.ok | other.ok, one.refused | other.refused, one.outcomes + other.outcomes)
