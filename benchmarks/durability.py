"""What durability costs: Crumby beside itself without it, in the same run: `python -m benchmarks.durability`.

    durable   as it is: a hit is committed, and the commit on the disk, before its 2xx
    early     2xx first, commit afterwards
    normal    commit first, but the disk is not waited for (`synchronous = normal`; SQLite alone)

They take turns, so that a noisy neighbour meets all, and the medians of the rounds are compared. At the end the rows
are counted: the run fails when an acknowledged hit is missing, or when durability costs more than `FLOORS` allow.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import machine, traffic
from benchmarks.ingest import WARM_UP_S, Figures, Turn, environ, stored
from benchmarks.load import Load, hit_ids
from benchmarks.machine import Running, Server
from tests.servers import MariaDB

DATABASES: Final[Mapping[str, Sequence[str]]] = {
    "sqlite": ("durable", "early", "normal"),
    "mariadb": ("durable", "early"),
}
FLOORS: Final[Mapping[str, float]] = {"early": 0.80, "normal": 0.85}  # of a variant's hits/s, that durable reaches
HEADS: Final = ("hits/s", "lowest", "highest", "CPU us", "p50 ms", "p99 ms", "refused", "generator")
REST_S: Final = 0.1  # after a turn, so that what `early` still owes is not paid in the next one's time


@dataclass(frozen=True, slots=True)
class Options:
    database: str
    seconds: float
    rounds: int
    connections: int
    server_core: int
    load_core: int
    json: bool


@dataclass(frozen=True, slots=True)
class Ratio:
    """The hits/s of `durable` over another's."""

    median: float  # of the one's median and the other's
    lowest: float  # of a round
    highest: float
    floor: float
    cpu: float  # the other's processor time for a hit over durable's; neighbours disturb it least

    @classmethod
    def of(cls, durable: Sequence[Turn], other: Sequence[Turn], floor: float) -> "Ratio":
        each = [one.round.rate / two.round.rate for one, two in zip(durable, other, strict=True)]
        mine, its = Figures.of(durable), Figures.of(other)
        return cls(mine.hits_per_s / its.hits_per_s, min(each), max(each), floor, its.cpu_us / mine.cpu_us)


@dataclass(frozen=True, slots=True)
class Result:
    """One variant's."""

    figures: Figures
    lowest: float  # hits/s of a round
    highest: float
    acknowledged: int  # warm-up and all
    refused: int
    stored: int

    @classmethod
    def of(cls, turns: Sequence[Turn], stored: int) -> "Result":
        rates = [turn.round.rate for turn in turns[1:]]
        return cls(
            figures=Figures.of(turns[1:]),
            lowest=min(rates),
            highest=max(rates),
            acknowledged=sum(turn.round.acknowledged for turn in turns),
            refused=sum(turn.round.refused for turn in turns),
            stored=stored,
        )


@dataclass(frozen=True, slots=True)
class Report:
    variants: dict[str, Result]
    ratios: dict[str, Ratio]
    machine: dict[str, str]

    def faults(self) -> Iterator[str]:
        """A hit without an answer may be stored or not; an acknowledged one is, once, after a stop in peace."""
        for name, result in self.variants.items():
            if not result.acknowledged <= result.stored <= result.acknowledged + result.refused:
                yield f"{name}: {result.acknowledged} hits were acknowledged, {result.stored} are stored"
        for name, ratio in self.ratios.items():
            if ratio.median < ratio.floor:
                yield f"durable / {name} is {ratio.median:.2f}, below {ratio.floor:.2f}"


