"""`crumby dashboard`: what the reports answer, drawn as wide as the terminal is."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from sqlalchemy import insert

from crumby.cli.dashboard import CHART, RANKINGS, STRIP
from crumby.cli.figures import amount, change
from crumby.cli.sketch import sketch
from crumby.database import open_database
from crumby.migrations import migrate
from crumby.reporting.period import Period
from crumby.reporting.query import QueryFolders
from crumby.reporting.questions import Answer, understand
from crumby.reporting.run import Result
from crumby.settings import Settings, load_settings
from crumby.tables import visits
from tests.cli.conftest import Ask
from tests.reporting.crumbs import scatter
from tests.servers import READY_S

MARCH = ["--from", "2026-03-26", "--to", "2026-03-31"]
HOSTILE = "/[b]\x1b[31m\x1b[2J\r\nsecond\u202eline\x9b\u2028:smile:日本語の長いページです"


def fill(environ: Mapping[str, str], *pages: str) -> None:
    """The crumbs, and a visit of each page now."""

    async def work() -> None:
        async with open_database(load_settings(environ)) as database:
            await migrate(database.engine)
            if not pages:
                await scatter(database.engine)
            async with database.engine.begin() as connection:
                for number, page in enumerate(pages):
                    now = datetime.now(UTC).replace(tzinfo=None)
                    row = {"cid": f"c{number}", "session": number + 1, "seq": 1, "datetime": now, "site": "a.example"}
                    await connection.execute(insert(visits).values(page=page, source=page[:100], **row))

    asyncio.run(work())


@pytest.fixture
def filled(home: Path) -> Path:
    fill(os.environ)
    return home


def test_it_asks_what_the_reports_answer_on_every_database(database_url: str, verb: Ask) -> None:
    """For programs an object of the API's answers, by the names of the queries."""
    environ = {"CRUMBY_SQLALCHEMY_DATABASE_URI": database_url}
    fill({**os.environ, **environ})
    answer = verb("dashboard", "--json", *MARCH, **environ)
    assert (answer.status, answer.err) == (0, "")
    told = json.loads(answer.out)
    assert list(told) == [STRIP, CHART, *RANKINGS]
    for name, more in {STRIP: ["--compare", "previous"], CHART: [], "public/countries": ["-p", "limit=10"]}.items():
        asked = verb("query", name, "--json", *MARCH, *more, **environ)
        assert told[name] == json.loads(asked.out)
    assert told[STRIP]["data"][0][0] > 1
    drawn = verb("dashboard", *MARCH, COLUMNS="80", **environ).out
    assert f"\n{told[STRIP]['data'][0][0]} " in drawn
    assert all(
        title in drawn for title in ("Visitors by day", "Top pages", "Sources", "Countries", "Browsers", "Goals")
    )


@pytest.mark.parametrize(("width", "beside"), [(40, 1), (80, 2), (120, 3)])
def test_it_fits_and_fills_the_terminal(filled: Path, verb: Ask, width: int, beside: int) -> None:
    lines = verb("dashboard", *MARCH, COLUMNS=str(width)).out.splitlines()
    assert max(map(cell_len, lines)) <= width
    titles = next(line for line in lines if line.startswith("Top pages"))
    assert titles.split()[2:] == ["Views", "Sources", "Visitors", "Countries", "Visitors"][: 2 * beside - 1]
    assert width - 3 <= cell_len(titles.rstrip()) <= width


def test_what_a_stranger_sent_stays_in_its_cell(home: Path, verb: Ask) -> None:
    """Seen to fail where a label is printed as it is."""
    fill(os.environ, HOSTILE)
    said = verb("dashboard", COLUMNS="80").out
    assert not set(said) & set("\x1b\r\x9b\u202e\u2028\t")
    row = next(line for line in said.splitlines() if line.startswith("/[b]"))
    assert row.rstrip().endswith(" 1")
    assert cell_len(row) <= 80
    assert all(cell_len(line) <= 80 for line in said.splitlines())


def test_an_empty_database_is_told_what_to_do_next(home: Path, verb: Ask) -> None:
    async def make() -> None:
        async with open_database(load_settings(os.environ)) as database:
            await migrate(database.engine)

    asyncio.run(make())
    answer = verb("dashboard", CRUMBY_DOMAIN="stats.example")
    assert (answer.status, answer.err) == (0, "")
    assert all(f"crumby {each}" in answer.out for each in ("run", "tail", "doctor", "demo"))
    assert '<script defer src="https://stats.example/cmb.js"></script>' in answer.out


def test_one_site_alone(home: Path, verb: Ask) -> None:
    fill(os.environ, "/here")
    for site, visitors in (("WWW.A.example", 1), ("b.example", 0)):
        told = json.loads(verb("dashboard", "--json", "--site", site).out)
        assert told[STRIP]["data"][0][0] == visitors
        assert told["public/pages"]["data"][:1] == [["/here", 1, 1, 1, 100, None, None]][:visitors]


def test_days_of_nothing_say_so(filled: Path, verb: Ask) -> None:
    answer = verb("dashboard", "--site", "example.com")
    assert "Nothing of example.com came in these days" in answer.out
    assert answer.status == 0


