"""Row 2 of the card: no answer before the disk has the row, by the order of the system calls.

What outlives a power loss is what `fdatasync` has returned for. So strace watches: a hit comes in at a socket, its
page goes into the write-ahead log, the log is synced, and only then may the 204 leave by that socket.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.faults.clients import Client
from tests.faults.ledger import Ledger, new_hit
from tests.servers import Crumby, free_port, require

CLIENTS = 16
TRACE = "trace.txt"
STRACE = (
    "--follow-forks",
    "--seccomp-bpf",
    "--interruptible=never",  # the signal that stops Crumby must not stop its witness
    "--decode-fds=all",
    "--string-limit=8192",  # a page of the log, a request
    "--trace=read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fdatasync,fsync",
    f"--output={TRACE}",
)
BEGUN = re.compile(r"(\d+) +(\w+)\(\d+<(.*?(?:->.*?)?)>[,) ](.*)")
RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
UNFINISHED = "<unfinished ...>"
ASKED = re.compile(r'\\"cid\\": \\"(?P<cid>[0-9a-f]{16})\\"')
NO_CONTENT = '"HTTP/1.1 204'


@pytest.mark.parametrize("spooled", [False, True], ids=["database", "spool"])
@pytest.mark.parametrize(
    "hits",
    [pytest.param(208, id="208 hits"), pytest.param(1008, id="1008 hits", marks=pytest.mark.long)],
)
async def test_each_204_leaves_after_the_disk_has_its_row(hits: int, spooled: bool) -> None:  # noqa: FBT001
    """Seen to fail on `pragma synchronous = normal`, and on a writer that acknowledges before it commits."""
    ledger = Ledger()
    away = f"mysql+pymysql://crumby@127.0.0.1:{free_port()}/crumby"  # nobody is there
    with Crumby(away if spooled else "", prefix=[str(require("strace")), *STRACE]) as server:
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(deliver(Client(server.port, ledger), hits // CLIENTS))
        server.stop()
        trace = server.folder.joinpath(TRACE).read_text()
    assert ledger.outcomes == {"ok": hits}
    witness = Witness()
    for call in calls(trace.splitlines()):
        witness.see(call)
    assert witness.too_early == []
    assert witness.answered == hits


async def deliver(client: Client, hits: int) -> None:
    for _ in range(hits):
        await client.deliver(new_hit())
    client.disconnect()


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it begins or as it ends; both in one where no other came between."""

    thread: str
    name: str
    file: str
    text: str
    ended: bool


def calls(trace: Iterable[str]) -> Iterator[Call]:
    begun: dict[tuple[str, str], str] = {}
    for line in trace:
        if found := BEGUN.match(line):
            thread, name, file, text = found.groups()
            if text.endswith(UNFINISHED):
                begun[thread, name] = file
            yield Call(thread, name, file, text, ended=not text.endswith(UNFINISHED))
        elif found := RESUMED.match(line):
            thread, name, text = found.groups()
            yield Call(thread, name, begun.pop((thread, name), ""), text, ended=True)


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
        if call.ended:
            self.durable |= written
            del self.syncing[call.thread]

    def _answer(self, visitor: str) -> None:
        self.answered += 1
        if visitor not in self.durable:
            self.too_early.append(visitor)
