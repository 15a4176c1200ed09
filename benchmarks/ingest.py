"""Hits a second, beside a bare uvicorn on the same core in the same run: `python -m benchmarks.ingest`.

The two take turns, so that a noisy neighbour meets both, and the medians of the rounds are compared. At the
end the rows are counted: a hit that was acknowledged and is not there makes the run fail.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from sqlalchemy import func, select

from benchmarks import machine, traffic
from benchmarks.load import Load, Round, hit_ids
from benchmarks.machine import Memory, Running, Server
from crumby import tables
from crumby.database import open_database
from crumby.settings import Settings

ROOT = Path(__file__).parent.parent
WARM_UP_S = 1.0
HEADS = ("hits/s", "/ yard", "CPU us", "/ yard", "p50 ms", "p99 ms", "refused", "generator")


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    rounds: int
    connections: int
    workers: int
    gif: bool
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
class Report:
    yard: Figures
    crumby: Figures
    ratio: float
    idle: Memory
    loaded: Memory
    acknowledged: int
    refused: int  # warm-up and all
    stored: int
    machine: dict[str, str]

    @property
    def kept_its_word(self) -> bool:
        """A hit without an answer may be stored or not; an acknowledged one is, once."""
        return self.acknowledged <= self.stored <= self.acknowledged + self.refused


def main() -> None:
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
        report = measure(options, Path(folder))
    print(json.dumps(asdict(report), indent=2) if options.json else table(report, options))
    if not report.kept_its_word:
        sys.exit(f"{report.acknowledged} hits were acknowledged, {report.stored} are stored")


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each server (%(default)s)")
    parser.add_argument(
        "--connections", type=int, default=64, help="kept alive, one hit under way on each (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=1, help="Crumby's processes (%(default)s)")
    parser.add_argument("--gif", action="store_true", help="send the image of old scripts, not the POST of cmb.js")
    parser.add_argument("--database-url", help="an empty database to fill (default: an SQLite file of the run's own)")
    parser.add_argument("--geo", type=Path, help="a City database (.mmdb) to place the visitors with")
    parser.add_argument("--server-cores", default="0", help="cores of the server, such as 0,1 (%(default)s)")
    parser.add_argument("--load-core", type=int, default=1, help="core of the generator (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    values["server_cores"] = {int(core) for core in values["server_cores"].split(",")}
    return Options(**values)


def measure(options: Options, folder: Path) -> Report:
    os.sched_setaffinity(0, {options.load_core})
    url = options.database_url or f"sqlite:///{folder / 'crumby.db'}"
    with ExitStack() as stack:
        yard = stack.enter_context(start_yard(options))
        crumby = stack.enter_context(start_crumby(options, folder, url))
        idle = crumby.memory()
        before = asyncio.run(stored(url))
        yard_turns, crumby_turns = uvloop.run(take_turns(options, yard, crumby))
        loaded = crumby.memory()
    measured = Figures.of(crumby_turns[1:])
    yardstick = Figures.of(yard_turns[1:])
    return Report(
        yard=yardstick,
        crumby=measured,
        ratio=measured.hits_per_s / yardstick.hits_per_s,
        idle=idle,
        loaded=loaded,
        acknowledged=sum(turn.round.acknowledged for turn in crumby_turns),
        refused=sum(turn.round.refused for turn in crumby_turns),
        stored=asyncio.run(stored(url)) - before,
        machine=machine.facts(),
    )


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


def start_crumby(options: Options, folder: Path, url: str) -> Running:
    port = machine.free_port()
    command = [sys.executable, "-m", "crumby", "run", "--port", str(port), "--workers", str(options.workers)]
    settings = {
        "CRUMBY_SQLALCHEMY_DATABASE_URI": url,
        "CRUMBY_GEOIP2_DATABASE_NAME": str(options.geo or folder / "none.mmdb"),
        "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
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


async def take_turns(options: Options, yard: Server, crumby: Server) -> tuple[list[Turn], list[Turn]]:
    """The turns of each; the first is short and a warm-up."""
    requests = itertools.cycle(traffic.requests(image=options.gif))
    ids = hit_ids()
    turns: tuple[list[Turn], list[Turn]] = ([], [])
    for seconds in (WARM_UP_S, *[options.seconds] * options.rounds):
        for server, done in zip((yard, crumby), turns, strict=True):
            before = server.cpu_seconds()
            seen = await Load("127.0.0.1", server.port, requests, ids).run(options.connections, seconds)
            done.append(Turn(seen, server.cpu_seconds() - before))
    return turns


def table(report: Report, options: Options) -> str:
    kind = "GIF" if options.gif else "POST"
    lines = [f"{fact}: {value}" for fact, value in report.machine.items()]
    lines += [
        f"load: {kind}, {options.connections} connections, {options.rounds} rounds of {options.seconds:g} s",
        f"crumby: workers {options.workers}, geo {'on' if options.geo else 'off'}",
        "",
        f"{'':8}" + "".join(f"{head:>10}" for head in HEADS),
    ]
    for name, figures in (("yard", report.yard), ("crumby", report.crumby)):
        speed = f"{figures.hits_per_s:10,.0f}{figures.hits_per_s / report.yard.hits_per_s:10.2f}"
        cost = f"{figures.cpu_us:10.0f}{report.yard.cpu_us / figures.cpu_us:10.2f}"
        waits = f"{figures.p50_ms:10.2f}{figures.p99_ms:10.2f}"
        lines.append(f"{name:8}{speed}{cost}{waits}{figures.refused:10,}{figures.generator_cpu:10.0%}")
    lines += ["", f"{'MiB':8}{'resident':>9}{'Pss':>9}{'private':>9}{'mmdb':>9}{'without':>9}"]
    for name, memory in (("idle", report.idle), ("loaded", report.loaded)):
        lines.append(
            f"{name:8}{memory.resident:9.1f}{memory.proportional:9.1f}{memory.private:9.1f}"
            f"{memory.mmdb:9.1f}{memory.without_mmdb:9.1f}"
        )
    lines += ["", f"acknowledged {report.acknowledged:,}, stored {report.stored:,}"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
