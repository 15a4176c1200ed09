"""GoatCounter's rows become page views and events; of its sums, the days."""

import gzip
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from crumby.database import Database
from crumby.importing.item import Found, Skipped, Total
from crumby.importing.source import ImportRefused
from crumby.settings import Settings
from tests.conftest import MakeSettings
from tests.importing.conftest import rows
from tests.importing.peers import FIXTURES, found, items, skipped, stored

FOLDER: Final = FIXTURES / "goatcounter"
ON_SQLITE: Final = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Give the CSV as GoatCounter sends it."""
    path = tmp_path / "goatcounter-export-bakery-20260301T120000Z-0.csv.gz"
    path.write_bytes(gzip.compress((FOLDER / "version2.csv").read_bytes()))
    return path


def test_each_row_of_the_csv_is_a_page_view_or_an_event(settings: MakeSettings, export: Path) -> None:
    everything = items(export, settings(), "goatcounter", site="bakery.example")
    taken = found(everything)
    assert [(item.hit.kind, item.hit.uri, item.hit.name, item.hit.title) for item in taken] == [
        ("visit", "https://bakery.example/", None, "Home"),
        ("visit", "https://bakery.example/", None, "Home"),
        ("visit", "https://bakery.example/buns", None, 'Buns, "fresh"'),
        ("event", None, "order-tea", "Tea"),
        ("visit", "https://bakery.example/spring", None, ""),
    ]
    home, _, buns, tea, spring = taken
    assert home.hit.referrer == "https://www.example.org/links?a=b"
    assert (home.hit.screen_res, buns.hit.screen_res) == ("1920x1080", None)
    assert home.known == {
        "browser": "firefox",
        "version": "138",
        "platform": "windows",
        "country": "US",
        "subdivision_1": "Texas",
        "subdivision_2": None,
        "city": None,
    }
    assert buns.known is not None
    assert spring.known is not None
    assert (buns.known["source"], buns.known["channel"]) == ("Hacker News", "Organic Social")
    assert (spring.known["source"], spring.known["channel"]) == ("newsletter-3", "Campaigns")
    assert tea.known == {"site": "bakery.example"}
    assert (tea.hit.value, home.hit.value) == ("", None)
    assert skipped(everything) == {"a crawler": 1, "no time": 1, "not as many fields as columns": 1}


def test_crawlers_are_taken_where_they_are_asked_for(settings: MakeSettings, export: Path) -> None:
    assert "a crawler" not in skipped(items(export, settings(), "goatcounter", bots=True))


def test_a_page_that_is_loaded_twice_in_a_second_is_viewed_twice(settings: MakeSettings, export: Path) -> None:
    taken = found(items(export, settings(), "goatcounter"))
    assert len({item.hit.id for item in taken}) == len(taken) == 5
    assert [item.hit.id for item in taken] == [item.hit.id for item in found(items(export, settings(), "goatcounter"))]


def test_a_visitor_is_a_session_and_nobody_has_none(settings: MakeSettings, export: Path) -> None:
    home, again, buns, tea, spring = found(items(export, settings(), "goatcounter"))
    assert home.hit.cid == again.hit.cid != buns.hit.cid == tea.hit.cid
    assert spring.hit.cid == ""


def test_it_goes_on_at_a_mark(settings: MakeSettings, export: Path) -> None:
    """Seen to fail where rows before the mark were not counted, and the second of two that are alike was the first."""
    whole = items(export, settings(), "goatcounter")
    assert items(export, settings(), "goatcounter", mark=len(whole)) == []
    for mark in range(len(whole)):
        assert items(export, settings(), "goatcounter", mark=mark) == whole[mark:]


def test_version_1_tells_the_user_agent(settings: MakeSettings) -> None:
    (item,) = found(items(FOLDER / "version1.csv", settings(), "goatcounter"))
    assert item.hit.uri == "/old"
    assert item.client.user_agent is not None
    assert item.client.user_agent.endswith("Firefox/143.0")
    assert item.known is not None
    assert "browser" not in item.known
    assert (item.known["source"], item.known["channel"]) == ("LinkedIn", "Organic Social")


def test_a_version_that_nobody_has_seen_is_refused(settings: MakeSettings, tmp_path: Path) -> None:
    path = tmp_path / "three.csv"
    path.write_text("3Path,Title\n/,Home\n")
    with pytest.raises(ImportRefused, match=r"three\.csv: it is of version 3; versions 1 and 2"):
        items(path, settings(), "goatcounter")


def totals(of: list[Any]) -> dict[tuple[str, int, tuple[Any, ...]], int]:
    """Give views, or events, by rollup, day and key."""
    sums: dict[tuple[str, int, tuple[Any, ...]], int] = {}
    for item in of:
        if isinstance(item, Total):
            key = (item.rollup, item.day, item.keys)
            sums[key] = sums.get(key, 0) + item.sums.get("views", 0) + item.sums.get("events", 0)
    return sums


def test_sums_of_the_json_export_become_days(settings: MakeSettings, tmp_path: Path) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "goatcounter"), "zip", FOLDER / "json"))
    everything = items(zipped, settings(), "goatcounter", site="bakery.example")
    assert not [item for item in everything if isinstance(item, Found)]
    thursday, friday = 20260305, 20260306
    assert totals(everything) == {
        ("totals", thursday, ()): 9,
        ("sites", thursday, ("bakery.example",)): 9,
        ("pages", thursday, ("/",)): 7,
        ("pages", thursday, ("/buns",)): 2,
        ("sources", thursday, ("",)): 4,
        ("sources", thursday, ("Google",)): 3,
        ("sources", thursday, ("news.example",)): 2,
        ("channels", thursday, ("Direct",)): 4,
        ("channels", thursday, ("Organic Search",)): 3,
        ("channels", thursday, ("Referral",)): 2,
        ("events", friday, ("order-tea",)): 5,
        ("event_values", friday, ("order-tea", "")): 5,
        ("browsers", thursday, ("firefox",)): 6,
        ("browsers", thursday, ("",)): 3,
        ("versions", thursday, ("firefox", "138")): 6,
        ("versions", thursday, ("", "")): 3,
        ("platforms", thursday, ("windows",)): 6,
        ("platforms", thursday, ("iphone",)): 3,
        ("countries", thursday, ("RO",)): 6,
        ("countries", thursday, ("",)): 3,
        ("regions", thursday, ("RO", "Bucharest")): 6,
        ("regions", thursday, ("", "")): 3,
        ("languages", thursday, ("en",)): 7,
        ("languages", thursday, ("",)): 2,
    }
    assert skipped(everything) == {"a path that is not there": 1, "no day, or no count": 2, "no JSON object": 1}
    assert all(item.what for item in everything if isinstance(item, Skipped))


def test_hours_are_of_the_day_that_reports_have(settings: MakeSettings) -> None:
    """Seen to fail where the day was UTC's: 23:00 there is the next day in Berlin."""
    sums = totals(items(FOLDER / "json", settings(), "goatcounter", zone="Europe/Berlin"))
    assert sums["pages", 20260306, ("/buns",)] == 2
    assert ("pages", 20260305, ("/buns",)) not in sums


