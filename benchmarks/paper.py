"""What `capacity.py` reckons, as text, as the tables of docs/scale.md between their comments, and as two pictures."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from benchmarks.capacity import DAY_S, NAMES, PEAK, Assumed, Day, Model, Trouble, day, sized, steps
from benchmarks.figures import MEASURED, Costs
from benchmarks.plots import APART, BOTTOM, HEIGHT, IMAGES, LEFT, RIGHT, TOP, WIDTH, page
from benchmarks.tables import machine, put, rows

DOC: Final = Path(__file__).parent.parent / "docs" / "scale.md"
POINT_S: Final = 300  # of a curve
COSTS: Final[Mapping[str, tuple[str, str]]] = {  # what a row says, and how its figure is written
    "crumby_hit_us": ("Crumby, a hit, µs", ".0f"),
    "crumby_commit_us": ("Crumby, a commit, µs", ".0f"),
    "database_hit_us": ("database, a hit, µs", ".0f"),
    "database_commit_us": ("database, a commit, µs", ".0f"),
    "sync_ms": ("a commit's wait for the disk, ms", ".1f"),
    "rollup_us": ("rollups, a visit, µs of their one worker", ".0f"),
    "rollup_database_us": ("of that, the database's", ".0f"),
    "nginx_us": ("nginx, a hit, µs", ".0f"),
    "spool_us": ("into the spool, a hit, µs", ".0f"),
    "spool_bytes": ("there, bytes", ",.0f"),
    "visit_bytes": ("a visit with indexes and rollups, bytes", ",.0f"),
    "written": ("written to the disk for a hit, bytes", ",.0f"),
    "wire_bytes": ("a hit and its answer on the wire, bytes", ",.0f"),
    "rolled_ms": ("a report without a filter, ms", ".0f"),
    "filtered_us": ("one with a filter, µs a visit of its period", ".1f"),
}
SCALE: Final = (
    "", "nodes", "connections", "hits/s", "ratio", "by processor time", "cores busy", "Crumby µs", "database µs",
    "nginx µs", "commits/s", "syncs/s", "lock ms of 1,000 hits",
)  # fmt: skip


def days(
    known: Mapping[str, Costs], assumed: Assumed, visits: Sequence[float], trouble: Trouble, seed: int
) -> Iterator[Day]:
    """For each size: SQLite where it carries that, or else each of the servers."""
    for each in visits:
        models = {name: sized(each, name, costs, assumed) for name, costs in known.items()}
        fitting = [model for model in models.values() if model.carried(assumed.busy) >= model.best_hour(each)]
        alone = [model for model in fitting if model.plant.database == "sqlite"]
        yield from (day(model, each, trouble, seed) for model in alone or fitting)


def text(known: Mapping[str, Costs], assumed: Assumed, found: Sequence[Day]) -> str:
    parts = [of_costs(known), of_steps(known, assumed), of_days(found), of_copy(assumed, found)]
    return "\n".join(itertools.chain.from_iterable((*aligned([*part]), "") for part in parts))


def aligned(lines: Sequence[str]) -> Iterator[str]:
    """A table as a terminal shows it best: its columns below each other, the first to the left."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    wide = [max(map(len, column)) for column in zip(*cells, strict=False)]
    for line, row in zip(lines, cells, strict=True):
        if not row:
            yield line
        elif set(row[0]) != {"-"}:
            padded = [
                row[0].ljust(wide[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], wide[1:], strict=True)),
            ]
            yield "  ".join(padded).rstrip()


def write(known: Mapping[str, Costs], assumed: Assumed, found: Sequence[Day]) -> None:
    doc = DOC.read_text()
    doc = put(doc, "costs", of_costs(known))
    doc = put(doc, "steps", of_steps(known, assumed))
    doc = put(doc, "days", of_days(found))
    doc = put(doc, "nodes", of_nodes(json.loads(MEASURED.read_text())))
    DOC.write_text(doc)
    largest = [each for each in found if each.visits == max(one.visits for one in found)]
    least = min(largest, key=lambda each: each.model.plant.all_cores)
    (IMAGES / "billion.svg").write_text(hits_picture(least))
    (IMAGES / "billion-busy.svg").write_text(busy_picture(least))


def of_costs(known: Mapping[str, Costs]) -> Iterator[str]:
    cells = [
        [said, *(format(getattr(costs, name), form) if getattr(costs, name) else "" for costs in known.values())]
        for name, (said, form) in COSTS.items()
    ]
    yield from rows(("", *(NAMES[name] for name in known)), cells)


