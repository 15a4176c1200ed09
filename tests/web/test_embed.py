"""One panel in a frame of another site's page: that it fits, how it looks, and the lines that put it there."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Frame, Page, expect

from tests.servers import Crumby
from tests.web.conftest import Drop
from tests.web.sharing import Host, frame, hosted, shared
from tests.web.test_panels import MANY, open_menu
from tests.web.test_reach import FAULTS, MODES, violations
from tests.web.watching import Watched

SCROLLING = """() => [...document.querySelectorAll("*")]
    .filter((one) => one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1)
    .filter((one) => one === document.documentElement || /auto|scroll/.test(getComputedStyle(one).overflow))
    .map((one) => `${one.className}: ${one.scrollWidth - one.clientWidth}, ${one.scrollHeight - one.clientHeight}`)"""
CUT = """() => [...document.querySelectorAll("canvas, .heat, .stats, .scale-of, table.bars")]
    .filter((one) => one.getBoundingClientRect().bottom > document.querySelector("footer").getBoundingClientRect().top)
    .map((one) => one.className || one.tagName)"""
LEFT = """canvas => document.querySelector("footer").getBoundingClientRect().top
    - canvas.getBoundingClientRect().bottom"""
ANSWERED = "main:not([aria-busy]) > .panel:not([aria-busy])"
NAMES = ("traffic", "summary", "countries", "heatmap", "pages", "live")
COLOR = "name => getComputedStyle(document.documentElement).getPropertyValue(name)"
PAPER = "getComputedStyle(document.body).backgroundColor"


@dataclass
class Outside:
    """A page of somebody else, and what its frame shows of the town."""

    watched: Watched
    town: str
    host: Host

    @property
    def page(self) -> Page:
        return self.watched.page

    async def shows(self, path: str, size: tuple[int, int] = (480, 320), look: str = "border:0") -> Frame:
        return (await self.has(frame(self.town + path, *size, look)))[0]

    async def has(self, *snippets: str) -> list[Frame]:
        """Give the frames, once their panels have their answers."""
        await self.page.goto(self.host.shows(*snippets))
        panels = [self.page.frame_locator("iframe").nth(place).locator(ANSWERED) for place in range(len(snippets))]
        for panel in panels:
            await expect(panel).to_be_visible()
        return [one for one in self.page.frames if one.url.startswith(self.town)]


@pytest_asyncio.fixture(loop_scope="session")
async def outside(page: Page, town: Crumby) -> AsyncIterator[Outside]:
    watched = Watched(page, "http://127.0.0.1:")  # both are at home there, on a port each
    with hosted() as host:
        yield Outside(watched, town.url, host)
    assert watched.faults == []


@pytest.mark.parametrize("size", [(240, 280), (480, 320), (1000, 400)])
async def test_a_panel_fits_its_frame(outside: Outside, size: tuple[int, int]) -> None:
    """Nothing scrolls or is cut. Seen to fail where a chart is as high as on the page, or any frame has nine rows."""
    addresses = [f"{outside.town}/embed/public/{name}?period=last_7_days" for name in NAMES]
    await outside.page.set_viewport_size({"width": 1280, "height": 2800})  # a map is fetched where it is seen
    frames = await outside.has(*(frame(address, *size) for address in addresses))
    for inner in frames:
        if "heatmap" in inner.url:
            await expect(inner.locator(".heat td").nth(20)).to_be_attached()
        if "traffic" in inner.url:
            assert await inner.locator("canvas").evaluate(LEFT) < 20  # px, and so takes what there is
        assert await inner.evaluate(SCROLLING) == [], inner.url
        assert await inner.evaluate(CUT) == [], inner.url
    assert len(frames) == len(NAMES)
    await outside.watched.picture(f"embed-{size[0]}")


@pytest.mark.parametrize(("height", "rows"), [(200, 3), (400, 8), (700, 17)])
async def test_there_are_as_many_rows_as_there_is_room_for(outside: Outside, put: Drop, height: int, rows: int) -> None:
    put(MANY)
    inner = await outside.shows("/embed/public/told", (300, height))
    assert abs(await inner.locator("tbody tr").count() - rows) <= 1
    last = await inner.locator("tbody tr").last.evaluate("row => row.getBoundingClientRect().bottom")
    assert rows == 3 or last < height


async def test_a_frame_says_what_it_shows_and_the_way_to_all_of_it(outside: Outside) -> None:
    """Seen to fail where the filters are left out of the words, and of the link."""
    inner = await outside.shows("/embed/public/pages?period=last_7_days&page=~pages&compare=previous")
    await expect(inner.get_by_role("heading", level=1)).to_have_text("Top pages")
    await expect(inner.locator("footer .words")).to_have_text("Last 7 days · Page contains pages · vs previous period")
    asked = next(urlsplit(url).query for url in outside.watched.requests if "/api/public/pages?" in url)
    assert {("period", "last_7_days"), ("page", "~pages"), ("compare", "previous")} <= set(parse_qsl(asked))
    await expect(inner.locator("tbody button, .menu")).to_have_count(0)
    link = inner.get_by_role("link", name="Crumby")
    await expect(link).to_have_attribute("rel", "noopener")
    async with outside.page.context.expect_page() as opening:
        await link.click()
    page = await opening.value
    await expect(page.locator("#chips .chip")).to_have_text(["Page contains pages"])
    await expect(page.locator(".choosing > button")).to_have_text("Last 7 days")
    await page.close()


@pytest.mark.parametrize("system", ["light", "dark"])
async def test_a_frame_has_the_theme_that_it_is_told(outside: Outside, system: str) -> None:
    """Seen to fail where the word comes to nothing."""
    await outside.page.emulate_media(color_scheme="dark" if system == "dark" else "light")
    paper = {}
    for theme in ("light", "dark", "system", "neon"):
        inner = await outside.shows(f"/embed/public/traffic?theme={theme}")
        paper[theme] = await inner.evaluate(PAPER)
        await outside.watched.picture(f"embed-theme-{theme}-{system}")
    assert paper["light"] != paper["dark"]
    assert paper["system"] == paper["neon"] == paper[system]


async def test_a_frame_has_the_colour_that_it_is_told(outside: Outside) -> None:
    """Seen to fail where any text is taken for a colour."""
    usual = await (await outside.shows("/embed/public/pages")).evaluate(COLOR, "--chart-1")
    inner = await outside.shows("/embed/public/pages?accent=2266CC")
    assert await inner.evaluate(COLOR, "--chart-1") == "rgb(34, 102, 204)"
    bar = inner.locator("tbody .bar").first
    assert await bar.evaluate("bar => getComputedStyle(bar).backgroundColor") != usual
    await outside.watched.picture("embed-accent")
    for text in ("red", "26c", "2266CC;--card:red", ""):
        inner = await outside.shows(f"/embed/public/pages?accent={text}")
        assert await inner.evaluate(COLOR, "--chart-1") == usual


async def test_a_frame_goes_without_title_and_background(outside: Outside) -> None:
    """What stands behind is seen through it. Seen to fail without the `color-scheme` of the lines that are given."""
    await outside.page.emulate_media(color_scheme="dark")
    plain = await outside.shows("/embed/public/traffic")
    below = await plain.locator(".canvas").evaluate("canvas => canvas.getBoundingClientRect().top")
    inner = await outside.shows(
        "/embed/public/traffic?title=no&background=none", look="border:0;color-scheme:light dark"
    )
    assert await inner.evaluate(PAPER) == "rgba(0, 0, 0, 0)"
    assert await inner.locator(".canvas").evaluate("canvas => canvas.getBoundingClientRect().top") < below
    title = inner.get_by_role("heading", level=1)  # is read out all the same
    assert await title.evaluate("title => title.parentElement.getBoundingClientRect().height") <= 1
    await outside.page.add_style_tag(content="body { background: rgb(10, 80, 160) }")
    await outside.watched.picture("embed-bare")
    shot = await outside.page.locator("iframe").screenshot(path=None)
    corner = await outside.page.evaluate(
        """async (bytes) => {
            const picture = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: "image/png" }));
            const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
            canvas.drawImage(picture, 0, 0);
            return [...canvas.getImageData(3, 3, 1, 1).data].slice(0, 3);
        }""",
        list(shot),
    )
    assert corner == [10, 80, 160]


async def test_the_table_of_a_chart_is_reached_by_keys(outside: Outside) -> None:
    inner = await outside.shows("/embed/public/traffic?period=last_7_days", (240, 240))
    await inner.locator(".canvas").focus()
    await outside.page.keyboard.press("Tab")
    table = inner.get_by_role("button", name="Traffic as a table")
    await expect(table).to_be_focused()
    await outside.page.keyboard.press("Enter")
    await expect(inner.locator("tbody tr")).to_have_count(7)
    await expect(table).to_have_attribute("aria-pressed", "true")
    assert await inner.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await inner.locator("tbody tr").last.scroll_into_view_if_needed()
    await expect(inner.locator("tbody tr").last).to_be_in_viewport()
    await outside.watched.picture("embed-table")
    await outside.page.keyboard.press("Tab")
    await expect(inner.get_by_role("link", name="Crumby")).to_be_focused()


@pytest.mark.parametrize(("theme", "width"), MODES)
async def test_axe_finds_nothing_in_a_frame(outside: Outside, axe: str, theme: str, width: int) -> None:
    """Seen to fail where the title is no heading of the first level."""
    await outside.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    addresses = [f"{outside.town}/embed/public/{name}?accent=2266cc" for name in NAMES]
    for inner in await outside.has(*(frame(address, width // 2, 360) for address in addresses)):
        await inner.evaluate(axe)
        found: list[str] = await inner.evaluate(FAULTS)
        assert found == [], inner.url


async def test_all_rows_take_the_whole_frame(outside: Outside, put: Drop) -> None:
    put(MANY)
    inner = await outside.shows("/embed/public/told", (260, 300))
    await inner.get_by_role("button", name="More").click()
    dialog = inner.get_by_role("dialog", name="Many")
    await expect(dialog.locator("tbody tr")).to_have_count(50)
    assert await dialog.evaluate("({ clientWidth, clientHeight }) => [clientWidth, clientHeight]") == [260, 300]
    await dialog.get_by_role("button", name="The next rows").click()
    await expect(dialog.locator("tbody tr").first).to_contain_text("/p/70")
    await outside.page.keyboard.press("Escape")
    await expect(inner.get_by_role("button", name="More")).to_be_focused()


async def test_a_filter_that_there_is_none_of_is_told_of(outside: Outside) -> None:
    """And not left out in silence, which would show other numbers than were asked for."""
    inner = await outside.shows("/embed/public/pages?cuntry=SE")
    await expect(inner.locator(".trouble")).to_contain_text("cuntry")
    outside.watched.faults = [fault for fault in outside.watched.faults if "status of 422" not in fault]


async def test_a_panel_of_a_link_is_shown_as_the_link_shows_it(outside: Outside, town: Crumby) -> None:
    """Seen to fail where the fixed filters are not said."""
    path = shared(town, "public/pages", "private/sources", filters="page=~pages")
    inner = await outside.shows(f"{path}/embed/private/sources")
    await expect(inner.get_by_role("heading", level=1)).to_have_text("Sources")
    await expect(inner.locator("tbody tr").first).to_be_visible()
    await expect(inner.locator("footer .words")).to_have_text("Last 30 days · Page contains pages")
    await expect(inner.get_by_role("link", name="Crumby")).to_have_attribute("href", f"{path}?period=last_30_days")
    assert all(
        urlsplit(url).path.startswith(("/share/", "/static/")) for url in outside.watched.requests if town.url in url
    )


# The lines to paste


async def embedding(seen: Watched, title: str) -> str:
    """Open the dialog → the lines."""
    await open_menu(seen.page, title)
    await seen.page.get_by_role("group", name=f"{title}: menu").get_by_role("button", name="Embed…").click()
    await expect(seen.page.get_by_role("dialog", name=f"{title}: embed")).to_be_visible()
    return await lines(seen)


async def lines(seen: Watched) -> str:
    return await seen.page.get_by_label("The lines to paste").inner_text()


async def test_the_lines_show_elsewhere_what_the_preview_shows(seen: Watched, outside: Outside) -> None:
    """Seen to fail where the ampersands of the address are written as they are, and where the choices are not in it."""
    await seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await seen.open("/?period=last_7_days&page=~pages&tabs=public-regions")
    await embedding(seen, "Top pages")
    dialog = seen.page.get_by_role("dialog")
    await expect(dialog.get_by_label("Theme")).to_be_focused()
    await dialog.get_by_label("Theme").select_option("Dark")
    await dialog.get_by_label("Height").fill("300")
    await dialog.get_by_label("The colour").fill("#2266cc")
    await dialog.get_by_label("Without its title").check()
    preview = dialog.frame_locator("iframe")
    await expect(preview.locator("tbody tr").first).to_be_visible()
    await expect(preview.locator("html")).to_have_attribute("data-theme", "dark")
    said = await lines(seen)
    search = "period=last_7_days&amp;page=%7Epages&amp;theme=dark&amp;accent=2266cc&amp;title=no"
    assert said == (
        f'<iframe src="{outside.town}/embed/public/pages?{search}" title="Top pages" width="100%" height="300" '
        'loading="lazy" style="border:0;color-scheme:dark"></iframe>'
    )
    await seen.picture("embedding")
    await dialog.get_by_role("button", name="Copy").click()
    assert await seen.page.evaluate("navigator.clipboard.readText()") == said
    rows = await preview.locator("tbody tr").all_text_contents()
    await seen.page.keyboard.press("Escape")
    await expect(seen.page.get_by_role("button", name="Top pages: menu")).to_be_focused()
    (inner,) = await outside.has(said)
    assert await inner.locator("tbody tr").all_text_contents() == rows
    await expect(inner.locator("html")).to_have_attribute("data-theme", "dark")
    assert await outside.page.locator("iframe").evaluate("frame => frame.clientHeight") == 300
    seen.faults = [fault for fault in seen.faults if outside.host.url not in fault]  # one page, watched twice


async def test_what_only_members_see_has_no_lines(seen: Watched) -> None:
    """A frame elsewhere is looked at by guests. Seen to fail where their filters are in its address."""
    await seen.sign_in()
    await seen.open("/?source=Example&browser=!Firefox")
    said = await embedding(seen, "Top pages")
    assert "source" not in said
    assert "browser=!Firefox" in said
    await expect(seen.page.get_by_role("dialog")).to_contain_text("Without the filter by Source")
    await seen.page.keyboard.press("Escape")
    await open_menu(seen.page, "Sources")
    menu = seen.page.get_by_role("group", name="Sources: menu")
    await expect(menu.get_by_role("button", name="View SQL")).to_be_visible()
    await expect(menu.get_by_role("button", name="Embed…")).to_have_count(0)


async def test_a_panel_of_a_link_has_the_links_lines(seen: Watched, town: Crumby) -> None:
    path = shared(town, "public/pages", "private/sources", filters="page=~pages")
    await seen.open(path)
    said = await embedding(seen, "Sources")
    assert f'src="{town.url}{path}/embed/private/sources"' in said
    preview = seen.page.get_by_role("dialog").frame_locator("iframe")
    await expect(preview.locator("tbody tr").first).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), MODES)
async def test_the_dialog_of_the_lines_is_for_everybody(seen: Watched, axe: str, theme: str, width: int) -> None:
    await seen.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await seen.page.set_viewport_size({"width": width, "height": 900})
    await seen.open("/")
    await embedding(seen, "Channels")
    dialog = seen.page.get_by_role("dialog")
    await expect(dialog.frame_locator("iframe").locator("tbody tr").first).to_be_visible()
    assert await violations(seen, axe) == []
    assert await dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    await seen.picture(f"embedding-{theme}-{width}")


async def test_a_title_is_escaped_in_the_lines(seen: Watched, put: Drop) -> None:
    """Seen to fail where it is not."""
    put(MANY.replace("-- Many", '-- "Many" <b>& more'))
    await seen.open("/")
    said = await embedding(seen, '"Many" <b>& more')
    assert re.search(r' title="&quot;Many&quot; &lt;b>&amp; more" ', said)
