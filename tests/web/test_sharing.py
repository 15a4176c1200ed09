"""Links for others: the dialog that makes and withdraws them, the page they lead to, the password before it."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Route, expect

from tests.servers import Crumby
from tests.web.sharing import member, shared
from tests.web.test_reach import MODES, violations
from tests.web.watching import Watched

MARKUP = "<img src=x onerror='window.bitten = 1'>"
PANELS = ("public/summary", "public/traffic", "public/pages", "public/countries", "private/sources")


@pytest_asyncio.fixture(loop_scope="session")
async def guest(chromium: Browser, town: Crumby) -> AsyncIterator[Watched]:
    """Give a browser of somebody who has a link and nothing else."""
    context = await chromium.new_context()
    watched = Watched(await context.new_page(), town.url)
    yield watched
    await context.close()
    assert watched.faults == []


async def opened(seen: Watched) -> Locator:
    """The dialog."""
    await seen.page.locator("#controls").get_by_role("button", name="Share").click()
    dialog = seen.page.get_by_role("dialog", name="Share these reports")
    await expect(dialog.locator(".shares li, section > .words:not(:empty)").first).to_be_visible()
    return dialog


def reports(dialog: Locator) -> Locator:
    return dialog.locator("input[name=panel]")


async def test_a_link_is_made_of_what_the_page_shows(seen: Watched, guest: Watched) -> None:
    """Seen to fail where the view is left out, where filters are, and where private reports are chosen at first."""
    await seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await seen.sign_in()
    await seen.open("/?page=~pages&period=last_90_days&compare=year")
    dialog = await opened(seen)
    chosen: list[str] = await reports(dialog).evaluate_all(
        "all => all.filter(one => one.checked).map(one => one.value)"
    )
    assert {name.partition("/")[0] for name in chosen} == {"public"}
    await expect(dialog.get_by_label("With these filters")).to_be_checked()
    await expect(dialog.locator("label", has_text="With these filters")).to_contain_text("Page contains pages")
    await dialog.get_by_label("Title").fill("For the mill")
    await dialog.get_by_role("button", name="None").click()
    await dialog.get_by_label("Top pages").check()
    await dialog.get_by_label("Traffic", exact=True).check()
    await dialog.locator("input[value='private/sources']").check()
    await expect(dialog.get_by_text(re.compile(r"^3 of \d+$"))).to_be_visible()
    async with seen.page.expect_request("**/shares") as asking:
        await dialog.get_by_role("button", name="Make the link").click()
    asked = json.loads((await asking.value).post_data or "")
    assert sorted(asked.pop("panels")) == ["private/sources", "public/pages", "public/traffic"]
    assert asked == {"title": "For the mill", "filters": "page=%7Epages", "view": "period=last_90_days&compare=year"}
    copy = dialog.get_by_role("button", name="Copy", exact=True)
    await expect(copy).to_be_focused()
    await copy.click()
    await expect(dialog.locator(".made").get_by_text("Copied")).to_be_visible()
    link = await seen.page.evaluate("navigator.clipboard.readText()")
    await expect(dialog.locator(".shares li").first).to_contain_text("3 reports, Page contains pages")
    await seen.picture("share-made")

    await guest.open(urlsplit(link).path)
    await expect(guest.page.get_by_role("heading", level=1)).to_have_text("For the mill")
    assert await guest.panels() == ["private/sources", "public/pages", "public/traffic"]
    await expect(guest.page.locator("#chips li")).to_have_text(["Page contains pages"])
    await expect(guest.page.locator("#chips button")).to_have_count(0)
    await expect(guest.page.locator(".choosing > button")).to_have_text("Last 90 days")
    await expect(guest.page.locator(".comparing > button")).to_have_text("vs year before")
    await expect(guest.page.locator("#public-pages tbody tr")).to_have_count(9)
    await expect(guest.page.locator("#public-pages button.pick")).to_have_count(0)  # that filter is not theirs


async def test_a_guest_sees_the_reports_of_the_link_and_no_way_to_the_rest(guest: Watched, town: Crumby) -> None:
    """Seen to fail with the strip, with the live count, and with the file of a report in its menu."""
    await guest.open(shared(town, *PANELS))
    page = guest.page
    assert await guest.panels() == sorted(PANELS)
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await expect(page.get_by_role("link", name="Sign in")).to_have_count(0)
    await expect(page.get_by_role("banner").get_by_role("link", name="Crumby")).to_have_attribute("href", "/")
    await expect(page.get_by_role("button", name="Share")).to_have_count(0)
    await page.get_by_role("button", name="Sources: menu").click()
    menu = page.get_by_role("group", name="Sources: menu")
    await expect(menu.get_by_role("link", name="CSV")).to_have_attribute(
        "href", re.compile("^/share/.*/api/private/sources")
    )
    await expect(menu.get_by_role("button", name="View SQL")).to_have_count(0)
    await page.keyboard.press("Escape")
    await guest.look_through()
    asked = {urlsplit(url).path.split("/")[1] for url in guest.requests}
    assert asked <= {"share", "static"}


async def test_a_guest_filters_by_a_row_and_the_address_has_it(guest: Watched, town: Crumby) -> None:
    path = shared(town, *PANELS, filters="page=~pages")
    await guest.open(path)
    await guest.page.locator("#public-countries, #public-pages").first.wait_for()
    await guest.page.get_by_role("button", name="Add a filter").click()
    names = guest.page.locator("form.adding select[name=dimension] option")
    await expect(names.filter(has_text=re.compile("^Page$"))).to_have_count(0)
    await guest.page.locator("form.adding").get_by_label("Filter").select_option("browser")
    await guest.page.locator("form.adding").get_by_label("Value").fill("Chrome")
    await guest.page.get_by_role("button", name="Add", exact=True).click()
    await expect(guest.page).to_have_url(re.compile(rf"{path}\?period=last_30_days&browser=Chrome$"))
    await expect(guest.page.locator("#chips li")).to_have_text(["Page contains pages", "Browser is Chrome"])
    await guest.settle()
    await expect(guest.page.locator("#status")).to_contain_text("Page contains pages, Browser is Chrome")
    await guest.page.keyboard.press("Escape")
    await expect(guest.page.locator("#chips li")).to_have_text(["Page contains pages"])


async def test_a_link_opens_with_its_view_and_goes_on_from_there(guest: Watched, town: Crumby) -> None:
    """Seen to fail where the usual period is left out of the address: the link without a word is the view."""
    path = shared(town, *PANELS, view="period=last_7_days&compare=previous")
    await guest.open(path)
    button = guest.page.locator(".choosing > button")
    await expect(button).to_have_text("Last 7 days")
    await button.click()
    await guest.page.locator(".popup").get_by_role("button", name="Last 30 days").click()
    await expect(button).to_have_text("Last 30 days")
    await expect(guest.page).to_have_url(re.compile(rf"{path}\?period=last_30_days&compare=previous$"))
    await guest.page.reload()
    await expect(button).to_have_text("Last 30 days")
    await guest.page.go_back()
    await expect(button).to_have_text("Last 7 days")


async def test_the_password_is_asked_for_first(guest: Watched, town: Crumby, axe: str) -> None:
    await guest.page.goto(guest.url + shared(town, *PANELS, password="rye and water"))
    await expect(guest.page.get_by_role("link", name="Dashboard")).to_have_count(0)
    assert await violations(guest, axe) == []
    await guest.picture("share-password")
    await guest.page.get_by_role("textbox", name="Password").fill("wheat")
    await guest.page.keyboard.press("Enter")
    await expect(guest.page.get_by_role("alert")).to_have_text("That is not the password.")
    assert await violations(guest, axe) == []
    await guest.page.get_by_role("textbox", name="Password").fill("rye and water")
    await guest.page.keyboard.press("Enter")
    await guest.settle()
    await expect(guest.page.get_by_role("heading", level=1)).to_have_text("For the mill")
    await guest.page.get_by_role("button", name="Sources: menu").click()
    menu = guest.page.get_by_role("group", name="Sources: menu")
    await expect(menu.get_by_role("button", name="Copy as curl")).to_be_visible()
    await expect(menu.get_by_role("button", name="Embed…")).to_have_count(0)  # a frame has no cookie
    guest.faults = [fault for fault in guest.faults if "status of 401" not in fault]


async def test_a_link_whose_password_is_wanted_again_says_so(guest: Watched, town: Crumby) -> None:
    """Seen to fail where it says that a session has ended."""
    path = shared(town, *PANELS, password="rye and water")
    await guest.page.goto(guest.url + path)
    await guest.page.get_by_role("textbox", name="Password").fill("rye and water")
    await guest.page.keyboard.press("Enter")
    await guest.settle()
    await guest.page.context.clear_cookies()
    await guest.page.keyboard.press("w")
    trouble = guest.page.locator("#public-pages .trouble")
    await expect(trouble).to_contain_text("This link wants its password again.")
    await trouble.get_by_role("link", name="Give the password").click()
    await expect(guest.page.get_by_role("textbox", name="Password")).to_be_visible()
    guest.faults = [fault for fault in guest.faults if "status of 401" not in fault]


async def test_a_link_is_withdrawn_once_somebody_is_sure(seen: Watched, guest: Watched, town: Crumby) -> None:
    """Seen to fail where the first click withdraws, and where the focus is lost with the line."""
    path = shared(town, *PANELS, title="To be gone")
    await seen.sign_in()
    await seen.open("/")
    dialog = await opened(seen)
    line = dialog.locator(".shares li", has_text="To be gone")
    await expect(line.locator(f"a[href$='{path}']")).to_be_visible()
    await line.get_by_role("button", name="Withdraw: To be gone").click()
    await expect(line.get_by_role("button", name="Withdraw for good")).to_be_focused()
    await seen.picture("share-withdraw")
    await line.get_by_role("button", name="Keep").click()
    withdraw = line.get_by_role("button", name="Withdraw: To be gone")
    await expect(withdraw).to_be_focused()
    await guest.open(path)
    await withdraw.click()
    await line.get_by_role("button", name="Withdraw for good").click()
    await expect(line).to_have_count(0)
    await expect(dialog.get_by_text("Withdrawn: To be gone")).to_be_visible()
    assert await seen.page.evaluate("document.activeElement.closest('section') !== null")
    await guest.page.goto(guest.url + path)
    await expect(guest.page.locator("main")).to_contain_text("this link does not work", ignore_case=True)
    await expect(guest.page.get_by_role("link", name="dashboard")).to_have_count(0)
    guest.faults = [fault for fault in guest.faults if "status of 404" not in fault]


async def test_a_link_ends_when_it_is_said_to(seen: Watched, town: Crumby) -> None:
    await seen.sign_in()
    await seen.open("/")
    dialog = await opened(seen)
    await dialog.get_by_label("Title").fill("Until a day")
    day = dialog.get_by_label("Its last day")
    await expect(day).to_be_hidden()
    await dialog.get_by_label("Ends").select_option("On a day…")
    last = (datetime.now(UTC) + timedelta(days=400)).date().isoformat()
    await day.fill(last)
    await dialog.get_by_role("button", name="Make the link").click()
    await expect(dialog.locator(".shares li").first).to_contain_text("Until a day")
    await dialog.get_by_label("Ends").select_option("In 7 days")
    await expect(day).to_be_hidden()
    await dialog.get_by_label("Title").fill("For a week")
    await dialog.get_by_role("button", name="Make the link").click()
    await expect(dialog.locator(".shares li").first).to_contain_text("For a week")
    await expect(dialog.locator(".shares li").first).to_contain_text("until")
    with member(town) as client:
        ends = {share["title"]: share["expires"] for share in client.get("/shares").json()["shares"]}
    assert ends["Until a day"].startswith(f"{last}T23:59:59")
    week = datetime.fromisoformat(ends["For a week"]).replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(days=6.9) < week <= timedelta(days=7)


async def test_a_report_that_takes_no_filters_is_left_out_and_says_why(seen: Watched) -> None:
    """Seen to fail where it stays chosen."""
    await seen.sign_in()
    await seen.open("/?page=~pages")
    dialog = await opened(seen)
    deaf = seen.page.locator("input[value='public/last_hit']")
    line = dialog.locator("label", has=deaf)
    await expect(deaf).to_be_disabled()
    await expect(deaf).not_to_be_checked()
    await expect(line).to_contain_text("takes no filters")
    await dialog.get_by_role("button", name="All", exact=True).click()
    await expect(deaf).not_to_be_checked()
    await dialog.get_by_label("With these filters").uncheck()
    await expect(deaf).to_be_checked()
    await expect(line).not_to_contain_text("takes no filters")
    async with seen.page.expect_request("**/shares") as asking:
        await dialog.get_by_role("button", name="Make the link").click()
    asked = json.loads((await asking.value).post_data or "")
    assert asked["filters"] == ""
    await expect(dialog.locator(".shares li").first).to_be_visible()


async def test_a_link_is_called_after_the_site_that_is_looked_at(seen: Watched) -> None:
    await seen.sign_in()
    await seen.open("/?site=mill.example")
    dialog = await opened(seen)
    await expect(dialog.get_by_label("Title")).to_have_value("mill.example")


async def test_what_the_server_refuses_is_said_in_the_dialog(seen: Watched) -> None:
    await seen.sign_in()
    await seen.open("/")
    dialog = await opened(seen)
    await dialog.get_by_role("button", name="None").click()
    await dialog.get_by_role("button", name="Make the link").click()
    await expect(dialog.get_by_role("alert")).to_have_text("panels: choose one at least")
    await expect(dialog.get_by_role("button", name="Make the link")).to_be_enabled()
    seen.faults = [fault for fault in seen.faults if "status of 422" not in fault]


async def test_a_title_is_text_wherever_it_stands(seen: Watched, guest: Watched, town: Crumby) -> None:
    """Seen to fail where the dialog's lines are parsed as HTML."""
    path = shared(town, *PANELS, title=MARKUP)
    await seen.sign_in()
    await seen.open("/")
    dialog = await opened(seen)
    await expect(dialog.get_by_role("link", name=MARKUP)).to_be_visible()
    await guest.open(path)
    await expect(guest.page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    for watched in (seen, guest):
        assert await watched.page.evaluate("window.bitten") is None
        assert await watched.page.locator(":is(dialog, main) img").count() == 0


async def test_only_who_signed_in_is_offered_to_share(seen: Watched) -> None:
    await seen.open("/")
    await expect(seen.page.get_by_role("button", name="Share")).to_have_count(0)
    assert not any("share.js" in url for url in seen.requests)


@pytest.mark.parametrize(("theme", "width"), MODES)
async def test_the_dialog_is_for_everybody(seen: Watched, axe: str, theme: str, width: int) -> None:
    """By keys alone, and axe finds nothing. Seen to fail without the names of the fields."""
    await seen.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await seen.page.set_viewport_size({"width": width, "height": 900})
    await seen.sign_in()
    await seen.open("/?page=~pages&period=last_90_days")
    share = seen.page.locator("#controls").get_by_role("button", name="Share")
    await share.focus()
    await seen.page.keyboard.press("Enter")
    dialog = seen.page.get_by_role("dialog", name="Share these reports")
    await expect(dialog.get_by_label("Title")).to_be_focused()
    await expect(dialog.locator(".shares li, section > .words:not(:empty)").first).to_be_visible()
    assert await violations(seen, axe) == []
    assert await seen.page.evaluate(
        "document.querySelector('dialog').scrollWidth <= document.querySelector('dialog').clientWidth"
    )
    await seen.picture(f"share-{theme}-{width}")
    await seen.page.keyboard.press("Enter")  # from the title on
    await expect(dialog.locator(".made").get_by_role("button", name="Copy")).to_be_focused()
    assert await violations(seen, axe) == []
    await seen.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(share).to_be_focused()


@pytest.mark.parametrize(("theme", "width"), MODES)
async def test_a_link_is_for_everybody(guest: Watched, town: Crumby, axe: str, theme: str, width: int) -> None:
    await guest.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await guest.page.set_viewport_size({"width": width, "height": 900})
    path = shared(town, *PANELS, filters="page=~pages", view="period=last_90_days&compare=previous")
    await guest.open(path)
    await guest.look_through()
    assert await violations(guest, axe) == []
    assert await guest.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await guest.picture(f"shared-{theme}-{width}", full=True)


async def test_the_link_is_by_https_where_the_page_is(seen: Watched) -> None:
    """A proxy's TLS is not known to Crumby. Seen to fail where the server's word is taken."""
    await seen.page.goto(f"{seen.url}/api")
    whole = "url => import('/static/shares.js').then(({ whole }) => whole(url))"

    async def secure(route: Route) -> None:
        answer = await route.fetch(url=route.request.url.replace("https://bakery.example", seen.url))
        await route.fulfill(response=answer)

    await seen.page.route("https://bakery.example/**", secure)
    await seen.page.goto("https://bakery.example/api")
    assert await seen.page.evaluate(whole, "http://bakery.example/share/x") == "https://bakery.example/share/x"
    assert await seen.page.evaluate(whole, "http://mill.example/share/x") == "http://mill.example/share/x"
    assert await seen.page.evaluate(whole, "/share/x") == "https://bakery.example/share/x"
    seen.faults = [fault for fault in seen.faults if "https://bakery.example/" not in fault]
