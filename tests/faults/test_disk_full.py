"""Row 7 of the card: while the disk is full nothing is acknowledged that is not stored, and reports still read."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.clients import CLIENTS, load
from tests.faults.ledger import Ledger, judge
from tests.faults.proxy import Proxy
from tests.faults.test_outage import drained
from tests.servers import Crumby, MariaDB

SIZE = 8 << 20
PACE_S = 0.1
BACK_WITHIN_S = 5.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "crumby-test", disk], check=False, capture_output=True, text=True
    )
    if mounted.returncode:  # also with CRUMBY_TEST_ALL=1: containers withhold it from root, and nothing gets it
        pytest.skip(f"a small disk needs somebody who may mount one: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


async def test_a_full_disk_refuses_hits_until_there_is_space(small_disk: Path) -> None:
    """Seen to fail on a store that takes "full" for "stored"."""
    ledger = Ledger()
    database = small_disk / "crumby.db"
    with Crumby(f"sqlite:///{database}") as server:
        async with load(server.port, ledger, PACE_S):
            await ledger.next_ok()
            with full(small_disk):
                await busy(ledger, 200)
                await reports_answer(server)
            assert await ledger.next_ok() <= BACK_WITHIN_S
        await reports_answer(server)
        server.stop()
        await judge(f"sqlite:///{database}", ledger)
        assert "database or disk is full" in server.log
        assert "Traceback" not in server.log
    assert set(ledger.outcomes) == {"ok", "busy"}


async def test_a_spool_on_a_full_disk_refuses_hits_only_while_the_database_is_away(
    small_disk: Path, mariadb: MariaDB
) -> None:
    """Seen to fail on a drainer that takes its own full disk for an absent database."""
    ledger = Ledger()
    url = mariadb.database()
    with Proxy(mariadb.port) as proxy, Crumby(proxy.before(url), spool=str(small_disk / "spool.db")) as server:
        async with load(server.port, ledger, PACE_S):
            await ledger.next_ok()
            proxy.refuse()
            await ledger.next_ok()
            with full(small_disk):
                await busy(ledger, 200)
                proxy.resume()
                assert await ledger.next_ok() <= BACK_WITHIN_S
                refused = ledger.outcomes["busy"]
                await asyncio.sleep(1)
                assert ledger.outcomes["busy"] - refused <= CLIENTS
        await drained(server, url, ledger)
        await judge(url, ledger)
        assert "Traceback" not in server.log
    assert set(ledger.outcomes) == {"ok", "busy"}


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    ballast = disk / "ballast"
    fill(ballast)
    try:
        yield
    finally:
        ballast.unlink()


def fill(ballast: Path) -> None:
    """To the last byte."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


async def busy(ledger: Ledger, count: int) -> None:
    wanted = ledger.outcomes["busy"] + count
    async with asyncio.timeout(10):
        while ledger.outcomes["busy"] < wanted:  # noqa: ASYNC110 - the ledger calls nobody
            await asyncio.sleep(0.02)


async def reports_answer(server: Crumby) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=10) as client:
        response = await client.get("/api/public/visits")
    assert response.status_code == 200, response.text
