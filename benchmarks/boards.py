"""What `reports.py` measures, and the table of it."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.machine import Memory

HEADS: Final = ("cold", "warm", "CPU", "/ yard", "six", "page", "earlier", "again")
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Panel:
    report: str
    status: int
    rows: int
    cold_ms: float
    again_ms: float
    warm_ms: float
    earlier_ms: float | None  # a named period has no other of its length


@dataclass(frozen=True, slots=True)
class Board:
    """All panels, one after the other."""

    period: str
    filter: str  # or nothing
    panels: list[Panel]
    cpu_ms: float  # of the server, for all panels when warm: the figure that neighbours on the machine disturb least
    six_ms: float  # until all panels are there, warm, of a browser that asks for six at a time
    page_ms: float  # until those are that stand open when the page is opened

    @property
    def cold_ms(self) -> float:
        return sum(panel.cold_ms for panel in self.panels)

    @property
    def again_ms(self) -> float:
        return max(panel.again_ms for panel in self.panels)

    @property
    def warm_ms(self) -> float:
        return sum(panel.warm_ms for panel in self.panels)

    @property
    def earlier_ms(self) -> float:
        return sum(panel.earlier_ms or 0 for panel in self.panels)

    @property
    def slowest(self) -> Panel:
        return max(self.panels, key=lambda panel: panel.warm_ms)


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many load the whole dashboard at once; ms until the last of them had all of it."""

    viewers: int
    first_ms: float  # of a period that nobody has asked for
    again_ms: float


@dataclass(frozen=True, slots=True)
class Beside:
    """Hits a second, alone and while somebody loads one dashboard after the other, none of them twice."""

    alone: float
    beside: float
    p99_alone_ms: float
    p99_beside_ms: float
    reports_per_s: float  # that were answered meanwhile
    lag_alone_s: float | None  # age of the oldest visit that is in no rollup, at most; None on a server
    lag_beside_s: float | None

    @property
    def kept(self) -> float:
        return self.beside / self.alone


@dataclass(frozen=True, slots=True)
class Size:
    visits: int
    bytes_a_visit: float
    rollup_s: float | None  # to make all rollups; None where they were there
    brute_ms: dict[str, float]  # one panel, counted by hand in SQLite, processor time: visitors by country
    boards: list[Board]
    crowds: list[Crowd]
    beside: Beside | None
    memory: Memory  # after all of it


@dataclass(frozen=True, slots=True)
class Outcome:
    database: str
    yard_ms: float  # of processor time: a million numbers, counted and sorted in SQLite's memory
    sizes: list[Size]
    machine: dict[str, str]

    def faults(self) -> Iterator[str]:
        for size in self.sizes:
            for board in size.boards:
                for panel in board.panels:
                    if panel.status != OK:
                        asked = f"{panel.report} ({board.period}, {board.filter or 'unfiltered'})"
                        yield f"{size.visits:,} visits: {asked} answered {panel.status}"


def table(outcome: Outcome) -> str:
    lines = [f"{fact}: {value}" for fact, value in outcome.machine.items()]
    lines += [
        f"database: {outcome.database}",
        f"yard: {outcome.yard_ms:,.0f} ms of processor time for a million numbers, sorted",
    ]
    for size in outcome.sizes:
        lines += ["", *of_size(size, outcome.yard_ms)]
    if len(outcome.sizes) > 1:
        lines += ["", *growth(outcome.sizes)]
    return "\n".join(lines)


def of_size(size: Size, yard_ms: float) -> Iterator[str]:
    rollups = "" if size.rollup_s is None else f", rollups made in {size.rollup_s:,.1f} s"
    yield f"{size.visits:,} visits, {size.bytes_a_visit:,.0f} bytes each{rollups}"
    yield f"{'all panels, ms':42}" + "".join(f"{head:>9}" for head in HEADS) + "  slowest"
    for board in size.boards:
        name = f"  {board.period}{', ' * bool(board.filter)}{board.filter}"
        slow = board.slowest
        waits = f"{board.cold_ms:9,.0f}{board.warm_ms:9,.0f}"
        work = f"{board.cpu_ms:9,.0f}{board.cpu_ms / yard_ms:9.2f}{board.six_ms:9,.0f}{board.page_ms:9,.0f}"
        others = f"{board.earlier_ms:9,.0f}{board.again_ms:9.1f}"
        yield f"{name:42}{waits}{work}{others}  {slow.report} {slow.warm_ms:,.0f}"
    for period, ms in size.brute_ms.items():
        yield f"  one panel counted by hand, {period}: {ms:,.0f} ms of processor time"
    for each in size.crowds:
        yield f"  {each.viewers} viewers at once: {each.first_ms:,.0f} ms, again {each.again_ms:,.0f} ms"
    if size.beside:
        hits = size.beside
        yield (
            f"  hits beside reports: {hits.beside:,.0f} of {hits.alone:,.0f} a second ({hits.kept:.0%}),"
            f" p99 {hits.p99_beside_ms:.0f} ms for {hits.p99_alone_ms:.0f}, {hits.reports_per_s:.1f} reports a second"
        )
        if hits.lag_alone_s is not None and hits.lag_beside_s is not None:
            yield f"  rollups behind: {hits.lag_alone_s:.1f} s at most, {hits.lag_beside_s:.1f} s beside reports"
    yield f"  memory: {size.memory.resident:.1f} MiB resident, {size.memory.without_mmdb:.1f} without the mmdb"


def growth(sizes: Sequence[Size]) -> Iterator[str]:
    for one, two in itertools.pairwise(sizes):
        yield f"from {one.visits:,} to {two.visits:,} visits, warm, and by processor time"
        for before, after in zip(one.boards, two.boards, strict=True):
            name = f"{before.period}{', ' * bool(before.filter)}{before.filter}"
            yield f"  {name:40}{after.warm_ms / before.warm_ms:8.2f}{after.cpu_ms / max(1.0, before.cpu_ms):8.2f}"
