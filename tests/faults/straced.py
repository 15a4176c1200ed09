"""strace beside a server: as the witness of its system calls, or as the hand that makes its disk fail.

with tampering(server, files_of(database), "error=EIO", when="3+") as fault:  # the third call of each kind, and on
    ...
    assert fault.struck("fdatasync")
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import Server, require, wait_until

WRITES = "pwrite64,write,fallocate,ftruncate"
SYNCS = "fdatasync,fsync"
ALL = f"{WRITES},{SYNCS}"
STRUCK = "(INJECTED)"
ATTACH_S = 10.0
LET_GO_S = 2.0

BEGUN = re.compile(r"(\d+) +(\w+)\(\d+<(.*?(?:->.*?)?)>[,) ](.*)")
RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
UNFINISHED = "<unfinished ...>"


def files_of(database: Path) -> list[Path]:
    """Give the file and its companions, which SQLite names after it."""
    return [database.with_name(f"{database.name}{suffix}") for suffix in ("", "-wal", "-shm")]


def withheld(message: str) -> None:
    """End the test for want of a right: skipped, or failed where everything is owed."""
    if os.environ.get("CRUMBY_TEST_ALL") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def injection(files: Sequence[Path], effect: str, when: str, calls: str = ALL) -> list[str]:
    """Give strace's words for it. It counts the calls of each thread, and each kind of call, by itself."""
    paths = [f"--trace-path={path}" for path in files]
    return ["--follow-forks", *paths, f"--trace={calls}", f"--inject={calls}:{effect}:when={when}"]


@dataclass(frozen=True, slots=True)
class Fault:
    trace: Path

    def struck(self, *kinds: str) -> bool:
        """Whether a call of each kind has failed by now."""
        failed = [line for line in self.trace.read_text().splitlines() if line.endswith(STRUCK)]
        return all(any(f" {kind}(" in line or f" {kind} resumed>" in line for line in failed) for kind in kinds)


@contextlib.contextmanager
def tampering(server: Server, files: Sequence[Path], effect: str, *, when: str, calls: str = ALL) -> Iterator[Fault]:
    """Tamper with a running server's calls on these files until the context is left.

    `effect` and `when` are strace's: `error=EIO`, and `3` for the third call alone, `3+` for all from there on.
    """
    trace = server.folder / "fault.txt"
    trace.write_text("")
    pids = [f"--attach={pid}" for pid in server.tree()]
    command = [str(require("strace")), *pids, f"--output={trace}", *injection(files, effect, when, calls)]
    with (server.folder / "strace.log").open("w+") as said, subprocess.Popen(command, stderr=said) as strace:
        try:
            wait_until(lambda: strace.poll() is not None or attached(server, strace.pid), "strace is there", ATTACH_S)
            if strace.poll() is not None:
                said.seek(0)
                withheld(f"strace may not attach to a server: {said.read()}")
            yield Fault(trace)
        finally:
            strace.terminate()  # which lets go of the server
            try:
                strace.wait(LET_GO_S)
            except subprocess.TimeoutExpired:  # it waits for what was killed in its hands
                strace.kill()


def attached(server: Server, tracer: int) -> bool:
    """Whether it holds each thread of the server."""
    tasks = [task for pid in server.tree() for task in Path(f"/proc/{pid}/task").iterdir()]
    with contextlib.suppress(OSError):  # a thread that has just ended
        return all(f"TracerPid:\t{tracer}\n" in (task / "status").read_text() for task in tasks)
    return False


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it begins or as it ends; both in one where no other came between."""

    thread: str
    name: str
    file: str
    text: str
    ended: bool

    @property
    def failed(self) -> bool:
        return self.ended and " = -1 E" in self.text


def calls(trace: Iterable[str]) -> Iterator[Call]:
    """Read a trace with `--follow-forks` and `--decode-fds`."""
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
