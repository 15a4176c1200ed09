"""Plausible's export adds its days to the rollups."""

import shutil
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from crumby.importing.input import Input
from crumby.importing.item import Skipped
from crumby.importing.source import ImportRefused, recognised
from crumby.importing.sources import plausible
from crumby.settings import Settings
from tests.importing.reading import FIXTURES, Read, read, take_all

FOLDER = FIXTURES / "plausible"
VISITORS = "imported_visitors_20240101_20240103.csv"


@pytest.fixture
def export(configured: Settings) -> Read:
    return read(plausible, FOLDER, configured)


pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_day_has_its_visitors_views_sessions_bounces_and_seconds(export: Read) -> None:
    assert export.of("totals") == {
        (): {"visitors": 10, "views": 30, "sessions": 12, "second_views": 8, "seconds": 600, "in_session": 30}
    }
    assert export.of("totals", 20240102) == {(): {"visitors": 5, "views": 5, "sessions": 5, "in_session": 5}}
    assert export.of("totals", 20240103) == {}


def test_sources_and_channels_are_those_of_crumby(export: Read) -> None:
    """Seen to fail with Plausible's own name before its referrer: "Google Mail"."""
    assert {key[0]: sums["views"] for key, sums in export.of("sources").items()} == {
        "Google": 12,
        "": 8,
        "Facebook": 6,
        "Product Hunt": 4,
    }
    assert export.of("sources", 20240102) == {
        ("X",): {"visitors": 5, "views": 5, "sessions": 5},
        ("Gmail",): {"visitors": 1, "views": 2, "sessions": 1, "second_views": 1, "seconds": 60},
    }
    assert {key[0] for key in export.of("channels")} == {"Organic Search", "Direct", "Paid Social", "Referral"}
    assert set(export.of("campaigns")) == {
        ("utm_source", "fb"),
        ("utm_medium", "cpc"),
        ("utm_campaign", 'spring "24", sale'),
    }
    assert export.of("campaigns")["utm_medium", "cpc"] == {
        "visitors": 2,
        "views": 6,
        "sessions": 3,
        "second_views": 2,
        "seconds": 180,
    }


def test_a_page_has_what_three_files_say_of_it(export: Read) -> None:
    """Under one name, however it is written. Seen to fail with `%C3%A9` kept, which made two pages of `/café`."""
    pages = export.of("pages")
    assert pages[("/",)] == {
        "visitors": 9,
        "views": 18,
        "entries": 10,
        "second_views": 7,
        "engaged": 300,
        "told": 10,
    }
    assert pages[("/café",)] == {"visitors": 3, "views": 4, "entries": 2, "second_views": 1}
    assert pages[('/a "b", c',)]["told"] == 4
    assert export.of("entries")[("/",)]["seconds"] == 500
    assert export.of("exits")[("/",)] == {"exits": 7, "in_session": 18}


def test_of_several_hosts_the_first_has_what_the_others_have_not(export: Read) -> None:
    """Seen to fail with the visitors of its pages added up, who were 16."""
    assert export.of("sites") == {
        ("example.com",): {"visitors": 9, "views": 28, "sessions": 10},
        ("shop.example.com",): {"visitors": 2, "views": 2, "sessions": 2},
    }


def test_the_site_that_is_asked_for_has_all_of_it(configured: Settings) -> None:
    found = read(plausible, FOLDER, configured, site="example.org")
    assert found.origin == "plausible example.org"
    assert found.of("sites") == {("example.org",): {"visitors": 10, "views": 30, "sessions": 12}}


