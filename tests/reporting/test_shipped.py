"""Each shipped report over the bakery's week, on SQLite, MariaDB and PostgreSQL: equal to the row to what is counted
by hand, whatever the period, the zone, the filters and the order.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, insert

from crumby.reporting.filters import DIMENSIONS
from crumby.reporting.query import load_query
from crumby.settings import shipped
from crumby.tables import visits
from tests.reporting import test_reports
from tests.reporting.answers import CASES, SUMMARY
from tests.reporting.bakery import ADA, BERLIN, BOB, CAKE, CLEO, COLUMNS, FLOUR, MENU, NOBODY, WEEK, bake
from tests.reporting.site import Site, open_site

REPORTS = sorted(f"{path.parent.name}/{path.stem}" for path in shipped("queries").glob("p*/*.sql"))
MONDAY = WEEK["from"]
LIVE = "public/live"  # is of now, whatever the period; so are the next
NOW = {LIVE, "public/live_now", "public/live_pages", "public/live_countries", "private/live_sources", "public/last_hit"}
WHERE_NOW = [["", 0, 1], ["GB", 1, 2], ["JP", 1, 2], ["SE", 1, 1]]
NOTHING = {"from": "2026-04-10", "to": "2026-04-11", "tz": "Etc/UTC"}  # a period in which nobody came
ROWS_OF_NOTHING = {"public/summary": 1, "public/traffic": 48, "public/new_returning": 48, "public/visits": 2, LIVE: 30}
ROWS_OF_NOTHING |= {"public/live_now": 1, "public/last_hit": 1}


def taken(report: str) -> frozenset[str]:
    """The names of its parameters."""
    collection, name = report.split("/")
    return load_query(collection, shipped("queries") / collection / f"{name}.sql").understands


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with open_site(module_url, tmp_path_factory.mktemp("bakery")) as opened:
        await bake(opened.database.engine)
        yield opened


async def ask(site: Site, report: str, parameters: dict[str, Any]) -> Any:
    """The answer; a parameter may have a list of values."""
    response = await site.member.get(f"/api/{report}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


async def rows(site: Site, report: str, parameters: dict[str, Any]) -> list[list[Any]]:
    data: list[list[Any]] = (await ask(site, report, parameters))["data"]
    return data


def near(expected: list[list[Any]]) -> list[list[Any]]:
    """The same, where the last of a float's sixteen digits is of no account."""
    return [[pytest.approx(value, 1e-12) if isinstance(value, float) else value for value in row] for row in expected]


@pytest.mark.parametrize(("report", "parameters", "expected"), CASES)
async def test_a_report_is_what_a_reader_counts(
    site: Site, report: str, parameters: dict[str, str], expected: list[list[Any]]
) -> None:
    """Planted: `count(distinct cid)` without its `distinct`, a bucket or a period that forgets the zone."""
    assert await rows(site, report, parameters) == near(expected)


def test_every_shipped_report_is_counted_by_a_reader() -> None:
    """A new file without an answer in `answers.py` fails here."""
    counted = {report for report, *_ in CASES} | {address.removeprefix("/api/") for address, _ in test_reports.CASES}
    assert counted | NOW == set(REPORTS)


@pytest.mark.parametrize("report", REPORTS)
async def test_a_report_has_the_columns_that_its_header_declares(site: Site, report: str) -> None:
    listed = (await site.member.get("/api")).json()["queries"]
    declared = next(query for query in listed if query["url"] == f"/api/{report}")
    columns = (await ask(site, report, WEEK))["columns"]
    assert columns == [column["name"] for column in declared["columns"]]
    assert all(column["description"] for column in declared["columns"])
    assert declared["description"]


