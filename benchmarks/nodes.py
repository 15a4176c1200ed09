"""Several Crumbys before one database, with nginx and without: `python -m benchmarks.nodes`.

Hits a second, and what each of them costs whom: processor time of Crumby's loops, of the database's connections that
store hits and of the one that counts rollups, of nginx, of the generator. On a machine whose cores all of them share
the rate says little of how far it goes; the processor time does. What the database's connections wait for is seen by
looking at them twenty times a second.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import machine, traffic
from benchmarks.databases import DATABASES, database_server, installed
from benchmarks.ingest import TOKEN, WARM_UP_S, commits, environ, stored
from benchmarks.load import Load, Round, hit_ids
from benchmarks.machine import Server, free_port
from benchmarks.watching import Seen, Watch, threads, written
from benchmarks.weights import Weights, answer_bytes, weigh
from tests.servers import DatabaseServer, Nginx

DOORS: Final = ("direct", "nginx")
YARD: Final = (
    "-m",
    "uvicorn",
    "benchmarks.yard:app",
    "--log-level",
    "warning",
    "--no-access-log",
    "--http",
    "httptools",
)
YARDS: Final = 64  # connections to it
HEADS: Final = ("hits/s", "ratio", "by CPU", "cores", "loop", "database", "rollups", "rest", "nginx", "generator")
MORE: Final = ("p50 ms", "p99 ms", "commit ms", "hits", "commits/s", "syncs/s", "lock ms", "deadlocks")


@dataclass(frozen=True, slots=True)
class Options:
    on: tuple[str, ...]
    nodes: tuple[int, ...]
    doors: tuple[str, ...]
    connections: tuple[int, ...]
    alone: tuple[int, ...]
    seconds: float
    rounds: int
    together: bool
    json: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of turn."""

    nodes: int
    door: str
    connections: int  # to each node


@dataclass(frozen=True, slots=True)
class Turn:
    """Processor time in seconds, over one round."""

    round: Round
    loops: float  # Crumby's main threads
    workers: float  # its others: SQLite's writer and its rollups, or next to nothing
    nginx: float
    seen: Seen  # of the database
    commits: float
    commit_s: float  # from the batch's first word to the database until it is durable, all commits together

    def us(self, seconds: float) -> float:
        return 1e6 * seconds / max(1, self.round.acknowledged)


@dataclass(frozen=True, slots=True)
class Cell:
    """Medians of the rounds; `_us` is processor time for a hit."""

    nodes: int
    door: str
    connections: int
    hits_per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    loop_us: float
    worker_us: float
    database_us: float  # its connections that store hits
    rollups_us: float  # its connection that counts
    rest_us: float  # what it does in the background
    nginx_us: float
    generator_us: float
    cores: float  # that all of them were busy, of the machine's
    batch: float  # hits of a commit
    commit_ms: float
    commits_per_s: float
    syncs_per_s: float
    written: float  # bytes to the disk for a hit, log and all
    talked: float  # bytes between Crumby and the database for a hit; MariaDB alone says
    lock_ms: float  # that a thousand hits waited for rows which another node had locked
    deadlocks: float
    waits: dict[str, float]  # what the connections that store hits were at, as shares of the looks at them
    ratio: float = 1.0  # of the hits a second of one node, in the same way
    by_cpu: float = 1.0  # the same, where each had cores of its own: nodes by the cost of a hit at one, over that here

    @property
    def served_us(self) -> float:
        """All but the generator, and but the rollups: they have one worker, whose work waits while more comes."""
        return self.loop_us + self.worker_us + self.database_us + self.rest_us + self.nginx_us


@dataclass(frozen=True, slots=True)
class Service:
    database: str
    yard_us: float  # processor time of a request at the bare uvicorn, between the others' turns
    given: float  # share of a core that it had then, with requests always waiting: the neighbours had the rest
    cells: list[Cell]
    acknowledged: int
    refused: int
    stored: int
    weights: Weights  # what a rollup, a spooled hit and a request weigh

    @property
    def kept_its_word(self) -> bool:
        return self.acknowledged <= self.stored <= self.acknowledged + self.refused


@dataclass(frozen=True, slots=True)
class Report:
    services: list[Service]
    command: str
    machine: dict[str, str]

    def faults(self) -> Iterator[str]:
        for each in self.services:
            if not each.kept_its_word:
                yield f"{each.database}: {each.acknowledged} hits were acknowledged, {each.stored} are stored"


