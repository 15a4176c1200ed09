"""`crumby prune`."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crumby.rollups import Prune, Rollups
from tests.cli.conftest import Ask


def rows(home: Path, sql: str) -> Any:
    with closing(sqlite3.connect(home / "crumby.db")) as database:
        return database.execute(sql).fetchall()


def test_it_says_what_would_go_and_then_deletes_it(verb: Ask, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was counted goes on being answered. Planted: a dry run that deletes; an end by Ctrl-C that says nothing;
    `period=all` begins with the first visit that is left.
    """
    verb("demo", "--visits", "600")
    first = rows(home, "select min(datetime) from visits")[0][0][:10]
    counts = [json.loads(verb("query", "summary", "--period", "all", "--json").out)["data"]]
    assert "RETENTION_DAYS: it is 0, for good" in verb("prune").err
    dry = json.loads(verb("prune", "--days", "30", "--dry-run", "--json").out)
    assert not dry.pop("deleted")
    assert dry["visits"] > 400
    assert f"from before {dry['before']} would be deleted" in verb("prune", "--dry-run", CRUMBY_RETENTION_DAYS="30").out
    assert rows(home, "select count(*) from visits") == [(600,)]
    prune = Rollups.prune
    done = []

    async def interrupted(self: Rollups, run: Prune) -> bool:
        done.append(await prune(self, run))
        if run.visits:
            raise KeyboardInterrupt
        return done[-1]

    with monkeypatch.context() as patch:
        patch.setattr("crumby.rollups.pruning.PART", 100)
        patch.setattr(Rollups, "prune", interrupted)
        stopped = verb("prune", "--days", "30")
    assert (stopped.status, stopped.out) == (130, "")
    assert stopped.err.startswith("crumby: stopped: 100 visits, 0 events and 0 visitors are deleted; the rest go")
    deleted = json.loads(verb("prune", "--json", CRUMBY_RETENTION_DAYS="30").out)
    assert deleted == dry | {"deleted": True, "visits": dry["visits"] - 100}
    assert rows(home, f"select count(*) from visits where datetime < '{dry['before']}'") == [(0,)]
    assert verb("prune", "--days", "30").out.startswith("0 visits, 0 events and 0 visitors from before")
    assert (
        f"days before {dry['before']}, whose visits were pruned, stay as they were" in verb("rollup", "--rebuild").err
    )
    answer = json.loads(verb("query", "summary", "--period", "all", "--json").out)
    assert answer["meta"]["period"]["from"] == first
    counts.append(answer["data"])
    assert counts[0] == counts[1]


def test_ctrl_c_ends_it_between_two_pieces(verb: Ask, home: Path) -> None:
    """A signal to the process. Planted: it is caught nowhere."""
    verb("demo", "--visits", "300")
    slowly = "import crumby.rollups.pruning as p, crumby.cli.prune as c; p.PART = 5; c.REST = 9"
    code = f"{slowly}; from crumby.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "prune", "--days", "30"],
        env={**os.environ, "CRUMBY_TIME_ZONE": "UTC"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while rows(home, "select count(*) from visits") == [(300,)] and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err.count(b"\n")) == (b"", 1)
    left = rows(home, "select count(*) from visits")[0][0]
    assert err.startswith(b"crumby: stopped: %d visits, " % (300 - left))
    assert rows(home, "pragma integrity_check") == [("ok",)]
