"""A database of Crumby 0.7.1 comes along column by column, of its file and of dumps of the servers that it ran on."""

import gzip
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from crumby.database import Database
from crumby.importing.item import Found
from crumby.importing.source import ImportRefused
from crumby.settings import Settings
from tests import servers
from tests.conftest import MakeSettings
from tests.importing.conftest import rows
from tests.importing.peers import found, items, mysql_dump, postgres_dump, skipped, stored

LEGACY: Final = Path(__file__).parent.parent / "legacy"
ON_SQLITE: Final = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

VISIT: Final = (
    "1, '81.2.69.160', 'k3x9', '2017-05-01 09:00:00', 'It''s \"us\"', 'http://www.example.com/a?b=c', 'UTF-8',"
    " 'http://www.google.com/', 'http://www.example.com/', 'iphone', 'safari', '602.1', '375x667', '32-bit', 'EU',"
    " 'GB', 'England', null, 'London', 51.5142, -0.0931, 10, 'Europe/London', 'en-GB', 'en'"
)
EMPTY: Final = "2, null, null, '2017-05-01 09:10:00', null, 'http://example.com/'" + ", null" * 19
TIMELESS: Final = "3, '1.2.3.4', 'k3x9', null" + ", null" * 21
ROWS: Final = f"""
insert into calendar values ('2017-05-01 00:00:00'), ('2017-05-02 00:00:00');
insert into visits values ({VISIT}), ({EMPTY}), ({TIMELESS});
insert into events values (1, '81.2.69.160', 'k3x9', '2017-05-01 09:05:00', 'Home', 'http://www.example.com/a', 'play',
  'café 🎬'), (2, null, 'k3x9', '2017-05-01 09:06:00', null, null, 'stop', null);
insert into users values (1, 'ann', 'a hash'), (2, 'bob', 'another');
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old" / "crumby.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript((LEGACY / "schema.sql").read_text("utf-8") + ROWS)
    return path


def test_a_visit_keeps_each_of_its_columns(settings: MakeSettings, old: Path) -> None:
    everything = items(old, settings(), "crumby-0.7.1")
    visit, play, _, empty = found(everything)
    assert (visit.hit.cid, visit.hit.uri, visit.hit.title) == ("k3x9", "http://www.example.com/a?b=c", 'It\'s "us"')
    assert (visit.hit.encoding, visit.hit.screen_res, visit.hit.screen_depth) == ("UTF-8", "375x667", "32-bit")
    assert (visit.hit.referrer, visit.hit.lang) == ("http://www.google.com/", "en-GB")
    assert (visit.client.ip, visit.client.referrer, visit.client.lang) == (
        "81.2.69.160",
        "http://www.example.com/",
        "en",
    )
    assert visit.known == {
        "platform": "iphone",
        "browser": "safari",
        "version": "602.1",
        "continent": "EU",
        "country": "GB",
        "subdivision_1": "England",
        "subdivision_2": None,
        "city": "London",
        "latitude": 51.5142,
        "longitude": -0.0931,
        "accuracy_radius": 10,
        "time_zone": "Europe/London",
        "device": "mobile",
    }
    assert (play.hit.kind, play.hit.name, play.hit.value, play.hit.title) == ("event", "play", "café 🎬", "Home")
    assert (empty.hit.cid, empty.hit.title, set((empty.known or {}).values())) == ("", None, {None})
    assert skipped(everything) == {"no time": 1, "a user, whom `crumby adduser` adds": 2}


def test_rows_of_both_tables_come_in_the_order_of_their_time(settings: MakeSettings, old: Path) -> None:
    """Seen to fail where those without a time were taken for the latest."""
    times = [item.hit.datetime for item in items(old, settings(), "crumby-0.7.1") if isinstance(item, Found)]
    assert times == sorted(times)
    assert len(times) == 4


def test_it_goes_on_at_a_mark(settings: MakeSettings, old: Path) -> None:
    whole = items(old, settings(), "crumby-0.7.1")
    for mark in range(len(whole) + 1):
        assert items(old, settings(), "crumby-0.7.1", mark=mark) == whole[mark:]


def test_rows_of_the_same_second_and_cookie_are_told_apart(settings: MakeSettings, old: Path) -> None:
    with closing(sqlite3.connect(old)) as database:
        database.executemany(
            "insert into visits (id, cid, datetime, doc_uri) values (?, 'k3x9', '2017-05-01 09:05:00', '/')",
            [(10,), (11,)],
        )
        database.commit()
    ids = [item.hit.id for item in found(items(old, settings(), "crumby-0.7.1"))]
    assert len(set(ids)) == len(ids) == 6


def test_a_compressed_file_is_read_as_well(settings: MakeSettings, old: Path, tmp_path: Path) -> None:
    path = tmp_path / "crumby.db.gz"
    path.write_bytes(gzip.compress(old.read_bytes()))
    assert items(path, settings(), "crumby-0.7.1") == items(old, settings(), "crumby-0.7.1")


def told(of: list[Any]) -> list[Any]:
    """Give it in one order."""
    return sorted(of, key=repr)


def test_dumps_tell_the_same_as_the_file(
    settings: MakeSettings, old: Path, tmp_path: Path, mariadb: servers.MariaDB, postgres: servers.Postgres
) -> None:
    """Of FLOAT MySQL's tools show six digits."""
    of_file = items(old, settings(), "crumby-0.7.1")
    mysql = (LEGACY / "schema.mysql.sql").read_text("utf-8") + ROWS
    postgresql = (LEGACY / "schema.postgresql.sql").read_text("utf-8") + ROWS
    for path in (
        mysql_dump(mariadb, mysql, tmp_path / "mysql.sql"),
        postgres_dump(postgres, postgresql, tmp_path / "postgresql.sql"),
    ):
        of_dump = items(path, settings(), "crumby-0.7.1")
        assert told(found(of_dump)) == told(found(of_file))
        assert skipped(of_dump) == skipped(of_file)


