"""The live view in Chromium: it goes on by itself, with a stream or without."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from tests.servers import Crumby
from tests.web.test_reach import violations
from tests.web.watching import PASSWORD, USER, Watched, add_user, send, visit

BAITED = "/<img src=x onerror='window.bitten = 1'>"


@pytest.fixture(scope="module")
def crumby() -> Iterator[Crumby]:
    with Crumby() as server:
        add_user(server)
        send(server, [visit("/"), visit("/recipes"), visit(BAITED)])
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def watched(page: Page, crumby: Crumby) -> AsyncIterator[Watched]:
    watched = Watched(page, crumby.url)
    yield watched
    assert watched.faults == []


def people(words: str) -> int:
    found = re.fullmatch(r"([\d,]+) (?:person|people) now", words)
    assert found, words
    return int(found[1].replace(",", ""))


async def here(watched: Watched) -> int:
    now = watched.page.locator("#now")
    await expect(now).to_contain_text("now")
    return people(await now.inner_text())


def card(watched: Watched, query: str) -> Locator:
    return watched.page.locator(f'[data-query="{query}"]')


async def test_a_visit_is_on_the_page_within_seconds(watched: Watched, crumby: Crumby) -> None:
    """Planted: a stream that sends each answer once, and a view that shows only the first."""
    await watched.page.goto(f"{crumby.url}/live")
    before = await here(watched)
    pages = card(watched, "public/live_pages")
    await expect(pages.get_by_role("rowheader", name="/recipes")).to_be_visible()
    await expect(card(watched, "public/live").locator(".step")).to_have_count(30)
    await expect(watched.page.locator("#views")).to_contain_text("in the last half hour")
    assert await card(watched, "private/live_sources").count() == 0  # of those who signed in

    send(crumby, [visit("/just-now")])
    await expect(pages.get_by_role("rowheader", name="/just-now")).to_be_visible()
    await expect(watched.page.locator("#now")).to_have_text(f"{before + 1} people now")
    assert await watched.page.evaluate("window.bitten") is None
    assert [url for url in watched.requests if "/api/" in url] == []


async def test_all_who_look_share_a_stream(watched: Watched, crumby: Crumby) -> None:
    """A browser has six connections to a server. Planted: a stream for each of them."""
    await watched.page.goto(f"{crumby.url}/live")
    await here(watched)
    assert len(streams(watched)) == 1
    answers = await watched.page.evaluate(
        """async () => {
            const { live } = await import("/static/live.js");
            const heard = [];
            const ending = new AbortController();
            const once = (queries, search = "") => new Promise((resolve) => {
                live(queries, search, ({ query }) => { heard.push(query); resolve(); }, ending.signal);
            });
            await once(["public/live"]);
            await Promise.all([once(["public/last_hit"]), once(["public/live_now", "public/last_hit"])]);
            await once(["public/live_now"], "?country=SE");
            ending.abort();
            const told = heard.length;
            await new Promise((resolve) => { setTimeout(resolve, 3000); });
            return heard.length - told;
        }"""
    )
    assert answers == 0  # after it was ended
    assert len(streams(watched)) == 3  # the first, one with the last hit as well, one of Sweden


def streams(watched: Watched) -> list[str]:
    return [url for url in watched.requests if "/live/stream" in url]


async def test_who_is_signed_in_sees_where_they_come_from(watched: Watched, crumby: Crumby) -> None:
    await watched.page.goto(f"{crumby.url}/login?next=/live")
    await watched.page.get_by_label("Name").fill(USER)
    await watched.page.get_by_label("Password").fill(PASSWORD)
    await watched.page.get_by_role("button", name="Sign in").click()
    sources = card(watched, "private/live_sources")
    await expect(sources.get_by_role("rowheader", name="search.example")).to_be_visible()


async def test_without_a_stream_the_page_asks_now_and_then(watched: Watched, crumby: Crumby) -> None:
    """Planted: a stream that fails and leaves it at that."""

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, body="")

    await watched.page.route("**/live/stream*", refuse)
    await watched.page.goto(f"{crumby.url}/live")
    await here(watched)
    await expect(card(watched, "public/live").locator(".step")).to_have_count(30)
    watched.faults = [fault for fault in watched.faults if "status of 503" not in fault]


async def test_a_hidden_page_has_no_stream(watched: Watched, crumby: Crumby) -> None:
    """Planted: `visibilitychange` that is not heard."""
    await watched.page.goto(f"{crumby.url}/live")
    await here(watched)
    await turn(watched.page, hidden=True)
    send(crumby, [visit("/unseen")])
    unseen = card(watched, "public/live_pages").get_by_role("rowheader", name="/unseen")
    await watched.page.wait_for_timeout(4500)
    await expect(unseen).to_have_count(0)
    await turn(watched.page, hidden=False)
    await expect(unseen).to_be_visible()


async def turn(page: Page, *, hidden: bool) -> None:
    """As a browser does to a tab that is not in front; a headless one has no other."""
    await page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


@pytest.mark.parametrize(("theme", "width"), [("light", 1600), ("dark", 360)])
async def test_it_fits_its_screen_and_axe_finds_nothing(
    watched: Watched, crumby: Crumby, axe: str, theme: str, width: int
) -> None:
    await watched.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await watched.page.set_viewport_size({"width": width, "height": 800})
    await watched.page.goto(f"{crumby.url}/live")
    await here(watched)
    await expect(watched.page.locator("[aria-busy]")).to_have_count(0)
    assert await watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await violations(watched, axe) == []
