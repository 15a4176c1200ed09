"""Who can use the page: by keys alone, by ear, in the dark, on a phone, on paper."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.web.watching import Watched

MODES = [  # crosswise, for colours know little of widths
    ("light", 1280),
    ("dark", 390),
    pytest.param("dark", 1280, marks=pytest.mark.long),
    pytest.param("light", 390, marks=pytest.mark.long),
]
FAULTS = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`))"""


async def violations(seen: Watched, axe: str) -> list[str]:
    if not await seen.page.evaluate("Boolean(window.axe)"):
        await seen.page.evaluate(axe)
    found: list[str] = await seen.page.evaluate(FAULTS)
    return found


@pytest.mark.parametrize(("theme", "width"), MODES)
async def test_axe_finds_nothing(seen: Watched, axe: str, theme: str, width: int) -> None:
    """Seen to fail without the names of the arrows, and with the colour of the words a shade lighter."""
    await seen.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await seen.page.set_viewport_size({"width": width, "height": 900})
    await seen.sign_in()
    await seen.open("/?compare=previous&page=~pages")
    await seen.look_through()
    assert await violations(seen, axe) == []
    await seen.page.locator(".choosing > button").click()
    assert await violations(seen, axe) == []
    await seen.page.keyboard.press("Escape")
    await seen.page.get_by_role("button", name="Top pages: menu").click()
    assert await violations(seen, axe) == []
    await seen.page.keyboard.press("Escape")
    await seen.page.locator("#public-pages").get_by_role("button", name="More").click()
    await expect(seen.page.get_by_role("dialog").locator("tbody tr").first).to_be_visible()
    assert await violations(seen, axe) == []
    await seen.page.keyboard.press("Escape")
    await seen.open("/")
    await seen.picture(f"page-{theme}-{width}", full=True)


@pytest.mark.parametrize("path", ["/login", "/api", "/nowhere"])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_on_the_other_pages(seen: Watched, axe: str, path: str, theme: str) -> None:
    await seen.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await seen.page.goto(seen.url + path)
    assert await violations(seen, axe) == []
    seen.faults = [fault for fault in seen.faults if "status of 404" not in fault]


MOVING = """[...document.querySelectorAll("*")].filter((one) => {
    const look = getComputedStyle(one);
    return parseFloat(look.transitionDuration) > 0 || look.animationName !== "none";
}).length"""
KEYS = {
    "d": "period=today", "e": "period=yesterday", "w": "period=last_7_days", "n": "period=last_90_days",
    "m": "period=this_month", "p": "period=last_month", "y": "period=this_year", "l": "period=last_12_months",
    "a": "period=all", "t": "", "c": "compare=previous", "x": "",
}  # fmt: skip


async def test_a_key_shows_a_period(seen: Watched) -> None:
    await seen.page.route("**/api/p*/*", lambda route: route.fulfill(json={"columns": ["n"], "data": [[1]]}))
    await seen.open("/")
    for key, search in KEYS.items():
        await seen.page.keyboard.press(key)
        await expect(seen.page).to_have_url(f"{seen.url}/{search and '?'}{search}")


async def test_the_documentation_and_the_page_tell_the_same_keys(seen: Watched) -> None:
    table = (Path(__file__).parents[2] / "docs" / "page.md").read_text().partition("## Keys")[2]
    told = {key for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall("`(.+?)`", row)}
    await seen.page.route("**/api/p*/*", lambda route: route.fulfill(json={"columns": ["n"], "data": [[1]]}))
    await seen.open("/")
    await seen.page.keyboard.press("?")
    keys = seen.page.get_by_role("dialog", name="Keys")
    await expect(keys).to_be_visible()
    shown = await keys.locator("kbd").all_inner_texts()
    assert set(shown) == told
    assert told >= set(KEYS)


