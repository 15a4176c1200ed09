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
ALONE_S = 2.0  # that a start of two workers takes there


@pytest.mark.parametrize(
    ("kills", "longest_s"),
    [
        pytest.param(3, 2.0, id="3 kills"),
        pytest.param(200, 6.0, id="200 kills", marks=pytest.mark.long),
    ],
)
async def test_an_acknowledged_hit_outlives_kill_9_exactly_once(kills: int, longest_s: float) -> None:
    """Seen to fail on a writer that acknowledges before it commits, and on tables without a unique hit id."""
    ledger = Ledger()
    gaps = []
    entered = time.monotonic()
    with Crumby(arguments=["--workers", "2"]) as server:
        alone_s = time.monotonic() - entered
        async with load(server.port, ledger):
            for _ in range(kills):
                await asyncio.sleep(random.uniform(1.0, longest_s))  # noqa: S311
                await asyncio.to_thread(server.kill)
                started = time.monotonic()
                await asyncio.to_thread(server.start)
                await ledger.next_ok()
                gaps.append(time.monotonic() - started)
        server.stop()
        await judge(f"sqlite:///{server.home / 'crumby.db'}", ledger)
    assert max(gaps) <= BACK_WITHIN_S * slowness(alone_s), (gaps, alone_s)
    assert ledger.outcomes["unknown"] > 0, "the kills met no request"


def slowness(alone_s: float) -> float:
    """How many times slower this machine is now than one that starts Crumby without load in `ALONE_S`."""
    return max(1.0, alone_s / ALONE_S, os.getloadavg()[0] / (os.cpu_count() or 1))
