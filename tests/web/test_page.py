"""The page in Chromium, served by a running Crumby: panels, periods, strangers' strings, first steps, the explorer."""

import re
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response, expect

from tests.servers import Crumby, Nginx

USER, PASSWORD = "ada", "gingerbread and tea"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)

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


@dataclass
class Watched:
    """A page, and whatever it did that it should not have."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"threw {error}"))
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":  # a violation of the Content-Security-Policy is one
            self.faults.append(f"{self.page.url}: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"asked {request.url}")

    async def open(self, path: str = "/") -> None:
        """Go there, and wait until every panel has its answer."""
        await self.page.goto(self.url + path)
        await self.settle()

    async def settle(self) -> None:
        await expect(self.page.locator("#status")).to_contain_text("Reports", timeout=10_000)
        await expect(self.page.locator(".panel[aria-busy]")).to_have_count(0)

    async def panels(self) -> list[str]:
        found: list[str] = await self.page.locator(".panel").evaluate_all("all => all.map(one => one.dataset.query)")
        return sorted(found)

    async def sign_in(self) -> None:
        await self.page.goto(f"{self.url}/login")
        await self.page.get_by_label("Name").fill(USER)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        await self.settle()


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the operator's own folder of queries."""
    folder = tmp_path_factory.mktemp("queries")
    for collection in ("public", "private"):
        folder.joinpath(collection).mkdir()
    return folder


@pytest.fixture(scope="module")
def crumby(queries: Path) -> Iterator[Crumby]:
    with Crumby(queries=str(queries)) as server:
        subprocess.run(
            [server.python, "-m", "crumby", "adduser", USER],
            check=True,
            env=dict(server.environment()),
            input=f"{PASSWORD}\n",
            text=True,
        )
        send(server, [visit("/"), visit("/recipes"), event("basket", "a tin of twelve")])
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def watched(page: Page, crumby: Crumby) -> AsyncIterator[Watched]:
    """Give a page that fails its test at the end if anything threw, broke the policy or left the server."""
    watched = Watched(page, crumby.url)
    yield watched
    assert watched.faults == []


def visit(path: str, **keys: Any) -> dict[str, Any]:
    return hit("visit", dl=f"https://bakery.example{path}", dt=f"Bakery {path}", dr="https://search.example/", **keys)


def event(name: str, value: str) -> dict[str, Any]:
    return hit("event", dl="https://bakery.example/", dt="Bakery", en=name, ev=value)


def hit(kind: str, **keys: Any) -> dict[str, Any]:
    first = f"{time.time_ns() // 1_000_000:012x}"
    return {"v": 2, "id": first + secrets.token_hex(10), "t": kind, "cid": secrets.token_hex(5), "ul": "en-GB", **keys}


def send(server: Crumby, hits: Sequence[dict[str, Any]]) -> None:
    with server.client() as client:
        answer = client.post("/hit", json=hits, headers={"User-Agent": AGENT, "Content-Type": "text/plain"})
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text


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


async def test_another_period_asks_anew_and_back_returns(watched: Watched) -> None:
    await watched.open("/?days=30")
    asked = watched.requests
    asked.clear()
    await watched.page.get_by_role("link", name="7 days").click()
    await expect(watched.page).to_have_url(re.compile(r"/\?days=7$"))
    await expect(watched.page.locator("#public-visits .links a").first).to_have_attribute("href", re.compile("days=7$"))
    await watched.settle()
    assert {urlsplit(url).query for url in asked if "/api/public/" in url} == {"days=7"}

    await watched.page.locator("#custom summary").click()
    await watched.page.get_by_label("From").fill("2026-01-05")
    await watched.page.get_by_label("To", exact=True).fill("2026-01-09")
    await watched.page.get_by_role("button", name="Show").click()
    await expect(watched.page).to_have_url(re.compile(r"/\?from=2026-01-05&to=2026-01-09$"))
    await expect(watched.page.locator("#public-visits")).to_contain_text("No visits from")

    await watched.page.go_back()
    await expect(watched.page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    await expect(watched.page.locator("#public-visits canvas")).to_be_visible()
    await watched.page.go_back()
    await expect(watched.page.get_by_role("heading", level=1)).to_have_text("Reports in the last 30 days")


async def test_a_chart_has_a_table_twin_and_reads_out_what_the_arrow_keys_reach(watched: Watched) -> None:
    await watched.open("/?days=7")
    visits = watched.page.locator("#public-visits")
    await visits.locator(".canvas").focus()
    await watched.page.keyboard.press("ArrowLeft")
    await expect(visits.locator(".legend")).to_contain_text("so far")  # the last day is today, which is not over
    await visits.get_by_role("button", name="table").click()
    await expect(visits.locator("tbody tr")).to_have_count(8)  # today, and the seven days before it


@pytest.mark.parametrize("chart", ["table", "bars of views", "bars of views by doc_title", "timeseries of views"])
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
        for more in await watched.page.locator("button.more").all():
            await more.click()
        await expect(watched.page.locator("#public-strings")).to_contain_text(ADDRESSES[0])
        addresses: list[str] = await watched.page.locator(".panel .body a").evaluate_all("all => all.map(a => a.href)")
    finally:
        dropped.unlink()
    assert addresses
    assert [address for address in addresses if urlsplit(address).scheme not in {"http", "https"}] == []
    assert await watched.page.evaluate("window.bitten") is None
    assert await watched.page.locator("main :is(img, svg, iframe, script)").count() == 0


async def test_the_first_visit_ends_the_welcome(chromium: Browser) -> None:
    """Fails where the page does not look again."""
    with Crumby() as server:
        watched = Watched(await chromium.new_page(), server.url)
        await watched.open()
        welcome = watched.page.get_by_role("region", name="Welcome")
        await expect(welcome.locator("pre")).to_have_text(f'<script src="{server.url}/cmb.js"></script>')
        await expect(watched.page.locator(".panel").first).to_be_hidden()
        send(server, [visit("/")])
        await expect(welcome).to_have_count(0, timeout=10_000)
        await expect(watched.page.locator("#public-visits canvas")).to_be_visible()
        await watched.page.close()
        assert watched.faults == []


async def test_a_period_without_visits_is_no_reason_for_a_welcome(watched: Watched) -> None:
    await watched.open("/?from=2026-01-05&to=2026-01-09")
    await expect(watched.page.locator("#public-visits")).to_contain_text("No visits")
    await expect(watched.page.get_by_role("region", name="Welcome")).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/login", "/api", "/api/public", "/api/private", "/docs", "/redoc"])
async def test_no_page_breaks_its_policy_or_asks_another_server(watched: Watched, path: str) -> None:
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
        await expect(watched.page.locator("#public-visits canvas")).to_be_visible()
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