def of_steps(known: Mapping[str, Costs], assumed: Assumed) -> Iterator[str]:
    heads = ("", "database", "cores", "visits a day", "hits/s, best hour", "full first", "and next, at so many times")
    yield from rows(heads, [list(of_step(model)) for model in steps(known, assumed)])


def of_step(model: Model) -> Iterator[str]:
    plant, busy = model.plant, model.busy(model.carried())
    first, second, *_ = model.bottlenecks()
    yield plant.name
    yield (f"{plant.databases} of " if plant.databases > 1 else "") + NAMES[plant.database]
    yield f"{plant.nodes * plant.cores:g}" + (
        f" + {plant.databases * plant.database_cores:g}" * bool(plant.database_cores)
    )
    yield rough(model.visits_a_day())
    yield f"{significant(model.best_hour(model.visits_a_day())):,.0f}"
    yield first
    yield f"{second}, {1 / busy[second]:.1f}" if busy[second] > 0.05 else ""


def of_days(found: Sequence[Day]) -> Iterator[str]:
    heads = (
        "visits a day", "plant", "cores", "hits/s, best hour", "hits a commit", "answer, p50 and p99 ms",
        "answered 503", "in the spools at most", "rollups behind at most", "full first", "TB a year",
    )  # fmt: skip
    yield from rows(heads, [list(of_day(each)) for each in found])


def of_day(found: Day) -> Iterator[str]:
    model, known = found.model, found.model.costs
    rate = model.best_hour(found.visits)
    spooled = found.most("spooled")
    shares = model.busy(rate)
    fullest = max(shares, key=shares.__getitem__)
    yield rough(found.visits)
    yield model.plant.name
    yield f"{model.plant.all_cores:g}"
    yield f"{rate:,.0f}" if rate >= 1 else f"{rate:.1f}"
    yield f"{model.batch(rate):.0f}"
    yield f"{found.quantile_ms('p50_ms', 0.5):.0f}, {found.quantile_ms('p99_ms', 0.99):.0f}"
    yield f"{found.total('turned') / found.total('come'):.2%}" if found.total("turned") else "none"
    yield f"{rough(spooled)}, {size(spooled * known.spool_bytes)}" if spooled >= 1 else "none"
    yield f"{found.most('behind_s'):,.0f} s"
    yield f"{fullest}, {shares[fullest]:.0%}"
    yield f"{significant(found.visits * known.visit_bytes * 365 / 1e12):,g}"


def of_copy(assumed: Assumed, found: Sequence[Day]) -> Iterator[str]:
    """A column store beside it, of which nothing is measured."""
    most = max(each.visits for each in found)
    cores = most / DAY_S * PEAK * assumed.copy_us / 1e6 / assumed.busy
    filtered = 30 * most / assumed.copy_rows
    yield (
        f"a copy in a column store, all of it assumed: {max(1.0, cores):.0f} cores for the copying, "
        f"{most * assumed.copy_bytes * 365 / 1e12:,.0f} TB a year; a filtered report of 30 days: "
        f"{filtered:,.0f} seconds of a core"
    )


def of_nodes(measured: Mapping[str, Any]) -> Iterator[str]:
    several = {
        name: each for name, each in measured.items() if any(cell["nodes"] > 1 for cell in each["nodes"]["cells"])
    }
    for number, (name, found) in enumerate(several.items()):
        cells = found["nodes"]["cells"]
        if number:
            yield ""
        yard = f"{found['nodes']['yard_us']:.0f} µs a request, and {found['nodes']['given']:.0%} of a core"
        yield f"**{NAMES[name]}** (medians of {found['nodes']['runs']} runs; a bare uvicorn had {yard})"
        yield ""
        yield from rows(SCALE, [list(of_cell(cell)) for cell in cells])
        yield ""
        yield machine(found["nodes"]["machine"])