@pytest.mark.parametrize("report", REPORTS)
async def test_a_period_without_visits_is_no_rows_or_zeros(site: Site, report: str) -> None:
    """Planted: a rate without its `nullif`, which PostgreSQL refuses to divide."""
    for more in ({}, {"compare": "previous"}, {"compare": "year", "tz": "Asia/Kathmandu"}):
        answered = await rows(site, report, NOTHING | more)
        assert len(answered) == ROWS_OF_NOTHING.get(report, 0)
        assert {value for row in answered for value in row[1:]} <= {0, None}


@pytest.mark.parametrize(
    ("report", "wanted", "expected"),
    [
        ("public/summary", {}, [[0, 0, 0, None, None, None]]),
        ("private/goals", {"goal_1": "buy"}, [["buy", 0, 0, None]]),
        ("private/funnel", {"step_1": "/", "step_2": "buy"}, [[1, "/", 0, None, None], [2, "buy", 0, None, None]]),
    ],
)
async def test_of_nobody_there_is_no_share(
    site: Site, report: str, wanted: dict[str, str], expected: list[list[Any]]
) -> None:
    assert await rows(site, report, NOTHING | wanted) == expected


@pytest.mark.parametrize("report", [report for report in REPORTS if report != "private/refused"])
async def test_a_site_that_nobody_visited_leaves_no_rows_or_zeros(site: Site, report: str) -> None:
    """Planted: a report without its `filters()`."""
    wanted = WEEK | {"site": "nowhere.example", "goal_1": "buy", "goal_2": "/", "step_1": "/", "step_2": "buy"}
    left = await rows(site, report, {name: value for name, value in wanted.items() if name in taken(report)})
    numbers = [value for row in left for value in row[1:] if not isinstance(value, str)]
    assert set(numbers) <= ({0, None, 1, 2} if report == "private/funnel" else {0, None})  # which counts its steps
    assert len(left) in {0, 1, 2, 7, 30}


@pytest.mark.parametrize("report", REPORTS)
async def test_a_session_counts_where_it_began(site: Site, report: str) -> None:
    """Planted: `count(distinct session)`. On Sunday Bob's session goes on, Cleo's and Dora's begin."""
    answer = await ask(site, report, WEEK | {"from": "2026-03-29"})
    if "sessions" in answer["columns"] and report != "private/locations":  # which counts days of cookies
        of = answer["columns"].index("sessions")
        marked = 0 if report in {"private/campaigns", "private/tags"} else 2
        assert sum(row[of] for row in answer["data"]) == marked


