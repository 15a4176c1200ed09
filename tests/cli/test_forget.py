"""`crumby forget`."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ask


def rows(home: Path, sql: str) -> Any:
    with closing(sqlite3.connect(home / "crumby.db")) as database:
        return database.execute(sql).fetchall()


def test_it_asks_before_it_deletes_and_says_what_it_could_not(
    verb: Ask, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: it deletes without being asked; it forgets the first one alone; a dry run that deletes."""
    verb("demo", "--visits", "300")
    people = "select cid from visits where cid <> 'null' group by cid order by count(*) desc, cid"
    (cid,), (other,), *_ = rows(home, people)
    ((ip,),) = rows(home, f"select ip from visits where cid = '{other}' limit 1")
    mine = f"select count(*) from visits where cid in ('{cid}', '{other}')"
    before = rows(home, mine)
    ((visits,),) = rows(home, f"select count(*) from visits where cid = '{cid}'")
    ((events,),) = rows(home, f"select count(*) from events where cid = '{cid}'")
    dry = json.loads(verb("forget", cid, ip, "--dry-run", "--json").out)
    assert dry[0] == {
        "asked": cid, "deleted": False, "visits": visits, "events": events, "visitors": 1, "waiting": 0
    }  # fmt: skip
    said = verb("forget", cid)
    assert (said.status, said.err) == (1, "crumby: nothing is deleted: --yes does it without being asked\n")
    assert rows(home, mine) == before
    with monkeypatch.context() as patch:
        patch.setattr("crumby.cli.forget._asked", lambda: True)
        assert verb("forget", cid, stdin="n\n").status == 1
        assert rows(home, mine) == before
        said = verb("forget", cid, ip, stdin="y\n")
    assert said.status == 0, said
    assert f"{ip}: of the visitors who came from there, " in said.out
    assert "What Crumby can't forget: backups" in said.out
    assert rows(home, mine) == [(0,)]
    assert rows(home, f"select count(*) from visitors where cid in ('{cid}', '{other}')") == [(0,)]
    assert verb("forget", cid, "--yes").out == f"{cid}: nothing is stored\n"
    assert verb("forget", "null").err == (
        "crumby: 'null' is neither a visitor's cid nor an address: give one of these\n"
    )