def of_cell(cell: Mapping[str, Any]) -> Iterator[str]:
    yield "through nginx" if cell["door"] == "nginx" else "directly"
    yield str(cell["nodes"])
    yield str(cell["connections"])
    yield f"{cell['hits_per_s']:,.0f}"
    yield f"{cell['ratio']:.2f}" if cell["nodes"] > 1 else ""
    yield f"{cell['by_cpu']:.2f}" if cell["nodes"] > 1 else ""
    yield f"{cell['cores']:.2f}"
    yield f"{cell['loop_us'] + cell['worker_us']:.0f}"
    yield f"{cell['database_us'] + cell['rollups_us'] + cell['rest_us']:.0f}"
    yield f"{cell['nginx_us']:.0f}" if cell["nginx_us"] else ""
    yield f"{cell['commits_per_s']:.0f}"
    yield f"{cell['syncs_per_s']:.0f}"
    yield f"{cell['lock_ms']:.0f}"


def significant(value: float) -> float:
    """Two digits: it is paper."""
    return float(f"{value:.2g}")


def rough(value: float) -> str:
    """`23456789` → `23 million`."""
    for name, unit in (("billion", 1e9), ("million", 1e6)):
        if value >= unit * 0.995:
            return f"{significant(value / unit):,g} {name}"
    return f"{significant(value):,.0f}"


def size(count: float) -> str:
    return f"{significant(count / 1e9):,g} GB" if count >= 1e9 else f"{max(1.0, significant(count / 1e6)):,g} MB"


# The pictures


def hits_picture(found: Day) -> str:
    """What comes, what is stored, and what lies in the spools, over the day."""
    title = f"Hits a second, of {rough(found.visits)} visits on one day: {found.model.plant.name}"
    able = found.model.carried()
    curves = [
        ("stored", points(found, "stored", max), 1, False),
        ("come", points(found, "come", mean), 0, False),
        ("beyond this a part falls behind", [able / 1e3] * (DAY_S // POINT_S), 2, True),
    ]
    return drawing(title, "thousand", curves)


def busy_picture(found: Day) -> str:
    """Which share of each part the arrivals need, over the day."""
    title = "The same day: how busy each part is, as far as hits come"
    come = [1e3 * value for value in points(found, "come", mean)]
    shares = [found.model.busy(rate) for rate in come]
    fullest = sorted(shares[0], key=lambda part: -max(each[part] for each in shares))[:4]
    curves = [(part, [100 * each[part] for each in shares], number, False) for number, part in enumerate(fullest)]
    return drawing(title, "%", [*curves, ("", [100.0] * len(shares), 0, True)])


def points(found: Day, name: str, of: Any) -> list[float]:
    """In thousands."""
    values = [getattr(second, name) / 1e3 for second in found.seconds]
    return [of(values[start : start + POINT_S]) for start in range(0, DAY_S, POINT_S)]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def drawing(title: str, up: str, curves: Sequence[tuple[str, Sequence[float], int, bool]]) -> str:
    """Both scales are even; from midnight to midnight."""
    top = 1.05 * max(max(values) for _, values, _, _ in curves)
    step = next(each for power in range(-3, 9) for each in (10**power, 2 * 10**power, 5 * 10**power) if top / each <= 8)
    high, wide = HEIGHT - BOTTOM - TOP, WIDTH - RIGHT - LEFT
    parts = [
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 12}" text-anchor="middle">hour of the day</text>',
        f'<text x="{LEFT - 8}" y="{TOP - 12}" text-anchor="end">{escape(up)}</text>',
    ]
    for number in range(int(top / step) + 1):
        y = HEIGHT - BOTTOM - high * number * step / top
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * step:,g}</text>')
    for hour in range(0, 25, 3):
        x = LEFT + wide * hour / 24
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{hour}</text>')
    ends = []
    for name, values, colour, dashed in curves:
        spots = [
            (LEFT + wide * number / len(values), HEIGHT - BOTTOM - high * value / top)
            for number, value in enumerate(values)
        ]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        parts.append(f'<path class="curve c{colour}{" dashed" * dashed}" d="M{path}"/>')
        ends.append((spots[-1][1], name, colour))
    below = 0.0
    for y, name, colour in sorted(ends):
        below = max(y, below + APART)
        lines = wrapped(name)
        for number, line in enumerate(lines):
            at = below + 4 + 13 * number
            parts.append(f'<text class="name c{colour}" x="{WIDTH - RIGHT + 10}" y="{at:.1f}">{escape(line)}</text>')
        below += 13 * (len(lines) - 1)
    return page(title, parts)


def wrapped(name: str) -> list[str]:
    """In the margin there is room for some 24 letters."""
    lines = [""]
    for word in name.split():
        if len(lines[-1]) + len(word) > 23:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