def main() -> None:
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
        report = measure(options, Path(folder))
    print(json.dumps(asdict(report), indent=2) if options.json else table(report, options))
    if faults := list(report.faults()):
        sys.exit("\n".join(faults))


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durability", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each variant (%(default)s)")
    parser.add_argument(
        "--connections", type=int, default=64, help="kept alive, one hit under way on each (%(default)s)"
    )
    parser.add_argument("--server-core", type=int, default=0, help="core of Crumby (%(default)s)")
    parser.add_argument("--load-core", type=int, default=1, help="core of the generator (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    return Options(**vars(parser.parse_args(arguments)))


def measure(options: Options, folder: Path) -> Report:
    names = DATABASES[options.database]
    with databases(options, folder) as urls:
        with ExitStack() as stack:
            os.sched_setaffinity(0, {options.load_core})  # a database server stays where the system puts it
            servers = {name: stack.enter_context(start(name, options, folder, urls[name])) for name in names}
            turns = uvloop.run(take_turns(options, servers))
        results = {name: Result.of(turns[name], asyncio.run(stored(urls[name]))) for name in names}
    ratios = {
        name: Ratio.of(turns["durable"][1:], turns[name][1:], floor) for name, floor in FLOORS.items() if name in names
    }
    return Report(results, ratios, machine.facts())


@contextmanager
def databases(options: Options, folder: Path) -> Iterator[dict[str, str]]:
    """The URL of an empty database for each variant."""
    names = DATABASES[options.database]
    if options.database == "sqlite":
        yield {name: f"sqlite:///{folder / name}.db" for name in names}
        return
    with MariaDB() as mariadb:
        yield {name: mariadb.database() for name in names}


def start(variant: str, options: Options, folder: Path, url: str) -> Running:
    port = machine.free_port()
    settings = {
        "CRUMBY_SQLALCHEMY_DATABASE_URI": url,
        "CRUMBY_GEOIP2_DATABASE_NAME": str(folder / "none.mmdb"),
        "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
        "CRUMBY_SPOOL": str(folder / f"{variant}-spool.db"),
        "CRUMBY_PROXY_COUNT": "1",  # the addresses stand in X-Forwarded-For
    }
    command = [sys.executable, "-m", "benchmarks.variants", variant, "--port", str(port)]
    return machine.pinned(command, port=port, cores={options.server_core}, environ=environ() | settings)


async def take_turns(options: Options, servers: Mapping[str, Server]) -> dict[str, list[Turn]]:
    """The turns of each; the first is short and a warm-up. Every other round goes the other way about."""
    requests = itertools.cycle(traffic.requests())
    ids = hit_ids()
    turns: dict[str, list[Turn]] = {name: [] for name in servers}
    order = list(servers)
    for seconds in (WARM_UP_S, *[options.seconds] * options.rounds):
        for name in order:
            server = servers[name]
            before = server.cpu_seconds()
            seen = await Load("127.0.0.1", server.port, requests, ids).run(options.connections, seconds)
            await idle(server)
            turns[name].append(Turn(seen, server.cpu_seconds() - before))
        order.reverse()
    return turns


async def idle(server: Server) -> None:
    """Return when the server has nothing left to do."""
    before = -1.0
    while (now := server.cpu_seconds()) > before:
        before = now
        await asyncio.sleep(REST_S)


def table(report: Report, options: Options) -> str:
    load = f"{options.database}, POST, {options.connections} connections"
    lines = [f"{fact}: {value}" for fact, value in report.machine.items()]
    lines += [
        f"load: {load}, {options.rounds} rounds of {options.seconds:g} s",
        "",
        f"{'':8}" + "".join(f"{head:>10}" for head in HEADS),
    ]
    for name, result in report.variants.items():
        figures = result.figures
        speed = f"{figures.hits_per_s:10,.0f}{result.lowest:10,.0f}{result.highest:10,.0f}{figures.cpu_us:10.0f}"
        waits = f"{figures.p50_ms:10.2f}{figures.p99_ms:10.2f}"
        lines.append(f"{name:8}{speed}{waits}{figures.refused:10,}{figures.generator_cpu:10.0%}")
    lines += ["", f"{'durable /':10}{'hits/s':>8}{'floor':>8}{'lowest':>8}{'highest':>8}{'CPU':>8}"]
    for name, ratio in report.ratios.items():
        lines.append(
            f"  {name:8}{ratio.median:8.2f}{ratio.floor:8.2f}{ratio.lowest:8.2f}{ratio.highest:8.2f}{ratio.cpu:8.2f}"
        )
    lines += [""]
    for name, result in report.variants.items():
        lines.append(f"{name}: acknowledged {result.acknowledged:,}, stored {result.stored:,}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
