"""Row 2 of the card: no answer before the disk has the row, by the order of the system calls.

What outlives a power loss is what `fdatasync` has returned for. So strace watches: a hit comes in at a socket, its
page goes into the write-ahead log, the log is synced, and only then may the 204 leave by that socket.

A sync that fails takes with it what was written before it: the kernel counts those pages as clean from then on, so
that a later sync says nothing of them. Only what is written again, and synced, is on the disk.
"""

import asyncio
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import pytest

from tests.faults.clients import Client
from tests.faults.ledger import Ledger, new_hit
from tests.faults.straced import Call, calls, tampering
from tests.servers import Crumby, free_port, require, wait_until

CLIENTS = 16
TRACE = "trace.txt"
FOR_EVER = "100s"
STRACE = (
    "--follow-forks",
    "--seccomp-bpf",
    "--interruptible=never",  # the signal that stops Crumby must not stop its witness
    "--decode-fds=all",
    "--string-limit=8192",  # a page of the log, a request
    "--trace=read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fdatasync,fsync",
    f"--output={TRACE}",
)
EACH_FOURTH_SYNC_FAILS = "--inject=fdatasync:error=EIO:when=9+4"  # of a thread; the start needs fewer than nine
ASKED = re.compile(r'\\"cid\\": \\"(?P<cid>[0-9a-f]{16})\\"')
NO_CONTENT = '"HTTP/1.1 204'


where = pytest.mark.parametrize("spooled", [False, True], ids=["database", "spool"])


def crumby(*, spooled: bool) -> Crumby:
    """With no database server where its hits are to go to the spool."""
    return Crumby(f"mysql+pymysql://crumby@127.0.0.1:{free_port()}/crumby" if spooled else "")


@where
@pytest.mark.parametrize(
    "hits",
    [pytest.param(208, id="208 hits"), pytest.param(1008, id="1008 hits", marks=pytest.mark.long)],
)
async def test_each_204_leaves_after_the_disk_has_its_row(hits: int, spooled: bool) -> None:  # noqa: FBT001
    """Seen to fail on `pragma synchronous = normal`, and on a writer that acknowledges before it commits."""
    ledger, witness = await watched(hits, STRACE, spooled=spooled)
    assert ledger.outcomes == {"ok": hits}
    assert witness.too_early == []
    assert witness.answered == hits


@where
@pytest.mark.parametrize(
    "hits",
    [pytest.param(208, id="208 hits"), pytest.param(1008, id="1008 hits", marks=pytest.mark.long)],
)
async def test_a_sync_that_failed_is_made_up_for_by_no_later_one(hits: int, spooled: bool) -> None:  # noqa: FBT001
    """Seen to fail on a store that tries a commit again with nothing but a sync of the log."""
    ledger, witness = await watched(hits, (*STRACE, EACH_FOURTH_SYNC_FAILS), spooled=spooled)
    assert witness.too_early == []
    assert witness.failures > 1
    assert witness.answered == hits
    assert set(ledger.outcomes) == {"ok", "busy"}


async def watched(hits: int, strace: tuple[str, ...], *, spooled: bool) -> tuple[Ledger, "Witness"]:
    ledger = Ledger()
    server = crumby(spooled=spooled)
    server.prefix = [str(require("strace")), *strace]
    with server:
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(deliver(Client(server.port, ledger), hits // CLIENTS))
        server.stop()
        trace = server.folder.joinpath(TRACE).read_text()
    return ledger, Witness.of(trace)


@where
async def test_a_row_that_a_killed_server_had_not_synced_is_synced_before_it_is_acknowledged(
    spooled: bool,  # noqa: FBT001
) -> None:
    """Its successor finds the row in the log, as the kernel's memory has it, and need not write it when it comes again.

    Each is safe twice over, so it was seen to fail without both: without the checkpoint of a store that connects, and
    with migrations that keep their connection, whose close checkpoints as well, or with a spool whose numbers are
    not `autoincrement`, where a hit that comes again writes nothing at all.
    """
    ledger = Ledger()
    hit = new_hit()
    cid = str(hit["cid"])
    with crumby(spooled=spooled) as server:
        database = server.home / ("crumby-spool.db" if spooled else "crumby.db")
        client = Client(server.port, ledger)
        await client.deliver(new_hit())  # the store connects, and syncs what it finds
        log = database.with_name(f"{database.name}-wal")
        with tampering(server, [log], f"delay_enter={FOR_EVER}", when="1+", calls="fdatasync"):
            attempt = asyncio.create_task(client.attempt(hit))
            await asyncio.to_thread(wait_until, lambda: cid.encode() in log.read_bytes(), "its page is in the log")
            await asyncio.sleep(1)  # and so is the rest of its transaction
            server.signal(signal.SIGKILL)  # it dies in strace's hands, and is gone when strace is
        server.kill()
        assert await attempt == "unknown"
        server.prefix = [str(require("strace")), *STRACE]
        server.start()
        await client.deliver(hit)
        client.disconnect()
        server.stop()
        trace = server.folder.joinpath(TRACE).read_text()
    assert not [call for call in calls(trace.splitlines()) if call.file.endswith("-wal") and cid in call.text]
    witness = Witness.of(trace, {cid})
    assert witness.answered == 1
    assert witness.too_early == []


async def deliver(client: Client, hits: int) -> None:
    for _ in range(hits):
        await client.deliver(new_hit())
    client.disconnect()


@dataclass(slots=True)
class Witness:
    """Follows each hit, by its visitor, from the socket to the disk and back."""

    asked: dict[str, str] = field(default_factory=dict)  # socket → the visitor whose hit came in last
    unwritten: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)  # to the log
    syncing: dict[str, set[str]] = field(default_factory=dict)  # thread → what was written when its sync began
    durable: set[str] = field(default_factory=set)
    too_early: list[str] = field(default_factory=list)
    answered: int = 0
    failures: int = 0  # syncs

    @classmethod
    def of(cls, trace: str, written: Iterable[str] = ()) -> Self:
        """What it saw, where an earlier trace had ended with these rows in the log and not on the disk."""
        witness = cls(written=set(written))
        for call in calls(trace.splitlines()):
            witness.see(call)
        return witness

    def see(self, call: Call) -> None:
        log = call.file.endswith("-wal")
        if log and call.name in {"fdatasync", "fsync"}:
            self._sync(call)
        elif log and call.name == "pwrite64":
            self.written.update(visitor for visitor in self.unwritten if visitor in call.text)
            self.unwritten -= self.written
        elif call.file.startswith("TCP") and (asked := ASKED.search(call.text)):
            self.asked[call.file] = asked["cid"]
            self.unwritten.add(asked["cid"])
        elif call.file.startswith("TCP") and NO_CONTENT in call.text:
            self._answer(self.asked.pop(call.file))

    def _sync(self, call: Call) -> None:
        written = self.syncing.setdefault(call.thread, set(self.written))
        if not call.ended:
            return
        del self.syncing[call.thread]
        if call.failed:
            self.failures += 1
            self.written -= written
        else:
            self.durable |= written

    def _answer(self, visitor: str) -> None:
        self.answered += 1
        if visitor not in self.durable:
            self.too_early.append(visitor)
