"""`crumby rollup`."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Ask


def test_they_are_listed_and_made_anew(verb: Ask, home: Path) -> None:
    """Faults: a verb that ends before they are complete; one that knows any name; one that leaves visitors astray."""
    listed = {each["name"]: each for each in json.loads(verb("rollup", "--json").out)}
    assert listed["countries"] == {
        "name": "countries",
        "ready": True,
        "days": 0,
        "months": 0,
        "visit": 0,
        "event": 0,
        "behind": 0,
        "error": None,
    }
    assert (home / "crumby-rollups.db").exists()
    with closing(sqlite3.connect(home / "crumby.db", isolation_level=None)) as database:
        database.execute("insert into strays values ('visitor')")
    assert [each["name"] for each in json.loads(verb("rollup", "--rebuild", "pages", "--json").out)] == ["pages"]
    with closing(sqlite3.connect(home / "crumby.db")) as database:
        assert database.execute("select * from strays").fetchall() == []
    assert "countries" in verb("rollup").out
    asked = verb("rollup", "--rebuild", "planets")
    assert asked.status == 1
    assert asked.err.startswith("crumby: there is no rollup 'planets'; there are browsers, ")


def test_a_file_that_is_wrong_is_named_and_the_others_are_made(verb: Ask, home: Path) -> None:
    """Fault: exit status 0."""
    (home / "own" / "rollups").mkdir(parents=True)
    (home / "own" / "rollups" / "mine.sql").write_text(
        "-- sum: views\nselect day, prev_day, sum(view) as views from hits"
    )
    asked = verb("rollup", CRUMBY_QUERIES=str(home / "own"))
    assert asked.status == 1
    assert "queries/rollups/mine.sql: " in asked.err
    assert "mend the file" in asked.err
    assert "its file is wrong" in asked.out
    assert asked.out.count("ready") == 22
