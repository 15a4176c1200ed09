"""The measured figures that `capacity.py` reckons with: `python -m benchmarks.figures nodes.json reports.json`.

It reads what `benchmarks.nodes --json` and `benchmarks.reports --json` printed, and keeps of it what is needed in
`measured.json`, each with the command and the machine that it comes from. Nothing in that file is written by hand.

A second of one machine is two of another, so each run measures a bare uvicorn as well, and `Costs` are those of a core
on which that takes `YARD_US` a request.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.databases import DATABASES
from benchmarks.people import People

MEASURED: Final = Path(__file__).parent / "measured.json"
YARD_US: Final = 30.0  # docs/performance.md: from 26 to 42 within an hour, on one machine
KEPT: Final = (
    "nodes", "door", "connections", "hits_per_s", "p50_ms", "p99_ms", "loop_us", "worker_us", "database_us",
    "rollups_us", "rest_us", "nginx_us", "generator_us", "cores", "batch", "commit_ms", "commits_per_s", "syncs_per_s",
    "written", "talked", "lock_ms", "deadlocks", "ratio", "by_cpu", "waits",
)  # fmt: skip
FEWEST: Final = 8  # connections: with one, what is done by the second is most of a hit's time
PLACES: Final = 4  # digits of a figure that mean something, and one more
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one database. `_us` is processor time on a core of the yard's speed, `_ms` time by the clock."""

    crumby_hit_us: float  # Crumby's, for a hit
    crumby_commit_us: float  # and for a commit, whatever it holds
    database_hit_us: float
    database_commit_us: float
    sync_ms: float  # of a commit, until the disk has it: nobody's processor works
    rollup_us: float  # the one worker's time for a visit, Crumby and database in turn
    rollup_database_us: float  # of which the database's
    nginx_us: float  # for a hit
    spool_us: float  # for a hit, while the database is away
    spool_bytes: float
    visit_bytes: float  # in the database, with indexes and rollups
    written: float  # bytes that the disk gets for a hit, log and all
    wire_bytes: float  # of a hit and its answer
    talked: float  # bytes between Crumby and the database, for a hit
    rolled_ms: float  # a report without a filter, of 30 days
    filtered_us: float  # for a visit of its period, a report with one

    def crumby(self, batch: float) -> float:
        """µs of a hit."""
        return self.crumby_hit_us + self.crumby_commit_us / batch

    def database(self, batch: float) -> float:
        return self.database_hit_us + self.database_commit_us / batch

    def cycle_s(self, batch: float, *, stretched: float = 1.0) -> float:
        """From one batch to the next: Crumby's loop and its connection work in turn. `stretched`: by a busy server."""
        return 1e-6 * batch * (self.crumby(batch) + self.database(batch) * stretched) + 1e-3 * self.sync_ms


def costs(measured: Facts, database: str, yard_us: float = YARD_US) -> Costs:
    """On a core of which the yard takes so much for a request. Reports and the disk go by the clock: they stay."""
    hits, reports = measured[database]["nodes"], measured[database]["reports"]
    scale = yard_us / hits["yard_us"]
    alone = [cell for cell in hits["cells"] if cell["nodes"] == 1]
    cells = [cell for cell in alone if cell["door"] == "direct" and cell["connections"] >= FEWEST]
    crumby = fitted([(cell["batch"], cell["loop_us"] + cell["worker_us"]) for cell in cells])
    server = fitted([(cell["batch"], cell["database_us"] + cell["rest_us"]) for cell in cells])
    weights = hits["weights"]
    return Costs(
        crumby_hit_us=scale * crumby[0],
        crumby_commit_us=scale * crumby[1],
        database_hit_us=scale * server[0],
        database_commit_us=scale * server[1],
        sync_ms=min(each["nodes"]["weights"]["sync_ms"] for each in measured.values()),  # they had one disk
        rollup_us=scale * (weights["rollup_loop_us"] + weights["rollup_database_us"]),
        rollup_database_us=scale * weights["rollup_database_us"],
        nginx_us=scale * statistics.median([cell["nginx_us"] for cell in alone if cell["door"] == "nginx"] or [0.0]),
        spool_us=scale * weights["spool_us"],
        spool_bytes=weights["spool_bytes"],
        visit_bytes=reports["bytes_a_visit"],
        written=min(cell["written"] for cell in cells),
        wire_bytes=weights["request_bytes"] + weights["answer_bytes"],
        talked=min(cell["talked"] for cell in cells),
        rolled_ms=reports["rolled_ms"],
        filtered_us=reports["filtered_us"],
    )