def main() -> None:
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
        services = [measured(options, name, Path(folder)) for name in options.on if installed(name)]
    report = Report(services, " ".join(["python -m benchmarks.nodes", *sys.argv[1:]]), machine.facts())
    print(json.dumps(asdict(report), indent=2) if options.json else table(report, options))
    if faults := list(report.faults()):
        sys.exit("\n".join(faults))


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nodes", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--on", default="mariadb,postgresql", help=f"of {', '.join(DATABASES)}; SQLite has one node (%(default)s)"
    )
    parser.add_argument("--nodes", default="1,2,3", help="(%(default)s)")
    parser.add_argument("--doors", default=",".join(DOORS), help="(%(default)s)")
    parser.add_argument("--connections", default="8,64", help="to each node; nginx gets the most (%(default)s)")
    parser.add_argument("--alone", default="1,256", help="more of them, to one node without nginx (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each (%(default)s)")
    parser.add_argument(
        "--together",
        action="store_true",
        help="a visitor's hits come at once, to all nodes, and they wait for each other's rows",
    )
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    values |= {name: tuple(values[name].split(",")) for name in ("on", "doors")}
    values |= {name: tuple(map(int, values[name].split(","))) for name in ("nodes", "connections", "alone")}
    return Options(**values)


def places(options: Options, database: str) -> list[Place]:
    """Every kind of turn; they alternate."""
    nodes = [count for count in options.nodes if count == 1 or database != "sqlite"]
    found = [Place(1, "direct", connections) for connections in options.alone] if "direct" in options.doors else []
    for count, door in itertools.product(nodes, options.doors):
        connections = options.connections if door == "direct" else options.connections[-1:]
        found += [Place(count, door, each) for each in connections]
    return sorted(found, key=lambda place: (place.door, place.nodes, place.connections))


@dataclass(slots=True)
class Bench:
    """The servers of one database's turns."""

    yard: Server
    crumbys: list[Server]
    nginx: Nginx | None
    ports: Mapping[int, int]  # of nginx, by how many nodes it has behind it
    watch: Watch
    requests: Iterator[tuple[bytes, bytes]]
    ids: Iterator[bytes] = field(default_factory=hit_ids)

    async def turn(self, place: Place, seconds: float) -> Turn:
        servers = self.crumbys[: place.nodes]
        ports = [self.ports[place.nodes]] if place.door == "nginx" else [server.port for server in servers]
        connections = place.connections * place.nodes // len(ports)
        before, counted = self._spent(place.nodes), self._counted()
        wrote = self._written()
        async with self.watch.watching() as seen:
            rounds = await asyncio.gather(
                *(Load("127.0.0.1", port, self.requests, self.ids).run(connections, seconds) for port in ports)
            )
        loops, workers, nginx = (
            max(0.0, now - then) for now, then in zip(self._spent(place.nodes), before, strict=True)
        )
        batches, commit_s = (now - then for now, then in zip(self._counted(), counted, strict=True))
        seen.written += self._written() - wrote
        return Turn(together(rounds), loops, workers, nginx, seen, batches, commit_s)

    def _written(self) -> float:
        return written(server.process.pid for server in self.crumbys)

    async def at_yard(self, seconds: float) -> tuple[float, float]:
        """µs of a request, and the share of a core that it had."""
        before = self.yard.cpu_seconds()
        seen = await Load("127.0.0.1", self.yard.port, self.requests, self.ids).run(YARDS, seconds)
        spent = self.yard.cpu_seconds() - before
        return 1e6 * spent / max(1, seen.acknowledged), spent / seen.seconds

    def _spent(self, nodes: int) -> tuple[float, float, float]:
        """Of those that are asked: what the others do by the second is nobody's hit."""
        asked = self.crumbys[:nodes]
        used = [threads(server.process.pid) for server in asked]
        loops = sum(each[server.process.pid] for server, each in zip(asked, used, strict=True))
        nginx = sum(threads(self.nginx.process.pid).values()) if self.nginx else 0.0
        return loops, round(sum(sum(each.values()) for each in used) - loops, 2), nginx

    def _counted(self) -> tuple[float, float]:
        found = [commits(server) for server in self.crumbys]
        number, seconds = (sum(each.get(f"commit_seconds_{kind}", 0.0) for each in found) for kind in ("count", "sum"))
        return number, seconds


def together(rounds: Sequence[Round]) -> Round:
    """As if it were one. The generator's processor time is everybody's already."""
    whole = Round(seconds=max(each.seconds for each in rounds), cpu=max(each.cpu for each in rounds))
    for each in rounds:
        whole.latencies.extend(each.latencies)
        whole.statuses += each.statuses
        whole.unanswered += each.unanswered
    return whole


