"""Curves of what was measured, as SVG: `python -m benchmarks.plots --reports reports.json --ingest ingest.json`.

It reads what `benchmarks.reports --json` and `benchmarks.ingest --json` print. A picture fits a light page and a dark
one, and its curves are told apart by their names at the end as well as by colour.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 46, 52  # margins; the curves' names stand in the right one
APART: Final = 15.0  # pixels between two names
COLOURS: Final = (("#1f6fb5", "#6cb2f0"), ("#b3541e", "#f0a06c"), ("#2c7d43", "#7fd096"), ("#7b4fb0", "#c3a1ee"))
MULTIPLES: Final = (1, 2, 5)  # of a power of ten: where lines are drawn across
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    points: list[tuple[float, float]]
    dashed: bool = False
    colour: int = 0  # of COLOURS


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale in powers, from `low` to `high`, over so many pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def steps(self) -> Iterator[float]:
        for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1):
            for multiple in MULTIPLES:
                value = multiple * 10.0**power
                if self.low * 0.999 <= value <= self.high * 1.001:
                    yield value


def main() -> None:
    options = parse(sys.argv[1:])
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.reports:
        outcome = json.loads(options.reports.read_text())
        write(options.folder / "growth.svg", growth(outcome))
        write(options.folder / "panels.svg", panels(outcome))
    if options.ingest:
        write(options.folder / "ingest.svg", ingest(json.loads(options.ingest.read_text())))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reports", type=Path, help="what `benchmarks.reports --json` printed")
    parser.add_argument("--ingest", type=Path, help="what `benchmarks.ingest --json` printed")
    parser.add_argument("--folder", type=Path, default=IMAGES, help="where the pictures go (%(default)s)")
    return parser.parse_args(arguments)


def write(path: Path, picture: str) -> None:
    path.write_text(picture)
    print(path)


def growth(outcome: Mapping[str, Any]) -> str:
    """The whole dashboard against the size of the database."""
    title = "The whole dashboard, every panel one after the other"
    return chart(title, "visits in the database", "ms", dashboards(outcome, total), short)


def panels(outcome: Mapping[str, Any]) -> str:
    """Its slowest panel."""
    title = "The dashboard's slowest panel"
    return chart(title, "visits in the database", "ms", dashboards(outcome, slowest), short)


def dashboards(outcome: Mapping[str, Any], of_board: Any) -> list[Curve]:
    """A curve for each period, and a broken one for its first filter."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for size in outcome["sizes"]:
        for board in size["boards"]:
            if all(panel["earlier_ms"] is not None for panel in board["panels"]):
                point = (size["visits"], of_board(board["panels"]))
                found.setdefault((board["period"], board["filter"]), []).append(point)
    periods = list(dict.fromkeys(period for period, _ in found))
    filters = list(dict.fromkeys(filter_ for _, filter_ in found))[:2]
    return [
        Curve(period + f", {filter_}" * bool(filter_), found[period, filter_], bool(filter_), periods.index(period))
        for period in periods
        for filter_ in filters
        if (period, filter_) in found
    ]


def total(of_board: Sequence[Mapping[str, Any]]) -> float:
    return sum(float(panel["warm_ms"]) for panel in of_board)


def slowest(of_board: Sequence[Mapping[str, Any]]) -> float:
    return max(float(panel["warm_ms"]) for panel in of_board)


def ingest(report: Mapping[str, Any]) -> str:
    """Hits a second by connections, as a share of the yard's."""
    curves = []
    services = [each for each in report["services"] if each["workers"] == 1]
    for colour, service in enumerate(services):
        for alive in (True, False):
            cells = [cell for cell in service["cells"] if cell["way"] == "post" and cell["keep_alive"] == alive]
            points = [(cell["connections"], cell["ratio"]) for cell in cells]
            if points:
                name = service["database"] + ("" if alive else ", closed")
                curves.append(Curve(name, points, not alive, colour))
    title = "Hits a second, as a share of a bare uvicorn's on the same core"
    return chart(title, "connections", "share", curves, lambda value: f"{value:g}")


def short(value: float) -> str:
    """`100000` → `0.1 M`."""
    return f"{value / MILLION:g} M"


def chart(title: str, across: str, up: str, curves: Sequence[Curve], words: Any) -> str:
    """Both scales are in powers, so that what grows in proportion is a line at 45 degrees or so."""
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    x_axis = Axis(min(xs), max(xs) if max(xs) > min(xs) else min(xs) * 10, LEFT, WIDTH - RIGHT)
    y_axis = Axis(rounded(min(ys), math.floor), rounded(max(ys), math.ceil), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>',
        f'<text x="{LEFT - 8}" y="{TOP - 12}" text-anchor="end">{escape(up)}</text>',
    ]
    for value in y_axis.steps():
        y = y_axis.at(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,g}</text>')
    for value in sorted(set(xs)):
        x = x_axis.at(value)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(words(value))}</text>')
    parts += drawn(curves, x_axis, y_axis)
    return page(title, parts)


def drawn(curves: Sequence[Curve], x_axis: Axis, y_axis: Axis) -> Iterator[str]:
    names = []
    for curve in curves:
        points = [(x_axis.at(x), y_axis.at(y)) for x, y in curve.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        kind = f"c{curve.colour % len(COLOURS)}"
        yield f'<path class="curve {kind}{" dashed" * curve.dashed}" d="M{path}"/>'
        yield from (f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points)
        names.append((points[-1][1], curve.name, kind))
    below = -math.inf
    for y, name, kind in sorted(names):
        below = max(y, below + APART)
        yield f'<text class="name {kind}" x="{WIDTH - RIGHT + 10}" y="{below + 4:.1f}">{escape(name)}</text>'


def rounded(value: float, direction: Any) -> float:
    """To the next power of ten, or its 2 or 5."""
    power = 10.0 ** math.floor(math.log10(value))
    fits = [multiple * power for multiple in (*MULTIPLES, 10)]
    if direction is math.floor:
        return max(fit for fit in fits if fit <= value * 1.001)
    return min(fit for fit in fits if fit >= value * 0.999)


def page(title: str, parts: Sequence[str]) -> str:
    light = "".join(f".c{n}{{stroke:{one};fill:{one}}}" for n, (one, _) in enumerate(COLOURS))
    dark = "".join(f".c{n}{{stroke:{other};fill:{other}}}" for n, (_, other) in enumerate(COLOURS))
    style = (
        "text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-size:15px;font-weight:600;fill:#1f2328}"
        ".grid{stroke:#8c959f;stroke-opacity:.3}.curve{stroke-width:2}.dashed{stroke-dasharray:6 4}"
        f"{light}path.curve{{fill:none}}text.name{{stroke:none}}"
        f"@media(prefers-color-scheme:dark){{text{{fill:#9da7b3}}.title{{fill:#e6edf3}}{dark}"
        "path.curve{fill:none}text.name{stroke:none}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    lines = (f'{head} width="{WIDTH}" height="{HEIGHT}">', f"<title>{escape(title)}</title>", f"<style>{style}</style>")
    return "\n".join([*lines, *parts, "</svg>", ""])


if __name__ == "__main__":
    main()
