"""Hits a second, beside a bare uvicorn on the same core in the same run: `python -m benchmarks.ingest`.

The two take turns, so that a noisy neighbour meets both, and the medians of the rounds are compared. At the
end the rows are counted: a hit that was acknowledged and is not there makes the run fail. Several values of an option,
with commas between, are measured each with each of the others'; `--all` is the whole matrix.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import uvloop
from sqlalchemy import func, select

from benchmarks import machine, traffic
from benchmarks.databases import DATABASES, empty_database, installed
from benchmarks.load import Load, Round, hit_ids
from benchmarks.machine import Memory, Running, Server
from crumby import tables
from crumby.database import open_database
from crumby.settings import Settings

ROOT = Path(__file__).parent.parent
WARM_UP_S = 1.0
HEADS = ("hits/s", "/ yard", "CPU us", "/ yard", "p50 ms", "p99 ms", "refused", "generator")
EVERY: Final = {  # what `--all` stands for
    "on": ",".join(DATABASES),
    "workers": "1,2",
    "ways": "post,gif",
    "keep_alive": "yes,no",
    "connections": "1,16,64,256",
}
TOKEN: Final = "of no consequence: this server lives a minute"  # noqa: S105
COMMITS: Final = re.compile(rb"^crumby_(commit_seconds|batch_hits)_(sum|count) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    rounds: int
    on: tuple[str, ...]
    workers: tuple[int, ...]
    ways: tuple[str, ...]  # post, gif
    keep_alive: tuple[bool, ...]
    connections: tuple[int, ...]
    database_url: str | None
    geo: Path | None
    server_cores: set[int]
    load_core: int
    json: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of the rounds."""

    hits_per_s: float
    cpu_us: float  # of the server, a hit; the figure that neighbours on the machine disturb least
    p50_ms: float
    p99_ms: float
    refused: int  # in the measured rounds: answers that were no 2xx, and requests without any
    generator_cpu: float  # the highest share of its core; near 1 the generator was the limit

    @classmethod
    def of(cls, turns: "Sequence[Turn]") -> "Figures":
        rounds = [turn.round for turn in turns]
        return cls(
            hits_per_s=statistics.median(each.rate for each in rounds),
            cpu_us=statistics.median(turn.cpu_us for turn in turns),
            p50_ms=statistics.median(each.percentile_ms(50) for each in rounds),
            p99_ms=statistics.median(each.percentile_ms(99) for each in rounds),
            refused=sum(each.refused for each in rounds),
            generator_cpu=max(each.cpu for each in rounds),
        )


