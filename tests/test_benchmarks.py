"""What the benchmarks measure is worth as much as what they fill databases with: their rows are counted here."""

import importlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from benchmarks import paper
from benchmarks.capacity import TOLERANCE, Assumed, Model, Plant, Trouble, closed, day, rate_at, sized
from benchmarks.figures import MEASURED, Costs, costs
from benchmarks.fill import Filling, kept
from benchmarks.people import MONTHS, People
from crumby.ingest.writer import BATCH

COMMANDS = (
    "capacity", "durability", "figures", "fill", "importing", "ingest", "nodes", "pages", "plots", "reports", "rivals",
    "tables",
)  # fmt: skip
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


ROUND = Costs(
    crumby_hit_us=100, crumby_commit_us=0, database_hit_us=50, database_commit_us=0, sync_ms=0, rollup_us=100,
    rollup_database_us=50, nginx_us=20, spool_us=20, spool_bytes=1000, visit_bytes=1000, written=1000, wire_bytes=1000,
    talked=1000, rolled_ms=10, filtered_us=1,
)  # fmt: skip
NO_EVENTS = Assumed(events=0, rtt_ms=0)


def model(known: Costs = ROUND, **plant: float) -> Model:
    given = {"nodes": 10, "cores": 4, "processes": 4, "databases": 1, "database_cores": 1}
    return Model(Plant("", "mariadb", **(given | plant)), known, NO_EVENTS)  # type: ignore[arg-type]


@pytest.mark.parametrize("database", ["sqlite", "mariadb", "postgresql"])
def test_the_paper_says_what_another_benchmark_measured_of_64_connections(database: str) -> None:
    """`ingest` has other figures, of another day: its yard is brought to theirs. Planted: figures of no yard.

    hits/s and its share of the yard's say how long the yard took.
    """
    table = Path("docs/performance.md").read_text().partition(f"**{database}, 1 worker**")[2]
    row = next(line for line in table.splitlines() if line.startswith("| POST | 64 |"))
    rate, share = (float(cell.replace(",", "")) for cell in row.split("|")[3:5])
    known = costs(json.loads(MEASURED.read_text()), database, yard_us=1e6 * share / rate)
    assert closed(known, 64) == pytest.approx(rate, rel=TOLERANCE)


def test_what_is_made_cheaper_hands_the_bottleneck_on() -> None:
    """By hand: one core of a database ÷ (50 + 50) µs; at half that, the rollups' worker: 60 µs, and a rest of 30.

    Planted: the database's part of a rollup left out; a worker that takes no rest.
    """
    dear = replace(ROUND, rollup_us=60)
    assert model(dear).bottlenecks()[:2] == ["database cores", "rollups"]
    assert model(dear).carried() == pytest.approx(1e6 / 100)
    cheap = model(replace(dear, database_hit_us=25, rollup_database_us=25))
    assert cheap.bottlenecks()[0] == "rollups"
    assert cheap.carried() == pytest.approx(1e6 / 90)


@pytest.mark.parametrize(
    ("plant", "cheaper", "before", "after"),
    [
        ({"database_cores": 16}, {"rollup_us": 50}, ("rollups", 1e6 / 150), ("rollups", 1e6 / 75)),
        ({"nodes": 1}, {"crumby_hit_us": 50}, ("rollups", 1e6 / 150), ("rollups", 1e6 / 150)),
        ({"databases": 100}, {"crumby_hit_us": 25}, ("processes", 40e6 / 150), ("processes", 40e6 / 75)),
        ({"databases": 100, "nodes": 1, "processes": 9}, {"nginx_us": 0}, ("node cores", 1e5 / 3), ("node cores", 4e4)),
    ],
)  # fmt: skip
def test_halving_a_cost_moves_what_it_must_and_no_more(
    plant: dict[str, float], cheaper: dict[str, float], before: tuple[str, float], after: tuple[str, float]
) -> None:
    for known, (part, rate) in ((ROUND, before), (replace(ROUND, **cheaper), after)):
        found = model(known, **plant)
        assert found.bottlenecks()[0] == part
        assert found.carried() == pytest.approx(rate)


def test_each_hit_of_a_day_is_stored_or_waits_somewhere() -> None:
    """Three times as many for ten minutes, and a database that is away. Planted: who is answered 503 is gone."""
    crowded = model(database_cores=16, nodes=1, processes=1)
    visits = 0.8 * crowded.carried() * 86_400 * 0.6
    found = day(crowded, visits, Trouble(flash=3.0))
    once = found.total("come") - found.total("turned")
    left = found.seconds[-1]
    flash = sum(2 * rate_at(second) for second in range(20 * 3600, 20 * 3600 + 600))
    assert once == pytest.approx(visits * (1 + flash / 86_400), rel=1e-3)
    assert found.total("stored") + left.waiting + left.spooled == pytest.approx(once, rel=1e-6)
    assert found.total("turned") > 0
    assert found.most("spooled") == pytest.approx(300 * crowded.best_hour(visits), rel=0.1)
    assert left.spooled == 0


def test_a_plant_for_so_many_visits_is_as_free_as_it_should_be_and_no_larger() -> None:
    """Planted: every part full."""
    for visits in (1e6, 1e8, 3.2e8, 1e9):
        found = sized(visits, "mariadb", ROUND, NO_EVENTS)
        rate = found.best_hour(visits)
        assert max(found.busy(rate).values()) <= NO_EVENTS.busy
        for name in ("nodes", "databases"):
            fewer = getattr(found.plant, name) - 1
            smaller = replace(found, plant=replace(found.plant, **{name: fewer})) if fewer else None
            assert smaller is None or max(smaller.busy(rate).values()) > NO_EVENTS.busy


def test_batches_grow_with_the_hits_up_to_the_writers_own() -> None:
    """Planted: no upper end."""
    known = replace(ROUND, crumby_commit_us=500, sync_ms=1.0)
    sizes = [model(known, nodes=1, processes=1).batch(rate) for rate in (1, 1000, 4000, 100_000)]
    assert sizes == sorted(sizes)
    assert (round(sizes[0], 2), sizes[-1]) == (1, BATCH)


def test_the_tables_of_the_page_are_what_the_figures_say() -> None:
    """`python -m benchmarks.capacity --write` puts them there."""
    measured = json.loads(MEASURED.read_text())
    known = {name: costs(measured, name) for name in measured}
    page = Path("docs/scale.md").read_text()
    for lines in (paper.of_costs(known), paper.of_steps(known, Assumed()), paper.of_nodes(measured)):
        assert "\n".join(lines).strip() in page
