"""What Crumby holds in memory, process by process: `python -m benchmarks.memory`.

Idle, after a bounded load of hits, and after people have looked at it; on an SQLite file of its own, with one worker
and with two, without places and (`--geo`) with them.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import machine, traffic
from benchmarks.ingest import environ
from benchmarks.load import Load, hit_ids
from benchmarks.machine import Memory, Running, Server

IDLE = 70.0  # MiB resident of a process that serves, the mapped City database apart
LOADED = 90.0  # after hits, and after reports as well
REST_S = 0.5  # a server that has used no processor time for as long has nothing left to do
PATIENCE_S = 30.0
HEADS = ("Rss", "Pss", "private", "mmdb", "without")
PARTS = 30  # lines of the breakdown


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    connections: int
    workers: list[int]
    geo: Path | None
    server_cores: set[int]
    load_core: int
    imports: bool
    json: bool


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the server; the parent of several workers serves nobody."""

    role: str
    memory: Memory


@dataclass(frozen=True, slots=True)
class Case:
    workers: int
    geo: bool
    hits: int  # acknowledged
    stages: dict[str, list[Process]]

    def most(self, stage: str) -> float:
        """MiB of the largest process that serves, the mapped City database apart."""
        return max(each.memory.without_mmdb for each in self.stages[stage] if each.role == "serves")


@dataclass(frozen=True, slots=True)
class Part:
    package: str
    mib: float  # of anonymous memory that its own modules took


@dataclass(frozen=True, slots=True)
class Report:
    cases: list[Case]
    parts: list[Part]
    machine: dict[str, str]


def main() -> None:
    options = parse(sys.argv[1:])
    facts = machine.facts()
    parts = weighed() if options.imports else []
    cases = [
        case(options, workers, geo)
        for geo in ([None, options.geo] if options.geo else [None])
        for workers in options.workers
    ]
    report = Report(cases, parts, facts)
    print(json.dumps(asdict(report), indent=2) if options.json else table(report))


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the load (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="of the load, kept alive (%(default)s)")
    parser.add_argument("--workers", default="1,2", help="numbers of workers to measure (%(default)s)")
    parser.add_argument("--geo", type=Path, help="measure with this City database (.mmdb) as well")
    parser.add_argument("--server-cores", default="0", help="cores of the server, such as 0,1 (%(default)s)")
    parser.add_argument("--load-core", type=int, default=1, help="core of the generator (%(default)s)")
    parser.add_argument("--imports", action="store_true", help="tell what each imported package takes")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    values["workers"] = [int(number) for number in values["workers"].split(",")]
    values["server_cores"] = {int(core) for core in values["server_cores"].split(",")}
    return Options(**values)


def case(options: Options, workers: int, geo: Path | None) -> Case:
    os.sched_setaffinity(0, {options.load_core})
    stages = {}
    with (
        tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder,
        start_crumby(Path(folder), workers, options.server_cores, geo) as server,
    ):
        rest(server)
        stages["idle"] = processes(server)
        load = Load("127.0.0.1", server.port, itertools.cycle(traffic.requests()), hit_ids())
        round_ = uvloop.run(load.run(options.connections, options.seconds))
        stages["loaded"] = processes(server)
        look(server)
        rest(server)
        stages["looked at"] = processes(server)
    return Case(workers, bool(geo), round_.acknowledged, stages)


def start_crumby(folder: Path, workers: int, cores: set[int], geo: Path | None) -> Running:
    port = machine.free_port()
    command = [sys.executable, "-m", "crumby", "run", "--port", str(port), "--workers", str(workers)]
    return machine.pinned(command, port=port, cores=cores, environ=environ() | settings(folder, geo))


def settings(folder: Path, geo: Path | None) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "CRUMBY_SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'crumby.db'}",
        "CRUMBY_GEOIP2_DATABASE_NAME": str(geo or folder / "none.mmdb"),
        "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
        "CRUMBY_PROXY_COUNT": "1",  # the addresses stand in X-Forwarded-For
    }


def rest(server: Server) -> None:
    """Return when the server has nothing left to do: it looks its queries over after its first answer."""
    deadline = time.monotonic() + PATIENCE_S
    before = -1.0
    while (now := server.cpu_seconds()) > before and time.monotonic() < deadline:
        before = now
        time.sleep(REST_S)


def look(server: Server) -> None:
    """What the dashboard of somebody who has not signed in asks for: the queries, and each one's answer."""
    for query in json.loads(get(server, "/api"))["queries"]:
        get(server, f"/api/{query['collection']}/{query['name']}")


def get(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=PATIENCE_S) as answer:
        content: bytes = answer.read()
    return content


def processes(server: Server) -> list[Process]:
    """The one that was started first. It serves, or else its children do."""
    pids = machine.family(server.process.pid)
    lone = len(pids) == 1
    return [Process("serves" if lone else role(pid, server), memory_of(pid)) for pid in pids]


def role(pid: int, server: Server) -> str:
    if pid == server.process.pid:
        return "parent"
    command = Path(f"/proc/{pid}/cmdline").read_text()
    return "tracker" if "resource_tracker" in command else "serves"


def memory_of(pid: int) -> Memory:
    rollup = machine.fields_kib(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return Memory(
        resident=rollup["Rss"] / 1024,
        proportional=rollup["Pss"] / 1024,
        private=(rollup["Private_Clean"] + rollup["Private_Dirty"]) / 1024,
        mmdb=machine.mapped_mmdb_kib(Path(f"/proc/{pid}/smaps").read_text()) / 1024,
    )


def weighed() -> list[Part]:
    """What the import of a server takes, by package; Crumby's own modules one by one."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.weighing"], env=environ(), check=True, capture_output=True, text=True
    )
    parts: dict[str, Any] = json.loads(said.stdout)
    return [Part(package, kib / 1024) for package, kib in sorted(parts.items(), key=lambda part: -part[1])]


def table(report: Report) -> str:
    lines = [f"{fact}: {value}" for fact, value in report.machine.items()]
    for each in report.cases:
        lines += ["", *of_case(each)]
    if report.parts:
        lines += ["", f"imports: {sum(part.mib for part in report.parts):.1f} MiB of anonymous memory, of which"]
        lines += [f"{part.mib:8.2f}  {part.package}" for part in report.parts[:PARTS]]
    return "\n".join(lines)


def of_case(found: Case) -> Iterator[str]:
    yield f"workers {found.workers}, geo {'on' if found.geo else 'off'}, {found.hits:,} hits acknowledged"
    yield f"{'MiB':20}" + "".join(f"{head:>9}" for head in HEADS)
    for stage, several in found.stages.items():
        for each in several:
            memory = each.memory
            figures = (memory.resident, memory.proportional, memory.private, memory.mmdb, memory.without_mmdb)
            yield f"{stage:12}{each.role:8}" + "".join(f"{figure:9.1f}" for figure in figures)
    idle, loaded = found.most("idle"), max(found.most("loaded"), found.most("looked at"))
    yield f"a process that serves: idle {idle:.1f} (aim {IDLE:g}), loaded {loaded:.1f} (aim {LOADED:g})"


if __name__ == "__main__":
    main()
