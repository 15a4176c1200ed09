"""`crumby sites`: as the visits have it, whether they were counted beforehand or not."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.cli.conftest import Ask
from tests.cli.test_errors import one_line

COUNTED = """
select site, min(date(datetime)), max(date(datetime)), sum(lately),
  count(distinct case when lately and cid <> 'null' then cid end)
from (select *, datetime >= :since as lately from visits)
group by 1 order by 4 desc, 1
"""


def counted(path: Path, days: int) -> list[dict[str, Any]]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    with closing(sqlite3.connect(path)) as database:
        values = {"since": str(today - timedelta(days=days))}
        names = ("site", "first", "last", "visits", "visitors")
        return [dict(zip(names, row, strict=True)) for row in database.execute(COUNTED, values)]


def put(path: Path, site: str | None, moment: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "insert into visits (site, page, cid, datetime, prev, page_prev, first) values (?, '/', 'x', ?, 0, 0, 0)",
            (site, moment),
        )


def test_they_are_those_of_the_visits_read_or_counted_beforehand(verb: Ask, home: Path) -> None:
    """Faults: one that is not in the last days is left out; a day of another zone; the last days' first visit."""
    verb("demo", "--visits", "900")
    put(home / "crumby.db", None, "2024-02-29 23:59:59.000000")
    put(home / "crumby.db", "old.example", "2024-03-01 00:00:00.000000")
    for days in (30, 7):
        asked = ("sites", "--json", "--days", str(days))
        read = json.loads(verb(*asked, CRUMBY_QUERIES=str(home)).out)
        assert read == counted(home / "crumby.db", days)
    assert verb("rollup").status == 0
    assert json.loads(verb("sites", "--json").out) == counted(home / "crumby.db", 30)
    with closing(sqlite3.connect(home / "crumby-rollups.db")) as rollups, rollups:
        rollups.execute("update rollup_sites_day set site = 'counted.example' where site = 'old.example'")
    assert "counted.example" in verb("sites").out, "the visits were read"


def test_the_days_are_those_of_the_configured_zone(verb: Ask, home: Path) -> None:
    """Fault: days of UTC where the visits are read."""
    verb("migrate")
    put(home / "crumby.db", "example.com", "2024-02-29 23:30:00.000000")
    here = {"CRUMBY_TIME_ZONE": "Europe/Berlin"}
    (site,) = json.loads(verb("sites", "--json", **here).out)
    assert (site["first"], site["last"]) == ("2024-03-01", "2024-03-01")


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
def test_servers_have_them_as_well(database_url: str, verb: Ask) -> None:
    here = {"CRUMBY_SQLALCHEMY_DATABASE_URI": database_url}
    verb("demo", "--visits", "200", **here)
    read = verb("sites", "--json", **here)
    assert verb("rollup", **here).status == 0
    assert json.loads(read.out) == json.loads(verb("sites", "--json", **here).out)
    assert sum(site["visits"] for site in json.loads(read.out)) > 0


def test_people_get_a_table_in_which_no_name_is_cut(verb: Ask, home: Path) -> None:
    """On 80 columns, whatever a page called itself. Fault: an ellipsis in the place of what tells two sites apart."""
    verb("migrate")
    name = f"{'sub.' * 20}\x1b[31m.example"
    put(home / "crumby.db", name, "2024-03-01 00:00:00.000000")
    said = verb("sites", COLUMNS="80").out
    rows = said.rpartition("─")[2].partition("visits and visitors of")[0]
    told = "".join(line.split()[0] for line in rows.splitlines() if line.split())
    assert told == name.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert "days are those of UTC" in said


def test_none_is_no_fault(verb: Ask) -> None:
    answer = verb("sites")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("No visit has come yet")
    assert json.loads(verb("sites", "--json").out) == []


def test_a_server_that_is_away_is_named(verb: Ask) -> None:
    here = {"CRUMBY_SQLALCHEMY_DATABASE_URI": f"postgresql://me:canary@127.0.0.1:{servers.free_port()}/x"}
    said = one_line(verb("sites", **here))
    assert "127.0.0.1" in said
    assert "canary" not in said
