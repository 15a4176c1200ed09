"""The page in Chromium, served by a running Crumby: panels, periods, strangers' strings, first steps, the explorer."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, Response, Route, expect

from tests.servers import Crumby, Nginx
from tests.web.conftest import Drop
from tests.web.watching import PASSWORD, USER, Watched, event, send, visit

MARKUP = "<img src=x onerror='window.bitten = 1'><script>window.bitten = 2</script>"
ADDRESSES = (
    "javascript:window.bitten=3",
    "JaVaScRiPt:window.bitten=4",
    "data:text/html,<script>window.bitten=5</script>",
    "vbscript:window.bitten=6",
    "//evil.example/'\"><svg onload=window.bitten=7>",
    f"https://bakery.example/{MARKUP}",
    MARKUP,
)
EVERY_STRING = """
    -- Every string
    -- As it was stored.
    --
    -- chart: {chart}
    select {columns}, count(*) as views from visits group by 1, 2, 3
"""


def listed(server: Crumby, collection: str) -> list[str]:
    with server.client() as client:
        if collection == "private":
            client.post("/login", data={"username": USER, "password": PASSWORD})
        names = [query["name"] for query in client.get(f"/api/{collection}").json()["queries"]]
    return sorted(f"{collection}/{name}" for name in names)


async def test_everyone_sees_a_panel_for_each_public_query(watched: Watched, crumby: Crumby) -> None:
    """Fails where the page leaves out the queries of one group."""
    await watched.open()
    assert await watched.panels() == listed(crumby, "public")
    await expect(watched.page.locator(".panel .trouble")).to_have_count(0)
    await expect(watched.page.locator(".panel.timeseries canvas").first).to_be_visible()


async def test_who_signs_in_sees_the_private_panels_as_well(watched: Watched, crumby: Crumby) -> None:
    await watched.sign_in()
    assert await watched.panels() == sorted(listed(crumby, "public") + listed(crumby, "private"))
    await expect(watched.page.locator(".panel .trouble")).to_have_count(0)
    await watched.page.get_by_role("button", name="Sign out").click()
    await watched.open()
    assert await watched.panels() == listed(crumby, "public")


async def test_a_dropped_file_is_a_panel_after_a_reload(watched: Watched, queries: Path) -> None:
    await watched.open()
    before = await watched.panels()
    dropped = queries / "public" / "latest.sql"
    dropped.write_text("-- The latest titles\nselect doc_title from visits order by id desc")
    try:
        await watched.open()
        assert await watched.panels() == sorted([*before, "public/latest"])
        await expect(watched.page.get_by_role("article", name="The latest titles")).to_contain_text("Bakery /recipes")
    finally:
        dropped.unlink()


async def test_a_broken_file_shows_its_fault_in_its_own_panel_alone(watched: Watched, queries: Path) -> None:
    dropped = queries / "public" / "broken.sql"
    dropped.write_text("-- Broken\nselect {{ nothing.at.all }} from visits")
    try:
        await watched.open()
        await expect(watched.page.locator("#public-broken .trouble")).to_be_visible()
        await expect(watched.page.locator(".panel .trouble")).to_have_count(1)
    finally:
        dropped.unlink()
    # The answer to it, an error, is in the console as well; that is the browser's doing.
    watched.faults = [fault for fault in watched.faults if "status of 500" not in fault]


async def test_a_chart_has_a_table_twin_and_reads_out_what_the_arrow_keys_reach(watched: Watched) -> None:
    await watched.open("/?days=7")
    traffic = watched.page.locator("#public-traffic")
    await traffic.locator(".canvas").focus()
    await watched.page.keyboard.press("ArrowLeft")
    await expect(traffic.locator(".legend")).to_contain_text("so far")  # the last day is today, which is not over
    await traffic.get_by_role("button", name="as a table").click()
    await expect(traffic.locator("tbody tr")).to_have_count(8)  # today, and the seven days before it


# What a header says of its answer


async def told(watched: Watched) -> Locator:
    """The panel of that query."""
    await watched.open("/?days=7")
    panel = watched.page.locator("#public-told")
    await panel.scroll_into_view_if_needed()
    return panel


async def test_a_columns_format_says_how_its_values_read(watched: Watched, drop: Drop) -> None:
    """Seen to fail where a name is asked before the format, and where a format's reading is left out."""
    drop("""
-- Formats
-- column a: text country
-- column b: percent
-- column c: duration
-- column d: weekday
-- column e: hour
-- column f: month
-- column g: week
-- column h: language
-- column i: device
-- column j: browser
-- column k: count
-- column l: continent
-- column m: platform
-- column n: host
-- column date: page
-- column country: text
-- column year: integer
select 'SE' as a, 12.5 as b, 3725 as c, 3 as d, 7 as e, '2026-03' as f, '2026-03-23' as g, 'pt-BR' as h, 'mobile' as i,
  'msie' as j, 1234567 as k, 'EU' as l, 'macos' as m, 'example.org' as n, '2026-01' as date, 'SE' as country, 26 as year
""")
    panel = await told(watched)
    await expect(panel.locator("tbody td")).to_have_text([
        "Sweden", "12.5 %", "1 h 2 min", "Wednesday", "07:00", "Mar 2026", re.compile("Mar 23.{1,3}29, 2026"),
        "Brazilian Portuguese", "Mobile", "Internet Explorer", "1,234,567", "Europe", "macOS", "example.org", "2026-01",
        "Sweden", "26",
    ])  # fmt: skip
    await expect(panel.locator("tbody a")).to_have_attribute("href", "https://example.org/")