@dataclass(frozen=True, slots=True)
class Turn:
    round: Round
    server_cpu_s: float

    @property
    def cpu_us(self) -> float:
        return 1e6 * self.server_cpu_s / max(1, self.round.acknowledged)


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load, before one kind of server."""

    way: str
    keep_alive: bool
    connections: int
    yard: Figures
    crumby: Figures
    ratio: float
    commit_ms: float | None  # until a batch was durable, on average; None where several workers count, each for itself
    batch: float | None  # hits of one


@dataclass(frozen=True, slots=True)
class Service:
    """One Crumby, before all kinds of load."""

    database: str
    workers: int
    cells: list[Cell]
    idle: Memory
    loaded: Memory
    acknowledged: int
    refused: int  # warm-up and all
    stored: int

    @property
    def kept_its_word(self) -> bool:
        """A hit without an answer may be stored or not; an acknowledged one is, once."""
        return self.acknowledged <= self.stored <= self.acknowledged + self.refused


@dataclass(frozen=True, slots=True)
class Report:
    services: list[Service]
    missing: list[str]  # databases that are not installed
    machine: dict[str, str]

    def faults(self) -> Iterator[str]:
        for each in self.services:
            if not each.kept_its_word:
                yield f"{each.database}: {each.acknowledged} hits were acknowledged, {each.stored} are stored"


def main() -> None:
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
        report = measure(options, Path(folder))
    print(json.dumps(asdict(report), indent=2) if options.json else table(report, options))
    if faults := list(report.faults()):
        sys.exit("\n".join(faults))


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each server (%(default)s)")
    parser.add_argument("--on", default="sqlite", help=f"of {', '.join(DATABASES)} (%(default)s)")
    parser.add_argument("--workers", default="1", help="Crumby's processes (%(default)s)")
    parser.add_argument("--ways", default="post", help="post, as cmb.js; gif, as old scripts (%(default)s)")
    parser.add_argument("--keep-alive", default="yes", help="yes, no: a connection for each hit (%(default)s)")
    parser.add_argument("--connections", default="64", help="one hit under way on each (%(default)s)")
    parser.add_argument("--all", action="store_true", help="all of these, each with each: an hour at 2 rounds of 2 s")
    parser.add_argument("--database-url", help="an empty database to fill (default: one of the run's own)")
    parser.add_argument("--geo", type=Path, help="a City database (.mmdb) to place the visitors with")
    parser.add_argument("--server-cores", default="0", help="cores of the server, such as 0,1 (%(default)s)")
    parser.add_argument("--load-core", type=int, default=1, help="core of the generator (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    if values.pop("all"):
        values |= EVERY
    values["server_cores"] = {int(core) for core in values["server_cores"].split(",")}
    values |= {name: tuple(values[name].split(",")) for name in ("on", "ways")}
    values |= {name: tuple(map(int, values[name].split(","))) for name in ("workers", "connections")}
    values["keep_alive"] = tuple(each == "yes" for each in values["keep_alive"].split(","))
    return Options(**values)


def measure(options: Options, folder: Path) -> Report:
    everywhere = os.sched_getaffinity(0)
    names = ["url"] if options.database_url else [name for name in options.on if installed(name)]
    services = []
    for name, workers in itertools.product(names, options.workers):
        own = folder / f"{name}-{workers}"
        own.mkdir()
        opened = nullcontext(options.database_url) if options.database_url else empty_database(name, own)
        os.sched_setaffinity(0, everywhere)  # a database server stays where the system puts it
        with opened as url:
            os.sched_setaffinity(0, {options.load_core})
            services.append(serve(options, own, name, url, workers))
    missing = [] if options.database_url else [name for name in options.on if not installed(name)]
    return Report(services, missing, machine.facts())


def serve(options: Options, folder: Path, name: str, url: str, workers: int) -> Service:
    cells: list[Cell] = []
    turns: list[Turn] = []
    with ExitStack() as stack:
        yard = stack.enter_context(start_yard(options))
        crumby = stack.enter_context(start_crumby(options, folder, url, workers))
        idle = crumby.memory()
        before = asyncio.run(stored(url))
        for way, alive, connections in itertools.product(options.ways, options.keep_alive, options.connections):
            counted = commits(crumby)
            yard_turns, crumby_turns = uvloop.run(take_turns(options, yard, crumby, way, connections, alive=alive))
            turns += crumby_turns
            commit_ms, batch = between(counted, commits(crumby)) if workers == 1 else (None, None)
            of_yard, of_crumby = Figures.of(yard_turns[1:]), Figures.of(crumby_turns[1:])
            ratio = of_crumby.hits_per_s / of_yard.hits_per_s
            cells.append(Cell(way, alive, connections, of_yard, of_crumby, ratio, commit_ms, batch))
        loaded = crumby.memory()
    return Service(
        database=name,
        workers=workers,
        cells=cells,
        idle=idle,
        loaded=loaded,
        acknowledged=sum(turn.round.acknowledged for turn in turns),
        refused=sum(turn.round.refused for turn in turns),
        stored=asyncio.run(stored(url)) - before,
    )


def commits(crumby: Server) -> dict[str, float]:
    """What Crumby counted of its commits since it started."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{crumby.port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        found = COMMITS.findall(answer.read())
    return {f"{name.decode()}_{kind.decode()}": float(value) for name, kind, value in found}


def between(before: dict[str, float], after: dict[str, float]) -> tuple[float | None, float | None]:
    """Milliseconds of a commit, and hits of one, on average; nothing where nothing is counted."""
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    if not spent.get("commit_seconds_count") or not spent.get("batch_hits_count"):
        return None, None
    seconds = spent["commit_seconds_sum"] / spent["commit_seconds_count"]
    return 1e3 * seconds, spent["batch_hits_sum"] / spent["batch_hits_count"]


