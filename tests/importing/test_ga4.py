"""Rows of Google Analytics 4 become page views and events, and its reports totals of days."""

import gzip
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from crumby.importing.item import Found
from crumby.importing.source import ImportRefused
from crumby.importing.sources import ga4
from crumby.settings import Settings
from tests.importing.reading import FIXTURES, Read, read, take_all

FOLDER = FIXTURES / "ga4"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def export(configured: Settings) -> Read:
    return read(ga4, FOLDER / "rows.jsonl", configured)


# Rows


def test_a_page_view_keeps_what_its_row_tells(export: Read) -> None:
    """Numbers of 64 bits may be texts. Seen to fail with a strict decoder."""
    hit, known = export.found[0].hit, export.found[0].known
    assert hit.datetime == datetime(2024, 1, 1, 10, 0, 0, 123456)  # noqa: DTZ001 - UTC throughout
    assert hit.uri == "https://www.example.com/café?utm_source=news&utm_medium=email"
    assert (hit.title, hit.referrer) == ('Café "Ä", 1', "https://www.google.com/")
    assert known == {
        "country": "GB",
        "subdivision_1": "England",
        "city": "London",
        "platform": "iphone",
        "browser": "safari",
        "version": "17.1",
        "device": "mobile",
        "lang": "en-GB",
    }


def test_what_the_address_does_not_say_of_a_campaign_the_row_does(export: Read) -> None:
    """And what is not set is nothing."""
    known = export.found[1].known or {}
    assert (known["source"], known["channel"], known["utm_campaign"]) == ("Facebook", "Paid Social", "spring")
    assert (known["country"], known["city"], known["lang"], known["platform"]) == (None, None, None, "ipad")


def test_whoever_has_one_pseudonym_is_one_visitor_and_whoever_has_none_is_nobody(export: Read) -> None:
    cids = [each.hit.cid for each in export.found]
    assert cids[0] == cids[2]
    assert len(set(cids)) == 3
    assert cids[3] == ""
    assert "123.456" not in str(export.found[0].hit)


def test_events_have_crumbys_names_values_and_properties(export: Read) -> None:
    """Those of GA4's own make none. Seen to fail with engagement_time_msec among the properties."""
    events = [(each.hit.name, each.hit.value, each.hit.properties) for each in export.found if each.hit.kind == "event"]
    assert events == [
        ("Outbound link", "https://elsewhere.example/x", None),
        ("purchase", "19.5", '{"currency":"EUR","items_number":2}'),
    ]


def test_what_is_no_page_view_or_no_row_is_left_out_with_the_reason(export: Read) -> None:
    assert export.skipped == {
        "an event of GA4's own": 1,
        "a page view without an address": 1,
        "no row of GA4's export": 2,
    }


def test_rows_of_several_files_compressed_or_as_an_array_are_the_same(
    configured: Settings, export: Read, tmp_path: Path
) -> None:
    """And each has the same id. Seen to fail with the name of the file in it."""
    lines = (FOLDER / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "events_20240101-000.json.gz").write_bytes(gzip.compress("\n".join(lines[:3]).encode()))
    (tmp_path / "events_20240101-001.json").write_text("[" + ",\n".join(lines[3:5]) + "]", encoding="utf-8")
    found = [each for each in take_all(ga4, tmp_path, configured) if isinstance(each, Found)]
    assert [each.hit for each in found] == [each.hit for each in export.found]


def test_another_site_is_left_out(configured: Settings) -> None:
    found = read(ga4, FOLDER / "rows.jsonl", configured, site="example.org")
    assert not found.found
    assert found.skipped["of another site"] == 4


def test_a_file_without_a_single_row_is_refused(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"event_timestamp": "soon", "event_name": "page_view"}\n')
    with pytest.raises(ImportRefused, match="none of its records is a row"):
        take_all(ga4, path, configured)


# Reports


def test_a_download_by_nth_day_adds_to_the_totals(configured: Settings) -> None:
    """Whatever stands around its table. Seen to fail with 1,200 in thousands."""
    found = read(ga4, FOLDER / "date.csv", configured)
    assert found.origin == "ga4 example.com"
    assert found.of("totals") == {
        (): {"visitors": 10, "views": 30, "sessions": 12, "second_views": 8, "seconds": 606, "in_session": 30}
    }
    assert found.of("totals", 20240102)[()]["views"] == 3600
    assert found.of("totals", 20240102)[()]["seconds"] == 1500 * 63
    assert found.skipped == {"a row of totals": 1, "no date": 1, "of a table without days": 1}
    assert {each.rollup for each in found.totals} == {"totals"}


