"""Row 6 of the card: a disk whose Nth call fails, once or for good, never costs a hit that was acknowledged.

strace takes hold of a server at work and makes the Nth of its calls on the database's files fail, of each kind: the
Nth that writes, and the Nth that syncs. Where it lets go the disk is well again, and the same process has to be.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.faults.clients import Client, load
from tests.faults.ledger import Ledger, judge, new_hit
from tests.faults.proxy import Proxy
from tests.faults.straced import ALL, SYNCS, Fault, files_of, injection, tampering
from tests.faults.test_outage import drained
from tests.servers import Crumby, MariaDB, require, wait_until

CLIENTS = 4  # so that a transaction is small, and the Nth call of some transaction every part of it
STRUCK_WITHIN_S = 60.0
ERRORS = ("ENOSPC", "EIO")


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "calls", [pytest.param(20, id="20 calls"), pytest.param(200, id="200 calls", marks=pytest.mark.long)]
)
async def test_the_nth_call_fails_once(error: str, calls: int) -> None:
    """Seen to fail on a writer that acknowledges what raised, and on `pragma synchronous = off`, which never syncs."""
    ledger = Ledger()
    with Crumby() as server:
        async with load(server.port, ledger, clients=CLIENTS):
            await ledger.next_ok()
            for number in range(1, calls + 1):
                await fail_once(server, database_of(server), ledger, error, number)
        server.stop()
        await judge(f"sqlite:///{database_of(server)}", ledger)
        assert "Traceback" not in server.log
    assert set(ledger.outcomes) == {"ok", "busy"}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "calls", [pytest.param(20, id="20 calls"), pytest.param(200, id="200 calls", marks=pytest.mark.long)]
)
async def test_all_calls_fail_from_the_nth_on(error: str, calls: int) -> None:
    """Where writes go on and only syncs fail, in every other turn, rows are in the log that no disk may have.

    Seen to fail on a store that takes a commit which raised for one that did not.
    """
    ledger = Ledger()
    with Crumby() as server:
        async with load(server.port, ledger, clients=CLIENTS):
            await ledger.next_ok()
            for number in range(1, calls + 1):
                kinds = SYNCS if number % 2 else ALL
                await fail_for_good(server, database_of(server), ledger, error, number, kinds)
        server.stop()
        await judge(f"sqlite:///{database_of(server)}", ledger)
        assert "Traceback" not in server.log
    assert set(ledger.outcomes) == {"ok", "busy"}


@pytest.mark.parametrize(
    "calls", [pytest.param(10, id="10 calls"), pytest.param(200, id="200 calls", marks=pytest.mark.long)]
)
async def test_the_spool_on_a_failing_disk_loses_nothing(mariadb: MariaDB, calls: int) -> None:
    """While the database is away, and while its hits go back to it.

    Seen to fail on a spool that says "added" though its disk said no, and on a drain that ends at the first error.
    """
    ledger = Ledger()
    url = mariadb.database()
    with Proxy(mariadb.port) as proxy, Crumby(proxy.before(url)) as server:
        spool = server.home / "crumby-spool.db"
        async with load(server.port, ledger, clients=CLIENTS):
            await ledger.next_ok()
            proxy.refuse()
            await ledger.next_ok()
            for number in range(1, calls + 1):
                error = ERRORS[number % 2]
                await fail_once(server, spool, ledger, error, number)
                await fail_for_good(server, spool, ledger, error, number, SYNCS if number % 4 < 2 else ALL)
            with tampering(server, files_of(spool), "error=EIO", when="1+"):
                proxy.resume()
                await said(server, "the spool could not be emptied")
                await ledger.next_ok()  # the database takes hits, whatever the spool's disk does
        await drained(server, url, ledger)
        await judge(url, ledger)
        assert "Traceback" not in server.log
    assert set(ledger.outcomes) == {"ok", "busy"}


@pytest.mark.parametrize(
    "calls",
    [pytest.param([1, 5], id="2 checkpoints"), pytest.param(range(1, 41), id="40 calls", marks=pytest.mark.long)],
)
async def test_a_checkpoint_that_fails_costs_no_hit(calls: Iterable[int]) -> None:
    """Only the log has to be written for a hit to be stored; its way into the file is tried again.

    Seen to fail on a checkpoint whose error ends the transaction before it.
    """
    ledger = Ledger()
    with Crumby() as server:
        database = database_of(server)
        async with load(server.port, ledger, clients=CLIENTS):
            await ledger.next_ok()
            for number in calls:
                for kind in ("pwrite64", "fdatasync"):
                    effect = f"error={ERRORS[number % 2]}"
                    when = str(number if kind == "pwrite64" else 1)
                    with tampering(server, [database], effect, when=when, calls=kind) as fault:
                        await struck(fault, kind)
                    await ledger.next_ok()
        server.stop()
        await judge(f"sqlite:///{database}", ledger)
        assert "Traceback" not in server.log
    assert set(ledger.outcomes) == {"ok"}


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([("pwrite64", 30), ("fdatasync", 2)], id="2 starts"),
        pytest.param(
            [("fdatasync", number) for number in range(1, 7)] + [("pwrite64", number) for number in range(1, 101)],
            id="106 starts",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_a_first_start_on_a_failing_disk_leaves_a_database_that_the_next_one_takes(
    faults: Iterable[tuple[str, int]],
) -> None:
    """The migrations are what writes there. Seen to fail on one that says it is done, and commits, before it is."""
    strace = [str(require("strace")), "--seccomp-bpf", "--interruptible=never", "--output=fault.txt"]
    with Crumby() as server:
        database = database_of(server)
        for kind, number in faults:
            server.stop()
            for path in files_of(database):
                path.unlink(missing_ok=True)
            effect = f"error={ERRORS[number % 2]}"
            server.prefix = [*strace, *injection(files_of(database), effect, str(number), kind)]
            ledger = Ledger()
            with contextlib.suppress(RuntimeError):  # it ended, and said why
                server.start()
                await takes_a_hit(server, ledger)
                server.stop()
            assert Fault(server.folder / "fault.txt").struck(kind), (kind, number)
            server.prefix = ()
            server.start()
            await takes_a_hit(server, ledger)
            await judge(f"sqlite:///{database}", ledger)


async def takes_a_hit(server: Crumby, ledger: Ledger) -> None:
    client = Client(server.port, ledger)
    async with asyncio.timeout(STRUCK_WITHIN_S):
        await client.deliver(new_hit())
    client.disconnect()


def database_of(server: Crumby) -> Path:
    return server.home / "crumby.db"


async def fail_once(server: Crumby, database: Path, ledger: Ledger, error: str, number: int) -> None:
    with tampering(server, files_of(database), f"error={error}", when=str(number)) as fault:
        await struck(fault, "pwrite64", "fdatasync")
    await ledger.next_ok()


async def fail_for_good(server: Crumby, database: Path, ledger: Ledger, error: str, number: int, calls: str) -> None:
    with tampering(server, files_of(database), f"error={error}", when=f"{number}+", calls=calls) as fault:
        await struck(fault, "fdatasync" if calls == SYNCS else "pwrite64")
        refused = ledger.outcomes["busy"]
        async with asyncio.timeout(STRUCK_WITHIN_S):
            while ledger.outcomes["busy"] < refused + CLIENTS:  # noqa: ASYNC110 - the ledger calls nobody
                await asyncio.sleep(0.01)
    await ledger.next_ok()


async def struck(fault: Fault, *kinds: str) -> None:
    async with asyncio.timeout(STRUCK_WITHIN_S):
        while not fault.struck(*kinds):  # noqa: ASYNC110 - it is another process's file
            await asyncio.sleep(0.01)


async def said(server: Crumby, words: str) -> None:
    await asyncio.to_thread(wait_until, lambda: words in server.log, words)
