"""Matomo's visits come along, of its API's JSON and of a dump of its tables, alike."""

from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from crumby.database import Database
from crumby.importing import aside
from crumby.importing.item import Found
from crumby.importing.source import ImportRefused
from crumby.settings import Settings
from tests import servers
from tests.conftest import MakeSettings
from tests.importing.conftest import rows
from tests.importing.peers import FIXTURES, found, items, mysql_dump, skipped, stored

FOLDER: Final = FIXTURES / "matomo"
ON_SQLITE: Final = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOME, BUNS = "https://www.example.com/", "https://example.com/buns?size=ü#top"

EXPECTED: Final = [
    ("09:00:00", "visit", HOME, None, None, None),
    ("09:01:00", "visit", BUNS, None, None, HOME),
    ("09:02:00", "event", BUNS, "Download", "https://example.com/menu.pdf", None),
    ("09:03:00", "event", BUNS, "Videos: Play", "How to knead", None),
    ("09:04:00", "event", BUNS, "Search", "rye 🍞", None),
    ("09:05:00", "event", BUNS, "Outbound link", "http://news.example/a", None),
    ("10:00:00", "visit", HOME, None, None, "https://www.google.com/"),
    ("11:00:00", "visit", "http://blog.example.com/first", None, None, None),
]
GOAL: Final = ("09:05:00", "event", BUNS, "Goal", "Read a lot", None)
PROPERTIES: Final = {
    "Videos: Play": '{"action":"Play","category":"Videos","value":2.5}',
    "Search": '{"category":"bread","results":3}',
}


def summary(item: Found) -> tuple[Any, ...]:
    hit = item.hit
    return hit.datetime.isoformat()[11:], hit.kind, hit.uri, hit.name, hit.value, hit.referrer


def dumped(server: servers.MariaDB, tmp_path: Path, *options: str) -> Path:
    return mysql_dump(server, (FOLDER / "mysql.sql").read_text("utf-8"), tmp_path / "matomo.sql", *options)


def test_visits_of_the_api_become_page_views_and_events(settings: MakeSettings) -> None:
    everything = items(FOLDER / "visits.json", settings(), "matomo")
    taken = found(everything)
    assert [summary(item) for item in taken] == [*EXPECTED[:6], GOAL, *EXPECTED[6:]]
    assert {item.hit.name: item.hit.properties for item in taken if item.hit.properties} == PROPERTIES
    first, second, third = (item for item in taken if item.hit.uri in {HOME, "http://blog.example.com/first"})
    assert first.known == {
        "browser": "edge",
        "version": "134.0",
        "platform": "windows",
        "device": "desktop",
        "continent": "EU",
        "country": "GB",
        "subdivision_1": "England",
        "subdivision_2": None,
        "city": "London",
        "latitude": 51.5142,
        "longitude": -0.0931,
        "source": None,
        "channel": "Campaigns",
        "utm_campaign": "Spring & more",
    }
    assert second.known is not None
    assert third.known is not None
    assert (second.known["platform"], second.known["browser"], second.known.get("country")) == ("ipad", "safari", None)
    assert (third.known["country"], third.known["platform"], third.known["browser"]) == ("JP", None, None)
    assert [item.client.ip for item in (first, second, third)] == ["81.2.69.0", None, "2001:218::1"]
    assert (first.hit.screen_res, second.hit.screen_res, first.hit.lang) == ("1920x1080", None, "en-GB")
    assert skipped(everything) == {"of a kind that Crumby has not": 1, "no time": 1}


def test_a_campaign_counts_for_the_first_page_view_alone(settings: MakeSettings) -> None:
    """Seen to fail where all page views of the visit had it: the second one came from the first."""
    first, second = found(items(FOLDER / "visits.json", settings(), "matomo"))[:2]
    assert first.known is not None
    assert second.known is not None
    assert "channel" in first.known
    assert "channel" not in second.known


@pytest.mark.parametrize("options", [[], ["--hex-blob"], ["--skip-extended-insert", "--skip-opt"]], ids=" ".join)
def test_a_dump_tells_the_same_as_the_api(
    mariadb: servers.MariaDB, settings: MakeSettings, tmp_path: Path, options: list[str]
) -> None:
    everything = items(dumped(mariadb, tmp_path, *options), settings(), "matomo")
    taken = found(everything)
    of_api = {item.hit.id: item for item in found(items(FOLDER / "visits.json", settings(), "matomo"))}
    # Two records of an action that has been deleted: its title is lost, or its address, and then the page view.
    assert [summary(item) for item in taken] == EXPECTED
    assert skipped(everything) == {
        "of a kind that Crumby has not": 1,
        "a visit that is not there": 1,
        "no address": 1,
    }
    for item in taken:
        other = of_api[item.hit.id]  # by the same name
        assert msgspec.structs.replace(item.hit, title=None) == msgspec.structs.replace(other.hit, title=None)
        assert item.client.ip == other.client.ip
    first, again = taken[0].known, of_api[taken[0].hit.id].known
    assert first is not None
    assert again is not None
    assert first == {name: value for name, value in again.items() if name != "continent"} | {"subdivision_1": "England"}
    assert [item.hit.title for item in taken if item.hit.uri == HOME] == ['Home; it\'s "us"', None]