def test_devices_browsers_systems_and_places_have_crumbys_names(export: Read) -> None:
    assert export.of("devices") == {
        ("desktop",): {"visitors": 6, "views": 20, "sessions": 7},
        ("mobile",): {"visitors": 4, "views": 10, "sessions": 5},
    }
    assert set(export.of("browsers")) == {("chrome",), ("edge",), ("",)}
    assert export.of("versions")["chrome", "119.0"] == {"visitors": 1, "views": 4, "sessions": 1}
    assert set(export.of("platforms")) == {("macos",), ("linux",), ("iphone",)}
    assert export.of("countries")[("GB",)] == {"visitors": 7, "views": 18, "sessions": 8}
    assert set(export.of("regions")) == {("GB", "England"), ("GB", "Scotland"), ("DE", "")}
    assert export.of("cities") == {}


def test_outbound_links_downloads_and_404s_are_those_of_crumbys_reports(export: Read) -> None:
    """Seen to fail with Plausible's names kept."""
    assert export.of("event_values")["Outbound link", "https://one.example/?a=1,2"] == {"visitors": 2, "events": 3}
    assert ("Download", "https://example.com/price, list.pdf") in export.of("event_values")
    assert export.of("event_pages")["404", "/no-such-page"] == {"visitors": 2, "events": 2}
    assert export.of("events")[("Signup",)] == {"visitors": 3, "events": 4}


def test_what_is_broken_is_left_out_by_line_with_the_reason(export: Read, configured: Settings) -> None:
    """Seen to fail without the file's name, of which there are ten."""
    shown = [each.what for each in take_all(plausible, FOLDER, configured) if isinstance(each, Skipped)]
    assert f"{VISITORS}, line 5: the first,1,1,1,1,1" in shown
    assert export.skipped == {
        "no date": 1,
        "no number where there should be one": 1,
        "not as many fields as columns": 1,
        "an event of Plausible's own": 1,
    }


def test_only_the_days_that_are_wanted_come_along(configured: Settings) -> None:
    found = read(plausible, FOLDER, configured, since=datetime(2024, 1, 2))  # noqa: DTZ001 - UTC throughout
    assert {each.day for each in found.totals} == {20240102}
    assert found.skipped["before --since"] == 31


def test_a_zip_is_as_good_as_its_folder(export: Read, configured: Settings, tmp_path: Path) -> None:
    """And what macOS puts beside the files is none of them. Seen to fail on it."""
    path = tmp_path / "example_com_20240201.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for each in FOLDER.iterdir():
            packed.write(each, f"export/{each.name}")
        packed.writestr(f"__MACOSX/export/{VISITORS}", b"\0\5\x16\7")
    zipped = read(plausible, path, configured)
    assert sorted(map(str, zipped.totals)) == sorted(map(str, export.totals))
    assert zipped.origin == export.origin == "plausible example.com"


def test_an_export_from_before_there_were_page_views_in_each_file_has_one_for_each_visit(
    configured: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "imported_devices_20240101_20240131.csv"
    path.write_text("date,device,visitors,visits,visit_duration,bounces\n2024-01-01,Mobile,3,4,50,1\n")
    assert read(plausible, path, configured).of("devices") == {("mobile",): {"visitors": 3, "views": 4, "sessions": 4}}


@pytest.mark.parametrize(
    ("name", "text", "culprit"),
    [
        (VISITORS, "day,visitors\n2024-01-01,1\n", f"{VISITORS}: its first line names no column `date`"),
        ("visitors.csv", "date,visitors\n2024-01-01,1\n", "has no imported_visitors_….csv"),
        (VISITORS, 'date,visitors\n2024-01-01,"' + "1" * 1_100_000, f"{VISITORS}, line 2"),
    ],
)
def test_what_is_no_export_of_plausible_is_refused_with_the_remedy(
    configured: Settings, tmp_path: Path, name: str, text: str, culprit: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ImportRefused, match=culprit):
        take_all(plausible, tmp_path, configured)


def test_other_files_beside_it_are_no_matter(configured: Settings, tmp_path: Path) -> None:
    shutil.copy(FOLDER / VISITORS, tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"\xff\xfe")
    with Input(tmp_path) as given:
        assert recognised(given) == "plausible"
    assert len(read(plausible, tmp_path, configured).totals) == 4
