"""Row 1 of the card: what was acknowledged outlives `kill -9` of the whole process tree, once."""

import asyncio
import os
import random
import time

import pytest

from tests.faults.clients import load
from tests.faults.ledger import Ledger, judge
from tests.servers import Crumby

BACK_WITHIN_S = 3.0  # where the machine has nothing else to do
LONGEST_S = 6.0  # between two kills, in the long form
SOME = 10
ALONE_S = 2.0  # that a start of two workers takes there


@pytest.mark.parametrize(
    ("database_url", "workers", "kills"),
    [
        pytest.param("sqlite", 2, 2, id="2 kills"),
        pytest.param("sqlite", 1, 200, id="200 kills, one worker", marks=pytest.mark.long),
        pytest.param("sqlite", 2, 200, id="200 kills, two workers", marks=pytest.mark.long),
        pytest.param("mariadb", 2, 200, id="200 kills, two workers before MariaDB", marks=pytest.mark.long),
    ],
    indirect=["database_url"],
)
async def test_an_acknowledged_hit_outlives_kill_9_exactly_once(database_url: str, workers: int, kills: int) -> None:
    """Seen to fail on a writer that acknowledges before it commits, and on tables without a unique hit id."""
    ledger = Ledger()
    gaps = []
    entered = time.monotonic()
    with Crumby(database_url, arguments=["--workers", str(workers)]) as server:
        alone_s = time.monotonic() - entered
        async with load(server.port, ledger):
            for _ in range(kills):
                await asyncio.sleep(random.uniform(1.0, LONGEST_S if kills > SOME else 2.0))  # noqa: S311
                await asyncio.to_thread(server.kill)
                started = time.monotonic()
                await asyncio.to_thread(server.start)
                await ledger.next_ok()
                gaps.append((time.monotonic() - started, slowness(alone_s)))
        server.stop()
        await judge(database_url, ledger)
    print(f"{kills} kills, {len(ledger.ok)} hits acknowledged, {dict(ledger.outcomes)}")
    middle, longest = sorted(gaps)[len(gaps) // 2][0], max(gaps)[0]
    print(f"2xx again after {middle:.1f} s, at most {longest:.1f} s; a start alone took {alone_s:.1f} s")
    assert all(gap_s <= BACK_WITHIN_S * slow for gap_s, slow in gaps), gaps
    assert ledger.outcomes["unknown"] > 0, "the kills met no request"


def slowness(alone_s: float) -> float:
    """How many times slower this machine is now than one that starts Crumby without load in `ALONE_S`."""
    return max(1.0, alone_s / ALONE_S, os.getloadavg()[0] / (os.cpu_count() or 1))