def test_one_of_several_sites_is_taken(settings: MakeSettings, mariadb: servers.MariaDB, tmp_path: Path) -> None:
    for path in (FOLDER / "visits.json", dumped(mariadb, tmp_path)):
        everything = items(path, settings(), "matomo", site="blog.example.com")
        assert [item.hit.uri for item in found(everything)] == ["http://blog.example.com/first"]


def test_visits_a_line_are_taken_and_a_broken_one_is_passed_by(settings: MakeSettings) -> None:
    everything = items(FOLDER / "lines.jsonl", settings(), "matomo")
    assert len(found(everything)) == 9
    assert skipped(everything) == {
        "no JSON": 1,
        "a visit without actions": 1,
        "of a kind that Crumby has not": 1,
        "no time": 1,
    }


def test_pages_of_the_api_are_taken_one_behind_another(settings: MakeSettings, tmp_path: Path) -> None:
    """Seen to fail where the first array's end was the file's."""
    visits = [msgspec.json.encode(each) for each in msgspec.json.decode((FOLDER / "visits.json").read_bytes())]
    path = tmp_path / "pages.json"
    for between in (b"", b"\n", b"\n[]\n"):
        path.write_bytes(between.join(b"[" + each + b"]" for each in visits))
        assert len(found(items(path, settings(), "matomo"))) == 9


def test_visits_longer_than_what_is_read_at_once_are_whole(settings: MakeSettings, tmp_path: Path) -> None:
    visits = msgspec.json.decode((FOLDER / "visits.json").read_bytes())
    for visit in visits:
        visit["plugins"] = "é[{" * 50_000
    path = tmp_path / "long.json"
    path.write_bytes(msgspec.json.encode(visits))
    assert len(found(items(path, settings(), "matomo", unknown=True))) == 9


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '{"result":"error","message":"You can\'t access this resource"}',
            "Matomo's answer is an error: You can't access",
        ),
        (
            '[{"idVisit": 1, "actionDetails": []}, {"idVisit": 2',
            "behind 1 visits comes what is no JSON, or not all of it",
        ),
        (
            "-- MySQL dump\nCREATE TABLE `x_log_action` (\n  `idaction` int\n);\n",
            "no rows of a table log_link_visit_action",
        ),
    ],
)
def test_what_is_not_whole_is_refused(settings: MakeSettings, tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "given"
    path.write_text(text)
    with pytest.raises(ImportRefused, match=why):
        items(path, settings(), "matomo")


def test_what_is_put_aside_is_found_whatever_was_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "AT_ONCE", 3)
    with aside.Aside() as kept:
        for number in range(100):
            kept.put("even" if number % 2 == 0 else "odd", number // 4, number)
        kept.ready()
        assert kept.all("even", 3) == [12, 14]
        assert (kept.get("odd", 3), kept.get("odd", 99), kept.get("other", 3)) == (15, None, None)


def test_a_dump_that_lacks_a_column_is_refused_by_its_name(settings: MakeSettings, tmp_path: Path) -> None:
    path = tmp_path / "other.sql"
    path.write_text("-- MySQL dump\nCREATE TABLE `log_visit` (\n  `id` int\n);\nINSERT INTO `log_visit` VALUES (1);\n")
    with pytest.raises(ImportRefused, match=r"other\.sql: there is no column 'idvisit' in it"):
        items(path, settings(), "matomo")


@ON_SQLITE
async def test_a_second_time_adds_nothing_and_a_dump_nothing_to_the_api(
    database: Database, configured: Settings, mariadb: servers.MariaDB, tmp_path: Path
) -> None:
    first = await stored(FOLDER / "visits.json", database, configured)
    assert (first.visits, first.events) == (4, 5)
    again = await stored(FOLDER / "visits.json", database, configured)
    assert (again.visits, again.events) == (0, 0)
    other = await stored(dumped(mariadb, tmp_path), database, configured)
    assert (other.visits, other.events, other.known) == (0, 0, 8)
    views = [
        (row["page"], row["channel"], row["country"], row["city"], row["seq"]) for row in await rows(database, "visits")
    ]
    assert views == [
        ("/", "Campaigns", "GB", "London", 1),
        ("/buns", "Campaigns", "GB", "London", 2),
        ("/", "Organic Search", None, None, 1),
        ("/first", "Direct", "JP", None, 1),
    ]
