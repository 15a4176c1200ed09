"""Whatever Crumby shows, axe-core finds nothing amiss in it: each page, and each thing that opens on one.

The themes and the widths are tried crosswise, not each with each: colours know nothing of widths. The dashboard's own
cards, menus and rows are in test_reach.py, in the long form with all four, the live view in test_live.py.
"""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from tests.servers import Crumby
from tests.web.conftest import Drop
from tests.web.test_reach import violations
from tests.web.watching import PASSWORD, USER, Watched, add_user

MODES = [("light", 1280), ("dark", 390)]
FEW = ("/api/public/summary", "/hit")  # operations; the others are made as these are
BROKEN = "-- Told\nselect {{ nothing.at.all }} from visits"


@pytest.fixture(scope="module")
def fresh() -> Iterator[Crumby]:
    """Give a server that nobody visited, whose members may ask in SQL."""
    with Crumby(sql_editor="true") as server:
        add_user(server)
        yield server


@pytest_asyncio.fixture(loop_scope="session", params=MODES, ids=lambda mode: f"{mode[0]}-{mode[1]}")
async def page(request: pytest.FixtureRequest, page: Page) -> AsyncIterator[Page]:
    """Give the page in a theme and a width."""
    theme, width = request.param
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await page.set_viewport_size({"width": width, "height": 900})
    yield page


@pytest_asyncio.fixture(loop_scope="session")
async def alone(page: Page, fresh: Crumby) -> AsyncIterator[Watched]:
    """Give the page of the fresh server, signed in."""
    watched = Watched(page, fresh.url)
    await sign_in(watched)
    yield watched
    assert watched.faults == []


async def sign_in(watched: Watched) -> None:
    form: dict[str, str | float | bool] = {"username": USER, "password": PASSWORD}
    await watched.page.request.post(f"{watched.url}/login", form=form, max_redirects=0)


async def few(route: Route) -> None:
    """The document with two operations of six parameters: axe takes half a minute for all."""
    answer = await route.fetch()
    document = await answer.json()
    document["paths"] = {
        path: dict([next(iter(item.items()))]) for path, item in document["paths"].items() if path in FEW
    }
    for operation in [method for item in document["paths"].values() for method in item.values()]:
        operation["parameters"] = operation.get("parameters", [])[:6]
    assert len(document["paths"]) == len(FEW)
    await route.fulfill(response=answer, json=document)


async def test_the_explorer(seen: Watched, axe: str) -> None:
    """Closed, open, answered. Seen to fail with Swagger's own colours, and without the names of its fields."""
    await sign_in(seen)
    await seen.page.route("**/openapi.json", few)
    await seen.page.goto(f"{seen.url}/docs")
    await expect(seen.page.locator(".opblock")).to_have_count(len(FEW))
    assert await violations(seen, axe) == []
    for operation in await seen.page.locator(".opblock-summary-control").all():
        await operation.click()
    await expect(seen.page).to_have_url(f"{seen.url}/docs#/tracking/store_hits")  # without a link in the button
    await seen.page.get_by_role("button", name="Execute").first.click()
    await expect(seen.page.locator(".live-responses-table .microlight").first).to_be_visible()
    await seen.page.locator(".tablinks[data-name=model]").first.click()
    assert await violations(seen, axe) == []
    await seen.picture(f"docs-{await ground(seen.page)}")


async def test_the_reference(seen: Watched, axe: str) -> None:
    """Seen to fail with Redoc's own colours in the dark."""
    await seen.page.route("**/openapi.json", few)
    await seen.page.goto(f"{seen.url}/redoc")
    await expect(seen.page.locator("#redoc h2")).to_have_count(len(FEW) * 2)
    assert await violations(seen, axe) == []
    await seen.picture(f"redoc-{await ground(seen.page)}")


@pytest.mark.parametrize(
    "path",
    [
        "/api/public",
        "/api/private",
        "/api/public/pages?format=html&compare=previous",
        "/api/public/pages?format=html&from=2026-01-01&to=2026-01-02",
        "/api/public/pages?format=html&days=many",
        "/query",
    ],
)
async def test_a_page_of_the_api(seen: Watched, axe: str, path: str) -> None:
    """Lists, answers with rows and without, a refusal; and that there is no SQL editor here."""
    await sign_in(seen)
    await seen.page.set_extra_http_headers({"Accept": "text/html"})
    await seen.page.goto(seen.url + path)
    for details in (await seen.page.locator("details > summary").all())[:3]:
        await details.click()
    assert await violations(seen, axe) == []
    seen.faults = [fault for fault in seen.faults if not re.search("status of 4(04|05|22)", fault)]


