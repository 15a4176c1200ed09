"""What a panel can do: its menu, all of its rows, the map, and what it says while it waits or has nothing."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.web.conftest import Drop
from tests.web.watching import Watched

MANY = """
-- Many
-- chart: bars of n by page
-- click: page
-- column page: page
-- column n: count
select '/p/' || i as page, i as n from (
  with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < 120) select i from numbers
) as numbers
where 1 = 1 or {{ filters() }}
{{ order_by("n desc, page") }}
{{ limit() }}
"""
WORDS = ["ash", "bay", "elm", "fig", "fir", "gum", "ivy", "oak", "pear", "rye", "yew", "Éclair"]
MAP = """
-- Where
-- chart: map of visitors by country
-- click: country
-- column country: country
-- column visitors: count
select 'SE' as country, 30 as visitors union all select 'JP', 9 union all select 'GB', 1
"""


async def open_menu(page: Page, title: str) -> None:
    await page.get_by_role("button", name=f"{title}: menu").click()


async def test_a_menu_has_the_answer_in_other_forms_and_the_way_there(seen: Watched) -> None:
    """Seen to fail where the filters are left out of the addresses."""
    await seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await seen.open("/?period=last_7_days&page=~pages")
    await open_menu(seen.page, "Channels")
    group = seen.page.get_by_role("group", name="Channels: menu")
    search = "period=last_7_days&page=%7Epages"
    await expect(group.get_by_role("link", name="JSON")).to_have_attribute("href", f"/api/public/channels?{search}")
    csv = f"/api/public/channels?{search}&format=csv"
    await expect(group.get_by_role("link", name="CSV")).to_have_attribute("href", csv)
    await group.get_by_role("button", name="Copy as curl").click()
    await expect(seen.page.locator(".popup").get_by_role("status")).to_have_text("Copied")
    copied = await seen.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"curl '{seen.url}/api/public/channels?{search}'"
    await group.get_by_role("button", name="Copy link to this panel").click()
    assert await seen.page.evaluate("navigator.clipboard.readText()") == f"{seen.page.url}#public-channels"
    await seen.page.keyboard.press("Escape")
    await expect(group).to_be_hidden()
    await expect(seen.page.get_by_role("button", name="Channels: menu")).to_be_focused()


async def test_a_menu_shows_the_file(seen: Watched) -> None:
    await seen.open("/")
    await open_menu(seen.page, "Channels")
    await seen.page.get_by_role("button", name="View SQL").click()
    text = (Path(__file__).parents[2] / "queries" / "public" / "channels.sql").read_text()
    await expect(seen.page.get_by_role("dialog", name="Channels: SQL").locator("code")).to_have_text(text)
    await seen.page.keyboard.press("Escape")
    await expect(seen.page.get_by_role("dialog")).to_have_count(0)


async def test_a_link_to_a_panel_opens_its_tab(seen: Watched) -> None:
    await seen.open("/#public-screens")
    await expect(seen.page.locator("#public-screens")).to_be_in_viewport()
    await expect(seen.page).to_have_url(re.compile("tabs=public-screens"))


async def test_all_rows_are_searched_sorted_and_turned_over(seen: Watched, put: Drop) -> None:
    """Seen to fail where a page begins with the last row of the one before."""
    put(MANY)
    await seen.open("/")
    panel = seen.page.locator("#public-told")
    await expect(panel.locator("tbody tr")).to_have_count(9)
    await panel.get_by_role("button", name="More").click()
    dialog = seen.page.get_by_role("dialog", name="Many")
    names = dialog.locator("tbody tr td:first-child")
    await expect(names).to_have_count(50)
    await expect(dialog.get_by_role("status")).to_have_text(re.compile("^1 . 50$"))
    await dialog.get_by_role("button", name="The next rows").click()
    await expect(names.first).to_have_text("/p/70")
    await dialog.get_by_role("button", name="The next rows").click()
    await expect(names).to_have_count(20)
    await expect(dialog.get_by_role("button", name="The next rows")).to_be_disabled()
    await dialog.get_by_role("button", name="N", exact=True).click()
    await expect(dialog.get_by_role("columnheader", name="N")).to_have_attribute("aria-sort", "descending")
    await dialog.get_by_role("button", name="N", exact=True).click()
    await expect(names.first).to_have_text("/p/1")
    await expect(dialog.get_by_role("button", name="N", exact=True)).to_be_focused()
    await seen.picture("more")
    await names.first.get_by_role("button").click()
    await expect(dialog).to_have_count(0)
    await expect(seen.page.locator("#chips .chip")).to_have_text(["Page is /p/1"])


async def test_the_server_searches_where_a_filter_can(seen: Watched) -> None:
    await seen.open("/")
    await seen.page.locator("#public-pages").get_by_role("button", name="More").click()
    dialog = seen.page.get_by_role("dialog", name="Top pages")
    await dialog.get_by_role("searchbox").fill("pages/1")
    await expect(dialog.locator("tbody tr")).to_have_count(3)  # 1, 10, 11
    assert seen.requests[-1].endswith("page=%7Epages%2F1")
    await dialog.get_by_role("searchbox").fill("nowhere")
    await expect(dialog).to_contain_text("Nothing with “nowhere”.")


async def test_what_no_filter_can_is_searched_in_the_page(seen: Watched, put: Drop) -> None:
    put("-- Words\n" + " union all ".join(f"select '{word}' as word, {n} as n" for n, word in enumerate(WORDS)))
    await seen.open("/")
    await seen.page.locator("#public-told").get_by_role("button", name="More").click()
    dialog = seen.page.get_by_role("dialog", name="Words")
    await dialog.get_by_role("searchbox").fill("écl")
    await expect(dialog.locator("tbody tr")).to_have_count(1)
    await expect(dialog.get_by_role("status")).to_have_text(re.compile("^1 . 1 of 1$"))
    await dialog.get_by_role("searchbox").fill("")
    await dialog.get_by_role("button", name="N", exact=True).click()
    await expect(dialog.locator("tbody tr").first).to_contain_text("Éclair")


async def test_a_map_is_fetched_once_it_is_seen_and_filters(seen: Watched, put: Drop) -> None:
    """Seen to fail where the map is imported with the page."""
    put(MAP)
    await seen.open("/")
    assert not any("jsvectormap" in url for url in seen.requests)
    await seen.page.locator("#public-told").scroll_into_view_if_needed()
    sweden, japan = (seen.page.locator("#public-told path.known").nth(place) for place in (0, 1))
    await expect(seen.page.locator("#public-told path.known")).to_have_count(3)
    assert await sweden.get_attribute("style") != await japan.get_attribute("style")
    await seen.page.locator("#public-told path.known").last.dispatch_event("click")
    await expect(seen.page.locator("#chips .chip")).to_have_count(1)


async def test_a_slow_panel_says_how_long_it_has_been_counting(seen: Watched) -> None:
    waiting = asyncio.Event()

    async def slow(route: Route) -> None:
        await waiting.wait()
        await route.continue_()

    await seen.page.route("**/api/public/channels*", slow)
    await seen.page.goto(f"{seen.url}/")
    channels = seen.page.locator("#public-channels")
    await expect(channels.locator(".note")).to_be_visible()
    await expect(channels.locator(".note")).to_have_text(re.compile("Still counting… [0-9]+ s"))
    waiting.set()
    await seen.settle()
    await expect(channels.locator(".note")).to_be_hidden()
    await expect(channels.locator("tbody tr").first).to_be_visible()


async def test_a_panel_says_what_went_wrong_and_tries_again(seen: Watched) -> None:
    broken = {"error": "Unavailable", "detail": "The report ran past its 10 s; ask for fewer days."}

    async def fail(route: Route) -> None:
        await route.fulfill(status=503, json=broken)

    await seen.page.route("**/api/public/channels*", fail)
    await seen.open("/")
    trouble = seen.page.locator("#public-channels .trouble")
    await expect(trouble).to_contain_text(broken["detail"])
    await seen.picture("error")
    await seen.page.unroute("**/api/public/channels*")
    await trouble.get_by_role("button", name="Try again").click()
    await expect(seen.page.locator("#public-channels tbody tr").first).to_be_visible()
    seen.faults = [fault for fault in seen.faults if "status of 503" not in fault]


async def test_a_panel_without_rows_says_what_it_was_asked(seen: Watched) -> None:
    await seen.open("/?page=/nowhere&period=today")
    await expect(seen.page.locator("#public-channels")).to_contain_text("Nothing today, with these filters.")
    await seen.picture("empty")


async def test_a_closed_panel_asks_once_somebody_opens_it(seen: Watched) -> None:
    await seen.open("/")
    assert not any("/api/public/visits" in url for url in seen.requests)
    await seen.page.locator("#public-visits").get_by_role("button", name="open this report").click()
    await expect(seen.page.locator("#public-visits canvas")).to_be_visible()


@pytest.mark.parametrize("step", ["/pages/1", "basket"])
async def test_a_files_own_parameters_have_a_form(seen: Watched, step: str) -> None:
    await seen.sign_in()
    await seen.open("/?tabs=private-funnel")
    await expect(seen.page.locator("#private-funnel")).to_contain_text("its menu has a form for step_1")
    await open_menu(seen.page, "Funnel")
    await seen.page.get_by_role("button", name="Parameters…").click()
    await seen.page.get_by_label("step 1").fill(step)
    await seen.page.get_by_role("dialog").get_by_role("button", name="Show").click()
    await expect(seen.page.locator("#private-funnel tbody tr")).to_have_count(1)
    await expect(seen.page).to_have_url(re.compile("private-funnel.step_1="))


async def test_the_large_numbers_and_a_map_fit_beside_each_other_on_a_wide_screen(seen: Watched) -> None:
    await seen.page.set_viewport_size({"width": 1600, "height": 1000})
    await seen.open("/")
    assert await seen.page.evaluate("document.documentElement.scrollWidth") == 1600
    await seen.picture("wide", full=True)