# Of the week's 16 page views, how many a value leaves.
FILTERED = {
    "site": ("blog.bakery.example", 1),
    "page": ("/cart", 3),
    "entry": ("/cart", 2),  # with the checkout that followed
    "channel": ("Email", 2),
    "source": ("Google", 4),
    "utm_source": ("google", 1),
    "utm_medium": ("email", 2),
    "utm_campaign": ("50% off", 1),
    "utm_term": ("bread", 1),
    "utm_content": ("a", 1),
    "country": ("JP", 3),
    "region": ("Östergötland County", 2),
    "city": ("London", 7),
    "language": ("sv", 4),
    "browser": ("firefox", 6),
    "platform": ("ipad", 3),
    "device": ("mobile", 4),
    "screen": ("1920x1080", 6),
    "tag": ("letter", 2),
    "event": ("download", 4),  # the sessions in which there was one: Bob's letter, Cleo's advert, Ada's bread
}
WHOLE = [
    # visitors, sessions, views, a session, bounces, seconds
    ({"country": "SE"}, [1, 1, 2, 2, 0, 100]),
    ({"country": "!SE"}, [5, 8, 14, 13 / 8, 50, 323]),
    ({"country": ""}, [1, 1, 2, 1, 100, 0]),  # Eve's, and nobody's
    ({"country": "!"}, [4, 8, 14, 14 / 8, 37.5, 335]),
    ({"country": ["SE", "GB"]}, [2, 5, 9, 9 / 5, 40, 224]),
    ({"country": ["!SE", "!GB"]}, [3, 4, 7, 6 / 4, 50, 390]),
    ({"country": ["GB", "!SE"], "city": "London"}, [2, 4, 7, 7 / 4, 50, 255]),
    # Of a session in which the page was viewed counts what was viewed of it, and the seconds before.
    ({"page": "~BREAD"}, [3, 4, 4, 1, 50, 35]),
    ({"page": "!~bread"}, [5, 7, 12, 11 / 7, 28.6, 363]),
    ({"page": "~'; --"}, [0, 0, 0, None, None, None]),
    ({"region": "~Öster"}, [1, 1, 2, 2, 0, 100]),
    ({"utm_campaign": "~🥐"}, [1, 1, 2, 2, 0, 100]),
    ({"utm_campaign": "~%"}, [1, 1, 1, 1, 100, 0]),  # is a sign like any other
    ({"utm_campaign": "50_ off"}, [0, 0, 0, None, None, None]),
    ({"source": ""}, [4, 4, 7, 6 / 4, 50, 240]),
    # Sessions with a sale, and those without one.
    ({"event": "buy"}, [3, 3, 7, 7 / 3, 0, 840]),
    ({"event": "!buy"}, [5, 6, 9, 8 / 6, 66.7, 27]),
    ({"event": "~OUT"}, [2, 2, 3, 3 / 2, 50, 750]),
    ({"device": "desktop", "language": "en-GB", "page": "/"}, [2, 2, 2, 1, 50, 0]),
    ({"entry": "/", "channel": "!Direct"}, [3, 3, 7, 7 / 3, 0, 573]),  # Ada's search, Bob's letter, Cleo's news
]


@pytest.mark.parametrize("dimension", DIMENSIONS)
async def test_a_filter_leaves_the_views_that_have_its_value(site: Site, dimension: str) -> None:
    """Planted: two columns exchanged in `DIMENSIONS`."""
    value, left = FILTERED[dimension]
    (kept,) = await rows(site, "public/summary", WEEK | {dimension: value})
    (others,) = await rows(site, "public/summary", WEEK | {dimension: f"!{value}"})
    (containing,) = await rows(site, "public/summary", WEEK | {dimension: f"~{value[1:] or value}"})
    assert (kept[2], others[2]) == (left, 16 - left)
    assert containing[2] >= left


@pytest.mark.parametrize(("filters", "expected"), WHOLE)
async def test_filters_leave_what_a_reader_counts(site: Site, filters: dict[str, Any], expected: list[Any]) -> None:
    """Planted: `or` between two dimensions, `and` between two values of one; a null that is not empty."""
    assert await rows(site, "public/summary", WEEK | filters) == near([expected])


FILTERED_EVENTS = [
    ({"country": "SE"}, [["download", MENU, 1, 1]]),  # in the sessions of Sweden
    ({"page": "/cart"}, [["outbound", FLOUR, 1, 2], ["buy", CAKE, 1, 1], ["buy", "bread", 1, 1]]),  # on the page
    ({"event": "!buy", "page": "~/c"}, [["outbound", FLOUR, 1, 2]]),
    ({"event": ["404", "note"], "site": "bakery.example"}, [["404", None, 2, 4], ["note", None, 1, 1]]),
    ({"event": "nothing"}, []),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERED_EVENTS)
async def test_filters_leave_the_events_that_a_reader_counts(
    site: Site, filters: dict[str, Any], expected: list[list[Any]]
) -> None:
    """Planted: `session in` for `session not in`."""
    assert await rows(site, "private/event_values", WEEK | filters) == expected