async def test_a_login_that_failed(seen: Watched, axe: str) -> None:
    await seen.page.goto(f"{seen.url}/login")
    await seen.page.get_by_label("Name").fill("nobody")
    await seen.page.get_by_label("Password").fill("nothing")
    await seen.page.get_by_role("button", name="Sign in").click()
    await expect(seen.page.get_by_role("alert")).to_be_visible()
    assert await violations(seen, axe) == []
    seen.faults = [fault for fault in seen.faults if "status of 401" not in fault]


async def test_what_opens_on_the_page(seen: Watched, axe: str) -> None:
    """Seen to fail where the keys are a list without its terms."""
    await sign_in(seen)
    await seen.open("/?days=2&interval=hour&compare=previous&country=!SE&page=~pages&tabs=public-screens")
    for name in (".filtering", ".comparing", ".sites"):
        opener = seen.page.locator(f"{name} > button")
        await opener.click()
        await expect(opener).to_have_attribute("aria-expanded", "true")
        assert await violations(seen, axe) == [], name
        await seen.page.keyboard.press("Escape")
    await seen.page.keyboard.press("?")
    await expect(dialog(seen)).to_be_visible()
    assert await violations(seen, axe) == []
    await seen.page.keyboard.press("Escape")
    await from_menu(seen, "Top pages", "View SQL")
    await expect(dialog(seen)).to_contain_text("select")
    assert await violations(seen, axe) == []
    await seen.page.keyboard.press("Escape")
    await seen.page.get_by_role("button", name="Traffic as a table").click()
    assert await violations(seen, axe) == []


def dialog(seen: Watched) -> Locator:
    return seen.page.get_by_role("dialog")


async def from_menu(seen: Watched, title: str, choice: str) -> None:
    await seen.page.get_by_role("button", name=f"{title}: menu").click()
    await seen.page.get_by_role("button", name=choice).click()


async def test_a_page_with_little_on_it(seen: Watched, axe: str, put: Drop) -> None:
    """A report that is broken, one that does not come, others without rows."""
    put(BROKEN)
    await seen.page.route("**/api/public/browsers?*", lambda route: route.abort())
    await sign_in(seen)
    await seen.open("/?from=2026-01-01&to=2026-01-03")
    await expect(seen.page.locator(".panel .trouble")).to_have_count(2)
    await seen.page.locator("#public-told").scroll_into_view_if_needed()
    assert await violations(seen, axe) == []
    seen.faults = [fault for fault in seen.faults if not re.search("ERR_FAILED|status of 500", fault)]


async def test_a_link_that_asks_to_sign_in(seen: Watched, axe: str) -> None:
    await seen.page.goto(f"{seen.url}/?source=news.example")
    await expect(seen.page.get_by_role("link", name="Sign in").first).to_be_visible()
    await expect(seen.page.locator("#status")).to_contain_text("takes a signed-in user")
    assert await violations(seen, axe) == []


async def test_the_first_steps(alone: Watched, axe: str) -> None:
    await alone.page.goto(alone.url)
    await expect(alone.page.get_by_role("region", name="Welcome")).to_be_visible()
    assert await violations(alone, axe) == []
    await alone.page.context.clear_cookies()
    await alone.page.goto(alone.url)
    await expect(alone.page.get_by_role("region", name="Welcome")).to_be_visible()
    assert await violations(alone, axe) == []


async def test_the_editor(alone: Watched, axe: str) -> None:
    """With an answer, a refusal, and the dialog that saves."""
    await alone.page.goto(f"{alone.url}/query")
    for sql, told in (("select 1 as n, 'a' as name", "1 row"), ("select nothing_of_it", "nothing_of_it")):
        await alone.page.locator("#sql").fill(sql)
        await alone.page.get_by_role("button", name="Run").click()
        await expect(alone.page.locator("#answer")).to_contain_text(told)
        assert await violations(alone, axe) == []
    await alone.page.get_by_role("button", name="Save as report").click()
    await expect(dialog(alone)).to_be_visible()
    assert await violations(alone, axe) == []
    alone.faults = [fault for fault in alone.faults if "status of 422" not in fault]


async def ground(page: Page) -> str:
    dark: bool = await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    return "dark" if dark else "light"
