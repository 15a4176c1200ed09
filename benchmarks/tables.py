"""What was measured, as tables of docs/performance.md: `python -m benchmarks.tables --reports reports.json`.

It reads what `--json` of the others printed, and writes between the two comments that name the measurement. What is not
given stays as it is. The pictures beside the tables are `plots.py`'s, of the same files.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

DOC: Final = Path(__file__).parent.parent / "docs" / "performance.md"
Facts = Mapping[str, Any]
KINDS: Final = {  # of what `pages.py` measures
    "first": ("a browser that has nothing of it, a server that just started", "1,000"),
    "again": ("the same page once more", "1,000"),
    "days": ("days that nobody asked for", "1,000"),
    "before": ("a click on the period before", "300"),
    "page": ("a filter by a page", "300"),
    "country": ("a filter by a country", "300"),
    "back": ("the filter taken away", "300"),
    "sign-in page": ("beside them, the sign-in page", ""),
}


def main() -> None:
    options = parse(sys.argv[1:])
    text = options.doc.read_text()
    for name, table in TABLES.items():
        measured: Path | None = getattr(options, name)
        if measured:
            text = put(text, name, table(json.loads(measured.read_text())))
    options.doc.write_text(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=(__doc__ or "").split("\n")[0])
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, help=f"what `benchmarks.{name} --json` printed")
    parser.add_argument("--doc", type=Path, default=DOC, help="(%(default)s)")
    return parser.parse_args(arguments)


def put(text: str, name: str, lines: Iterator[str]) -> str:
    """Between `<!-- name -->` and `<!-- /name -->`."""
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not begin or not end:
        sys.exit(f"there is no place for {name} in the document")
    return "".join([before, begin, "\n".join(["", *lines, "", ""]), end, after])


def rows(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in cells)


def machine(facts: Facts) -> str:
    told = (facts["cpu"], facts["system"], facts["python"], f"SQLite {facts['sqlite']}")
    return f"Measured on {', '.join(told)}; load before {facts['load before']}."


def ingest(report: Facts) -> Iterator[str]:
    """Hits a second by connections, for each database."""
    yield "![Hits a second by connections, as a share of a bare uvicorn's](images/ingest.svg)"
    yield ""
    for service in report["services"]:
        workers = f"{service['workers']} worker{'s' * (service['workers'] > 1)}"
        yield f"**{service['database']}, {workers}** ({service['acknowledged']:,} hits acknowledged and stored)"
        yield ""
        heads = (
            "",
            "connections",
            "hits/s",
            "÷ yard",
            "÷ yard, by processor time",
            "p50 ms",
            "p99 ms",
            "commit ms",
            "hits a commit",
        )
        yield from rows(heads, [list(of_cell(cell)) for cell in service["cells"]])
        yield ""
    yield from (f"{name} was not installed." for name in report["missing"])
    yield machine(report["machine"])


def of_cell(cell: Facts) -> Iterator[str]:
    crumby, yard = cell["crumby"], cell["yard"]
    yield cell["way"].upper() + ("" if cell["keep_alive"] else ", closed")
    yield str(cell["connections"])
    yield f"{crumby['hits_per_s']:,.0f}"
    yield f"{cell['ratio']:.2f}"
    yield f"{yard['cpu_us'] / crumby['cpu_us']:.2f}"
    yield f"{crumby['p50_ms']:.1f}"
    yield f"{crumby['p99_ms']:.1f}"
    yield f"{cell['commit_ms']:.1f}" if cell["commit_ms"] else ""
    yield f"{cell['batch']:.0f}" if cell["batch"] else ""


def reports(outcome: Facts) -> Iterator[str]:
    """The dashboard by size, then what was measured around it."""
    yield "![The whole dashboard by the size of the database](images/growth.svg)"
    yield "![Its slowest panel](images/panels.svg)"
    yield ""
    heads = (
        "visits",
        "period",
        "filter",
        "cold ms",
        "warm ms",
        "processor ms",
        "six at a time, ms",
        "those open at first, ms",
        "earlier ms",
        "slowest panel, ms",
        "again, at most, ms",
    )
    cells = [list(of_board(size, board)) for size in outcome["sizes"] for board in size["boards"]]
    yield from rows(heads, cells)
    yield ""
    many = sorted({crowd["viewers"] for size in outcome["sizes"] for crowd in size["crowds"]})
    viewers = [f"{each} viewers, s (again)" for each in many]
    about: tuple[str, ...] = ("visits", "bytes each", "rollups made in", *viewers)
    about += ("hits kept beside reports", "rollups behind, s", "MiB resident")
    yield from rows(about, [list(of_size(size)) for size in outcome["sizes"]])
    yield ""
    yield f"Database: {outcome['database']}. " + machine(outcome["machine"])


def of_board(size: Facts, board: Facts) -> Iterator[str]:
    panels = board["panels"]
    earlier = [panel["earlier_ms"] for panel in panels]
    slow = max(panels, key=lambda panel: panel["warm_ms"])
    yield f"{size['visits']:,}"
    yield board["period"].replace("_", " ")
    yield f"`{board['filter']}`" if board["filter"] else ""
    yield f"{sum(panel['cold_ms'] for panel in panels):,.0f}"
    yield f"{sum(panel['warm_ms'] for panel in panels):,.0f}"
    yield f"{board['cpu_ms']:,.0f}"
    yield f"{board['six_ms']:,.0f}"
    yield f"{board['page_ms']:,.0f}"
    yield "" if None in earlier else f"{sum(earlier):,.0f}"
    yield f"{slow['warm_ms']:,.0f} ({slow['report'].partition('/')[2]})"
    yield f"{max(panel['again_ms'] for panel in panels):.1f}"


def of_size(size: Facts) -> Iterator[str]:
    yield f"{size['visits']:,}"
    yield f"{size['bytes_a_visit']:,.0f}"
    yield "" if size["rollup_s"] is None else f"{size['rollup_s']:,.0f} s"
    for crowd in size["crowds"]:
        yield f"{crowd['first_ms'] / 1e3:.2f} ({crowd['again_ms'] / 1e3:.2f})"
    hits = size["beside"]
    yield f"{hits['beside'] / hits['alone']:.0%} ({hits['reports_per_s']:.0f} reports/s)" if hits else ""
    yield f"{hits['lag_beside_s']:.1f}" if hits and hits["lag_beside_s"] is not None else ""
    yield f"{size['memory']['resident'] - size['memory']['mmdb']:.0f}"


def pages(outcome: Facts) -> Iterator[str]:
    """The page of the demo's year: what a navigation and a click take."""
    heads = ("", *(period.replace("_", " ") for period in outcome["boards"]), "aim, ms")
    boards = [{each["kind"]: each for each in board} for board in outcome["boards"].values()]
    cells = [
        [what, *(f"{board[kind]['all_ms']:,.0f} ({board[kind]['cpu_ms']:,.0f})" for board in boards), aim]
        for kind, (what, aim) in KINDS.items()
    ]
    yield from rows(heads, cells)
    yield ""
    cold = boards[0]["first"]
    yield f"The first page is {cold['requests']:.0f} requests and {cold['bytes'] / 1e3:,.0f} kB."
    yield machine(outcome["machine"])


def rivals(report: Facts) -> Iterator[str]:
    heads = ("", "asked by", "hits/s", "÷ yard", "Crumby takes", "asked alike", "p50 ms", "p99 ms")
    yield from rows(heads, [list(of_rival(result)) for result in report["results"]])
    yield ""
    yield from (f"{name} was not measured: {why}" for name, why in report["missing"].items())
    yield machine(report["machine"])


def of_rival(result: Facts) -> Iterator[str]:
    figures = result["figures"]
    own = result["name"] in {"yard", "crumby"}
    yield result["name"]
    yield result["way"].upper() + ("" if result["keep_alive"] else ", closed")
    yield f"{figures['hits_per_s']:,.0f}"
    yield f"{result['of_yard']:.3f}"
    yield "" if own else f"{result['crumby_over']:.0f} times"
    yield "" if own else f"{result['like_over']:.0f} times"
    yield f"{figures['p50_ms']:.1f}"
    yield f"{figures['p99_ms']:.1f}"


TABLES: Final[Mapping[str, Callable[[Facts], Iterator[str]]]] = {
    "ingest": ingest,
    "reports": reports,
    "pages": pages,
    "rivals": rivals,
}


if __name__ == "__main__":
    main()
