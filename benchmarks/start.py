"""Seconds from the start of `crumby run` to its first answer: `python -m benchmarks.start`.

Of a look at `/healthz` and of a hit, each on a database that is to be made and on one that is there.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import machine, traffic
from benchmarks.ingest import environ
from benchmarks.load import hit_ids
from benchmarks.memory import settings

AIM = 1.5  # seconds
EVERY_S = 0.005  # between two knocks
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: stats.example.com\r\n\r\n"
HEADS = ("median", "lowest", "highest", "CPU s")


@dataclass(frozen=True, slots=True)
class Options:
    times: int
    workers: int
    cores: set[int]
    json: bool


@dataclass(frozen=True, slots=True)
class Start:
    seconds: float
    cpu_s: float  # of all its processes, user and system


@dataclass(frozen=True, slots=True)
class Starts:
    asked: str
    database: str
    median: float
    lowest: float
    highest: float
    cpu_s: float  # median

    @classmethod
    def of(cls, asked: str, database: str, starts: Sequence[Start]) -> "Starts":
        seconds = [start.seconds for start in starts]
        cpu_s = statistics.median(start.cpu_s for start in starts)
        return cls(asked, database, statistics.median(seconds), min(seconds), max(seconds), cpu_s)


@dataclass(frozen=True, slots=True)
class Report:
    starts: list[Starts]
    machine: dict[str, str]


def main() -> None:
    options = parse(sys.argv[1:])
    facts = machine.facts()
    report = Report([of for asked in ("/healthz", "a hit") for of in measure(asked, options)], facts)
    print(json.dumps(asdict(report), indent=2) if options.json else table(report, options))


def parse(arguments: Sequence[str]) -> Options:
    everywhere = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="starts of each kind (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="Crumby's processes (%(default)s)")
    parser.add_argument("--cores", default=everywhere, help="cores of the server (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    values["cores"] = {int(core) for core in values["cores"].split(",")}
    return Options(**values)


def measure(asked: str, options: Options) -> list[Starts]:
    """The first start of all is thrown away: it reads the files from the disk, and compiles what was changed."""
    anew, again = [], []
    for _ in range(options.times + 1):
        with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
            anew.append(start(asked, options, Path(folder)))
            again.append(start(asked, options, Path(folder)))
    return [Starts.of(asked, "new", anew[1:]), Starts.of(asked, "there", again[1:])]


def start(asked: str, options: Options, folder: Path) -> Start:
    port = machine.free_port()
    command = [sys.executable, "-m", "crumby", "run", "--port", str(port), "--workers", str(options.workers)]
    request = HEALTH if asked == "/healthz" else a_hit()
    begin = time.perf_counter()
    with subprocess.Popen(
        command,
        env=environ() | settings(folder, None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        os.sched_setaffinity(process.pid, options.cores)
        try:
            wait(process, port, request)
            seconds = time.perf_counter() - begin
            return Start(seconds, machine.Server(port, process).cpu_seconds())
        finally:
            machine.stop(process)


def a_hit() -> bytes:
    before, after = traffic.requests()[0]
    return before + next(hit_ids()) + after


def wait(process: subprocess.Popen[bytes], port: int, request: bytes) -> None:
    deadline = time.perf_counter() + machine.START_TIMEOUT_S
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=machine.START_TIMEOUT_S) as connection:
                connection.sendall(request)
                answer = connection.recv(4096)
        except OSError:
            time.sleep(EVERY_S)
            continue
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"the first answer was {answer[:80]!r}")
        return
    raise RuntimeError(f"{process.args!r} did not answer within {machine.START_TIMEOUT_S:.0f} s")


def table(report: Report, options: Options) -> str:
    lines = [f"{fact}: {value}" for fact, value in report.machine.items()]
    cores = ",".join(map(str, sorted(options.cores)))
    lines += [
        f"starts: {options.times} of each, workers {options.workers}, cores {cores}; aim {AIM:g} s",
        "",
        f"{'first answer':14}{'database':10}" + "".join(f"{head:>9}" for head in HEADS),
    ]
    lines += [
        f"{each.asked:14}{each.database:10}{each.median:9.2f}{each.lowest:9.2f}{each.highest:9.2f}{each.cpu_s:9.2f}"
        for each in report.starts
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
