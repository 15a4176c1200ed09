"""A panel says whether the days that another program had counted are in it."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from sqlite3 import connect

import httpx
import pytest
from playwright.async_api import expect

from tests.servers import Crumby, wait_until
from tests.web.watching import Watched

LAST = datetime.now(UTC).date() - timedelta(days=3)
FIRST = LAST - timedelta(days=1)
ROWS = [("totals", "[]"), ("pages", '["/old"]'), ("countries", '["GB"]')]


@pytest.fixture
def counted(crumby: Crumby) -> None:
    """Let two days have totals, and wait until they are in the rollups."""
    sql = "insert into totals (origin, rollup, day, prev_day, keys, sums) values ('o', ?, ?, 1, ?, '{\"views\": 21}')"
    with closing(connect(crumby.home / "crumby.db")) as database, database:
        database.executemany(sql, [(name, f"{day:%Y%m%d}", keys) for name, keys in ROWS for day in (FIRST, LAST)])

    def is_in() -> bool:
        headers = httpx.get(f"{crumby.url}/api/public/summary").headers
        return str(headers.get("X-Crumby-Imported")) == f"included; {FIRST}/{LAST}"

    wait_until(is_in, "the rollups have them")


async def test_a_panel_says_whether_imported_totals_are_in_it(counted: None, watched: Watched) -> None:
    """In light and dark, on a desk and a phone; once a filter is taken off, it says so again. Planted: the note stays
    what it was; nothing is said of the reason.
    """
    await watched.open("/")
    pages, summary = (watched.page.locator(f"#public-{name} .imported") for name in ("pages", "summary"))
    await expect(summary).to_contain_text("With imported totals, ")
    await expect(summary).to_contain_text(f"{LAST.day}")
    await expect(watched.page.locator("#public-pages")).to_contain_text("/old")
    await expect(watched.page.locator("#public-last_hit .imported")).to_have_count(0)
    heatmap = watched.page.locator("#public-heatmap .imported")
    await heatmap.scroll_into_view_if_needed()
    await expect(heatmap).to_contain_text("none were imported for this report")
    await watched.picture("imported")
    await watched.open("/?country=GB")
    await expect(summary).to_contain_text("Without imported totals of ")
    await expect(pages).to_contain_text(": they can't be filtered by country")
    await watched.page.set_viewport_size({"width": 390, "height": 844})
    await watched.page.emulate_media(color_scheme="dark")
    await watched.picture("imported-phone-dark")
    assert await watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await watched.open("/?period=today")
    await expect(summary).to_have_count(0)
