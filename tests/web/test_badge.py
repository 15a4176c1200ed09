"""The badge: a count in a picture that any site may show."""

import re
from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

import httpx
import pytest
import pytest_asyncio

from crumby.app import create_app
from crumby.reporting.badge import short
from tests.conftest import settings_in
from tests.servers import alive

BADGE = "/badge.svg"
SVG = "{http://www.w3.org/2000/svg}"
TEMPTING = "<script>alert(1)</script>&\"'"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_in(tmp_path_factory.mktemp("badge"))
    async with alive(create_app(settings)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            for number, (cid, host) in enumerate([("ann", "a.example"), ("ann", "a.example"), ("bob", "b.example")]):
                hit = {"v": 2, "id": f"{number:032x}", "t": "visit", "cid": cid, "dl": f"https://{host}/"}
                assert (await http.post("/hit", json=hit)).status_code == 204
            yield http


def words(svg: str) -> list[str | None]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["visitors", "2"]),
        ({"metric": "views"}, ["views", "3"]),
        ({"metric": "views", "days": "1", "site": "b.example"}, ["views", "1"]),
        ({"site": "nowhere.example", "label": "Readers", "theme": "dark"}, ["Readers", "0"]),
        ({"label": "Besucher · 月"}, ["Besucher · 月", "2"]),
        ({"label": TEMPTING}, [TEMPTING, "2"]),
        ({"label": "a\x00b\x08"}, ["ab", "2"]),
        ({"label": " "}, ["visitors", "2"]),
    ],
)
async def test_a_badge_shows_a_count(client: httpx.AsyncClient, asked: dict[str, str], expected: list[str]) -> None:
    """Planted: a label that is not escaped, and a site that is not asked for."""
    answer = await client.get(BADGE, params=asked)
    assert answer.status_code == 200, answer.text
    assert words(answer.text) == expected


async def test_any_site_may_show_it_and_it_holds_nothing_but_a_picture(client: httpx.AsyncClient) -> None:
    answer = await client.get(BADGE, params={"label": TEMPTING})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    tags = {node.tag.removeprefix(SVG) for node in ET.fromstring(answer.text).iter()}  # noqa: S314 - our own
    assert tags == {"svg", "title", "clipPath", "rect", "g", "text"}
    assert not re.search(r"\bstyle=|<style|href|<script|\son\w+=", answer.text)
    again = await client.get(BADGE, params={"label": TEMPTING}, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"metric": "secrets"}, "visitors, views"),
        ({"theme": "pink"}, "light, dark"),
        ({"days": "many"}, "days"),
        ({"label": "x" * 41}, "40 characters"),
        ({"city": "London"}, "no parameter of a badge"),
        ({"site": ["a", "b"]}, "twice"),
    ],
)
async def test_what_does_not_fit_is_refused(client: httpx.AsyncClient, asked: dict[str, str], said: str) -> None:
    answer = await client.get(BADGE, params=asked)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0"), (999, "999"), (1000, "1k"), (1290, "1.2k"), (9999, "9.9k"), (12_345, "12k"), (999_999, "999k"),
     (1_000_000, "1M"), (3_450_000, "3.4M"), (2_000_000_000, "2G")],
)  # fmt: skip
async def test_a_large_count_is_short_and_never_more_than_it_is(count: int, expected: str) -> None:
    assert short(count) == expected
