"""First steps in Chromium: the line to paste, the first visit as it comes, and what may be in its way."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from crumby.reasons import REASONS
from crumby.settings import shipped
from tests.servers import Crumby
from tests.web.test_reach import violations
from tests.web.watching import PASSWORD, USER, Watched, add_user, send, visit


@pytest.fixture(scope="module")
def fresh() -> Iterator[Crumby]:
    """Give a server that has seen nobody, until the last test."""
    with Crumby() as server:
        add_user(server)
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def watched(page: Page, fresh: Crumby) -> AsyncIterator[Watched]:
    watched = Watched(page, fresh.url)
    yield watched
    # An answer to a look at /hit is in the console, and so is the refusal of an address; both are the browser's doing.
    expected = ("status of 405", "status of 422")
    assert [fault for fault in watched.faults if not any(each in fault for each in expected)] == []


async def sign_in(watched: Watched) -> None:
    await watched.page.goto(f"{watched.url}/login")
    await watched.page.get_by_label("Name").fill(USER)
    await watched.page.get_by_label("Password").fill(PASSWORD)
    await watched.page.get_by_role("button", name="Sign in").click()
    await expect(watched.page.get_by_role("region", name="Welcome")).to_be_visible()


async def check(watched: Watched, address: str) -> None:
    await watched.page.get_by_label("Address of a page of your site").fill(address)
    await watched.page.get_by_role("button", name="Check").click()
    await expect(watched.page.locator(".checks")).not_to_contain_text("Looking")


async def test_the_usual_troubles_are_looked_for(watched: Watched, fresh: Crumby, axe: str) -> None:
    """Of Crumby's own login page, which has no script and a strict policy. Planted: findings that are left out, and a
    look that is refused as a hit.
    """
    await sign_in(watched)
    await check(watched, f"{fresh.url}/login")
    for name, state, words in (
        ("page", "ok", "answered 200"),
        ("script", "fail", "no script tag"),
        ("domain", "ok", "Hits go"),
        ("browser", "ok", "loads the script"),
        ("refused", "ok", "No hit was refused"),
    ):
        finding = watched.page.locator(f".check.{state}[data-check={name}]")
        await expect(finding).to_contain_text(words)
    assert await violations(watched, axe) == []
    await check(watched, f"{fresh.url}/login")
    await expect(watched.page.locator(".check.ok[data-check=refused]")).to_be_visible()
    await check(watched, "javascript:alert(1)")
    await expect(watched.page.locator(".checks")).to_contain_text("give the address of a page")


async def test_a_blocker_of_this_browser_is_found(watched: Watched) -> None:
    """Planted: a script that is not asked for by the browser."""

    async def block(route: Route) -> None:
        await route.abort("blockedbyclient")

    await watched.page.route("**/cmb.js", block)
    await sign_in(watched)
    await check(watched, "")
    await expect(watched.page.locator(".check.warn[data-check=browser]")).to_contain_text("does not load the script")
    watched.faults = [fault for fault in watched.faults if "ERR_BLOCKED_BY_CLIENT" not in fault]


async def test_a_guest_has_the_line_and_sees_the_first_visit_come(watched: Watched, fresh: Crumby) -> None:
    """Planted: a page that waits without looking. The last test: from here on somebody was there."""
    await watched.page.goto(fresh.url)
    welcome = watched.page.get_by_role("region", name="Welcome")
    tag = f'<script defer src="{fresh.url}/cmb.js?engagement" data-engagement></script>'
    await expect(welcome).to_contain_text(tag)
    await expect(welcome).to_contain_text("localhost counts only if the tag says data-local")
    await expect(welcome.get_by_role("button", name="Check")).to_have_count(0)
    await expect(welcome).to_contain_text("Waiting for the first visit")
    send(fresh, [visit("/menu")])
    await expect(welcome).to_contain_text("Here it is: somebody looks at /menu")
    await expect(welcome).to_have_count(0)
    await expect(watched.page.locator(".panel").first).to_be_visible()


async def test_the_strip_tells_of_the_last_hit_and_of_those_refused(watched: Watched, fresh: Crumby) -> None:
    """On a page of its own, as any page may have it. Planted: a strip that is told once."""
    send(fresh, [visit("/first")])
    with fresh.client() as client:
        assert client.post("/hit", content="no hit").status_code == 400
    await sign_in_at(watched, "/live")
    await watched.page.evaluate(
        """async () => {
            const { strip } = await import("/static/strip.js");
            document.getElementById("main").prepend(strip("", new AbortController().signal));
        }"""
    )
    told = watched.page.locator(".strip")
    await expect(told).to_contain_text("refused today")
    await expect(told.locator(".last")).to_have_text(re.compile(r"Last hit ([6-9]|\d\d) s ago"))
    send(fresh, [visit("/again")])
    await expect(told.locator(".last")).to_have_text(re.compile("Last hit [0-5] s ago"))
    said = await watched.page.evaluate(
        """async () => {
            const { words, ago } = await import("/static/strip.js");
            return [words([["bot", 30], ["dnt", 4]]), words([]), words([["SomethingElse", 1]]),
                ...[-3, 0.4, 61, 7300, 90000, 200000].map(ago)];
        }"""
    )
    assert said == [
        " · 34 refused today: 30 bots, 4 Do Not Track",
        " · none refused today",
        " · 1 refused today: 1 something else",
        *("0 s ago", "0 s ago", "1 min ago", "2 h ago", "1 day ago", "2 days ago"),
    ]


def test_the_strip_has_words_for_each_reason() -> None:
    """Seen to fail on the reasons of an earlier Crumby."""
    script = (shipped("static") / "strip.js").read_text("utf-8")
    known = script.partition("const REASONS = {")[2].partition("}")[0]
    assert set(re.findall(r'^  "?([\w-]+)"?: "', known, re.MULTILINE)) == set(REASONS)


async def sign_in_at(watched: Watched, path: str) -> None:
    await watched.page.goto(f"{watched.url}/login?next={path}")
    await watched.page.get_by_label("Name").fill(USER)
    await watched.page.get_by_label("Password").fill(PASSWORD)
    await watched.page.get_by_role("button", name="Sign in").click()
    await expect(watched.page).to_have_url(f"{watched.url}{path}")