async def test_other_keys_step_filter_count_anew_and_tell_of_themselves(seen: Watched) -> None:
    """Seen to fail where keys act while somebody writes."""
    await seen.open("/")
    press = seen.page.keyboard.press
    await press("ArrowLeft")
    await expect(seen.page).to_have_url(re.compile("from=.*to="))
    await seen.settle()
    await press("ArrowRight")
    await expect(seen.page.get_by_role("button", name="The period after")).to_be_disabled()
    await seen.settle()
    await press("/")
    await expect(seen.page.locator("form.adding")).to_be_visible()
    await seen.page.get_by_label("Value").fill("")
    await seen.page.get_by_label("Value").press_sequentially("/pages/3 dwmyc?")
    await expect(seen.page.get_by_label("Value")).to_have_value("/pages/3 dwmyc?")
    await press("Enter")
    await expect(seen.page.locator("#chips .chip")).to_have_text(["Page is /pages/3 dwmyc?"])
    await press("Escape")
    await expect(seen.page.locator("#chips .chip")).to_have_count(0)
    await seen.settle()
    seen.requests.clear()
    await press("r")
    await seen.page.wait_for_timeout(300)
    assert len([url for url in seen.requests if "/api/public/summary" in url]) == 1
    await press("?")
    keys = seen.page.get_by_role("dialog", name="Keys")
    await expect(keys).to_contain_text("Last 12 months")
    await seen.picture("keys")
    await press("Escape")
    await expect(keys).to_have_count(0)


async def test_everything_is_reached_by_the_tab_key_in_the_order_of_the_page(seen: Watched) -> None:
    await seen.open("/")
    await expect(seen.page.locator("#now")).to_be_visible()
    await seen.page.locator("#main").focus()
    order = []
    for _ in range(16):
        await seen.page.keyboard.press("Tab")
        order.append(await seen.page.evaluate(
            "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent).trim()"
        ))  # fmt: skip
    assert order[0] == "All sites"
    assert re.fullmatch(r"\d+ people now", order[1])  # fewer, where the tests take longer than five minutes
    assert order[2:7] == ["Add a filter", "Compare", "The period before", "Last 30 days", "Summary: menu"]
    assert order[7:13] == ["Visitors", "Sessions", "Views", "Views per session", "Bounce rate", "Duration"]


@pytest.mark.parametrize("system", ["light", "dark"])
async def test_a_theme_is_chosen_and_kept(seen: Watched, system: str) -> None:
    """Seen to fail where it is not kept."""
    await seen.page.emulate_media(color_scheme="dark" if system == "dark" else "light")
    await seen.page.route("**/api/p*/*", lambda route: route.fulfill(json={"columns": ["n"], "data": [[1]]}))
    await seen.open("/")
    grounds = []
    for name in ("system", "light", "dark"):
        await expect(seen.page.get_by_role("button", name=f"Theme: {name}")).to_be_visible()
        grounds.append(await seen.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        if name != "dark":
            await seen.page.get_by_role("button", name=f"Theme: {name}").click()
    assert grounds[1] != grounds[2]
    assert grounds[0] == grounds[2 if system == "dark" else 1]
    await seen.page.goto(f"{seen.url}/api")
    assert await seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[2]


async def test_nothing_is_wider_than_the_screen(seen: Watched) -> None:
    await seen.open("/?compare=weekday&page=~pages&browser=chrome")
    for width in (1600, 1280, 768, 390, 320):
        await seen.page.set_viewport_size({"width": width, "height": 800})
        assert await seen.page.evaluate("document.documentElement.scrollWidth") == width


async def test_paper_has_the_panels_and_no_buttons(seen: Watched) -> None:
    await seen.open("/")
    await seen.page.emulate_media(media="print")
    for hidden in ("#controls", ".pages", ".tools", ".theme", "#public-visits"):
        await expect(seen.page.locator(hidden).first).to_be_hidden()
    await expect(seen.page.locator("#public-channels")).to_be_visible()
    await expect(seen.page.locator("#span")).to_be_visible()


async def test_who_wants_no_motion_has_none(seen: Watched) -> None:
    await seen.page.emulate_media(reduced_motion="reduce")
    await seen.open("/")
    assert await seen.page.evaluate(MOVING) == 0