def test_days_before_since_are_left_out(settings: MakeSettings) -> None:
    everything = items(FOLDER / "json", settings(), "goatcounter", since=datetime(2026, 3, 6))  # noqa: DTZ001 - UTC
    assert {day for _, day, _ in totals(everything)} == {20260306}
    assert skipped(everything)["before --since"] == 11


def test_a_file_that_lacks_a_column_is_refused_by_its_name(settings: MakeSettings, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("2Path,Title\n/,Home\n")
    with pytest.raises(ImportRefused, match=r"other\.csv: there is no column 'Date' in it"):
        items(path, settings(), "goatcounter")


@ON_SQLITE
async def test_a_second_time_adds_nothing(database: Database, configured: Settings, export: Path) -> None:
    first = await stored(export, database, configured, site="bakery.example")
    assert (first.visits, first.events) == (4, 1)
    again = await stored(export, database, configured, site="bakery.example")
    assert (again.visits, again.events) == (0, 0)
    assert {row["site"] for row in await rows(database, "events")} == {"bakery.example"}
    counted = await stored(FOLDER / "json", database, configured)
    assert counted.totals > 20
    assert (await stored(FOLDER / "json", database, configured)).totals == 0
    async with database.engine.connect() as connection:
        origins = await connection.execute(text("select distinct origin from totals"))
        assert list(origins.scalars()) == ["goatcounter stats.example.com"]