def test_a_bad_file_spoils_its_own_panel_alone(filled: Path, verb: Ask) -> None:
    own = filled / "queries" / "public"
    own.mkdir(parents=True)
    (own / "countries.sql").write_text("select nonsense from nowhere")
    (own / "devices.sql").write_text("-- Devices\n-- chart: bars of b by a\nselect 1 as x, 2 as y")
    answer = verb("dashboard", *MARCH, CRUMBY_QUERIES=str(own.parent))
    assert (answer.status, answer.err) == (0, "")
    assert "countries.sql" in answer.out
    assert "its chart names no column of x, y" in answer.out
    assert "Top pages" in answer.out
    told = json.loads(verb("dashboard", "--json", *MARCH, CRUMBY_QUERIES=str(own.parent)).out)
    assert told["public/countries"]["error"] == "QueryFileError"
    assert "data" in told["public/pages"]


def test_what_it_does_not_understand_it_refuses(filled: Path, verb: Ask) -> None:
    answer = verb("dashboard", "--period", "tody")
    assert (answer.status, answer.out) == (1, "")
    assert "'tody' is not one of today" in answer.err
    assert verb("dashboard", "--watch", "2").status == 2  # this is no terminal
    assert verb("dashboard", "--watch", "2", "--json").status == 2


def test_watching_shows_what_comes_until_it_is_ended(home: Path) -> None:
    """In the terminal's other screen. Seen to fail where it draws but once."""
    fill(os.environ, "/first")
    leader, follower = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"}
    command = [sys.executable, "-m", "crumby", "dashboard", "--watch", "1"]
    process = subprocess.Popen(command, stdout=follower, stderr=subprocess.PIPE, env=environ)
    os.close(follower)
    try:
        read_until(leader, b"/first")
        fill(os.environ, "/second")
        read_until(leader, b"/second")
        process.send_signal(signal.SIGINT)
        read_until(leader, b"\x1b[?1049l")
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, b"")
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def read_until(terminal: int, wanted: bytes) -> None:
    deadline = time.monotonic() + READY_S
    said = b""
    while wanted not in said:
        assert time.monotonic() < deadline, said
        said += os.read(terminal, 100_000)


# Figures


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (1234, "count", "1,234"),
        (48.25, "percent", "48.2 %"),
        (100, "percent", "100 %"),
        (59.6, "duration", "1 min 0 s"),
        (7500, "duration", "2 h 5 min"),
        (2.5, None, "2.5"),
        (None, "percent", "-"),
        ("\x1b[31m", None, "\N{REPLACEMENT CHARACTER}[31m"),
    ],
)
def test_a_number_is_read_by_its_format(value: object, form: str | None, shown: str) -> None:
    assert amount(value, form) == shown


@pytest.mark.parametrize(
    ("column", "value", "before", "shown", "good"),
    [
        ("visitors", 112, 100, "▲ 12 %", True),
        ("visitors", 97, 100, "▼ 3 %", False),
        ("bounce_rate", 45.5, 50, "▼ 9 %", True),
        ("visitors", 100, 100, "=", None),
        ("visitors", 5, 0, "-", None),
        ("visitors", None, 4, "-", None),
    ],
)
def test_a_change_says_whether_it_is_for_the_better(
    column: str, value: float | None, before: float, shown: str, good: object
) -> None:
    told = change(column, value, before)
    assert told.plain == shown
    if good is not None:
        assert (told.style == change("visitors", 2, 1).style) is good


def drawn(rows: list[tuple[str, int]], period: Period, local: datetime, width: int = 80) -> list[str]:
    """The lines of a sketch of visitors by hour."""
    query = QueryFolders.laid_over(None).get("public", "traffic")
    assert query
    asked = [("from", period.t0.isoformat()), ("to", period.t1.isoformat())]
    question = understand(query, asked, settings_of(period.zone), local)
    answer = Answer(Result(["date", "visitors"], rows, truncated=False))
    return printed(sketch(question, answer, width, local), width)


def settings_of(zone: ZoneInfo) -> Settings:
    return load_settings({"CRUMBY_TIME_ZONE": zone.key})


def printed(what: RenderableType, width: int) -> list[str]:
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(what)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in captured.get().splitlines()]


def test_a_bar_is_as_tall_as_its_value_and_what_is_little_is_seen() -> None:
    day = date(2026, 3, 1)
    rows = [("2026-03-01T00:00", 1000), ("2026-03-01T01:00", 500), ("2026-03-01T02:00", 1), ("2026-03-01T03:00", 0)]
    title, *lines = drawn(rows, Period(day, day, ZoneInfo("UTC")), datetime(2026, 3, 9))  # noqa: DTZ001
    assert title == "Visitors by hour"
    assert lines == [
        "1,000  █████",
        "       █████",
        "       █████ ▄▄▄▄▄",
        "       █████ █████",
        "    0  █████ █████ ▁▁▁▁▁",
        "       00    01    02    03",
    ]


def test_a_year_by_the_hour_is_cut_to_what_there_is_room_for() -> None:
    day = date(2026, 3, 1)
    rows = [(f"2026-03-{1 + number // 24:02}T{number % 24:02}:00", number) for number in range(700)]
    lines = drawn(rows, Period(day, day, ZoneInfo("UTC")), datetime(2026, 3, 9), width=40)  # noqa: DTZ001
    assert all(cell_len(line) <= 40 for line in lines)
    assert lines[1].endswith("█")
