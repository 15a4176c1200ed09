"""Umami's page views and events come along, of its cloud's export and of dumps of both of its databases, alike."""

import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from crumby.database import Database
from crumby.importing.source import ImportRefused
from crumby.settings import Settings
from tests import servers
from tests.conftest import MakeSettings
from tests.importing.conftest import rows
from tests.importing.peers import FIXTURES, found, items, mysql_dump, postgres_dump, skipped, stored

CLOUD: Final = FIXTURES / "umami" / "cloud"
ON_SQLITE: Final = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

EDGE: Final = {
    "browser": "edge",
    "platform": "windows",
    "device": "desktop",
    "country": "GB",
    "subdivision_1": "England",
    "subdivision_2": None,
    "city": "London",
}
SAFARI: Final = {
    "browser": "safari",
    "platform": "ipad",
    "device": "tablet",
    "country": "AT",
    "subdivision_1": "Vienna",
    "subdivision_2": None,
    "city": "Wien",
}


def summary(item: Any) -> tuple[Any, ...]:
    hit = item.hit
    return hit.datetime.isoformat(timespec="seconds"), hit.kind, hit.uri, hit.name, hit.referrer


EXPECTED: Final = [
    (
        "2026-03-01T09:00:00",
        "visit",
        "https://example.com/?utm_source=spring&utm_medium=email&utm_campaign=Spring+%26+more",
        None,
        None,
    ),
    ("2026-03-01T09:00:00", "visit", "https://blog.example.com/café?gclid=x", None, None),
    ("2026-03-01T09:01:30", "event", "https://example.com/pricing?plan=pro", "signup", None),
    ("2026-03-01T09:30:00", "visit", "https://example.com/pricing", None, "https://www.google.com/"),
]


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    return Path(shutil.make_archive(str(tmp_path / "export"), "zip", CLOUD))


def test_the_clouds_export_is_taken_with_its_events_properties(settings: MakeSettings, zipped: Path) -> None:
    everything = items(zipped, settings(), "umami")
    taken = found(everything)
    assert sorted(map(summary, taken), key=str) == sorted(EXPECTED, key=str)
    views = {item.hit.title: item for item in taken if item.hit.kind == "visit"}
    assert (views["Home"].known, views["Home"].hit.tag, views["Home"].hit.lang) == (EDGE, "a-b", "en-GB")
    assert (views['Preise, "neu"'].known, views['Preise, "neu"'].hit.screen_res) == (SAFARI, "810x1080")
    (event,) = (item for item in taken if item.hit.kind == "event")
    assert event.hit.value == ""
    assert event.hit.properties == """{"a 'b' /c":"x","plan":"pro","seats":5,"trial":true}"""
    assert skipped(everything) == {
        "no time": 1,
        "neither a page view nor an event": 1,
        "an event without a name": 1,
        "not as many fields as columns": 1,
    }


def test_a_session_is_a_visitor(settings: MakeSettings, zipped: Path) -> None:
    """Seen to fail where the cid was made of the visit, which ends after half an hour."""
    taken = found(items(zipped, settings(), "umami"))
    cids = [item.hit.cid for item in taken]
    assert len(set(cids)) == 3
    assert {len(cid) for cid in cids} == {32}


def test_a_lone_file_of_the_export_is_taken_without_properties(settings: MakeSettings) -> None:
    taken = found(items(CLOUD / "website_event.csv", settings(), "umami"))
    assert len(taken) == 4
    assert [item.hit.properties for item in taken] == [None] * 4


def test_one_of_several_sites_is_taken(settings: MakeSettings, zipped: Path) -> None:
    everything = items(zipped, settings(), "umami", site="www.Example.com")
    assert {item.hit.uri.split("/")[2] for item in found(everything) if item.hit.uri} == {"example.com"}
    assert skipped(everything)["of another site"] == 1


DUMPED: Final = [
    ("2026-03-01T09:00:00", EXPECTED[0][1], EXPECTED[0][2], None, None),
    *EXPECTED[1:],
    ("2026-03-01T09:04:00", "visit", "https://example.com/", None, None),  # of a session that is not there any more
]


