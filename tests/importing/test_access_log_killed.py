"""A long log by the real command line: killed half-way, gone on with, and equal to one that nobody stopped."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.importing import written
from crumby.tables import events, visitors, visits

SECRET = "kT8zq0Vd7m2Lw9RxYb4N"
SITE = "www.example.com"
MIB = 1024  # KiB


def command(log: Path) -> Sequence[str]:
    return [sys.executable, "-m", "crumby", "import", str(log), "--from", "access-log", "--site", SITE, "--json"]


def started(log: Path, database: Path) -> "subprocess.Popen[bytes]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CRUMBY_")} | {
        "HOME": str(database.parent),
        "CRUMBY_SQLALCHEMY_DATABASE_URI": f"sqlite:///{database}",
        "CRUMBY_SECRET_KEY": SECRET,
    }
    return subprocess.Popen(command(log), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def to_its_end(log: Path, database: Path) -> float:
    """Import it → the most memory that took, MiB."""
    process = started(log, database)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss / MIB


def asked(database: Path, sql: str) -> int:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int((connection.execute(sql).fetchone() or [0])[0] or 0)
    except sqlite3.OperationalError:
        return 0


def killed(log: Path, database: Path, rows: int, timeout_s: float) -> int:
    """Kill it once so many visits are stored → how many there were."""
    deadline = time.monotonic() + timeout_s
    with started(log, database) as process:
        while asked(database, "select max(id) from visits") < rows or not asked(database, "select mark from imports"):
            assert process.poll() is None, "it was over before anybody could kill it"
            assert time.monotonic() < deadline
            time.sleep(0.005 if rows < 10_000 else 0.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return asked(database, "select count(*) from visits")


def differing(one: Path, other: Path) -> dict[str, int]:
    """Rows of each table that are in one of them alone, by all columns but the row's number."""
    found = {}
    with closing(sqlite3.connect(one)) as connection:
        connection.execute("attach ? as other", (str(other),))
        for table in (visits, events, visitors):
            columns = ", ".join(f'"{column.name}"' for column in table.columns if column.name != "id")
            of = {name: f"select {columns} from {name}.{table.name}" for name in ("main", "other")}
            sides = (("main", "other"), ("other", "main"))
            sql = " union all ".join(f"select count(*) from ({of[a]} except {of[b]})" for a, b in sides)
            found[table.name] = sum(count for (count,) in connection.execute(sql))
            counts = [connection.execute(f"select count(*) from {each}.{table.name}").fetchone()[0] for each in of]
            assert counts[0] == counts[1] > 0, table.name
    return found


@pytest.mark.parametrize(
    ("lines", "grows"),
    [
        pytest.param(20_000, False, id="20,000"),
        pytest.param(5_000_000, True, id="5,000,000", marks=[pytest.mark.long, pytest.mark.timeout(0)]),
    ],
)
def test_a_log_that_is_killed_half_way_and_gone_on_with_equals_one_that_nobody_stopped(
    tmp_path: Path,
    lines: int,
    grows: bool,  # noqa: FBT001
) -> None:
    """Planted: the mark of the line itself, so that equal lines of a second have other numbers; hit ids at random.

    The long form sees that memory is the same for a tenth of it.
    """
    log = written(tmp_path / "access.log", lines, "site")
    of_a_tenth = to_its_end(written(tmp_path / "tenth.log", lines // 10, "site"), tmp_path / "tenth.db") if grows else 0
    whole, stopped = tmp_path / "whole.db", tmp_path / "stopped.db"
    start = time.perf_counter()
    most = to_its_end(log, whole)
    took = time.perf_counter() - start
    rows = asked(whole, "select count(*) from visits")
    half = killed(log, stopped, rows // 2 if grows else 1, took * 10 + 60)
    assert 0 < half < rows
    assert asked(stopped, "select mark from imports") > 0
    assert asked(stopped, "select done from imports") == 0
    again = to_its_end(log, stopped)
    assert differing(whole, stopped) == {"visits": 0, "events": 0, "visitors": 0}
    print(f"\n{lines:,} lines, {rows:,} visits, {took:.0f} s, {lines / took:,.0f} lines/s; killed at {half:,}")
    print(f"peak {most:.1f} MiB, of a tenth {of_a_tenth:.1f} MiB, gone on {again:.1f} MiB")
    if grows:
        assert most < of_a_tenth + 16
