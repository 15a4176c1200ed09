"""Days that another program had counted: reports have them, and say so, or say that they have not."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from crumby.importing.item import Total
from crumby.importing.totals import add
from crumby.reporting.imported import HEADER
from tests.reporting.site import Site, open_site

ORIGIN = "plausible example.com"
FIRST, LAST = 20240130, 20240202
DAYS = {"from": "2024-01-01", "to": "2024-02-29"}


def told(rollup: str, keys: tuple[str, ...] = (), views: int = 10, visitors: int = 4, **sums: int) -> list[Total]:
    """Give four days on which so many visitors had so many page views."""
    return [
        total
        for day in (FIRST, 20240131, 20240201, LAST)
        for total in (
            Total(rollup, day, 1, keys, {"views": visitors}),
            Total(rollup, day, day, keys, {"views": views - visitors, **sums}),
        )
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Give the crumbs' site with totals of four days, long before the first crumb."""
    async with open_site(module_url, tmp_path_factory.mktemp("site")) as opened:
        totals = told("totals", sessions=5, second_views=2, seconds=600, in_session=10)
        pages = told("pages", ("/old",), 7, 3) + told("pages", ("/",), 2, 2)
        far = [Total("regions", day, 1, ("GB", "Kent"), {"views": 1}) for day in (20210105, 20210705)]
        await add(opened.database, ORIGIN, [*totals, *pages, *told("countries", ("GB",), sessions=5), *far])
        await opened.rollups.finish()
        yield opened


async def ask(site: Site, name: str, **words: str) -> httpx.Response:
    answer = await site.guest.get(f"/api/public/{name}", params=words)
    assert answer.status_code == 200, answer.text
    return answer


async def rows(site: Site, name: str, **words: str) -> list[dict[str, Any]]:
    answer = await ask(site, name, format="records", **words)
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_a_report_has_them_by_day_month_and_period(site: Site) -> None:
    """Seen to fail where a visitor of whom nobody knows is one who was there before."""
    (whole,) = await rows(site, "summary", **DAYS)
    assert (whole["visitors"], whole["views"], whole["sessions"]) == (16, 40, 20)
    assert (whole["bounce_rate"], whole["duration"], whole["views_per_session"]) == (60, 120, 2)
    for interval, expected in (("day", [4, 4, 4, 4]), ("month", [8, 8]), ("week", [16])):
        found = await rows(site, "traffic", interval=interval, **DAYS)
        assert [row["visitors"] for row in found if row["visitors"]] == expected, interval
    part = {"from": "2024-01-31", "to": "2024-02-20"}
    assert [row["visitors"] for row in await rows(site, "summary", **part)] == [12]
    pages = await rows(site, "pages", **DAYS)
    assert [(row["page"], row["views"], row["visitors"]) for row in pages] == [("/old", 28, 12), ("/", 8, 8)]


async def test_nobody_of_them_is_new(site: Site) -> None:
    found = await rows(site, "new_returning", interval="month", **DAYS)
    assert [(row["new_visitors"], row["returning_visitors"]) for row in found] == [(0, 8), (0, 8)]


async def test_visits_of_crumbys_own_are_beside_them(site: Site) -> None:
    """All of the time begins with the first day that was imported. Seen to fail where it begins with a visit."""
    answer = (await ask(site, "summary", period="all")).json()
    assert answer["meta"]["period"]["from"] == "2021-01-05"
    (own,) = await rows(site, "summary", **{"from": "2024-03-01"})
    assert answer["data"][0][2] == own["views"] + 40