def fitted(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(batch, µs a hit) → µs of a hit and µs of a commit, by least squares of `a + b ÷ batch`; neither is below 0."""
    xs, ys = [1 / batch for batch, _ in points], [us for _, us in points]
    middle, height = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - middle) ** 2 for x in xs)
    slope = sum((x - middle) * (y - height) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
    slope = min(max(0.0, slope), height / middle)
    return height - slope * middle, slope


def main() -> None:
    options = parse(sys.argv[1:])
    found: dict[str, dict[str, Any]] = json.loads(options.to.read_text()) if options.to.exists() else {}
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in options.files:
        report = json.loads(path.read_text())
        for database, name, figures in of_nodes(report) if "services" in report else of_reports(report):
            runs.setdefault((database, name), []).append(figures)
    for (database, name), several in runs.items():
        found.setdefault(database, {})[name] = rounded(merged(several) if name == "nodes" else several[-1])
    inorder = {database: found[database] for database in DATABASES if database in found}
    options.to.write_text(json.dumps(inorder, indent=1, ensure_ascii=False) + "\n")


def merged(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of several runs, each brought to the yard of all. Of the disk the best: others use it."""
    yard_us = statistics.median(run["yard_us"] for run in runs)
    scaled = [brought(run, yard_us / run["yard_us"]) for run in runs]
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in scaled:
        for cell in run["cells"]:
            cells.setdefault((cell["nodes"], cell["door"], cell["connections"]), []).append(cell)
    return {
        **runs[-1],
        "runs": len(runs),
        "yard_us": yard_us,
        "given": statistics.median(run["given"] for run in runs),
        "weights": middle([run["weights"] for run in scaled])
        | {"sync_ms": min(run["weights"]["sync_ms"] for run in runs)},
        "cells": [middle(each) for each in cells.values()],
    }


def brought(value: Any, scale: float, name: str = "") -> Any:
    """Times of the processor, by their names."""
    if isinstance(value, dict):
        return {key: brought(each, scale, key) for key, each in value.items()}
    if isinstance(value, list):
        return [brought(each, scale) for each in value]
    return value * scale if name.endswith("_us") else value


def middle(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in dict.fromkeys(key for each in several for key in each):
        values = [each.get(name, 0.0) for each in several]
        if isinstance(values[0], dict):
            found[name] = middle(values)
        else:
            found[name] = values[0] if isinstance(values[0], str | int) else statistics.median(values)
    return found


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        help="what `benchmarks.nodes` and `.reports` --json printed; of several runs of nodes the medians are taken",
    )
    parser.add_argument("--to", type=Path, default=MEASURED, help="(%(default)s)")
    return parser.parse_args(arguments)


def of_nodes(report: Facts) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for service in report["services"]:
        figures = {name: service[name] for name in ("yard_us", "given", "weights")}
        cells = [{name: cell[name] for name in KEPT} for cell in service["cells"]]
        by = {"by": report["command"], "machine": report["machine"]}
        yield service["database"], "nodes", {**by, **figures, "cells": cells}


def of_reports(outcome: Facts) -> Iterable[tuple[str, str, dict[str, Any]]]:
    """Of the largest database: its 30 days, without a filter and with the first of them."""
    size = max(outcome["sizes"], key=lambda each: int(each["visits"]))
    boards = [board for board in size["boards"] if board["period"] == "30 days"]
    means = [statistics.fmean(panel["warm_ms"] for panel in board["panels"]) for board in boards[:2]]
    within = lately(size["visits"])
    yield outcome["database"], "reports", {
        "by": f"python -m benchmarks.reports --on {outcome['database']} --visits {size['visits'] / 1e6:g}",
        "machine": outcome["machine"],
        "visits": size["visits"],
        "visits_of_30_days": within,
        "bytes_a_visit": size["bytes_a_visit"],
        "rolled_ms": means[0],
        "filtered_ms": means[1],
        "filtered_us": 1e3 * (means[1] - means[0]) / within,
        "filter": boards[1]["filter"],
    }  # fmt: skip


def lately(visits: int) -> int:
    """How many of them `fill.py` puts into the last 30 days: its shape is the same whenever it ends."""
    until = datetime(2026, 1, 15)  # noqa: DTZ001 - UTC, as the tables have it
    start = until - timedelta(days=30)
    return sum(visit.datetime >= start for day in People(visits, until).days() for visit in day.visits)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{PLACES}g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
