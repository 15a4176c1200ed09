"""What is in the page's address: periods, filters, comparison, steps, zone, number, tabs; and back again."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.servers import Crumby
from tests.web.conftest import Drop
from tests.web.watching import Watched


def asked(watched: Watched, name: str) -> list[list[tuple[str, str]]]:
    """What was asked of a query since the list was emptied last."""
    found = [urlsplit(url) for url in watched.requests]
    return [parse_qsl(url.query, keep_blank_values=True) for url in found if url.path.endswith(f"/{name}")]


def chips(watched: Watched) -> Locator:
    return watched.page.locator("#chips .chip")


async def choose(watched: Watched, button: str | re.Pattern[str], choice: str) -> None:
    await watched.page.locator("#controls").get_by_role("button", name=button).click()
    await watched.page.locator(".popup").get_by_role("button", name=choice).click()


async def test_another_period_asks_anew_and_back_returns(seen: Watched) -> None:
    """Seen to fail where the answers that are there already are asked for again."""
    await seen.open("/")
    await expect(seen.page.locator("#status")).to_have_text("Reports in the last 30 days")
    seen.requests.clear()
    await choose(seen, "Last 30 days", "Last 7 days")
    await expect(seen.page).to_have_url(re.compile(r"/\?period=last_7_days$"))
    await expect(seen.page.locator("#status")).to_contain_text("7 days")
    assert asked(seen, "traffic") == [[("period", "last_7_days")]]
    assert asked(seen, "summary") == [[("period", "last_7_days"), ("compare", "previous")]]
    await seen.page.go_back()
    await expect(seen.page.locator("#status")).to_have_text("Reports in the last 30 days")
    await expect(seen.page.locator("#public-traffic canvas")).to_be_visible()
    await seen.page.go_forward()
    await expect(seen.page.get_by_role("button", name="Last 7 days")).to_be_visible()


async def test_an_own_range_is_shown_and_stepped_through(seen: Watched) -> None:
    """Seen to fail where a month is stepped by its days."""
    await seen.open("/?from=2026-02-01&to=2026-02-28")
    await expect(seen.page.locator("#public-traffic")).to_contain_text("Nothing from Feb 1, 2026 to Feb 28, 2026")
    await seen.page.get_by_role("button", name="The period after").click()
    await expect(seen.page).to_have_url(re.compile(r"from=2026-03-01&to=2026-03-31$"))
    await seen.page.locator(".choosing > button").click()
    await seen.page.get_by_label("From").fill("2026-01-09")
    await seen.page.get_by_label("To", exact=True).fill("2026-01-05")  # the wrong way round
    await seen.page.get_by_role("button", name="Show", exact=True).click()
    await expect(seen.page).to_have_url(re.compile(r"from=2026-01-05&to=2026-01-09$"))
    await seen.settle()
    await seen.page.get_by_role("button", name="The period before").click()
    await expect(seen.page).to_have_url(re.compile(r"from=2025-12-31&to=2026-01-04$"))


async def test_a_click_on_a_row_filters_everything_and_a_chip_takes_it_back(seen: Watched) -> None:
    await seen.open("/")
    seen.requests.clear()
    row = seen.page.locator("#public-pages").get_by_role("button", name="/pages/3", exact=True)
    await row.click()
    await expect(seen.page).to_have_url(re.compile(r"/\?page=/pages/3$"))
    await expect(chips(seen)).to_have_text(["Page is /pages/3"])
    await expect(chips(seen)).to_be_focused()  # the row is gone
    await seen.settle()
    assert all(("page", "/pages/3") in question for question in asked(seen, "channels"))
    await expect(seen.page.locator("#public-pages tbody tr")).to_have_count(1)
    await expect(seen.page.locator("#public-summary dd").first).to_have_text("1")
    await seen.picture("filtered")
    await chips(seen).click()
    await expect(seen.page).to_have_url(re.compile(r"/$"))
    await expect(chips(seen)).to_have_count(0)
    await expect(seen.page.locator("#public-pages tbody tr")).to_have_count(9)


@pytest.mark.parametrize(
    ("operator", "value", "search", "words", "rows"),
    [
        ("is", "/pages/3", "page=/pages/3", "Page is /pages/3", 1),
        ("is not", "/", "page=!/", "Page is not /", 9),
        ("contains", "pages/1", "page=~pages/1", "Page contains pages/1", 3),
        ("does not contain", "pages", "page=!~pages", "Page does not contain pages", 1),
    ],
)
async def test_a_form_adds_any_filter(
    seen: Watched, operator: str, value: str, search: str, words: str, rows: int
) -> None:
    await seen.open("/")
    await seen.page.get_by_role("button", name="Add a filter").click()
    form = seen.page.locator("form.adding")
    await expect(form.locator("datalist option").first).to_be_attached()  # the pages that there are
    await expect(form.get_by_label("Filter").locator("option[value=source]")).to_have_count(0)  # for members alone
    await form.get_by_label("How").select_option(operator)
    await form.get_by_label("Value").fill(value)
    await form.get_by_role("button", name="Add").click()
    await expect(chips(seen)).to_have_text([words])
    await seen.settle()
    assert urlsplit(seen.page.url.replace("%7E", "~")).query == search
    await expect(seen.page.locator("#public-pages tbody tr")).to_have_count(rows)


async def test_a_link_by_what_members_see_says_so_to_a_guest(seen: Watched) -> None:
    """Seen to fail where a filter that a guest may not use is left out."""
    await seen.page.goto(f"{seen.url}/?source=Example")
    await expect(seen.page.locator("#notice")).to_contain_text("visits by source, which takes a signed-in user")
    await expect(seen.page.locator("#board")).to_be_hidden()
    await expect(seen.page.locator("#notice a")).to_have_attribute("href", "/login?next=%2F%3Fsource%3DExample")


async def test_a_comparison_is_in_numbers_lines_and_rows(seen: Watched) -> None:
    await seen.open("/?period=last_7_days")
    await choose(seen, "Compare", "Same weekdays")
    await expect(seen.page).to_have_url(re.compile(r"\?period=last_7_days&compare=weekday$"))
    await seen.settle()
    await expect(seen.page.locator("#public-channels")).to_contain_text("Change")
    await expect(seen.page.locator("#public-channels td.change").first).to_have_text("new")
    assert asked(seen, "summary")[-1] == [("period", "last_7_days"), ("compare", "weekday")]
    await seen.picture("compare")
    await choose(seen, "vs same weekdays", "No comparison")
    await expect(seen.page).to_have_url(re.compile(r"\?period=last_7_days$"))


async def test_a_large_number_is_plotted_when_it_is_clicked_and_nothing_is_asked(seen: Watched) -> None:
    await seen.open("/?period=last_7_days")
    seen.requests.clear()
    await seen.page.get_by_role("button", name="Sessions", exact=True).click()
    await expect(seen.page).to_have_url(re.compile("metric=sessions"))
    await expect(seen.page.locator("#public-traffic .legend .series")).to_have_text([re.compile("Sessions")])
    number = seen.page.get_by_role("button", name="Sessions", exact=True)
    await expect(number).to_have_attribute("aria-pressed", "true")
    assert [url for url in seen.requests if "/api/" in url] == []
    await number.click()
    await expect(seen.page.locator("#public-traffic .legend .series")).to_have_count(2)


async def test_steps_are_chosen_for_all_that_have_them(seen: Watched) -> None:
    await seen.open("/?period=last_90_days")
    steps = seen.page.locator("#public-traffic").get_by_label("interval")
    await expect(steps.locator("option")).to_have_text(["Hours", "Days", "Weeks", "Months"])
    await steps.select_option("Weeks")
    await expect(seen.page).to_have_url(re.compile("interval=week"))
    await seen.settle()
    assert ("interval", "week") in asked(seen, "new_returning")[-1]
    assert not any(name == "interval" for name, _ in asked(seen, "channels")[-1])
    await choose(seen, "Last 90 days", "Today")  # of which there are no weeks
    await expect(seen.page).to_have_url(re.compile(r"/\?period=today$"))


async def test_the_days_are_those_of_a_zone(seen: Watched) -> None:
    await seen.open("/")
    await seen.page.locator(".choosing > button").click()
    await seen.page.get_by_label("Time zone").fill("Asia/Tokyo")
    await seen.page.keyboard.press("Enter")
    await expect(seen.page).to_have_url(re.compile(r"tz=Asia/Tokyo$"))
    await expect(seen.page.locator("#span")).to_contain_text("Asia/Tokyo")
    await seen.settle()
    assert ("tz", "Asia/Tokyo") in asked(seen, "summary")[-1]


async def test_a_tab_asks_once_it_is_open_and_is_part_of_the_link(seen: Watched) -> None:
    """Seen to fail where all tabs ask."""
    await seen.open("/")
    assert asked(seen, "regions") == []
    await seen.page.get_by_role("tab", name="Regions").click()
    await expect(seen.page).to_have_url(re.compile(r"\?tabs=public-regions$"))
    await expect(seen.page.locator("#public-regions")).to_be_visible()
    await expect(seen.page.locator("#public-countries")).to_be_hidden()
    await seen.settle()
    assert len(asked(seen, "regions")) == 1
    await seen.page.keyboard.press("Home")
    await expect(seen.page.get_by_role("tab", name="Countries")).to_have_attribute("aria-selected", "true")
    await expect(seen.page).to_have_url(re.compile(r"/$"))
    await seen.page.get_by_role("tab", name="Platforms").click()
    await seen.page.keyboard.press("ArrowLeft")
    await expect(seen.page.get_by_role("tab", name="Browser versions")).to_be_focused()
    await expect(seen.page).to_have_url(re.compile(r"\?tabs=public-browser_versions$"))


async def test_files_of_one_tab_share_a_card_and_a_parameter_with_choices_is_one(seen: Watched, put: Drop) -> None:
    put("""