def test_places_have_crumbys_names(configured: Settings) -> None:
    found = read(ga4, FOLDER / "countries.csv", configured)
    assert found.of("countries") == {
        ("GB",): {"visitors": 6, "views": 18, "sessions": 7},
        ("TR",): {"visitors": 3, "views": 9, "sessions": 4},
        ("",): {"visitors": 1, "views": 3, "sessions": 1},
    }
    assert found.of("cities", 20240102) == {("CI", "Abidjan", "Abidjan"): {"visitors": 2, "views": 2, "sessions": 2}}
    assert found.of("totals") == {}
    assert found.skipped == {"a row of totals": 1, "no date": 1, "no number where there should be one": 1}


def test_a_report_of_two_dimensions_adds_to_both(configured: Settings) -> None:
    found = read(ga4, FOLDER / "pages.csv", configured)
    assert found.of("pages")[("/",)] == {"visitors": 10, "views": 25, "engaged": 165, "told": 25}
    assert found.of("pages")[('/a "b", c',)] == {"visitors": 2, "views": 5}
    assert found.of("devices") == {
        ("desktop",): {"visitors": 10, "views": 26},
        ("mobile",): {"visitors": 3, "views": 5},
    }


def test_sources_channels_and_campaigns_are_those_of_crumby(configured: Settings) -> None:
    """What Google writes in brackets nobody tagged. Seen to fail with a campaign "(organic)"."""
    found = read(ga4, FOLDER / "sources.csv", configured)
    assert found.of("sources")[("Google",)] == {
        "visitors": 4,
        "views": 12,
        "sessions": 5,
        "second_views": 3,
        "seconds": 300,
    }
    assert found.of("sources")[("",)] == {
        "visitors": 3,
        "views": 8,
        "sessions": 3,
        "second_views": 2,
        "seconds": 90,
    }
    assert set(found.of("channels")) == {("Organic Search",), ("Direct",), ("Referral",), ("Paid Social",)}
    assert set(found.of("campaigns")) == {("utm_campaign", "spring"), ("utm_source", "facebook"), ("utm_medium", "cpc")}


def test_landing_pages_are_entries_and_events_events(configured: Settings) -> None:
    found = read(ga4, FOLDER / "landing.csv", configured)
    assert found.of("entries")[("/pricing",)] == {
        "visitors": 3,
        "views": 10,
        "sessions": 4,
        "second_views": 3,
        "seconds": 360,
    }
    assert found.of("pages")[("/pricing",)] == {"entries": 4, "second_views": 3}
    events = read(ga4, FOLDER / "events.csv", configured)
    assert events.of("events") == {
        ("purchase",): {"visitors": 2, "events": 3},
        ("Download",): {"visitors": 3, "events": 4},
    }


def test_reports_of_the_same_days_beside_each_other_count_once(configured: Settings, tmp_path: Path) -> None:
    """But for what only one of them tells: pages have their entries of another one than their views.

    Seen to fail with all of them added up.
    """
    for name in ("pages", "landing", "countries"):
        shutil.copy(FOLDER / f"{name}.csv", tmp_path)
    shutil.copy(FOLDER / "pages.csv", tmp_path / "pages once more.csv")
    found = read(ga4, tmp_path, configured)
    assert found.of("pages")[("/",)] == {
        "visitors": 10,
        "views": 25,
        "engaged": 165,
        "told": 25,
        "entries": 8,
        "second_views": 4,
    }
    assert found.skipped["another report has it, or none of Crumby's does"] == 4


def test_hours_are_kept_of_a_report_by_hour(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "hours.csv"
    path.write_text("dateHour,totalUsers,screenPageViews\n2024010100,1,2\n2024010123,3,4\n")
    found = read(ga4, path, configured)
    assert found.of("hours") == {(1, 0): {"views": 2}, (1, 23): {"views": 4}}
    assert found.of("totals") == {(): {"visitors": 4, "views": 6}}


def test_a_report_without_days_is_refused_with_the_remedy(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "countries.csv"
    path.write_text("# Start date: 20240101\n# End date: 20240131\nCountry,Active users\nGermany,5\n")
    with pytest.raises(ImportRefused, match="add the dimension Date to the report"):
        read(ga4, path, configured)


def test_a_report_of_one_day_needs_no_column_of_days(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "countries.csv"
    path.write_text("# Start date: 20240131\n# End date: 20240131\nCountry,Active users,Views\nGermany,5,9\n")
    assert read(ga4, path, configured).of("countries", 20240131) == {("DE",): {"visitors": 5, "views": 9}}