async def test_a_heatmap_is_a_table_of_all_hours_and_weekdays(watched: Watched, drop: Drop) -> None:
    """Seen to fail where the axes are changed for each other, and where only the hours of the answer are shown."""
    drop("""
-- Hours
-- chart: heatmap of views by hour, weekday
-- column weekday: weekday
-- column hour: hour
-- column views: count
select 1 as weekday, 9 as hour, 40 as views union all select 7, 23, 10
""")
    panel = await told(watched)
    await expect(panel.get_by_role("columnheader")).to_have_count(24)
    await expect(panel.get_by_role("rowheader")).to_have_text(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    monday, sunday = panel.locator("tbody tr").first, panel.locator("tbody tr").last
    nine = monday.locator("td").nth(9)
    await expect(nine).to_have_text("40")
    await expect(nine).to_have_attribute("title", "Monday, 09:00: 40")
    await expect(sunday.locator("td").last).to_have_text("10")
    await expect(monday.locator("td").first).to_have_text("0")
    shades = [await cell.evaluate("cell => getComputedStyle(cell).backgroundColor") for cell in (
        nine, sunday.locator("td").last, monday.locator("td").first,
    )]  # fmt: skip
    assert len(set(shades)) == 3
    await panel.get_by_role("button", name="as a table").click()
    await expect(panel.locator("tbody tr")).to_have_text(["Monday09:0040", "Sunday23:0010"])


async def test_a_heatmap_of_cohorts_leaves_out_what_is_not_known(watched: Watched, drop: Drop) -> None:
    drop("""
-- Cohorts
-- chart: heatmap of share by age, cohort
-- column cohort: text
-- column age: integer
-- column share: percent
select '2026-03-02' as cohort, 0 as age, 100 as share union all select '2026-03-02', 1, 25.5
union all select '2026-03-09', 0, 100
""")
    panel = await told(watched)
    await expect(panel.get_by_role("rowheader")).to_have_text(["Mar 2, 2026", "Mar 9, 2026"])
    await expect(panel.locator("tbody td")).to_have_text(["100 %", "25.5 %", "100 %", ""])


async def test_large_numbers_say_how_they_changed(watched: Watched, drop: Drop) -> None:
    """More bounces are worse. Seen to fail without `compare`, and where more is always better."""
    drop("""
-- Sums
-- chart: stat of visitors, bounce_rate, views, new
-- column visitors: count
-- column bounce_rate: percent
-- column views: count
-- column new: count
select case when :now < :end then 150 else 120 end as visitors,
  case when :now < :end then 44 else 40 end as bounce_rate,
  7 as views,
  case when :now < :end then 5 else 0 end as new
""")
    panel = await told(watched)
    changes = panel.locator("dd.change")
    await expect(changes).to_have_count(3)  # what was nothing has no share
    await expect(changes.nth(0)).to_contain_text("▲ 25 %")
    await expect(changes.nth(0).locator(".hidden")).to_contain_text("25 % more than before: 120 from")
    await expect(changes.nth(0)).to_have_class(re.compile("better"))
    await expect(changes.nth(1)).to_contain_text("▲ 10 %")
    await expect(changes.nth(1)).to_have_class(re.compile("worse"))
    await expect(changes.nth(2).locator(".hidden")).to_contain_text("the same as before")


async def test_a_map_names_countries_and_their_share(watched: Watched, drop: Drop) -> None:
    drop("""
-- Where
-- chart: map of visitors by country
-- column country: country
-- column visitors: count
select 'SE' as country, 30 as visitors union all select 'JP', 9 union all select null, 1
""")
    panel = await told(watched)
    await expect(panel.locator("tbody tr")).to_have_text(["Sweden3075 %", "Japan922.5 %", "Unknown12.5 %"])


async def test_hours_are_a_line_that_ends_now(watched: Watched, drop: Drop) -> None:
    """Seen to fail where the hours that are still to come are drawn as well."""
    drop("""
-- By the hour
-- chart: timeseries of views by date
-- fill: date
-- column date: moment
-- column views: count
select {{ bucket("datetime") }} as date, count(*) as views from visits where {{ period("datetime") }} group by 1
""")
    await watched.open("/?days=1")
    panel = watched.page.locator("#public-told")
    await expect(panel.locator("canvas")).to_be_visible()
    await panel.get_by_role("button", name="as a table").click()
    hour = datetime.now(UTC).hour  # of today; of yesterday there are all
    assert await panel.locator("button.more").inner_text() in {f"Show all {24 + hour + 1}", f"Show all {24 + hour}"}


async def test_another_period_is_dashed_behind_the_line(watched: Watched, drop: Drop) -> None:
    drop("""
-- Lines
-- chart: timeseries of views by date
-- column date: moment
-- column views: count
select '2026-01-01' as date, 4 as views union all select '2026-01-02', 8
""")

    async def compared(route: Route) -> None:
        answer = await route.fetch()
        other = {"period": {"from": "2025-12-30", "to": "2025-12-31"}, "data": [["2025-12-30", 2], None]}
        await route.fulfill(response=answer, json=await answer.json() | {"compared": other})

    await watched.page.route("**/api/public/told*", compared)
    panel = await told(watched)
    await expect(panel.locator(".legend .dashed")).to_have_text(re.compile("Dec 30.*31, 2025"))
    await panel.locator(".canvas").focus()
    await watched.page.keyboard.press("ArrowRight")
    await expect(panel.locator(".legend")).to_contain_text("Views 4 (2)")
    await watched.page.keyboard.press("ArrowRight")
    await expect(panel.locator(".legend strong")).to_have_text("8")


async def test_a_panel_that_refreshes_does_so_while_it_is_looked_at(
    watched: Watched, crumby: Crumby, drop: Drop
) -> None:
    """Seen to fail without `refreshLater`, where a hidden page goes on asking, and where it ends with another state."""
    drop("""
-- Live
-- chart: stat of views
-- refresh: 1
-- column views: count
select count(*) as views from visits
""")
    panel = await told(watched)
    number = panel.locator("dd").first
    before = int(await number.inner_text())
    send(crumby, [visit("/fresh")])
    await expect(number).to_have_text(str(before + 1))
    await expect(panel).not_to_have_attribute("aria-busy", re.compile(".*"))

    await look_away(watched.page, hidden=True)
    await asyncio.sleep(1.2)  # what was under way comes to its end
    asked = len([url for url in watched.requests if "/told" in url])
    send(crumby, [visit("/unseen")])
    await asyncio.sleep(2.5)
    assert len([url for url in watched.requests if "/told" in url]) == asked
    await look_away(watched.page, hidden=False)
    await expect(number).to_have_text(str(before + 2))

    await watched.page.evaluate(
        "history.pushState(null, '', '?days=7&metric=views'); dispatchEvent(new PopStateEvent('popstate'))"
    )
    send(crumby, [visit("/later")])  # what is asked is the same, and so is not asked at once
    await expect(number).to_have_text(str(before + 3))


async def look_away(page: Page, *, hidden: bool) -> None:
    """As a browser does to a tab that is not in front; a headless one has no other."""
    await page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def test_panels_ask_six_at_a_time_and_those_that_are_seen_first(watched: Watched, queries: Path) -> None:
    """Seen to fail where all ask at once, and where they ask in the order of the page."""
    waiting, most, order = 0, 0, []

    async def slow(route: Route) -> None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        order.append(urlsplit(route.request.url).path.rpartition("/")[2])
        await asyncio.sleep(0.05)
        waiting -= 1
        await route.fulfill(json={"columns": ["n"], "data": [[1]]})

    await watched.sign_in()
    await watched.page.route(re.compile("/api/(public|private)/"), slow)
    await watched.page.set_viewport_size({"width": 1000, "height": 600})
    await watched.open("/?days=7")
    assert most == 6
    assert len(order) > 12
    await watched.page.locator("#public-live").scroll_into_view_if_needed()
    await asyncio.sleep(0.3)
    order.clear()
    await watched.page.evaluate("history.pushState(null, '', '?days=8'); dispatchEvent(new PopStateEvent('popstate'))")
    await expect(watched.page.locator("#status")).to_contain_text("8 days")
    names = [one.partition("/")[2] for one in await watched.page.locator(".panel").evaluate_all(
        "all => all.map(one => one.dataset.query)"
    )]  # fmt: skip
    asked = [name for name in names if name in order]  # those that are closed do not ask
    assert order.index(asked[-1]) < order.index(asked[0])


@pytest.mark.parametrize(
    "chart",
    [
        "table",
        pytest.param("bars of views", marks=pytest.mark.long),
        "bars of views by doc_title",
        pytest.param("timeseries of views", marks=pytest.mark.long),
    ],
)
async def test_the_strings_of_strangers_execute_nothing_and_link_only_to_the_web(
    watched: Watched, crumby: Crumby, queries: Path, chart: str
) -> None:
    """Fails where `make` builds its children with innerHTML, and where `webAddress` takes any scheme."""
    hits = [visit("/") | {"dl": each, "dt": MARKUP, "dr": each, "ul": MARKUP, "sr": MARKUP} for each in ADDRESSES]
    send(crumby, [*hits, event(MARKUP, ADDRESSES[0]), event(ADDRESSES[0], MARKUP)])
    dropped = queries / "public" / "strings.sql"
    dropped.write_text(EVERY_STRING.format(chart=chart, columns="doc_uri, doc_title, referrer").replace("\n    ", "\n"))
    try:
        await watched.sign_in()
        await watched.open()
        for tab in await watched.page.get_by_role("tab").all():
            await tab.click()
        await watched.settle()
        await watched.page.locator("#public-strings button.more").click()
        await expect(watched.page.get_by_role("dialog")).to_contain_text(ADDRESSES[0])
        links = watched.page.locator(":is(.panel .body, dialog) a")
        addresses: list[str] = await links.evaluate_all("all => all.map(a => a.href)")
    finally:
        dropped.unlink()
    assert addresses
    assert [address for address in addresses if urlsplit(address).scheme not in {"http", "https"}] == []
    assert await watched.page.evaluate("window.bitten") is None
    assert await watched.page.locator("main :is(img, iframe, script, svg:not(.world svg))").count() == 0


async def test_the_first_visit_ends_the_welcome(chromium: Browser) -> None:
    """Fails where the page does not look again."""
    with Crumby() as server:
        watched = Watched(await chromium.new_page(), server.url)
        await watched.open()
        welcome = watched.page.get_by_role("region", name="Welcome")
        await expect(welcome.locator("pre")).to_contain_text(f'src="{server.url}/cmb.js?engagement"')
        await expect(watched.page.locator(".panel").first).to_be_hidden()
        send(server, [visit("/")])
        await expect(welcome).to_have_count(0)
        await expect(watched.page.locator("#public-traffic canvas")).to_be_visible()
        await watched.page.close()
        assert watched.faults == []


async def test_a_period_without_visits_is_no_reason_for_a_welcome(watched: Watched) -> None:
    await watched.open("/?from=2026-01-05&to=2026-01-09")
    await expect(watched.page.locator("#public-traffic")).to_contain_text("Nothing from")
    await expect(watched.page.get_by_role("region", name="Welcome")).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/login", "/api", "/api/public", "/api/private", "/docs", "/redoc"])
async def test_no_page_breaks_its_policy_or_asks_another_server(watched: Watched, path: str) -> None:
    if path == "/":
        await watched.open()  # its stream does not end
    else:
        await watched.page.goto(watched.url + path, wait_until="networkidle")
    await expect(watched.page.locator("#main")).to_be_visible()
    assert "Crumby" in await watched.page.title()


async def test_an_error_is_a_page_for_a_browser(watched: Watched) -> None:
    await watched.page.goto(f"{watched.url}/nowhere")
    await expect(watched.page.get_by_role("heading", level=1)).to_be_visible()
    await watched.page.get_by_role("link", name="Back to the dashboard").click()
    await watched.settle()
    watched.faults = [fault for fault in watched.faults if "status of 404" not in fault]


async def test_the_explorer_asks_with_a_days_parameter(watched: Watched) -> None:
    await watched.page.goto(f"{watched.url}/docs")
    await watched.page.locator("#operations-public-public_visits .opblock-summary").click()
    operation = watched.page.locator("#operations-public-public_visits")
    await operation.locator("tr[data-param-name=days] input").fill("3")
    async with watched.page.expect_response(re.compile("/api/public/visits")) as told:
        await operation.get_by_role("button", name="Execute").click()
    answer: Response = await told.value
    assert "days=3" in answer.url
    assert len((await answer.json())["data"]) == 4  # today, and the three days before it
    await expect(operation.locator(".live-responses-table td.response-col_status:not(.col_header)")).to_have_text("200")


async def test_everything_works_below_a_path_as_well(chromium: Browser, tmp_path: Path) -> None:
    """The proxy takes the path away, and tells uvicorn of it by `--root-path`."""

    def config(port: int) -> str:
        return (
            f"server {{ listen 127.0.0.1:{port}; location /stats/ {{ proxy_pass http://127.0.0.1:{server.port}/; }} }}"
        )

    with BelowPath(f"sqlite:///{tmp_path}/crumby.db") as server, Nginx(config) as nginx:
        send(server, [visit("/")])
        watched = Watched(await chromium.new_page(), f"{nginx.url}/stats")
        await watched.open()
        await expect(watched.page.locator("#public-traffic canvas")).to_be_visible()
        await watched.page.get_by_role("link", name="API").first.click()
        await expect(watched.page.get_by_role("heading", level=1)).to_have_text("API")
        await watched.page.goto(f"{watched.url}/api/private")
        await expect(watched.page.get_by_label("Password")).to_be_visible()
        await watched.page.close()
        assert watched.faults == []


class BelowPath(Crumby):
    """The app under uvicorn itself, as one runs it behind a proxy that serves it at /stats."""

    def command(self) -> Sequence[str | Path]:
        words = ["--factory", "--host", "127.0.0.1", "--port", str(self.port), "--root-path", "/stats"]
        return [self.python, "-m", "uvicorn", "crumby.app:create_app", *words]