@pytest.mark.parametrize(
    ("report", "filters", "expected"),
    [
        ("public/pages", {"country": "SE"}, [["/", 1, 1, 1, 0, 10, 25], ["/bread", 1, 1, 0, None, 50, 75]]),
        ("public/exit_pages", {"page": "/cart"}, [["/cart", 2, 66.7]]),
        ("public/exit_pages", {"device": "mobile"}, [["/bread", 1, 100], ["/checkout", 1, 100]]),
        ("public/entry_pages", {"page": "/cart"}, [["/", 2, 2, 0, 790], ["/cart", 1, 1, 0, 0]]),
        ("private/campaigns", {"device": "mobile"}, [["spring 🥐", 1, 1, 2, 0, 100]]),
        ("private/retention", {"country": "GB", "to": "2026-03-31"}, [[MONDAY, 1, 0, 1, 100], [MONDAY, 1, 1, 1, 100]]),
        ("private/outbound", {"browser": "safari"}, [[FLOUR, "flour.example", 1, 2]]),
        ("private/funnel", {"device": "!mobile", "step_1": "buy", "step_2": "outbound"},
            [[1, "buy", 2, 100, 100], [2, "outbound", 2, 100, 100]]),
        ("private/goals", {"tag": "letter"}, [["download", 1, 1, 100]]),
        ("public/platforms", {"site": "localhost"}, [["linux", 1]]),
        ("public/locations", {"browser": "chrome"}, [["Land Berlin", "DE", 1]]),
        ("public/documents", {"browser": "chrome"}, [["bakery.example/", "Home", 1], ["bakery.example/käse", None, 1]]),
        ("private/events", {"page": "/sourdough"}, [[None, "outbound", "https://Flour.example/mill?x=1", 1]]),
    ],
)  # fmt: skip
async def test_a_filtered_report_is_what_a_reader_counts(
    site: Site, report: str, filters: dict[str, str], expected: list[list[Any]]
) -> None:
    """Planted: a report without its `filters()`."""
    assert await rows(site, report, WEEK | filters) == near(expected)


ORDERED = [
    # by sort; of nothing known the least
    ({"sort": "-time_on_page"}, ["/", "/sourdough", "/checkout", "/bread", "/cart", "/käse"]),
    ({"sort": "time_on_page"}, ["/käse", "/cart", "/bread", "/checkout", "/sourdough", "/"]),
    ({"sort": "visitors,-page"}, ["/sourdough", "/käse", "/checkout", "/cart", "/bread", "/"]),
    ({"limit": "2"}, ["/", "/bread"]),
    ({"limit": "2", "offset": "1"}, ["/bread", "/cart"]),
    ({"offset": "4"}, ["/käse", "/sourdough"]),
    ({"sort": "-page", "limit": "1", "offset": "5"}, ["/"]),
    ({"limit": "3", "offset": "99"}, []),
]


@pytest.mark.parametrize(("wanted", "expected"), ORDERED)
async def test_rows_come_in_the_order_and_number_that_is_asked_for(
    site: Site, wanted: dict[str, str], expected: list[str]
) -> None:
    """Planted: PostgreSQL's nulls where it puts them itself."""
    assert [row[0] for row in await rows(site, "public/pages", WEEK | wanted)] == expected


@pytest.mark.parametrize("report", [report for report in REPORTS if "sort" in taken(report)])
async def test_every_column_sorts_a_report_both_ways(site: Site, report: str) -> None:
    """Planted: a column that the statement knows by another name."""
    given = {"goal_1": "buy", "goal_2": "/*"} if report == "private/goals" else {}
    answer = await ask(site, report, WEEK | given)
    for column, name in enumerate(answer["columns"]):
        up = await rows(site, report, WEEK | given | {"sort": name})
        down = await rows(site, report, WEEK | given | {"sort": f"-{name}"})
        known = [row[column] for row in up if row[column] is not None]
        assert known == sorted(known), name
        assert [row[column] for row in down] == [row[column] for row in up][::-1], name


