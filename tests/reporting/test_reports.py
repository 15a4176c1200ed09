"""The reports of 0.7.1 over the crumbs of `crumbs.py`: what a reader counts by hand, on every database."""

from typing import Any

import pytest

from tests.reporting.site import Site

LAST_DAYS_OF_MARCH = {"from": "2026-03-27", "to": "2026-03-31"}

VISITS_UTC = [
    ["2026-03-27", 2, 3],  # Ada twice, Bob
    ["2026-03-28", 2, 2],  # Cleo, Ada
    ["2026-03-29", 2, 3],  # Bob twice, Cleo
    ["2026-03-30", 2, 3],  # Cleo, Dora twice
    ["2026-03-31", 1, 4],  # Eve three times, and nobody
]
VISITS_BERLIN = [
    ["2026-03-27", 2, 4],  # Ada at 00:59:59 as well
    ["2026-03-28", 2, 2],  # Cleo at 19:20, Ada at 23:30
    ["2026-03-29", 1, 2],  # Bob at 01:59:59 and at 03:00
    ["2026-03-30", 2, 4],  # Cleo at 00:30 as well
    ["2026-03-31", 1, 3],  # nobody comes on the first of April
]
VISITS_KATHMANDU = [
    ["2026-03-27", 2, 4],  # Ada at 05:44:59 as well
    ["2026-03-28", 0, 0],
    ["2026-03-29", 3, 4],  # Cleo at 00:05, Ada at 04:15, Bob twice
    ["2026-03-30", 2, 3],  # Cleo twice, Dora at 23:59:59
    ["2026-03-31", 2, 4],  # Dora at 00:00, Eve three times
]
PAGES = [
    ["example.com/🥐", "Crumbs 🥐", 3],
    ["example.com/", "Home", 2],  # by http and by https
    ["example.com/a", "A", 2],
    ["example.com/", None, 1],
    ["example.com/", "home", 1],
    ["example.com/A", "A", 1],
    ["example.com/b", None, 1],  # what is not known comes first
    ["example.com/b", "", 1],
]
LOCATIONS = [
    ["England", "GB", 3],  # Ada, Dora, and Bob on his travels
    [None, None, 1],  # Eve
    [None, "JP", 1],
    ["Östergötland County", "SE", 1],
]
PLATFORMS = [["windows", 2], ["iphone", 1], ["linux", 1], ["macos", 1], [None, 0]]
ORIGINS = [
    ["", 5],  # Bob, Cleo three times, Dora
    ["search.example/?q=crumbs", 3],
    ["example.com/", 2],
    ["android-app://com.example/", 1],
]
CITIES_UTC = [
    # city, state, country, addresses, cookies, sessions, views
    ["London", "England", "GB", 3, 3, 4, 6],  # Ada on two days, Bob and Dora on one
    [None, None, "JP", 1, 1, 3, 3],
    ["Linköping", "Östergötland County", "SE", 1, 1, 2, 2],
]
CITIES_BERLIN = [
    ["London", "England", "GB", 3, 3, 4, 7],
    [None, None, "JP", 1, 1, 2, 3],  # 00:30 and 12:00 are one day there
    ["Linköping", "Östergötland County", "SE", 1, 1, 2, 2],
]
EVENTS = [
    ["Home", "theme", "light", 2],  # Ada in the end, and Bob
    [None, "theme", "dark", 1],
    ["", "theme", "dark", 1],
    ["A", "theme", "dark", 1],
    ["Home", "Theme", "dark", 1],
    ["Home", "theme", "dark", 1],
    ["Shop", "buy", "🥐", 1],
    ["Shop", "note", "", 1],
    ["Shop", "wish", None, 0],
]
CASES = [
    ("/api/public/visits", VISITS_UTC),
    ("/api/public/documents", PAGES),
    ("/api/public/locations", LOCATIONS),
    ("/api/public/platforms", PLATFORMS),
    ("/api/private/origins", ORIGINS),
    ("/api/private/locations", CITIES_UTC),
    ("/api/private/events", EVENTS),
]


async def rows(site: Site, address: str, **parameters: str) -> Any:
    response = await site.member.get(address, params=LAST_DAYS_OF_MARCH | parameters)
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.mark.parametrize(("address", "expected"), CASES)
async def test_a_report_is_what_a_reader_counts(site: Site, address: str, expected: list[Any]) -> None:
    assert await rows(site, address) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("Europe/Berlin", VISITS_BERLIN), ("Asia/Kathmandu", VISITS_KATHMANDU), ("Etc/UTC", VISITS_UTC)],
)
async def test_a_day_is_the_zones_own(site: Site, zone: str, expected: list[Any]) -> None:
    assert await rows(site, "/api/public/visits", tz=zone) == expected


async def test_a_session_ends_with_the_zones_day(site: Site) -> None:
    assert await rows(site, "/api/private/locations", tz="Europe/Berlin") == CITIES_BERLIN


async def test_the_night_of_the_change_alone_is_counted_as_within_its_week(site: Site) -> None:
    night = {"from": "2026-03-29", "to": "2026-03-29", "tz": "Europe/Berlin"}
    assert await rows(site, "/api/public/visits", **night) == VISITS_BERLIN[2:3]


async def test_the_calendar_has_every_day_of_the_default_period(site: Site) -> None:
    response = await site.guest.get("/api/public/visits")
    assert len(response.json()["data"]) == 31


@pytest.mark.parametrize("name", ["visits", "documents", "locations", "platforms"])
async def test_the_columns_are_those_that_the_header_declares(site: Site, name: str) -> None:
    listed = (await site.guest.get("/api/public")).json()["queries"]
    declared = next(query for query in listed if query["name"] == name)
    answer = (await site.guest.get(declared["url"])).json()
    assert answer["columns"] == [column["name"] for column in declared["columns"]]
    assert {declared["chart"]["x"], *declared["chart"]["y"]} - {None} <= set(answer["columns"])
