"""How `crumby dashboard` draws answers: large numbers, columns of blocks, rankings, as wide as the terminal is.

    Mon 23 Nov 2026, so far  beside Sun 22 Nov 2026                  all sites · UTC

    Visitors   Sessions   Views      Per session   Bounce rate   Duration
    212        231        498        2.16          48.1 %        3 min 2 s
    ▲ 12 %     ▲ 9.1 %    ▼ 3 %      ▼ 11 %        ▼ 4 %         -

What is drawn of an answer its query's header says, as it does for the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from crumby.cli.figures import amount, change, named
from crumby.cli.screen import BLUE, GREY, RED, fitted, seemly
from crumby.cli.sketch import TALL, sketch
from crumby.errors import CrumbyError
from crumby.reporting.header import Header
from crumby.reporting.period import Period
from crumby.reporting.questions import Answer, Question
from crumby.reporting.results import compared_rows, plain_rows
from crumby.settings import Settings

Told = tuple[Question, Answer]

THREE: Final = 108  # columns of the terminal, from which on three rankings stand beside one another
TWO: Final = 60
GAP: Final = 3
FRAME: Final = 5 + TALL + 5  # lines that are no rankings', and a prompt
FEWEST, MOST, USUAL = 5, 10, 8  # rows of a ranking
NUMBER: Final = 12  # columns of a large one, at the least
BAR: Final = 8  # columns, the longest of a ranking
ACROSS: Final = " ▏▎▍▌▋▊▉█"
DAYS_BY_DAY: Final = 92

NAMELESS: Final = {"source": "Direct or unknown"}


@dataclass(frozen=True, slots=True)
class Panels:
    """What there is room for."""

    width: int
    height: int | None  # None: nobody's screen, but a file's

    @property
    def beside(self) -> int:
        return 3 if self.width >= THREE else 2 if self.width >= TWO else 1

    @property
    def ranking(self) -> int:
        """Columns."""
        return (self.width - GAP * (self.beside - 1)) // self.beside

    def rows(self, rankings: int) -> int:
        if self.height is None:
            return USUAL
        bands = -(-rankings // self.beside)
        return max(FEWEST, min(MOST, (self.height - FRAME) // max(1, bands) - 2))

    def interval(self, period: Period) -> list[tuple[str, str]]:
        """Weeks, where each day would be less than a column."""
        days = (period.t1 - period.t0).days + 1
        return [("interval", "week")] if self.width - BAR < days <= DAYS_BY_DAY else []


def page(
    panels: Panels,
    strip: Told,
    chart: Told | CrumbyError,
    rankings: Sequence[tuple[str, Told | CrumbyError]],
    *,
    site: str | None,
    now: datetime,
) -> RenderableType:
    """`now` is UTC."""
    local = now.replace(tzinfo=UTC).astimezone(strip[0].view.period.zone)
    rows = panels.rows(len(rankings))
    drawn: list[RenderableType] = [_heading(panels, strip[0], site, local.date()), "", _numbers(panels, strip)]
    if not any(strip[1].result.rows[0] if strip[1].result.rows else ()):
        where = f"of {seemly(site)} " if site else ""
        drawn.append(Text(f"Nothing {where}came in these days; --days 30 looks further back.", GREY))
    drawn += [
        "",
        _problem(chart, panels.width) if isinstance(chart, CrumbyError) else sketch(*chart, panels.width, local),
        "",
    ]
    drawn.append(_beside(panels, [_ranking(each, name, panels.ranking, rows) for name, each in rankings]))
    return Group(*drawn)


def headed(said: str, drawn: RenderableType) -> RenderableType:
    return Group(Text(seemly(said), GREY), drawn)


def first_steps(settings: Settings) -> RenderableType:
    """What to do before there is anything to be seen."""
    host = settings.domain or "stats.example.com"
    steps = (
        ("crumby run", "serves Crumby, if it is not running yet"),
        ("", f'then each page takes <script defer src="https://{host}{settings.script_path}"></script>'),
        ("crumby tail", "shows hits as they come, and why others were refused"),
        ("crumby doctor", "looks for what is amiss"),
        ("crumby demo", "or fills this database with a year of visits, to look at"),
    )
    table = Table.grid(padding=(0, 2))
    for verb, words in steps:
        table.add_row(Text(verb, "bold"), Text(words))
    return Group(Text("Nobody came yet."), "", table)


# The heading


def _heading(panels: Panels, question: Question, site: str | None, today: date) -> Text:
    period = question.view.period
    title = Text(_days(period.t0, period.t1), "bold")
    if period.t0 <= today <= period.t1:
        title.append(", so far")
    if question.compared:
        title.append(f"  beside {_days(question.compared.t0, question.compared.t1)}", f"not bold {GREY}")
    right = f"{seemly(site) if site else 'all sites'} · {period.zone.key}"
    room = panels.width - title.cell_len
    if room > cell_len(right):
        title.append(f"{right:>{room}}", f"not bold {GREY}")
    return title


def _days(first: date, last: date) -> str:
    """`Mon 23 Nov 2026`, `24 Oct to 23 Nov 2026`."""
    if first == last:
        return f"{first:%a} {first.day} {first:%b %Y}"
    year = f" {first:%Y}" if first.year != last.year else ""
    return f"{first.day} {first:%b}{year} to {last.day} {last:%b %Y}"


# Large numbers


def _numbers(panels: Panels, told: Told) -> Table:
    question, answer = told
    columns = list(answer.result.columns)
    header = question.query.header
    names = [name for name in header.chart.y or columns if name in columns]
    rows, before = plain_rows(answer.result, question.query), compared_rows(answer, question.query)
    cells = []
    for name in names:
        place = columns.index(name)
        value = rows[0][place] if rows else None
        other = before[0][place] if before and before[0] else None
        shown = Text(amount(value, _format(header, name)), "bold")
        cells.append((Text(named(name), GREY), shown, change(name, value, other)))
    beside = max(1, min(len(cells), panels.width // NUMBER))
    grid = Table.grid()
    for _ in range(beside):
        grid.add_column(width=panels.width // beside - 1, no_wrap=True)
    for start in range(0, len(cells), beside):
        for line in zip(*cells[start : start + beside], strict=True):
            grid.add_row(*line)
    return grid


def _format(header: Header, name: str) -> str | None:
    return next((column.format for column in header.columns if column.name == name), None)


# Rankings


def _ranking(told: Told | CrumbyError, name: str, width: int, most: int) -> RenderableType:
    if isinstance(told, CrumbyError):
        return Group(Text(fitted(name, width), "bold"), _problem(told, width))
    question, answer = told
    header, columns = question.query.header, list(answer.result.columns)
    x, y = header.chart.x or columns[0], (header.chart.y or tuple(columns[1:]) or tuple(columns))[0]
    if x not in columns or y not in columns:
        return Group(
            Text(fitted(name, width), "bold"), Text(f"its chart names no column of {', '.join(columns)}", GREY)
        )
    form = _format(header, y)
    rows = [(row[columns.index(x)], row[columns.index(y)]) for row in plain_rows(answer.result, question.query)[:most]]
    title = seemly(header.title or name)
    heading = f"{named(y):>{max(0, width - cell_len(title))}}"
    lines = [Text.assemble((title, "bold"), (heading, GREY))]
    largest = max((value for _, value in rows if isinstance(value, int | float)), default=0)
    shown = [(seemly(what) or NAMELESS.get(x, "Unknown"), value, amount(value, form)) for what, value in rows]
    wide = max((len(number) for _, _, number in shown), default=0)
    for what, value, number in shown:
        label = fitted(what, max(4, width - BAR - wide - 2))
        lines.append(Text.assemble(label, " ", (_bar(value, largest), BLUE), f" {number:>{wide}}"))
    return Group(*(lines if rows else [*lines, Text("nothing", GREY)]))


def _bar(value: Any, largest: float) -> str:
    if not isinstance(value, int | float) or largest <= 0:
        return " " * BAR
    eighths = max(1, round(value / largest * BAR * 8)) if value > 0 else 0
    return ("█" * (eighths // 8) + ACROSS[eighths % 8].strip()).ljust(BAR)


def _beside(panels: Panels, rankings: Sequence[RenderableType]) -> Table:
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for number in range(panels.beside):
        last = number == panels.beside - 1
        grid.add_column(width=panels.ranking, no_wrap=True) if not last else grid.add_column(no_wrap=True)
    for start in range(0, len(rankings), panels.beside):
        if start:
            grid.add_row("")
        grid.add_row(*rankings[start : start + panels.beside])
    return grid


def _problem(error: CrumbyError, width: int) -> Text:
    return Text(fitted(seemly(error), width * 2), RED, no_wrap=False, overflow="fold")
