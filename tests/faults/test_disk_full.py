"""Row 7 of the card: while the disk is full nothing is acknowledged that is not stored, and reports still read."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.faults.clients import CLIENTS, load
from tests.faults.ledger import Ledger, judge
from tests.faults.proxy import Proxy
from tests.faults.straced import WRITES, tampering
from tests.faults.test_outage import drained
from tests.servers import Crumby, MariaDB, find

SIZE = 8 << 20
PACE_S = 0.1
BACK_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder that can be full. Where it is on no disk of its own, strace says so to the server at each write."""

    folder: Path
    mounted: bool

    @contextlib.contextmanager
    def full(self, server: Crumby) -> Iterator[None]:
        if not self.mounted:
            with tampering(server, sorted(self.folder.iterdir()), "error=ENOSPC", when="1+", calls=WRITES):
                yield
            return
        ballast = self.folder / "ballast"
        fill(ballast)
        try:
            yield
        finally:
            ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 8 MiB in memory; or a pretended one, for containers withhold mounting even from root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "crumby-test", str(folder)]
    mounted = find("mount") is not None and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    print("a disk of its own" if mounted else "no disk of its own: nobody may mount one here")
    try:
        yield Disk(folder, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


async def test_a_full_disk_refuses_hits_until_there_is_space(small_disk: Disk) -> None:
    """Seen to fail on a store that takes "full" for "stored"."""
    ledger = Ledger()
    database = small_disk.folder / "crumby.db"
    with Crumby(f"sqlite:///{database}") as server:
        async with load(server.port, ledger, PACE_S):
            await ledger.next_ok()
            with small_disk.full(server):
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
    small_disk: Disk, mariadb: MariaDB
) -> None:
    """Seen to fail on a drainer that takes its own full disk for an absent database."""
    ledger = Ledger()
    url = mariadb.database()
    with Proxy(mariadb.port) as proxy, Crumby(proxy.before(url), spool=str(small_disk.folder / "spool.db")) as server:
        async with load(server.port, ledger, PACE_S):
            await ledger.next_ok()
            proxy.refuse()
            await ledger.next_ok()
            with small_disk.full(server):
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
