"""Row 19 of the card: SQLite's WAL-reset bug is kept away, whatever its version.

The bug (<https://sqlite.org/wal.html#walresetbug>) needs a checkpoint during which another connection commits. The
trace of the system calls shows the locks by which SQLite's connections keep each other away: whoever checkpoints
holds the lock of those who write, or the whole file.
"""

import asyncio
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.faults.clients import load
from tests.faults.ledger import Ledger, judge
from tests.servers import Crumby, require

# SQLite's locks: bytes of the -shm file, and of the file itself (https://sqlite.org/walformat.html).
WRITE, CHECKPOINT = 120, 121
AUTOMATIC = "{l_type=F_WRLCK, l_whence=SEEK_SET, l_start=121, l_len=1}"  # not a recovery's
SHARED_FIRST, SHARED_SIZE = 0x40000002, 510

CALL = re.compile(
    r"(?P<thread>\d+) +[\d.]+ fcntl\(\d+<(?P<path>[^>]+)>, F_SETLK, "
    r"\{l_type=F_(?P<kind>\w+), l_whence=SEEK_SET, l_start=(?P<start>\d+), l_len=(?P<length>\d+)\}(?P<result>.*)"
)
RESUMED = re.compile(r"(?P<thread>\d+) +[\d.]+ <\.\.\. fcntl resumed>(?P<result>.*)")


def lock_calls(trace: str) -> Iterator[re.Match[str]]:
    """Those that succeeded. Where another thread's call came between, a lock counts from its end, a release from
    its beginning."""
    unfinished: dict[str, re.Match[str]] = {}
    for line in trace.splitlines():
        if call := CALL.match(line):
            if "unfinished" in call["result"] and call["kind"] == "WRLCK":
                unfinished[call["thread"]] = call
            elif "= -1" not in call["result"]:
                yield call
        elif resumed := RESUMED.match(line):
            call = unfinished.pop(resumed["thread"], None)
            if call and "= 0" in resumed["result"]:
                yield call


def checkpoints(trace: str, process_of: Mapping[int, int]) -> list[bool]:
    """For each checkpoint of the trace, in its order: whether its process kept all writers away from its first moment.

    A process's locks are its own, whichever of its threads asked for them.
    """
    held: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    found = []
    for call in lock_calls(trace):
        process = process_of.get(int(call["thread"]), int(call["thread"]))
        name = call["path"].removesuffix("-shm")
        first, count = int(call["start"]), int(call["length"])
        whole_file = first == SHARED_FIRST and count == SHARED_SIZE
        locks = held[process, name]
        numbers = {first} if whole_file else set(range(first, first + count)) if count <= 8 else set()
        if call["kind"] == "WRLCK":
            locks |= numbers
            if CHECKPOINT in numbers and call["path"].endswith("-shm"):
                found.append(bool(locks & {WRITE, SHARED_FIRST}))
        else:
            if WRITE in numbers and CHECKPOINT in locks and SHARED_FIRST not in locks:
                found[-1] = False  # let the writers in before it was done
            locks -= numbers
    return found


def threads(pids: list[int]) -> dict[int, int]:
    return {int(task.name): pid for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()}


async def test_nobody_commits_while_a_checkpoint_runs(tmp_path: Path) -> None:
    """Seen to fail with `wal_autocheckpoint` at SQLite's default, and with a guard that holds no lock."""
    strace = [str(require("strace")), "-f", "-ttt", "-y", "-s", "0", "-e", "trace=fcntl", "-o"]
    ledger = Ledger()
    with Crumby(arguments=["--workers", "2"], prefix=[*strace, str(tmp_path / "server")]) as server:
        async with load(server.port, ledger), asyncio.timeout(60):
            for number in range(2):
                while (tmp_path / "server").read_text().count(AUTOMATIC) < 2 + 2 * number:  # noqa: ASYNC110 - strace tells nobody
                    await asyncio.sleep(0.5)
                command = [
                    *strace,
                    tmp_path / f"command {number}",
                    server.python,
                    "-m",
                    "crumby",
                    "adduser",
                    str(number),
                ]
                await asyncio.to_thread(
                    subprocess.run, command, check=True, input=b"a password", env=server.environment()
                )
            process_of = threads(server.tree())
        server.stop()
        await judge(f"sqlite:///{server.home / 'crumby.db'}", ledger)
    kept = checkpoints((tmp_path / "server").read_text(), process_of)
    assert all(kept), kept
    for number in range(2):
        assert all(checkpoints((tmp_path / f"command {number}").read_text(), {}))
