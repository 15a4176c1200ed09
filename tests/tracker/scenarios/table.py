"""Scenarios, hits expected and hits stored: what the run prints at its end and leaves in `build/`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).parents[3] / "build" / "tracker-scenarios.md"
HEADS = ("scenario", "script", "expected", "stored", "why")


@dataclass(slots=True)
class Row:
    scenario: str
    script: str
    expected: int
    stored: int
    why: str = ""  # the older script sends fewer, or more
    slug: str = ""  # of its pages

    @property
    def cells(self) -> tuple[str, ...]:
        unequal = "" if self.expected == self.stored else " ✗"
        return (self.scenario, self.script, str(self.expected), f"{self.stored}{unequal}", self.why)


@dataclass(slots=True)
class Table:
    rows: list[Row] = field(default_factory=list)

    def markdown(self) -> str:
        lines = [HEADS, *(row.cells for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
        lines.insert(1, tuple("-" * width for width in widths))
        return "\n".join(_line(line, widths) for line in lines) + "\n"

    def write(self) -> None:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(self.markdown(), "utf-8")


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