def of_dump(path: Path, settings: Settings) -> None:
    everything = items(path, settings, "umami")
    taken = found(everything)
    assert sorted(map(summary, taken), key=str) == sorted(DUMPED, key=str)
    views = {item.hit.title: item for item in taken}
    assert (views["Home"].known, views['Preise, "neu"'].known) == (EDGE, SAFARI)
    (event,) = (item for item in taken if item.hit.kind == "event")
    assert event.hit.properties == """{"a 'b' /c":"x","plan":"pro","seats":5,"trial":true}"""
    assert event.hit.title == "It's a back\\slash"
    assert skipped(everything) == {"no time": 1, "neither a page view nor an event": 1}


@pytest.mark.parametrize("options", [[], ["--skip-extended-insert", "--hex-blob"]], ids=" ".join)
def test_a_dump_of_mysql_is_taken(
    mariadb: servers.MariaDB, settings: MakeSettings, tmp_path: Path, options: list[str]
) -> None:
    schema = (FIXTURES / "umami" / "mysql.sql").read_text()
    of_dump(mysql_dump(mariadb, schema, tmp_path / "umami.sql", *options), settings())


@pytest.mark.parametrize("options", [[], ["--inserts"]], ids=" ".join)
def test_a_dump_of_postgresql_is_taken(
    postgres: servers.Postgres, settings: MakeSettings, tmp_path: Path, options: list[str]
) -> None:
    schema = (FIXTURES / "umami" / "postgresql.sql").read_text()
    of_dump(postgres_dump(postgres, schema, tmp_path / "umami.sql", *options), settings())


def test_the_sums_of_a_report_are_refused_with_the_way_out(settings: MakeSettings, tmp_path: Path) -> None:
    for name in ("events", "pages", "referrers", "browsers", "os", "devices", "countries"):
        (tmp_path / f"{name}.csv").write_text("x,y\n/,3\n")
    with pytest.raises(ImportRefused, match=r"no website_event\.csv in it.*mysqldump or pg_dump"):
        items(tmp_path, settings(), "umami")


def test_a_dump_of_umami_1_is_refused(settings: MakeSettings, tmp_path: Path) -> None:
    path = tmp_path / "one.sql"
    path.write_text(
        "-- MySQL dump\nCREATE TABLE `pageview` (\n `view_id` int\n);\nINSERT INTO `pageview` VALUES (1);\n"
    )
    with pytest.raises(ImportRefused, match=r"one\.sql: this is a dump of Umami 1"):
        items(path, settings(), "umami")


def test_a_dump_without_events_is_refused(settings: MakeSettings, tmp_path: Path) -> None:
    path = tmp_path / "half.sql"
    path.write_text("-- MySQL dump\nINSERT INTO `event_data` (`website_event_id`) VALUES ('x');\n")
    with pytest.raises(ImportRefused, match="no rows of a table website_event"):
        items(path, settings(), "umami")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"website_id,session_id\nw1,s1\n", r"given: it has no column created_at, event_type, url_path"),
        (b"PGDMP\x01\x0e\x00", r"pg_restore --data-only -f dump\.sql given"),
    ],
)
def test_what_is_no_file_of_umamis_is_refused(settings: MakeSettings, tmp_path: Path, content: bytes, why: str) -> None:
    """Seen to fail where a header alone was a file without rows: it was imported, all nothing of it."""
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(ImportRefused, match=why):
        items(path, settings(), "umami", unknown=True)


@ON_SQLITE
async def test_a_second_time_adds_nothing_and_a_dump_nothing_to_an_export(
    database: Database, configured: Settings, zipped: Path, mariadb: servers.MariaDB, tmp_path: Path
) -> None:
    first = await stored(zipped, database, configured)
    assert (first.visits, first.events) == (3, 1)
    again = await stored(zipped, database, configured)
    assert (again.visits, again.events, again.known) == (0, 0, 4)
    views = sorted((row["page"], row["source"], row["channel"]) for row in await rows(database, "visits"))
    assert views == [
        ("/", "spring", "Email"),
        ("/café", "Google", "Paid Search"),
        ("/pricing", "Google", "Organic Search"),
    ]
    schema = (FIXTURES / "umami" / "mysql.sql").read_text()
    dumped = await stored(mysql_dump(mariadb, schema, tmp_path / "umami.sql"), database, configured)
    assert (dumped.visits, dumped.events, dumped.known) == (1, 0, 4)  # the one whose session is gone
