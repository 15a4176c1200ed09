"""What the benchmarks measure is worth as much as what they fill databases with: their rows are counted here."""

import importlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from benchmarks.fill import Filling, kept
from benchmarks.people import MONTHS, People

COMMANDS = ("durability", "fill", "importing", "ingest", "pages", "plots", "reports", "rivals", "tables")
VISITS = 2000
UNTIL = datetime(2026, 3, 29, 14)  # noqa: DTZ001 - UTC, as the tables have it
NOBODY = "('', 'null')"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = kept(tmp_path_factory.mktemp("filled"), Filling(VISITS, UNTIL))
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def differing(connection: sqlite3.Connection, stamped: str, counted: str, rows: str) -> int:
    """Rows whose column is not what is counted by hand."""
    sql = f"select count(*) from (select {stamped} as a, {counted} as b from {rows}) where a is not b"
    count: int = connection.execute(sql).fetchone()[0]
    return count


def seconds(column: str) -> str:
    return f"cast(strftime('%s', {column}) as integer)"


def test_as_many_visits_are_made_as_were_asked_for(filled: sqlite3.Connection) -> None:
    """Planted: `[: self.count - made]` left out."""
    count, newest, months = filled.execute(
        "select count(*), max(datetime), (julianday(max(datetime)) - julianday(min(datetime))) / 30.44 from visits"
    ).fetchone()
    assert count == VISITS
    assert newest < f"{UNTIL:%Y-%m-%d %H:%M:%S}"
    assert MONTHS - 0.5 < months <= MONTHS + 0.1
    for asked in (1, 250, 251, 252):
        assert sum(len(day.visits) for day in People(asked, UNTIL).days()) == asked


@pytest.mark.parametrize(
    ("stamped", "counted"),
    [
        ("seq", "row_number() over (partition by cid, session order by datetime)"),
        ("entry", "first_value(page) over (partition by cid, session order by datetime)"),
        ("channel", "first_value(channel) over (partition by cid, session order by datetime)"),
        ("first", f"{seconds('min(datetime) over (partition by cid)')}"),
        ("prev", f"coalesce(lag({seconds('datetime')}) over (partition by cid order by datetime), 0)"),
        ("page_prev", f"coalesce(lag({seconds('datetime')}) over (partition by cid, page order by datetime), 0)"),
    ],
)
def test_each_visit_is_stamped_as_a_count_by_hand_has_it(
    filled: sqlite3.Connection, stamped: str, counted: str
) -> None:
    """Planted: `stamped` keeps the states of the day before alone."""
    assert differing(filled, stamped, counted, f"visits where cid not in {NOBODY}") == 0


def test_each_visitor_is_written_once_and_as_their_last_visit_has_them(filled: sqlite3.Connection) -> None:
    """Planted: those who come no more are forgotten."""
    counted = f"""
    select cid, min(datetime), max(datetime), max(session) from visits where cid not in {NOBODY} group by cid
    """
    kept_rows = "select cid, first, viewed, session from visitors"
    assert filled.execute(f"select count(*) from ({counted} except {kept_rows})").fetchone() == (0,)
    assert filled.execute("select count(*) from visitors").fetchone() == (
        filled.execute(f"select count(distinct cid) from visits where cid not in {NOBODY}").fetchone()[0],
    )


def test_an_event_is_of_a_session_with_a_view(filled: sqlite3.Connection) -> None:
    """Planted: `day.events` are written, not those that were placed."""
    known = "select session from visits where session is not null"
    orphans = f"select count(*) from events where cid not in {NOBODY} and coalesce(session, 0) not in ({known})"
    assert filled.execute(orphans).fetchone() == (0,)
    assert filled.execute("select count(*) > 50 from events").fetchone() == (1,)


def test_the_same_seed_makes_the_same_rows() -> None:
    """Planted: `random.Random()` for `random.Random(seed)`."""

    def made(seed: int) -> Sequence[object]:
        return [row for day in People(300, UNTIL, seed).days() for row in (*day.visits, *day.events)]

    assert made(1) == made(1)
    assert made(1) != made(2)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_takes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"benchmarks.{command}")
    with pytest.raises(SystemExit) as ended:
        module.parse(["--help"])
    assert ended.value.code == 0
    assert f"benchmarks.{command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_described(command: str) -> None:
    assert f"python -m benchmarks.{command}" in Path("benchmarks/README.md").read_text()