def measured(options: Options, name: str, folder: Path) -> Service:
    print(f"{name} …", file=sys.stderr, flush=True)
    own = folder / name
    own.mkdir()
    with ExitStack() as stack:
        server = None if name == "sqlite" else stack.enter_context(database_server(name, large=True))
        url = server.database() if server else f"sqlite:///{own / 'crumby.db'}"
        found = places(options, name)
        with ExitStack() as running:
            bench = opened(running, options, own, url, server)
            answer = answer_bytes(bench.crumbys[0].port)
            yards, turns = uvloop.run(take_turns(options, bench, found))
        acknowledged = 1 + sum(turn.round.acknowledged for each in turns.values() for turn in each)
        return Service(
            database=name,
            yard_us=statistics.median(us for us, _ in yards[2:]),
            given=statistics.median(share for _, share in yards[2:]),
            cells=compared([cell_of(place, turns[place][1:]) for place in found]),
            acknowledged=acknowledged,
            refused=sum(turn.round.refused for each in turns.values() for turn in each),
            stored=asyncio.run(stored(url)),
            weights=asyncio.run(weigh(url, server, own, answer)),
        )


def opened(running: ExitStack, options: Options, folder: Path, url: str, server: DatabaseServer | None) -> Bench:
    crumbys: list[Server] = []
    for number in range(max(options.nodes) if server else 1):
        (own := folder / f"node-{number}").mkdir()
        crumbys.append(running.enter_context(start_crumby(own, url)))
    counts = options.nodes if server else (1,)
    ports = {count: free_port() for count in counts}
    nginx = None
    if "nginx" in options.doors:
        nginx = running.enter_context(Nginx(before_nodes([each.port for each in crumbys], ports)))
    made = traffic.requests()
    if not options.together:  # a visitor's hits are thousands of others' apart, as they are where many come
        random.Random(1).shuffle(made)
    yard = running.enter_context(start([*YARD, "--loop", "uvloop"], environ()))
    return Bench(yard, crumbys, nginx, ports, Watch(url, server), itertools.cycle(made))


def start_crumby(folder: Path, url: str) -> machine.Running:
    settings = {
        "CRUMBY_SQLALCHEMY_DATABASE_URI": url,
        "CRUMBY_GEOIP2_DATABASE_NAME": str(folder / "none.mmdb"),
        "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
        "CRUMBY_SPOOL": str(folder / "spool.db"),
        "CRUMBY_METRICS_TOKEN": TOKEN,
        "CRUMBY_PROXY_COUNT": "1",
    }
    return start(["-m", "crumby", "run"], environ() | settings)


def start(words: Sequence[str], environment: Mapping[str, str]) -> machine.Running:
    port = free_port()
    command = [sys.executable, *words, "--port", str(port)]
    return machine.pinned(command, port=port, cores=os.sched_getaffinity(0), environ=environment)


def before_nodes(nodes: Sequence[int], ports: Mapping[int, int]) -> Callable[[int], str]:
    """A port for each number of nodes. The visitor's address is passed on as the generator wrote it."""

    def config(port: int) -> str:
        parts = [f"server {{ listen 127.0.0.1:{port}; return 204; }}"]  # by which it is seen to be up
        for count, door in ports.items():
            servers = "".join(f"server 127.0.0.1:{node};" for node in nodes[:count])
            parts.append(
                f"upstream nodes{count} {{ {servers} keepalive 256; keepalive_timeout 4s; }}\n"
                f"server {{ listen 127.0.0.1:{door} backlog=1024; access_log off; keepalive_requests 1000000;\n"
                f"  location / {{ proxy_pass http://nodes{count}; proxy_http_version 1.1;\n"
                '  proxy_set_header Connection ""; proxy_set_header Host $host; } }'
            )
        return "\n".join(parts)

    return config


async def take_turns(
    options: Options, bench: Bench, found: Sequence[Place]
) -> tuple[list[tuple[float, float]], dict[Place, list[Turn]]]:
    """The yard's and those of each; the first is short and a warm-up. Every other round goes the other way about."""
    turns: dict[Place, list[Turn]] = {place: [] for place in found}
    yards = []
    order = list(found)
    async with bench.watch.open():
        for seconds in (min(WARM_UP_S, options.seconds), *[options.seconds] * options.rounds):
            yards.append(await bench.at_yard(seconds))
            for place in order:
                turns[place].append(await bench.turn(place, seconds))
            yards.append(await bench.at_yard(seconds))
            order.reverse()
            await bench.watch.analyze()
    return yards, turns


