"""A timeseries in columns of blocks.

Visitors by hour
12        ▁▁ ██
 0  ▃▃ ▇▇ ██ ██
    00 01 02 03
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from crumby.cli.figures import named
from crumby.cli.screen import BLUE, GREY, seemly
from crumby.reporting.period import Period
from crumby.reporting.questions import Answer, Question
from crumby.reporting.results import plain_rows

TALL: Final = 5  # lines
WIDEST: Final = 6  # columns of a bar, its gap among them
EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
MONTH, DAY = len("2026-11"), len("2026-11-23")

Point = tuple[str, int | float]  # a moment, as the macro `bucket` names it


def sketch(question: Question, answer: Answer, width: int, local: datetime) -> RenderableType:
    """Of the first column that the query's chart draws; `local` is now, in the period's zone."""
    points = _points(question, answer)
    if not points:
        return Text("")
    most = max(value for _, value in points)
    scale = f"{most:,}"
    room = width - len(scale) - 2
    points = points[-room:]
    moments = [moment for moment, _ in points]
    slot = max(1, min(WIDEST, room // len(points)))
    current = _current(moments, question.view.period, local)
    drawn = [Text(f"{named(question.query.header.chart.y[0])} by {question.view.interval}", "bold")]
    for number, line in enumerate(_lines([value for _, value in points], most or 1, slot)):
        side = scale if number == 0 < most else "0" if number == TALL - 1 else ""
        text = Text.assemble((f"{side:>{len(scale)}}  ", GREY), (line, BLUE))
        if current is not None:
            at = len(scale) + 2 + current * slot
            text.stylize(GREY, at, at + slot)
        drawn.append(text)
    return Group(*drawn, Text(" " * (len(scale) + 2) + _labels(moments, slot, room), GREY))


def _points(question: Question, answer: Answer) -> list[Point]:
    chart, columns = question.query.header.chart, list(answer.result.columns)
    if not chart.x or not chart.y or chart.x not in columns or chart.y[0] not in columns:
        return []
    x, y = columns.index(chart.x), columns.index(chart.y[0])
    rows = plain_rows(answer.result, question.query)
    return [(str(row[x]), row[y] if isinstance(row[y], int | float) else 0) for row in rows]


def _lines(values: Sequence[float], most: float, slot: int) -> list[str]:
    """From the top down. What is more than nothing is seen."""
    wide = max(1, slot - 1)
    heights = [max(round(value / most * TALL * 8), 1 if value else 0) for value in values]
    return [
        "".join((EIGHTHS[min(8, max(0, height - 8 * level))] * wide).ljust(slot) for height in heights)
        for level in reversed(range(TALL))
    ]


def _current(moments: Sequence[str], period: Period, local: datetime) -> int | None:
    """The one that is not over."""
    if not period.t0 <= local.date() <= period.t1:
        return None
    now = local.isoformat()
    return max((number for number, moment in enumerate(moments) if moment <= now[: len(moment)]), default=None)


def _labels(moments: Sequence[str], slot: int, room: int) -> str:
    """As many as have room, each below the left end of its bar."""
    line, before = "", ""
    for number, moment in enumerate(moments):
        label = _label(moment, before)
        if (not line or len(line) + 2 <= number * slot) and number * slot + len(label) <= room:
            line, before = line.ljust(number * slot) + label, moment
    return line


def _label(moment: str, before: str) -> str:
    """`13`, `23 Nov`, `Nov 2026`; of hours the day, where it is another one."""
    try:
        at = datetime.fromisoformat(moment if len(moment) > MONTH else f"{moment}-01")
    except ValueError:
        return seemly(moment)
    if len(moment) == MONTH:
        return f"{at:%b %Y}"
    if len(moment) == DAY or (before and before[:10] != moment[:10]):
        return f"{at.day} {at:%b}"
    return f"{at:%H}"
