"""Row 1 of the card: what was acknowledged outlives `kill -9` of the whole process tree, once."""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.faults.ledger import Client, Ledger, duplicates, expected_row
from tests.servers import Crumby

CLIENTS = 64
BACK_WITHIN_S = 3.0  # where the machine has nothing else to do
ROWS = {
    "visit": "select hit_id, cid, doc_uri, doc_title, lang, screen_res, screen_depth, doc_enc, referrer from visits",
    "event": "select hit_id, cid, doc_uri, doc_title, name, value from events",
}


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
    with Crumby(arguments=["--workers", "2"]) as server:
        async with load(server, ledger):
            for _ in range(kills):
                await asyncio.sleep(random.uniform(1.0, longest_s))  # noqa: S311
                await asyncio.to_thread(server.kill)
                started = time.monotonic()
                await asyncio.to_thread(server.start)
                await ledger.next_ok()
                gaps.append(time.monotonic() - started)
        server.stop()
        judge(server.home / "crumby.db", ledger)
    assert min(gaps) <= BACK_WITHIN_S * busy(), gaps
    assert ledger.outcomes["unknown"] > 0, "the kills met no request"


def busy() -> float:
    """How many times slower than on an idle machine a start may be: by the processes that want each core."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@asynccontextmanager
async def load(server: Crumby, ledger: Ledger) -> AsyncIterator[None]:
    """Clients at work; at the end each of them brings its last hit home."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(Client(server.port, ledger).run(stop))
        try:
            yield
        finally:
            stop.set()


def judge(database: Path, ledger: Ledger) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        rows = {kind: connection.execute(select).fetchall() for kind, select in ROWS.items()}
    stored = [row[0] for kind in rows for row in rows[kind]]
    faults = {
        "lost": len(ledger.lost(stored)),
        "duplicated": len(duplicates(stored)),
        "phantoms": len(ledger.phantoms(stored)),
        "refused": len(ledger.refused),
    }
    assert faults == dict.fromkeys(faults, 0)
    for kind, kept in rows.items():
        wrong = [row for row in kept if row != expected_row(kind, ledger.sent[row[0]])]
        assert not wrong