def cell_of(place: Place, turns: Sequence[Turn]) -> Cell:
    def median(figure: Callable[[Turn], float]) -> float:
        return statistics.median(map(figure, turns))

    def busy(turn: Turn) -> float:
        own = turn.loops + turn.workers + turn.nginx + turn.seen.total_s
        return own / turn.round.seconds + turn.round.cpu

    looks = sum(turn.seen.looks for turn in turns)
    kinds = {kind for turn in turns for kind in turn.seen.waits}
    return Cell(
        nodes=place.nodes,
        door=place.door,
        connections=place.connections,
        hits_per_s=median(lambda turn: turn.round.rate),
        p50_ms=median(lambda turn: turn.round.percentile_ms(50)),
        p99_ms=median(lambda turn: turn.round.percentile_ms(99)),
        refused=sum(turn.round.refused for turn in turns),
        loop_us=median(lambda turn: turn.us(turn.loops)),
        worker_us=median(lambda turn: turn.us(turn.workers)),
        database_us=median(lambda turn: turn.us(turn.seen.hits_s)),
        rollups_us=median(lambda turn: turn.us(turn.seen.rollups_s)),
        rest_us=median(lambda turn: turn.us(turn.seen.rest_s)),
        nginx_us=median(lambda turn: turn.us(turn.nginx)),
        generator_us=median(lambda turn: turn.us(turn.round.cpu * turn.round.seconds)),
        cores=median(busy),
        batch=median(lambda turn: turn.round.acknowledged / max(1, turn.commits)),
        commit_ms=median(lambda turn: 1e3 * turn.commit_s / max(1, turn.commits)),
        commits_per_s=median(lambda turn: turn.commits / turn.round.seconds),
        syncs_per_s=median(lambda turn: turn.seen.syncs / turn.round.seconds),
        written=median(lambda turn: turn.seen.written / max(1, turn.round.acknowledged)),
        talked=median(lambda turn: turn.seen.talked / max(1, turn.round.acknowledged)),
        lock_ms=median(lambda turn: 1e3 * turn.seen.lock_ms / max(1, turn.round.acknowledged)),
        deadlocks=sum(turn.seen.deadlocks for turn in turns),
        waits={kind: sum(turn.seen.waits[kind] for turn in turns) / max(1, looks) for kind in sorted(kinds)},
    )


def compared(cells: Sequence[Cell]) -> list[Cell]:
    """Each beside one node that is asked in the same way."""
    ones = {(cell.door, cell.connections): cell for cell in cells if cell.nodes == 1}
    found = []
    for cell in cells:
        one = ones.get((cell.door, cell.connections), cell)
        by_cpu = cell.nodes / one.nodes * one.served_us / cell.served_us
        values = {name: getattr(cell, name) for name in cell.__slots__}
        found.append(Cell(**values | {"ratio": cell.hits_per_s / one.hits_per_s, "by_cpu": by_cpu}))
    return found


def table(report: Report, options: Options) -> str:
    lines = [f"{fact}: {value}" for fact, value in report.machine.items()]
    lines.append(f"{options.rounds} rounds of {options.seconds:g} s; connections are to each node; µs of a hit")
    for service in report.services:
        lines += [
            "",
            f"{service.database}; a bare uvicorn: {service.yard_us:.0f} µs a request, {service.given:.0%} of a core",
        ]
        lines += [f"{'':24}" + "".join(f"{head:>10}" for head in HEADS)]
        for cell in service.cells:
            costs = (cell.loop_us + cell.worker_us, cell.database_us, cell.rollups_us, cell.rest_us, cell.nginx_us)
            lines.append(
                f"{said(cell):24}{cell.hits_per_s:10,.0f}{cell.ratio:10.2f}{cell.by_cpu:10.2f}{cell.cores:10.2f}"
                + "".join(f"{cost:10.0f}" for cost in (*costs, cell.generator_us))
            )
        lines += ["", f"{'':24}" + "".join(f"{head:>10}" for head in MORE) + "  its connections were at"]
        for cell in service.cells:
            lines.append(
                f"{said(cell):24}{cell.p50_ms:10.1f}{cell.p99_ms:10.1f}{cell.commit_ms:10.1f}{cell.batch:10.1f}"
                f"{cell.commits_per_s:10.0f}{cell.syncs_per_s:10.0f}{cell.lock_ms:10.1f}{cell.deadlocks:10.0f}  "
                + ", ".join(f"{kind} {share:.0%}" for kind, share in cell.waits.items())
            )
        lines += ["", f"acknowledged {service.acknowledged:,}, stored {service.stored:,}", *service.weights.told()]
    return "\n".join(lines)


def said(cell: Cell) -> str:
    return f"{cell.nodes} node{'s' * (cell.nodes > 1)}, {cell.connections}, {cell.door}"


if __name__ == "__main__":
    main()
