"""What Crumbys and databases carry, on paper: `python -m benchmarks.capacity`, and a day of a billion visits.

    figures.py    what was measured: `measured.json`, and nothing else
    Plant         how many nodes, processes, databases and cores
    busy          which share of each part so many hits a second take
    carried       the hits a second at which the first part is as busy as it may be
    sized         the smallest plant for so many visits a day
    day           86,400 seconds of it, one by one: what waits, what is spooled, how far rollups are behind

A visit is a page view, as everywhere in Crumby. What is assumed and not measured is in `Assumed`, all of it.
"""

import argparse
import json
import math
import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from benchmarks.figures import MEASURED, YARD_US, Costs, costs
from crumby.demo.town import HOURS
from crumby.ingest.outage import DRAINED
from crumby.ingest.writer import BATCH, WAITING
from crumby.rollups import REST
from crumby.rollups.settling import SETTLING_S

DAY_S: Final = 86_400
SIZES: Final = (10_000, 1_000_000, 100_000_000, 1_000_000_000)  # visits a day
MEAN: Final = sum(HOURS) / len(HOURS)
PEAK: Final = max(HOURS) / MEAN  # of a day's mean, in its best hour
TOLERANCE: Final = 0.25  # by which the model may miss what was measured: `tests/test_benchmarks.py`
NAMES: Final = {"sqlite": "SQLite", "mariadb": "MariaDB", "postgresql": "PostgreSQL"}
TALKS: Final = {"sqlite": 0, "mariadb": 5, "postgresql": 6}  # in a commit: `ingest/connection.py`


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody measured here; `--assume name=value` puts another in its place."""

    events: float = 0.05  # events for a visit, as the demo's shop has them; each is a hit
    busy: float = 0.7  # share of a part that a plant of ours uses in the best hour of an ordinary day
    node_cores: float = 4  # of a machine that runs Crumby, a process a core
    database_cores: float = 16  # of a machine that runs a database
    disk_mb_s: float = 400  # that a database's disk writes for good
    rtt_ms: float = 0.2  # of a word and its answer between two machines
    network_mb_s: float = 1000  # of a machine: 10 Gbit/s, less what is lost
    spool_mib: float = 4096  # of a node: its SPOOL_LIMIT, which is 1024 as it comes
    retry_s: float = 2  # until who was answered 503 comes again: our Retry-After
    copy_us: float = 2  # for a visit that is copied into a column store: nobody has measured it yet
    copy_bytes: float = 100  # that it takes there: likewise
    copy_rows: float = 5e7  # visits a second that one of its cores reads with a filter: likewise


@dataclass(frozen=True, slots=True)
class Plant:
    name: str
    database: str
    nodes: int = 1
    cores: float = 4  # of each node
    processes: int = 1  # on each node
    databases: int = 1  # each with a part of the visitors
    database_cores: float = 0  # of each; 0: it works on the node's
    nginx: bool = True

    @property
    def crumbys(self) -> int:
        return self.nodes * self.processes

    @property
    def all_cores(self) -> float:
        return self.nodes * self.cores + self.databases * self.database_cores


@dataclass(frozen=True, slots=True)
class Model:
    plant: Plant
    costs: Costs
    assumed: Assumed

    @property
    def hits(self) -> float:
        """For a visit."""
        return 1 + self.assumed.events

    def cycle_s(self, batch: float, *, stretched: float = 1.0) -> float:
        """From one batch of a process to its next. `stretched`: by a busy database."""
        talks = TALKS[self.plant.database] * bool(self.plant.database_cores)
        return self.costs.cycle_s(batch, stretched=stretched) + 1e-3 * self.assumed.rtt_ms * talks

    def batch(self, rate: float) -> float:
        """What gathers at a process while it commits the batch before."""
        each, batch = rate / self.plant.crumbys, 1.0
        for _ in range(40):
            batch = min(BATCH, max(1.0, each * self.cycle_s(batch)))
        return batch

    def busy(self, rate: float) -> dict[str, float]:
        """Shares by part of what it can do, of so many hits a second; above 1 they are more than that.

        A batch is full then. With fewer hits batches are small, and a hit costs more: a part is busier than its share
        says, and has room all the same, for whoever waits goes into the next batch.
        """
        plant, known = self.plant, self.costs
        node = known.crumby(BATCH) + known.nginx_us * plant.nginx
        share = rate / plant.databases
        counted = share / self.hits
        database = share * known.database(BATCH) + counted * known.rollup_database_us
        if not plant.database_cores:
            node += plant.databases * database / rate
        sent = share * (known.talked or known.wire_bytes) / 1e6
        return {
            "processes": rate * self.cycle_s(BATCH) / BATCH / plant.crumbys,
            "node cores": rate * node / 1e6 / (plant.nodes * plant.cores),
            "database cores": database / 1e6 / plant.database_cores if plant.database_cores else 0.0,
            "rollups": counted * known.rollup_us / 1e6 * (1 + REST),
            "disk": share * known.written / 1e6 / self.assumed.disk_mb_s,
            "network": max(sent, rate / plant.nodes * known.wire_bytes / 1e6) / self.assumed.network_mb_s,
        }

    def carried(self, busy: float = 1.0) -> float:
        """Hits a second at which the first part is so busy."""
        low, high = 0.001, 1e9
        for _ in range(80):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if max(self.busy(middle).values()) < busy else (low, middle)
        return low

    def bottlenecks(self) -> list[str]:
        """The parts, the first one to be full before."""
        shares = self.busy(self.carried())
        return sorted(shares, key=shares.__getitem__, reverse=True)

    def visits_a_day(self) -> float:
        """With the best hour as busy as it may be."""
        return self.carried(self.assumed.busy) / PEAK * DAY_S / self.hits

    def best_hour(self, visits: float) -> float:
        """Hits a second, then."""
        return visits * self.hits / DAY_S * PEAK


def sized(visits: float, database: str, known: Costs, assumed: Assumed) -> Model:
    """The smallest plant whose best hour keeps each part as free as it should be. SQLite is one process at any rate."""
    if database == "sqlite":
        return Model(Plant("one process on SQLite", database, cores=1, nginx=False), known, assumed)
    model = Model(
        Plant("", database, 1, assumed.node_cores, int(assumed.node_cores), 1, assumed.database_cores), known, assumed
    )
    rate = model.best_hour(visits)
    while (shares := model.busy(rate)) and max(shares.values()) > assumed.busy:
        part = max(shares, key=shares.__getitem__)
        more = math.ceil(shares[part] / assumed.busy * 100) / 100
        nodes, databases = model.plant.nodes, model.plant.databases
        if part in {"processes", "node cores"} or (part == "network" and nodes < databases):
            nodes = max(nodes + 1, math.ceil(nodes * more))
        else:
            databases = max(databases + 1, math.ceil(databases * more))
        model = replace(model, plant=replace(model.plant, nodes=nodes, databases=databases))
    plant = model.plant
    said = f"{plant.nodes} node{'s' * (plant.nodes > 1)}, {plant.databases} {NAMES[database]}"
    return replace(model, plant=replace(plant, name=said))


@dataclass(frozen=True, slots=True)
class Trouble:
    """What comes on top of an ordinary day. Times are in seconds of the day."""

    flash: float = 1.5  # times as many visitors as at that hour
    flash_at: int = 20 * 3600
    flash_s: int = 600
    away_at: int = 14 * 3600  # one database answers nothing
    away_s: int = 300


ORDINARY: Final = Trouble()
CALM: Final = Trouble(flash_s=0, away_s=0)


@dataclass(frozen=True, slots=True)
class Second:
    come: float  # hits, those among them that were turned away before
    stored: float
    waiting: float  # hits, in the memory of the processes
    spooled: float  # hits, on the disks of the nodes
    turned: float  # 503
    behind_s: float  # the rollups
    p50_ms: float  # of the acknowledgement
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Day:
    model: Model
    visits: float
    seconds: Sequence[Second]

    def most(self, name: str) -> float:
        return float(max(getattr(second, name) for second in self.seconds))

    def total(self, name: str) -> float:
        return math.fsum(getattr(second, name) for second in self.seconds)

    def quantile_ms(self, name: str, share: float) -> float:
        """Of all hits of the day."""
        ordered = sorted((getattr(second, name), second.come) for second in self.seconds)
        left = share * math.fsum(come for _, come in ordered)
        for value, come in ordered:
            left -= come
            if left <= 0:
                return float(value)
        return float(ordered[-1][0])


def rate_at(second: float) -> float:
    """Of the day's mean; from hour to hour in a straight line, each hour's weight in its middle."""
    hour, part = divmod(second / 3600 - 0.5, 1)
    one, two = HOURS[int(hour) % 24], HOURS[(int(hour) + 1) % 24]
    return (one + (two - one) * part) / MEAN


def day(model: Model, visits: float, trouble: Trouble = CALM, seed: int = 1) -> Day:
    """Second by second. Hits without room are answered 503 and come again; those of a database that is away wait."""
    dice, plant, known = random.Random(seed), model.plant, model.costs
    cycle, waits = lru_cache(maxsize=None)(model.batch), deque[tuple[float, float]]()
    waiting = spooled = uncounted = counted = 0.0
    seconds: list[Second] = []
    mean = visits * model.hits / DAY_S
    held = plant.nodes * model.assumed.spool_mib * 2**20 / known.spool_bytes
    for now in range(DAY_S):
        flash = trouble.flash if 0 <= now - trouble.flash_at < trouble.flash_s else 1.0
        rate = mean * rate_at(now) * flash
        come = max(0.0, dice.gauss(rate, math.sqrt(rate)))
        while waits and waits[0][0] <= now:
            come += waits.popleft()[1]
        batch = cycle(float(f"{max(come, 0.01):.2g}"))
        away = plant.database != "sqlite" and 0 <= now - trouble.away_at < trouble.away_s
        cut = away / plant.databases
        able = limit(model, counted, cut)
        to_spool = min(come * cut, plant.crumbys * 1e6 / known.spool_us, held - spooled)
        waiting += come * (1 - cut)
        stored = min(waiting, able)
        waiting -= stored
        over = max(0.0, waiting - WAITING * plant.crumbys)
        waiting -= over
        turned = over + come * cut - to_spool
        if turned:
            waits.append((now + model.assumed.retry_s, turned))
        drained = 0.0 if away else min(spooled, able - stored, plant.nodes * DRAINED / model.cycle_s(DRAINED))
        spooled += to_spool - drained
        uncounted += (stored + drained) / model.hits
        counted = min(uncounted, (plant.databases - away) * 1e6 / known.rollup_us / (1 + REST))
        uncounted -= counted
        full = min(0.95, stored / able) if able else 0.95
        took = model.cycle_s(batch, stretched=1 / (1 - full))
        queued = waiting / able if able else 0.0
        lag = uncounted / max(1.0, rate / model.hits) + SETTLING_S
        seconds.append(
            Second(
                come, stored + drained, waiting, spooled, turned, lag, *(1e3 * (n * took + queued) for n in (1.5, 2))
            )
        )
    return Day(model, visits, seconds)


def limit(model: Model, counted: float, cut: float) -> float:
    """Hits that are stored in a second at the most, beside so many visits that are counted."""
    plant, known = model.plant, model.costs
    node = known.crumby(BATCH) + known.nginx_us * plant.nginx
    limits = [plant.crumbys * BATCH / model.cycle_s(BATCH)]
    counting = counted * known.rollup_database_us
    if plant.database_cores:
        cores = plant.databases * (1 - cut) * plant.database_cores
        limits.append(max(0.0, cores * 1e6 - counting) / max(0.1, known.database(BATCH)))
        counting = 0.0
    else:
        node += known.database(BATCH)
    limits.append(max(0.0, plant.nodes * plant.cores * 1e6 - counting) / node)
    limits.append(plant.databases * model.assumed.disk_mb_s * 1e6 / max(1.0, known.written))
    return min(limits)


def closed(known: Costs, connections: int) -> float:
    """Hits a second of so many clients who wait for their answers: what is measured, to hold the model against."""
    batch = min(BATCH, connections)
    return batch / known.cycle_s(batch)


def steps(known: Mapping[str, Costs], assumed: Assumed) -> Iterator[Model]:
    """One core, one node, ten of them, and a cluster of ten such."""
    cores, many = assumed.node_cores, int(assumed.node_cores)
    servers = [name for name in known if name != "sqlite"]
    if "sqlite" in known:
        yield Model(Plant("one core", "sqlite", cores=1, nginx=False), known["sqlite"], assumed)
        yield Model(Plant("one node", "sqlite", cores=cores), known["sqlite"], assumed)
    for name in servers:
        yield Model(Plant("one node", name, cores=cores, processes=max(1, many - 1)), known[name], assumed)
    for name in servers:
        ten = Plant("ten nodes", name, 10, cores, many, 1, assumed.database_cores)
        yield Model(ten, known[name], assumed)
    for name in servers:
        yield Model(Plant("a cluster", name, 100, cores, many, 10, assumed.database_cores), known[name], assumed)


def read(options: argparse.Namespace) -> tuple[dict[str, Costs], Assumed]:
    if not options.measured.exists():
        sys.exit(f"there is no {options.measured}; python -m benchmarks.figures makes one")
    measured = json.loads(options.measured.read_text())
    known = {name: costs(measured, name, yard_us=options.yard) for name in measured}
    given = dict(options.assume)
    wrong = given.keys() - {field.name for field in fields(Assumed)}
    if wrong:
        sys.exit(f"--assume knows no {', '.join(sorted(wrong))}, only {', '.join(f.name for f in fields(Assumed))}")
    for name, value in options.cost:
        database, _, cost = name.partition(".")
        if database not in known or cost not in {field.name for field in fields(Costs)}:
            names = ", ".join(field.name for field in fields(Costs))
            sys.exit(f"--cost takes DATABASE.NAME=VALUE, of {', '.join(known)} and {names}")
        known[database] = replace(known[database], **{cost: value})
    return known, Assumed(**given)


def numbers(text: str) -> tuple[float, ...]:
    return tuple(float(each) for each in text.split(","))


def setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--visits", type=numbers, default=SIZES, help="page views a day, such as 1e6,1e9")
    parser.add_argument("--measured", type=Path, default=MEASURED, help="what `benchmarks.figures` wrote (%(default)s)")
    parser.add_argument(
        "--yard", type=float, default=YARD_US, help="µs that your core takes for a bare uvicorn's request (%(default)s)"
    )
    parser.add_argument(
        "--cost", action="append", type=setting, default=[], metavar="DATABASE.NAME=VALUE", help="another figure"
    )
    parser.add_argument(
        "--assume", action="append", type=setting, default=[], metavar="NAME=VALUE", help="another assumption"
    )
    parser.add_argument(
        "--flash", type=float, default=ORDINARY.flash, help="times as many, for ten minutes (%(default)s)"
    )
    parser.add_argument("--away", type=int, default=ORDINARY.away_s, help="s that a database is away (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the noise (%(default)s)")
    parser.add_argument("--write", action="store_true", help="put tables and pictures into docs/scale.md")
    return parser.parse_args(arguments)


def main() -> None:
    from benchmarks import paper  # which knows the model

    options = parse(sys.argv[1:])
    known, assumed = read(options)
    trouble = replace(ORDINARY, flash=options.flash, away_s=options.away)
    days = list(paper.days(known, assumed, options.visits, trouble, options.seed))
    print(paper.text(known, assumed, days))
    if options.write:
        paper.write(known, assumed, days)


if __name__ == "__main__":
    main()
