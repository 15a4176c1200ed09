"""A bakery that people visited today, and its page in Chromium: what the tests of the page share."""

from collections.abc import AsyncIterator, Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.servers import Crumby
from tests.web.watching import Watched, add_user, event, send, visit

Drop = Callable[[str], object]  # of a query file's text

AGENTS = {
    "firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "chrome": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/141.0.0.0 Safari/537.36"
    ),
}


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the operator's own folder of queries."""
    folder = tmp_path_factory.mktemp("queries")
    for collection in ("public", "private"):
        folder.joinpath(collection).mkdir()
    return folder


@pytest.fixture(scope="module")
def crumby(queries: Path) -> Iterator[Crumby]:
    with Crumby(queries=str(queries)) as server:
        add_user(server)
        send(server, [visit("/"), visit("/recipes"), event("basket", "a tin of twelve")])
        yield server


@pytest.fixture(scope="session")
def town_queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    for collection in ("public", "private"):
        folder.joinpath(collection).mkdir()
    return folder


@pytest.fixture(scope="session")
def town(town_queries: Path) -> Iterator[Crumby]:
    """Give a Crumby that nobody writes to: two sites, 12 pages of one of them, two browsers, two sources."""
    with Crumby(queries=str(town_queries), domain="bakery.example") as server:
        add_user(server)
        send(server, [visit(f"/pages/{number}") for number in range(12)] + [visit("/"), visit("/")])
        send(server, [visit("/", dr="https://news.example/a")], AGENTS["firefox"])
        send(server, [visit("/") | {"dl": "https://mill.example/"}, event("basket", "a tin of twelve")])
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def watched(page: Page, crumby: Crumby) -> AsyncIterator[Watched]:
    """Give a page that fails its test at the end if anything threw, broke the policy or left the server."""
    watched = Watched(page, crumby.url)
    yield watched
    assert watched.faults == []


@pytest_asyncio.fixture(loop_scope="session")
async def seen(page: Page, town: Crumby) -> AsyncIterator[Watched]:
    """Give the same of the town."""
    watched = Watched(page, town.url)
    yield watched
    assert watched.faults == []


@pytest.fixture
def drop(queries: Path) -> Iterator[Drop]:
    """Give a way to write the query `public/told`, for as long as the test."""
    dropped = queries / "public" / "told.sql"
    yield lambda text: dropped.write_text(text.strip())
    dropped.unlink(missing_ok=True)


@pytest.fixture
def put(town_queries: Path) -> Iterator[Drop]:
    """Give a way to write the query `public/told` of the town, for as long as the test."""
    dropped = town_queries / "public" / "told.sql"
    yield lambda text: dropped.write_text(text.strip())
    dropped.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def axe() -> str:
    """Give the text of axe-core."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
