"""By keys alone: every control is come to, the chart is read, a step of it opened, a dialog left; and on paper."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.web.conftest import Drop
from tests.web.watching import Watched

MOST = 400  # presses of the Tab key
SCALE = """
    -- Told
    --
    -- chart: bars of views by hour
    with recursive hours (hour) as (select 0 union all select hour + 1 from hours where hour < 23)
    select hour, hour * 2 as views from hours order by 1
"""
# All that answers a click, and is not part of something that the arrow keys walk through.
CONTROLS = """() => {
    const all = document.querySelectorAll("a[href], button, input, select, [tabindex='0'], [role=tab]");
    const usable = [...all].filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled
        && !(one.role === "tab" && one.ariaSelected === "false"));
    usable.forEach((one, place) => { one.dataset.place = place; });
    return usable.map((one) => one.ariaLabel ?? one.textContent.trim());
}"""
FOCUSED = """() => {
    const one = document.activeElement;
    const look = getComputedStyle(one);
    const after = getComputedStyle(one, "::after");
    const marked = [look, after].some((each) => each.outlineStyle !== "none" && each.outlineWidth !== "0px");
    const { place } = one.dataset;
    return { place: place === undefined ? null : Number(place), marked, name: one.outerHTML.slice(0, 120) };
}"""


async def walked(page: Page) -> list[dict[str, Any]]:
    """What the Tab key comes to, from the beginning of the page until it is there again."""
    await page.evaluate("getSelection().removeAllRanges(); document.activeElement.blur(); scrollTo(0, 0)")
    found: list[dict[str, Any]] = []
    for _ in range(MOST):
        await page.keyboard.press("Tab")
        one = await page.evaluate(FOCUSED)
        if found and one["place"] in (None, found[0]["place"]):
            break
        found.append(one)
    return found


async def test_the_tab_key_comes_to_all_that_can_be_clicked(seen: Watched) -> None:
    """And each shows it. Seen to fail where a row is clicked and not a button in it, and without outlines."""
    await seen.sign_in()
    await seen.open("/?page=~pages&browser=chrome")
    await expect(seen.page.locator("#now")).to_be_visible()
    await seen.look_through()
    await expect(seen.page.locator("#strip .strip")).to_contain_text("ago")
    names = await seen.page.evaluate(CONTROLS)
    found = await walked(seen.page)
    reached = {one["place"] for one in found}
    assert [name for place, name in enumerate(names) if place not in reached] == []
    assert [one["name"] for one in found if not one["marked"]] == []
    assert len(names) > 80
    for kind in ("Top pages: menu", "Chrome", "More", "Traffic as a table", "/pages/3"):
        assert any(kind in name for name in names), kind


async def focus_on(page: Page, target: Locator) -> None:
    """By the Tab key."""
    for _ in range(MOST):
        if await target.evaluate("one => one === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    pytest.fail(f"{target} is never reached")


async def test_tabs_menus_rows_and_dialogs_answer_to_keys(seen: Watched) -> None:
    page, press = seen.page, seen.page.keyboard.press
    await seen.open("/")
    await focus_on(page, page.get_by_role("tab", name="Top pages"))
    await press("ArrowRight")
    await expect(page.get_by_role("tab", name="Entry pages")).to_be_focused()
    await expect(page.locator("#public-entry_pages")).to_be_visible()
    await press("ArrowLeft")
    await seen.settle()
    await focus_on(page, page.get_by_role("button", name="Top pages: menu"))
    await press("Enter")
    await expect(page.get_by_role("button", name="View SQL")).to_be_focused()
    await press("ArrowDown")
    await expect(page.get_by_role("link", name="JSON")).to_be_focused()
    await press("Escape")
    await expect(page.get_by_role("button", name="Top pages: menu")).to_be_focused()
    await focus_on(page, page.locator("#public-pages .pick").first)
    await press("Enter")
    chip = page.locator("#chips .chip")
    await expect(chip).to_be_focused()
    await press("Enter")
    await expect(chip).to_have_count(0)
    await expect(page.get_by_role("button", name="Add a filter")).to_be_focused()


async def test_escape_closes_a_dialog_wherever_the_focus_is(seen: Watched) -> None:
    """The focus may be on nothing, as after the last page of rows: Escape took the filters away instead."""
    await seen.open("/?browser=chrome")
    await seen.page.locator("#public-pages button.more").click()
    sheet = seen.page.get_by_role("dialog")
    await expect(sheet.locator("tbody tr").first).to_be_visible()
    await seen.page.evaluate("document.activeElement.blur()")
    await seen.page.keyboard.press("w")
    await seen.page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)
    await expect(seen.page).to_have_url(f"{seen.url}/?browser=chrome")


async def test_a_step_of_a_chart_opens_its_days(seen: Watched) -> None:
    """By the pointer, by the Enter key, and in the table twin. Seen to fail where it opens the step beside."""
    day = datetime.now(UTC).date() - timedelta(days=2)
    alone = re.compile(f"from={day}&to={day}$")
    chart = seen.page.locator("#public-traffic .canvas")
    choosing = seen.page.locator(".choosing > button")
    await seen.open("/?days=2")
    await chart.focus()
    await seen.page.keyboard.press("ArrowRight")
    await seen.page.keyboard.press("Enter")
    await expect(seen.page).to_have_url(alone)
    await expect(choosing).to_be_focused()
    await seen.settle()
    await expect(seen.page.locator("#status")).to_contain_text("on ")

    await seen.open("/?days=2")
    await chart.click(position={"x": 60, "y": 60})
    await expect(seen.page).to_have_url(alone)

    await seen.open("/?days=2")
    await seen.page.get_by_role("button", name="Traffic as a table").press("Enter")
    await seen.page.locator("#public-traffic .twin .pick").last.press("Enter")
    await expect(seen.page).to_have_url(alone)
    await seen.page.go_back()
    await expect(seen.page).to_have_url(f"{seen.url}/?days=2")


DAYS = """async () => {
    const { days } = await import("/static/twin.js");
    return [
        days("2026-02-03", "day", "UTC"), days("2026-02-02", "week", "UTC"), days("2026-02-01", "month", "UTC"),
        days("2024-02", "month", "UTC"), days("2026-02-03T04:00", "hour", "UTC"), days("never", "day", "UTC"),
    ].map((one) => one && `${one.from} ${one.to}`);
}"""


async def test_a_week_has_seven_days_and_a_month_its_own(seen: Watched) -> None:
    await seen.page.goto(f"{seen.url}/login")
    assert await seen.page.evaluate(DAYS) == [
        "2026-02-03 2026-02-03",
        "2026-02-02 2026-02-08",
        "2026-02-01 2026-02-28",
        "2024-02-01 2024-02-29",
        None,
        None,
    ]
    month = datetime.now(UTC).strftime("%Y-%m")
    today = datetime.now(UTC).date().isoformat()
    told = await seen.page.evaluate(
        "async month => (await import('/static/twin.js')).days(month, 'month', 'UTC').to", month
    )
    assert told == today


async def test_paper_has_what_nobody_scrolled_to(seen: Watched, put: Drop) -> None:
    """The map, the heatmap, a scale of many steps. Seen to fail where the printer is asked first."""
    put(SCALE)
    await seen.page.set_viewport_size({"width": 1000, "height": 300})
    await seen.page.add_init_script("""globalThis.print = () => { globalThis.printed = {
        world: document.querySelectorAll(".world path").length,
        hours: document.querySelectorAll("#public-heatmap td").length,
        steps: document.querySelectorAll("#public-told .step").length,
    }; };""")
    await seen.open("/")
    assert await seen.page.locator(".world path, .heat, #public-told .step").count() == 0
    await seen.page.emulate_media(media="print")
    assert await seen.page.evaluate("getComputedStyle(document.querySelector('.world')).display") == "none"
    await expect(seen.page.locator("#public-countries tbody tr").first).to_be_visible()
    await seen.page.emulate_media(media="screen")
    await seen.page.keyboard.press("Control+p")
    printed = await (await seen.page.wait_for_function("() => globalThis.printed")).json_value()
    assert printed["world"] > 150
    assert printed["hours"] >= 24 * 7
    assert printed["steps"] == 24
    await seen.page.emulate_media(media="print")
    await seen.page.set_viewport_size({"width": 794, "height": 1123})  # A4
    assert (
        await seen.page.evaluate(
            "[...document.querySelectorAll('.rows')].filter((one) => one.scrollWidth > one.clientWidth).length"
        )
        == 0
    )
    paper = await seen.page.pdf(format="A4")
    assert paper.startswith(b"%PDF")
