"""Servers pinned to a core, what they hold in memory, and what machine this is."""

import contextlib
import os
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of a process and its children; `private` is what would be free without them."""

    resident: float
    proportional: float  # shared pages counted in parts
    private: float
    mmdb: float  # resident pages of mapped .mmdb files, which the system can take back at any time

    @property
    def without_mmdb(self) -> float:
        return self.resident - self.mmdb


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """What the server and its children have used so far, user and system."""
        ticks = sum(cpu_ticks(Path(f"/proc/{pid}/stat").read_text()) for pid in family(self.process.pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> Memory:
        pids = family(self.process.pid)
        rollups = [fields_kib(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in pids]

        def total(*names: str) -> float:
            return sum(rollup.get(name, 0) for rollup in rollups for name in names) / 1024

        return Memory(
            resident=total("Rss"),
            proportional=total("Pss"),
            private=total("Private_Clean", "Private_Dirty"),
            mmdb=sum(mapped_mmdb_kib(Path(f"/proc/{pid}/smaps").read_text()) for pid in pids) / 1024,
        )


Running = contextlib.AbstractContextManager[Server]


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            pids.extend(map(int, children.read_text().split()))
    return pids


def cpu_ticks(stat: str) -> int:
    """`pid (name) S …`: the 14th and 15th field; the name may hold blanks and brackets."""
    return sum(map(int, stat.rpartition(")")[2].split()[11:13]))


def fields_kib(smaps: str) -> dict[str, int]:
    """`"Rss:    1234 kB"` → `{"Rss": 1234}`."""
    return {
        name: int(rest.split()[0])
        for name, _, rest in (line.partition(":") for line in smaps.splitlines())
        if rest.endswith("kB")
    }


def mapped_mmdb_kib(smaps: str) -> int:
    total, inside = 0, False
    for line in smaps.splitlines():
        first = line.split(maxsplit=1)[0]
        if not first.endswith(":"):  # a mapping's own line: addresses, rights, file
            inside = line.removesuffix(" (deleted)").endswith(".mmdb")  # a copy has no name any more
        elif inside and first == "Rss:":
            total += int(line.split()[1])
    return total


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def pinned(
    command: Sequence[str], *, port: int, cores: set[int], environ: Mapping[str, str], first: str = "/healthz"
) -> Iterator[Server]:
    """The command as a process of its own on these cores, from its first answer (to `first`) until the context ends."""
    with subprocess.Popen(
        command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
    ) as process:
        os.sched_setaffinity(process.pid, cores)  # before it has threads or children, which inherit it
        try:
            wait_until_up(process, port, first)
            yield Server(port, process)
        finally:
            stop(process)


def wait_until_up(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}; its words are above")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not answer within {START_TIMEOUT_S:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def facts() -> dict[str, str]:
    """What a figure depends on beside the code."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "uvicorn": f"{version('uvicorn')}, uvloop {version('uvloop')}, httptools {version('httptools')}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
