"""Simple Analytics' data points become page views and events."""

import gzip
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from crumby.importing.source import ImportRefused
from crumby.importing.sources import simpleanalytics
from crumby.settings import Settings
from tests.importing.reading import FIXTURES, Read, read, take_all

FOLDER = FIXTURES / "simpleanalytics"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def export(configured: Settings) -> Read:
    return read(simpleanalytics, FOLDER / "pageviews.csv", configured)


def test_a_page_view_keeps_what_was_told_of_it(export: Read) -> None:
    first = export.found[0]
    assert first.hit.datetime == datetime(2024, 1, 1, 23, 59, 58, 500_000)  # noqa: DTZ001 - UTC throughout
    assert (first.hit.uri, first.hit.referrer) == ("https://www.example.com/", "https://www.google.co.uk/")
    assert first.known == {
        "country": "GB",
        "platform": "macos",
        "browser": "chrome",
        "version": "120.0.0",
        "device": "desktop",
        "lang": "en-GB",
        "screen_res": "1440x900",
        "engaged": 42,
        "scroll": 75,
    }
    assert export.found[1].hit.uri == "https://example.com/café, bar"


def test_another_zone_is_made_utc_and_tags_are_put_into_the_address(export: Read) -> None:
    """Seen to fail with the zone passed over."""
    third = export.found[2]
    assert third.hit.datetime == datetime(2024, 1, 1, 23)  # noqa: DTZ001
    assert str(third.hit.uri).startswith(
        "https://example.com/pricing?ref=x&utm_source=newsletter&utm_medium=email&utm_campaign=spring+"
    )


def test_whoever_has_one_session_id_is_one_visitor(export: Read) -> None:
    assert len({each.hit.cid for each in export.found[:2]}) == 1
    assert len({each.hit.cid for each in export.found}) == 2
    assert "s1" not in str(export.found[0].hit)


def test_without_session_ids_unique_views_are_visitors_and_the_others_nobodys(configured: Settings) -> None:
    """Seen to fail with a visitor for each of the three."""
    found = read(simpleanalytics, FOLDER / "version1.csv", configured).found
    assert [bool(each.hit.cid) for each in found] == [True, True, False]
    assert found[0].hit.cid != found[1].hit.cid
    assert found[0].hit.referrer == "https://news.example"


def test_events_keep_their_metadata_whichever_way_it_is_written(configured: Settings, export: Read) -> None:
    found = read(simpleanalytics, FOLDER / "events.json", configured).found
    assert [(each.hit.kind, each.hit.name, each.hit.properties) for each in found] == [
        ("event", "buy", '{"gift":false,"plan":"pro","seats":5}'),
        ("event", "buy", '{"plan":"free","seats":1}'),
        ("visit", None, None),
    ]
    assert export.found[3].hit.name == "signup"


@pytest.mark.parametrize("form", ["lines", "array", "wrapped", "large"])
def test_json_has_its_records_in_lines_or_an_array(configured: Settings, tmp_path: Path, form: str) -> None:
    """One after the other: "large" is several pieces of the file. Seen to fail with a piece's end in a record."""
    points = [
        {
            "added_iso": f"2024-01-01T10:{n // 60:02}:{n % 60:02}Z",
            "uuid": str(n),
            "path": "/a",
            "hostname": "example.com",
        }
        for n in range(900 if form == "large" else 3)
    ]
    text = {
        "lines": "\n".join(msgspec.json.encode(point).decode() for point in points),
        "wrapped": '{"ok":true,"datapoints":' + msgspec.json.encode(points).decode() + "}",
    }.get(form, msgspec.json.encode([point | {"note": "é[{" * 50} for point in points]).decode())
    path = tmp_path / "export.json"
    path.write_text(text, encoding="utf-8")
    found = read(simpleanalytics, path, configured).found
    assert [each.hit.datetime.isoformat() + "Z" for each in found] == [point["added_iso"] for point in points]


def test_an_array_that_breaks_off_says_so(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text('[{"added_iso": "2024-01-01T10:00:00Z", "path": "/"}, {"added_iso": "2024-01')
    with pytest.raises(ImportRefused, match=r"export\.json: behind 1 records"):
        take_all(simpleanalytics, path, configured)


def test_what_is_broken_is_left_out_by_line_with_the_reason(export: Read) -> None:
    assert export.skipped == {"a crawler": 1, "no time": 1, "not as many fields as columns": 1}


def test_crawlers_come_along_where_they_are_wanted(configured: Settings) -> None:
    found = read(simpleanalytics, FOLDER / "pageviews.csv", configured, bots=True)
    assert len(found.found) == 5


def test_hits_have_the_same_ids_when_they_are_read_again(configured: Settings, export: Read, tmp_path: Path) -> None:
    """Of other columns as well, if uuid is among them: all of the columns in the id were seen to fail, and none."""
    text = (FOLDER / "pageviews.csv").read_text()
    path = tmp_path / "again.csv"
    path.write_text(text.replace("scrolled_percentage", "scrolled"))
    again = read(simpleanalytics, path, configured)
    assert [each.hit.id for each in again.found] == [each.hit.id for each in export.found]
    assert len({each.hit.id for each in read(simpleanalytics, FOLDER / "events.json", configured).found}) == 3


def test_a_compressed_export_is_read_as_well(configured: Settings, export: Read, tmp_path: Path) -> None:
    path = tmp_path / "pageviews.csv.gz"
    path.write_bytes(gzip.compress((FOLDER / "pageviews.csv").read_bytes()))
    assert [each.hit for each in take_all(simpleanalytics, path, configured) if hasattr(each, "hit")] == [
        each.hit for each in export.found
    ]


def test_what_is_no_export_of_data_points_is_refused_with_the_remedy(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "cakes.csv"
    path.write_text("date,cakes\n2024-01-01,3\n")
    with pytest.raises(ImportRefused, match="export data points with added_iso, hostname, path, session_id and uuid"):
        take_all(simpleanalytics, path, configured)
