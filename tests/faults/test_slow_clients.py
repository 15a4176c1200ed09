"""Row 29 of the card: who sends or reads a byte now and then keeps a connection, and nothing else, from the others.

`slowhttptest` does it in three ways at once: heads that never end (slowloris), bodies that never do, and answers that
are read by the byte.
"""

import asyncio
import contextlib
import csv
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.clients import load
from tests.faults.ledger import Ledger, judge
from tests.faults.test_nginx import before
from tests.servers import Crumby, Nginx, require

SLOW = 500  # connections, of each of the three; in the short form, of all together
CLIENTS = 8
PACE_S = 0.05
KEPT = "keepalive 32; keepalive_timeout 4s;"
PAGE = "static/vendor/swagger-ui-dist/swagger-ui-bundle.js"  # of a MiB, which is not read at once
WAYS = {
    "heads": ("-H", ""),
    "bodies": ("-B", "login", "-s", "60000"),
    "answers": ("-X", PAGE, "-w", "1", "-y", "64", "-n", "1", "-z", "16"),
}


class Wide(Nginx):
    """nginx with more than its 512 connections, without which nobody could get to it."""

    def configure(self, config: Callable[[int], str]) -> None:
        super().configure(config)
        path = self.folder / "nginx.conf"
        path.write_text(path.read_text().replace("events {}", "events { worker_connections 4096; }"))


@contextlib.contextmanager
def reached(*, directly: bool) -> Iterator[tuple[Crumby, int]]:
    """Crumby, and the port at which it is asked."""
    with contextlib.ExitStack() as stack:
        crumby = stack.enter_context(Crumby(proxy_count=str(int(not directly))))
        if directly:
            yield crumby, crumby.port
        else:
            yield crumby, stack.enter_context(Wide(before([f"127.0.0.1:{crumby.port}"], KEPT))).port


@contextlib.asynccontextmanager
async def slow_ones(port: int, seconds: int, slow: int, folder: Path) -> AsyncIterator[None]:
    """All three at work, each of which writes down a line a second."""
    program = require("slowhttptest")
    processes = []
    for name, (way, path, *more) in WAYS.items():
        words = [way, "-u", f"http://127.0.0.1:{port}/{path}", "-c", f"{slow}", "-r", f"{slow}", "-i", "1"]
        words += ["-l", f"{seconds}", "-p", "9", "-g", "-o", str(folder / name), *more]
        processes.append(await asyncio.create_subprocess_exec(program, *words, stdout=asyncio.subprocess.DEVNULL))
    try:
        yield
        async with asyncio.timeout(seconds + 60):
            for process in processes:
                await process.wait()
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()


def connected(folder: Path) -> dict[str, int]:
    """How many connections each had at most."""
    tables = {name: list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines())) for name in WAYS}
    return {name: max(int(row["Connected"]) for row in rows) for name, rows in tables.items()}


@pytest.mark.parametrize(
    ("directly", "seconds", "slow"),
    [
        pytest.param(False, 2, SLOW // 3 + 1, id="nginx"),
        pytest.param(False, 60, SLOW, id="nginx, 60 s", marks=pytest.mark.long),
        pytest.param(True, 60, SLOW, id="directly, 60 s", marks=pytest.mark.long),
    ],
)
async def test_slow_clients_keep_nobody_else_waiting(
    seconds: int, slow: int, tmp_path: Path, *, directly: bool
) -> None:
    """Seen to fail before an nginx of 512 connections."""
    ledger = Ledger()
    with reached(directly=directly) as (crumby, port):
        async with load(port, ledger, PACE_S, CLIENTS):
            await ledger.next_ok()
            async with slow_ones(port, seconds, slow, tmp_path):
                await asyncio.sleep(seconds)
            await ledger.next_ok()
        crumby.stop()
        await judge(f"sqlite:///{crumby.home / 'crumby.db'}", ledger)
        assert "Traceback" not in crumby.log
    print(f"{len(ledger.ok)} hits, {dict(ledger.outcomes)}; p99 {ledger.percentile(0.99):.3f} s; {connected(tmp_path)}")
    assert sum(connected(tmp_path).values()) >= 2 * slow
    assert ledger.outcomes["ok"] >= 0.999 * ledger.outcomes.total()
    assert ledger.outcomes["ok"] > seconds * CLIENTS