-- Loaves
-- chart: bars of n by what
-- group: Traffic
-- tab: Places
-- order: 99
-- parameter kind: text = rye (rye | white), which
-- column what: text
-- column n: count
select :kind as what, 3 as n
""")
    await seen.open("/")
    await seen.page.get_by_role("tab", name="Loaves").click()
    await expect(seen.page.locator("[role=tablist][aria-label=Places] [role=tab]")).to_have_text(
        ["Countries", "Regions", "Loaves"]
    )
    await seen.page.get_by_label("Loaves: which").select_option("white")
    await expect(seen.page).to_have_url(re.compile(r"public-told.kind=white"))
    await expect(seen.page.locator("#public-told tbody")).to_contain_text("white")


async def test_one_link_shows_another_person_the_same(seen: Watched, chromium: Browser, town: Crumby) -> None:
    await seen.open("/?page=~pages&period=last_7_days&compare=year&metric=views&tabs=public-exit_pages")
    other = Watched(await chromium.new_page(), town.url)
    try:
        await other.page.goto(seen.page.url)
        await other.settle()
        said = ["#span", "#chips", ".choosing > button", ".comparing > button", "#public-summary", "#public-exit_pages"]
        for place in said:
            assert await other.page.locator(place).inner_text() == await seen.page.locator(place).inner_text()
        await expect(other.page.locator("#public-exit_pages")).to_be_visible()
    finally:
        await other.page.close()
    assert other.faults == []


async def test_the_sites_are_switched_between(seen: Watched) -> None:
    await seen.open("/")
    await seen.page.get_by_role("button", name="All sites").click()
    await seen.page.locator(".popup").get_by_role("button", name="mill.example").click()
    await expect(seen.page).to_have_url(re.compile(r"/\?site=mill.example$"))
    await seen.settle()
    await expect(seen.page.locator("#public-summary dd").first).to_have_text("1")
    await seen.page.get_by_role("button", name="mill.example").first.click()
    await seen.page.locator(".popup").get_by_role("button", name="All sites").click()
    await expect(seen.page).to_have_url(re.compile(r"/$"))


async def test_nothing_is_asked_twice(seen: Watched) -> None:
    await seen.sign_in()
    seen.requests.clear()
    await seen.open("/")
    questions = [url for url in seen.requests if "/api/" in url]
    assert len(questions) == len({urlsplit(url).path for url in questions})