@pytest.mark.parametrize(
    ("compare", "first", "last"), [("previous", "2026-03-16", "2026-03-22"), ("year", "2025-03-23", "2025-03-29")]
)
async def test_a_summary_is_compared(site: Site, compare: str, first: str, last: str) -> None:
    """Planted: a period of a day less. Dora comes on the 22nd, Hal a year before."""
    answer = await ask(site, "public/summary", WEEK | {"compare": compare})
    assert answer["data"] == near([SUMMARY])
    assert answer["compared"]["data"] == [[1, 1, 1, 1, 100, 0]]
    assert (answer["compared"]["period"]["from"], answer["compared"]["period"]["to"]) == (first, last)


async def test_each_row_is_compared_with_its_like(site: Site) -> None:
    answer = await ask(site, "public/countries", WEEK | {"compare": "previous"})
    assert answer["compared"]["data"] == [None, None, ["DE", 1, 1, 1], None, None]
    answer = await ask(site, "public/traffic", WEEK | {"compare": "previous"})
    assert answer["compared"]["data"][-1] == ["2026-03-22", 1, 1, 1, 1, 100, 0]  # Sunday with Sunday
    assert [row[1:] for row in answer["compared"]["data"][:-1]] == [[0, 0, 0, None, None, None]] * 6


@pytest.mark.parametrize(
    ("zone", "compared"), [("Europe/Berlin", [0, 0, 0, None, None, None]), ("Etc/UTC", [1, 1, 1, 1, 100, 0])]
)
async def test_the_other_period_is_of_the_zone_as_well(site: Site, zone: str, compared: list[Any]) -> None:
    answer = await ask(site, "public/summary", BERLIN | {"tz": zone, "compare": "previous"})
    assert answer["compared"]["data"] == [compared]


async def test_all_begins_with_the_first_visit(site: Site) -> None:
    answer = await ask(site, "public/summary", {"period": "all", "tz": "Europe/Berlin"})
    assert answer["meta"]["period"]["from"] == "2025-03-25"
    assert answer["data"][0][:3] == [8, 23, 30]


async def test_the_last_half_hour_is_told_minute_by_minute(site: Site) -> None:
    """Planted: twenty minutes, a minute less."""
    now = datetime.now(UTC).replace(tzinfo=None)
    came = [(ADA, 90), (ADA, 95), (BOB, 95), (CLEO, 1650), (NOBODY, 600), (CLEO, 1900), (CLEO, -300)]  # seconds ago
    hits = [
        dict.fromkeys(COLUMNS) | who | {"datetime": now - timedelta(seconds=ago), "session": 1} for who, ago in came
    ]
    async with site.database.engine.begin() as connection:
        await connection.execute(insert(visits), hits)
    try:
        answered = await rows(site, LIVE, {"tz": "Asia/Kathmandu"})
        filtered = await rows(site, LIVE, {"country": "SE"})
        others = [await rows(site, report, {}) for report in sorted(NOW - {LIVE})]
        of_sweden = await rows(site, "public/live_now", {"country": "SE"})
    finally:
        async with site.database.engine.begin() as connection:
            await connection.execute(delete(visits).where(visits.c.datetime > now - timedelta(days=1)))
    assert [row[0] for row in answered] == list(range(29, -1, -1))
    assert {minute: counts for minute, *counts in answered if any(counts)} == {1: [2, 3], 10: [0, 1], 27: [1, 1]}
    assert [row for row in filtered if row[2]] == [[1, 1, 1]]
    sources, [[ago]], countries, here, pages = others
    assert sources == pages == [[None, 3, 6]]  # with what is ahead of the clock
    assert sorted([country or "", *counts] for country, *counts in countries) == WHERE_NOW
    assert (here, of_sweden) == ([[3, 6]], [[1, 1]])
    assert -300 <= ago < -200


async def test_a_record_says_what_a_row_does(site: Site) -> None:
    response = await site.member.get("/api/private/event_values", params=WEEK | {"format": "records", "event": "buy"})
    assert response.json()[1] == {"name": "buy", "value": CAKE, "visitors": 1, "events": 1}
