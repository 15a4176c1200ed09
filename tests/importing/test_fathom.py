"""Fathom's export adds its days to the rollups, whichever of its three forms it has."""

import shutil
from pathlib import Path

import pytest

from crumby.importing.source import ImportRefused
from crumby.importing.sources import fathom
from crumby.settings import Settings
from tests.importing.reading import FIXTURES, Read, read, take_all

FOLDER = FIXTURES / "fathom"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def pageviews(configured: Settings) -> Read:
    return read(fathom, FOLDER / "pageviews.csv", configured)


def test_rows_of_all_dimensions_add_to_each_of_them_and_to_the_totals(pageviews: Read) -> None:
    """Their hours are one day. Seen to fail with the last hour in the place of those before."""
    assert pageviews.of("totals") == {
        (): {"visitors": 8, "views": 1211, "sessions": 8, "second_views": 3, "seconds": 240, "in_session": 1211}
    }
    assert pageviews.of("pages")[("/",)] == {"visitors": 6, "views": 8, "entries": 6, "second_views": 2}
    assert pageviews.of("countries")[("GB",)] == {"visitors": 4, "views": 9, "sessions": 4}
    assert ("US", "California", "San Jose, CA") in pageviews.of("cities")
    assert set(pageviews.of("devices")) == {("desktop",), ("mobile",)}
    assert set(pageviews.of("browsers")) == {("chrome",), ("safari",), ("firefox",)}
    assert set(pageviews.of("platforms")) == {("macos",), ("iphone",), ("windows",)}
    assert pageviews.of("sites") == {("example.com",): {"visitors": 8, "views": 1211, "sessions": 8}}
    assert pageviews.origin == "fathom example.com"


def test_a_view_that_began_no_visit_came_from_nowhere(pageviews: Read) -> None:
    """Else whoever reads on is direct. Seen to fail with its three views among those of no source."""
    assert {key[0]: sums["views"] for key, sums in pageviews.of("sources").items()} == {
        "Google": 6,
        "": 2,
        "Facebook": 1200,
    }
    assert pageviews.of("channels")[("Paid Social",)]["sessions"] == 2
    assert set(pageviews.of("campaigns")) == {
        ("utm_source", "fb"),
        ("utm_medium", "cpc"),
        ("utm_campaign", "spring, 24"),
    }


def test_hours_are_kept_where_it_goes_by_hours(pageviews: Read, configured: Settings, tmp_path: Path) -> None:
    """Seen to fail with a day's views at midnight."""
    assert pageviews.of("hours")[1, 9] == {"views": 6, "sessions": 4}
    assert pageviews.of("hours", 20240102) == {(2, 0): {"views": 1, "sessions": 1}}
    (tmp_path / "site-totals.csv").write_text(
        "date,pageviews,visits\n2024-01-01 00:00:00,5,2\n2024-01-02 00:00:00,1,1\n"
    )
    assert read(fathom, tmp_path, configured).of("hours") == {}


def test_files_of_one_dimension_each_add_to_that_and_the_file_of_none_to_the_totals(configured: Settings) -> None:
    """Without rates there are no sessions of what has rates. Seen to fail with 100 % bounces for pages."""
    found = read(fathom, FOLDER / "folder", configured)
    assert found.of("totals") == {
        (): {"visitors": 6, "views": 15, "sessions": 6, "second_views": 4, "seconds": 240, "in_session": 15}
    }
    assert found.of("pages") == {("/",): {"visitors": 4, "views": 10}, ("/a",): {"visitors": 2, "views": 5}}
    assert found.of("countries")[("TR",)] == {"visitors": 2, "views": 5, "sessions": 2}
    assert found.of("sources") == {("Google",): {"visitors": 3, "views": 6}}


def test_what_two_files_tell_counts_once(pageviews: Read, configured: Settings, tmp_path: Path) -> None:
    """Totals by themselves outrank those of the rows. Seen to fail with both of them added up."""
    shutil.copy(FOLDER / "pageviews.csv", tmp_path)
    (tmp_path / "site-totals.csv").write_text(
        "datetime,hostname,pageviews,visits\n2024-01-01 09:00:00,example.com,1300,9\n"
    )
    found = read(fathom, tmp_path, configured)
    assert found.of("totals") == {(): {"visitors": 9, "views": 1300}}
    assert found.of("pages") == pageviews.of("pages")


def test_events_keep_their_pages(configured: Settings) -> None:
    found = read(fathom, FOLDER / "events.csv", configured)
    assert found.of("events") == {('Buy, "pro"',): {"visitors": 3, "events": 4}}
    assert found.of("event_pages")['Buy, "pro"', "/pricing"] == {"visitors": 2, "events": 3}


def test_what_is_broken_is_left_out_by_line_with_the_reason(pageviews: Read) -> None:
    assert pageviews.skipped == {
        "no date": 1,
        "no number where there should be one": 1,
        "not as many fields as columns": 1,
    }


def test_its_columns_are_not_taken_for_those_of_google(configured: Settings, tmp_path: Path) -> None:
    """Seen to fail with any table that has days and views taken for a report of GA4."""
    path = tmp_path / "Countries.csv"
    path.write_text("Date,Country,Views,Uniques\n2024-01-01,Germany,3,2\n")
    assert read(fathom, path, configured).of("countries") == {("DE",): {"visitors": 2, "views": 3, "sessions": 2}}


def test_another_site_is_left_out(configured: Settings) -> None:
    found = read(fathom, FOLDER / "pageviews.csv", configured, site="example.org")
    assert not found.totals
    assert found.skipped["of another site"] == 6


def test_what_is_no_export_of_fathom_is_refused_with_the_remedy(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "cakes.csv"
    path.write_text("date,cakes\n2024-01-01,3\n")
    with pytest.raises(ImportRefused, match="no columns of Fathom's export: a date or datetime, and pageviews"):
        take_all(fathom, path, configured)