def start_yard(options: Options) -> Running:
    port = machine.free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.yard:app",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    command += ["--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    return machine.pinned(command, port=port, cores={min(options.server_cores)}, environ=environ())


def start_crumby(options: Options, folder: Path, url: str, workers: int) -> Running:
    port = machine.free_port()
    command = [sys.executable, "-m", "crumby", "run", "--port", str(port), "--workers", str(workers)]
    settings = {
        "CRUMBY_SQLALCHEMY_DATABASE_URI": url,
        "CRUMBY_GEOIP2_DATABASE_NAME": str(options.geo or folder / "none.mmdb"),
        "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
        "CRUMBY_SPOOL": str(folder / "spool.db"),
        "CRUMBY_METRICS_TOKEN": TOKEN,
        "CRUMBY_PROXY_COUNT": "1",  # the addresses stand in X-Forwarded-For
    }
    return machine.pinned(command, port=port, cores=options.server_cores, environ=environ() | settings)


def environ() -> dict[str, str]:
    """Our environment without its Crumby, and with the checkout importable."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRUMBY_")}
    return inherited | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}


async def stored(url: str) -> int:
    settings = Settings(sqlalchemy_database_uri=url)
    async with open_database(settings) as database, database.engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(tables.visits))).scalar_one()


async def take_turns(
    options: Options, yard: Server, crumby: Server, way: str, connections: int, *, alive: bool
) -> tuple[list[Turn], list[Turn]]:
    """The turns of each; the first is short and a warm-up."""
    requests = itertools.cycle(traffic.requests(image=way == "gif", close=not alive))
    ids = hit_ids()
    turns: tuple[list[Turn], list[Turn]] = ([], [])
    for seconds in (WARM_UP_S, *[options.seconds] * options.rounds):
        for server, done in zip((yard, crumby), turns, strict=True):
            before = server.cpu_seconds()
            load = Load("127.0.0.1", server.port, requests, ids, keep_alive=alive)
            seen = await load.run(connections, seconds)
            done.append(Turn(seen, server.cpu_seconds() - before))
    return turns


def table(report: Report, options: Options) -> str:
    lines = [f"{fact}: {value}" for fact, value in report.machine.items()]
    lines.append(f"{options.rounds} rounds of {options.seconds:g} s, geo {'on' if options.geo else 'off'}")
    for each in report.services:
        lines += ["", *of_service(each)]
    lines += [f"{name} is not installed, and was not measured" for name in report.missing]
    return "\n".join(lines)


def of_service(service: Service) -> Iterator[str]:
    yield f"{service.database}, workers {service.workers}"
    yield f"{'':24}" + "".join(f"{head:>10}" for head in HEADS) + f"{'commit ms':>11}{'hits':>6}"
    for cell in service.cells:
        name = f"{cell.way}, {cell.connections}{'' if cell.keep_alive else ', closed'}"
        for who, figures in (("yard", cell.yard), ("crumby", cell.crumby)):
            speed = f"{figures.hits_per_s:10,.0f}{figures.hits_per_s / cell.yard.hits_per_s:10.2f}"
            cost = f"{figures.cpu_us:10.0f}{cell.yard.cpu_us / figures.cpu_us:10.2f}"
            waits = f"{figures.p50_ms:10.2f}{figures.p99_ms:10.2f}"
            counted = f"{cell.commit_ms:11.2f}{cell.batch:6.1f}" if who == "crumby" and cell.commit_ms else ""
            head = f"{name:17}{who:7}"
            yield f"{head}{speed}{cost}{waits}{figures.refused:10,}{figures.generator_cpu:10.0%}{counted}"
    yield f"{'MiB':8}{'resident':>9}{'Pss':>9}{'private':>9}{'mmdb':>9}{'without':>9}"
    for name, memory in (("idle", service.idle), ("loaded", service.loaded)):
        yield (
            f"{name:8}{memory.resident:9.1f}{memory.proportional:9.1f}{memory.private:9.1f}"
            f"{memory.mmdb:9.1f}{memory.without_mmdb:9.1f}"
        )
    yield f"acknowledged {service.acknowledged:,}, stored {service.stored:,}"


if __name__ == "__main__":
    main()