def test_a_database_of_a_later_crumby_is_refused_with_the_way_out(
    settings: MakeSettings, old: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(old)) as database:
        database.execute("alter table visits add column hit_id blob")
        database.commit()
    with pytest.raises(ImportRefused, match="database of a later Crumby: `crumby export` there"):
        items(old, settings(), "crumby-0.7.1")
    path = tmp_path / "later.sql"
    path.write_text(
        "-- MySQL dump\nCREATE TABLE `visits` (\n  `id` int,\n  `hit_id` binary(16)\n);\n"
        "INSERT INTO `visits` VALUES (1,'x');\n"
    )
    with pytest.raises(ImportRefused, match=r"later\.sql: this is the database of a later Crumby"):
        items(path, settings(), "crumby-0.7.1")


def test_a_damaged_file_is_refused(settings: MakeSettings, old: Path) -> None:
    whole = old.read_bytes()
    old.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImportRefused, match=r"crumby\.db: .*is it a database of Crumby 0\.7\.1\?"):
        items(old, settings(), "crumby-0.7.1", unknown=True)


@ON_SQLITE
async def test_old_visitors_stay_who_they_are_and_a_second_time_adds_nothing(
    database: Database, configured: Settings, old: Path, mariadb: servers.MariaDB, tmp_path: Path
) -> None:
    first = await stored(old, database, configured)
    assert (first.visits, first.events) == (2, 2)
    copied = shutil.copy(old, tmp_path / "copy.db")
    again = await stored(Path(copied), database, configured)
    assert (again.visits, again.events) == (0, 0)
    dumped = mysql_dump(mariadb, (LEGACY / "schema.mysql.sql").read_text("utf-8") + ROWS, tmp_path / "dump.sql")
    other = await stored(dumped, database, configured)
    assert (other.visits, other.events, other.known) == (0, 0, 4)
    visit, empty = await rows(database, "visits")
    assert (visit["cid"], visit["page"], visit["source"], visit["channel"]) == (
        "k3x9",
        "/a",
        "Google",
        "Organic Search",
    )
    assert (visit["country"], visit["city"], visit["ip"], visit["_lang"]) == ("GB", "London", "81.2.69.160", "en")
    assert (empty["cid"], empty["country"]) == (None, None)