async def test_what_can_not_read_them_answers_from_visits_and_says_why(site: Site) -> None:
    """Seen to fail where a reason is told for another's, and where days outside of the period are named."""
    days = "2024-01-30/2024-02-02"
    for name, words, said in (
        ("summary", {}, f"included; {days}"),
        ("pages", {"page": "~old"}, f"included; {days}"),
        ("countries", {"country": "GB"}, f"included; {days}"),
        ("summary", {"from": "2024-02-02"}, "included; 2024-02-02/2024-02-02"),
        ("summary", {"country": "GB"}, f"left-out; {days}; filter=country"),
        ("pages", {"country": "GB", "browser": "x"}, f"left-out; {days}; filter=browser,country"),
        ("traffic", {"interval": "hour"}, f"left-out; {days}; hours"),
        ("summary", {"tz": "Asia/Tokyo"}, f"left-out; {days}; tz"),
        ("heatmap", {}, f"left-out; {days}; none"),
        ("web_vitals", {}, f"left-out; {days}; none"),
        ("summary", {"from": "2024-02-03"}, None),
        ("regions", {"from": "2021-03-01", "to": "2021-04-30"}, None),  # between two of them
        ("summary", {"from": "2021-01-01", "to": "2021-01-31"}, "left-out; 2021-01-05/2021-01-05; none"),
        ("live_now", None, None),
    ):
        answer = await ask(site, name, **({} if words is None else DAYS | words))
        assert answer.headers.get(HEADER) == said, (name, words)
        if said and said.startswith("left-out") and name == "summary":
            assert answer.json()["data"][0][2] == 0


async def test_what_is_searched_for_says_so(site: Site) -> None:
    answer = await site.member.get("/api/private/goals", params={**DAYS, "goal_1": "/old"})
    assert answer.headers[HEADER].endswith("; search")


async def test_the_period_beside_counts_as_well(site: Site) -> None:
    answer = await ask(site, "summary", **{"from": "2024-02-10", "to": "2024-02-19", "compare": "previous"})
    assert answer.headers[HEADER] == "included; 2024-01-31/2024-02-02"


async def test_every_form_of_an_answer_says_it_and_bodies_are_as_ever(site: Site) -> None:
    """Seen to fail where it is put into a row."""
    for form in ("json", "csv", "ndjson", "records", "html"):
        assert (await ask(site, "summary", format=form, **DAYS)).headers[HEADER].startswith("included")
    csv = (await ask(site, "countries", format="csv", **DAYS)).text
    assert csv.splitlines() == ["country,visitors,sessions,views", "GB,16,20,40"]
    page = (await ask(site, "countries", format="html", **DAYS)).text
    assert "With imported totals, 2024-01-30 to 2024-02-02." in page
    page = (await ask(site, "countries", format="html", browser="x", **DAYS)).text
    assert "Without imported totals of 2024-01-30 to 2024-02-02: they can&#39;t be filtered by browser." in page
    known = await ask(site, "summary", **DAYS)
    again = {"If-None-Match": known.headers["etag"]}
    unchanged = await site.guest.get("/api/public/summary", params=DAYS, headers=again)
    assert (unchanged.status_code, unchanged.headers[HEADER]) == (304, known.headers[HEADER])


async def test_an_answer_that_is_kept_is_another_one_when_a_day_has_more(site: Site) -> None:
    """Seen to fail where the version stays, and where a total is told of before it is in."""
    day = {"from": "2023-05-05", "to": "2023-05-05"}
    before = await ask(site, "summary", **day)
    assert (before.json()["data"][0][2], before.headers.get(HEADER)) == (0, None)
    for views in (5, 8):
        await add(site.database, ORIGIN, [Total("totals", 20230505, 1, (), {"views": views})])
        await site.rollups.finish()
        after = await ask(site, "summary", **day)
        assert (after.json()["data"][0][2], after.headers[HEADER]) == (views, "included; 2023-05-05/2023-05-05")


async def test_the_document_describes_it(site: Site) -> None:
    document = (await site.guest.get("/openapi.json")).json()
    assert "included" in document["components"]["headers"][HEADER]["description"]
    assert HEADER in document["paths"]["/api/public/summary"]["get"]["responses"]["200"]["headers"]


async def test_rollups_that_are_not_ready_say_so(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """Seen to fail where it says that they are in an answer that visits gave."""
    monkeypatch.setattr(type(site.rollups), "ready", property(lambda _: {}))
    answer = await ask(site, "summary", **DAYS)
    assert answer.headers[HEADER] == "left-out; 2024-01-30/2024-02-02; not-ready"
    assert answer.json()["data"][0][2] == 0
