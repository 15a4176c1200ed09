"""The script in Chromium, from a website of another origin to the row in the database."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import anyio
import pytest
from playwright.async_api import Route

from tests.servers import require
from tests.tracker.scene import ADDRESS, AGENT, Scene

DAY_S = 86_400
THIRTEEN_MONTHS = 396  # days, with the shortest months

NO_FETCH = "delete window.fetch; delete window.Request; delete window.navigation;"  # as the last browsers had it
NO_BEACON = "delete Navigator.prototype.sendBeacon;"
THREE_WAYS = """
    const send = window.fetch;
    window.fetch = (url, options) => {
        navigator.sendBeacon(url, options.body);
        return send(url, options).then(() => Promise.reject('the answer is lost'));
    };
"""
GO_AHEAD = """
    <script type="speculationrules">{"prerender": [{"urls": ["/ahead"], "eagerness": "immediate"}]}</script>
    <script>setTimeout(() => { location = "/ahead"; }, 2000)</script>
"""
TELL_WHETHER_AHEAD = """
    <script>
        const ahead = document.prerendering;
        setTimeout(() => cmb.event("rendered ahead", ahead), 3000);
    </script>
"""


async def test_a_visit_tells_the_page_the_screen_the_browser_and_the_place(scene: Scene) -> None:
    address = scene.site.page("/k%C3%BCche", scene.html(title="Küche &amp; Keks 🍪"))
    await scene.page.goto(f"{address}?q=1", referer=f"{scene.site.url}/from")
    visit = await scene.row("visits")
    assert visit["doc_uri"] == f"{scene.site.url}/küche?q=1"
    assert visit["doc_title"] == "Küche & Keks 🍪"
    assert visit["doc_enc"] == "UTF-8"
    assert visit["referrer"] == f"{scene.site.url}/from"
    assert (visit["screen_res"], visit["screen_depth"]) == ("1366x768", "24-bit")
    assert (visit["lang"], visit["_lang"]) == ("de-DE", "de-DE")
    assert (visit["platform"], visit["browser"]) == ("linux", "chrome")
    assert visit["version"].startswith("141.0")
    assert (visit["ip"], visit["country"], visit["city"]) == (ADDRESS, "GB", "London")


async def test_an_event_is_stored_with_its_name_and_value_as_text(scene: Scene) -> None:
    await scene.visit(scene.html(title="Shop"), "/shop")
    await scene.page.evaluate("cmb.event('basket', 42)")
    event = await scene.row("events")
    assert (event["name"], event["value"]) == ("basket", "42")
    assert (event["doc_uri"], event["doc_title"]) == (f"{scene.site.url}/shop", "Shop")
    assert event["cid"] == (await scene.row("visits"))["cid"]


async def test_an_event_of_a_page_that_is_being_left_is_stored(scene: Scene) -> None:
    scene.site.page("/next", "<!doctype html><title>Next</title>")
    leaving = "<a href='/next'>on</a><script>onpagehide = () => cmb.event('left', 'by link')</script>"
    await scene.visit(scene.html(leaving))
    await scene.page.click("a")
    assert (await scene.row("events"))["value"] == "by link"


async def test_the_cookie_is_random_first_party_and_ends_within_13_months(scene: Scene) -> None:
    await scene.visit(scene.html(), "/deep/page")
    visit = await scene.row("visits")
    [cookie] = await scene.profile.cookies()
    assert (cookie["name"], cookie["value"]) == ("cid", visit["cid"])
    assert re.fullmatch("[0-9]{19}", cookie["value"])
    assert (cookie["domain"], cookie["path"], cookie["sameSite"]) == ("localhost", "/", "Lax")
    assert (THIRTEEN_MONTHS - 2) * DAY_S < cookie["expires"] - time.time() < THIRTEEN_MONTHS * DAY_S


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_over_https_alone_the_cookie_is_secure(scene: Scene, scheme: str) -> None:
    """Seen to fail where it always is, so that a browser over http keeps none."""
    script = await (await scene.profile.request.get(f"{scene.stats}/cmb.js")).text()
    page = scene.html(stats=f"{scheme}://shop.example")

    async def answer(route: Route) -> None:
        await route.fulfill(body=script if "/cmb.js" in route.request.url else page, content_type="text/html")

    await scene.page.route(f"{scheme}://shop.example/**", answer)
    await scene.page.goto(f"{scheme}://shop.example/")
    [cookie] = await scene.profile.cookies()
    assert cookie["secure"] == (scheme == "https")


async def test_a_second_visit_keeps_the_visitor_and_does_not_renew_the_cookie(scene: Scene) -> None:
    await scene.visit(scene.html())
    before = await scene.profile.cookies()
    await anyio.sleep(1.1)  # a renewed cookie would end a second later
    await scene.visit(scene.html())
    first, second = await scene.rows("visits", at_least=2)
    assert first["cid"] == second["cid"]
    assert first["hit_id"] != second["hit_id"]
    assert await scene.profile.cookies() == before


async def test_a_visitor_of_0_7_1_keeps_the_number_it_gave(scene: Scene) -> None:
    """Seen to fail where a cookie is known by the end of its name, after any sign that is no letter."""
    await scene.profile.add_cookies(
        [
            {"name": "acid", "value": "1", "url": scene.site.url},
            {"name": "cid", "value": "1873402711", "url": scene.site.url},
            {"name": "x-cid", "value": "2", "url": scene.site.url},
        ]
    )
    await scene.visit(scene.html())
    assert (await scene.row("visits"))["cid"] == "1873402711"


async def test_another_program_s_cid_cookie_stays_and_still_tells_visitors_apart(scene: Scene) -> None:
    value = "customer%20" + "0123456789" * 5 + "=="
    await scene.profile.add_cookies([{"name": "cid", "value": value, "url": scene.site.url}])
    await scene.visit(scene.html())
    assert (await scene.row("visits"))["cid"] == ("0123456789" * 5)[-32:]
    assert [cookie["value"] for cookie in await scene.profile.cookies()] == [value]


async def test_a_page_without_cookies_sends_its_visit_without_a_visitor(scene: Scene) -> None:
    """The server names the visitor then, the same for both."""
    sent = scene.watch()
    scene.site.page("/framed", scene.html("<script>cmb.event('a', 'b')</script>"))
    await scene.visit("<!doctype html><iframe sandbox='allow-scripts' src='/framed'></iframe>")
    assert (await scene.row("visits"))["cid"] == (await scene.row("events"))["cid"]
    assert all("cid" not in json.loads(request.post_data or "{}") for request in sent)


async def test_a_hit_is_one_post_that_needs_no_preflight(scene: Scene) -> None:
    sent = scene.watch()
    await scene.visit(scene.html())
    await scene.row("visits")
    await scene.settle()
    [request] = sent
    assert (request.method, request.resource_type) == ("POST", "fetch")
    assert (await request.all_headers())["content-type"].startswith("text/plain")


async def test_a_hit_carries_no_cookie_even_within_its_own_host(scene: Scene) -> None:
    """Cookies know no ports, so this page's own `cid` would go with the hit, and a signed-in session too."""
    sent = scene.watch()
    await scene.page.goto(scene.site.page("/", scene.html()).replace("localhost", "127.0.0.1"))
    await scene.settle()
    [request] = sent
    assert await scene.profile.cookies(request.url)
    assert "cookie" not in await request.all_headers()


@pytest.mark.parametrize(
    ("missing", "ways"),
    [(NO_FETCH, {("POST", "ping"), ("GET", "image")}), (NO_FETCH + NO_BEACON, {("GET", "image")})],
    ids=["beacon", "image"],
)
async def test_without_fetch_a_hit_goes_another_way_unchanged(
    scene: Scene, missing: str, ways: set[tuple[str, str]]
) -> None:
    await scene.page.add_init_script(missing)
    sent = scene.watch()
    await scene.visit(scene.html(title="Brot &amp; Käse+100% 🍪"))
    await scene.page.evaluate("cmb.event('click me', 'a=b&c')")
    visit, event = await scene.row("visits"), await scene.row("events")
    assert (visit["doc_title"], visit["screen_res"]) == ("Brot & Käse+100% 🍪", "1366x768")
    assert (event["name"], event["value"]) == ("click me", "a=b&c")
    assert {(request.method, request.resource_type) for request in sent} == ways


async def test_where_the_page_forbids_fetch_the_image_carries_the_hit(scene: Scene) -> None:
    """The policy of a site that let in 0.7.1, which sent images only."""
    policy = f"default-src 'none'; script-src {scene.stats}; img-src {scene.stats}"
    await scene.visit(scene.html(), headers={"Content-Security-Policy": policy})
    assert (await scene.row("visits"))["doc_uri"] == f"{scene.site.url}/"


async def test_a_hit_that_is_sent_three_ways_is_stored_once(scene: Scene) -> None:
    await scene.page.add_init_script(THREE_WAYS)
    sent = scene.watch()
    await scene.visit(scene.html())
    await scene.settle()
    assert {request.resource_type for request in sent} == {"fetch", "image", "ping"}
    await scene.row("visits")


async def test_a_page_that_includes_the_script_twice_sends_one_visit(scene: Scene) -> None:
    sent = scene.watch()
    await scene.visit(scene.html(f"<script src='{scene.stats}/cmb.js?again'></script>"))
    await scene.settle()
    assert len(sent) == 1
    await scene.row("visits")


async def test_a_strict_content_security_policy_finds_nothing_to_object_to(scene: Scene) -> None:
    complaints: list[str] = []
    scene.page.on("console", lambda message: complaints.append(message.text))
    scene.page.on("pageerror", lambda error: complaints.append(str(error)))
    allowed = f"default-src 'none'; script-src {scene.stats}; connect-src {scene.stats}"
    policy = f"{allowed}; require-trusted-types-for 'script'"
    await scene.visit(scene.html(), headers={"Content-Security-Policy": policy})
    await scene.row("visits")
    await scene.settle()
    assert [complaint for complaint in complaints if "favicon" not in complaint] == []


async def test_the_script_finds_its_server_below_a_path(scene: Scene) -> None:
    sent = scene.watch()
    await scene.visit(scene.html(stats=f"{scene.stats}/tools/stats"))
    await scene.row("visits")
    assert [request.url for request in sent] == [f"{scene.stats}/tools/stats/hit"]


async def test_the_script_may_be_added_by_another_script(scene: Scene) -> None:
    loader = """
        const script = document.createElement('script');
        script.dataset.local = '';
        script.src = '%s/cmb.js';
        document.head.append(script);
    """
    await scene.visit(f"<!doctype html><script>{loader % scene.stats}</script>")
    await scene.row("visits")


async def test_a_title_that_ends_in_half_an_emoji_does_not_lose_the_visit(scene: Scene) -> None:
    await scene.visit("<!doctype html><script>document.title = 'Biscuit \\ud83c'</script>" + scene.script)
    assert (await scene.row("visits"))["doc_title"] == "Biscuit \ufffd"


@pytest.mark.parametrize("missing", ["", NO_FETCH + NO_BEACON], ids=["fetch", "image"])
async def test_an_enormous_value_is_cut_and_stored(scene: Scene, missing: str) -> None:
    """Uncut, it would be more than a kept-alive fetch, or nginx's longest line, may carry."""
    await scene.page.add_init_script(missing)
    await scene.visit(scene.html())
    await scene.page.evaluate("cmb.event('paste', 'x'.repeat(100_000))")
    assert (await scene.row("events"))["value"] == "x" * 2048


async def test_a_page_rendered_ahead_is_a_visit_only_once_it_is_shown(scene: Scene, tmp_path: Path) -> None:
    """In a Chromium without Playwright, which switches rendering ahead off."""
    scene.site.page("/ahead", scene.html(TELL_WHETHER_AHEAD, title="Ahead"))
    with chromium_alone(scene.site.page("/", scene.html(GO_AHEAD, title="First")), tmp_path):
        event = await scene.row("events", within_s=20)
    assert (event["name"], event["value"]) == ("rendered ahead", "true")
    first, ahead = await scene.rows("visits", at_least=2)
    assert (first["doc_title"], ahead["doc_title"]) == ("First", "Ahead")
    waited = datetime.fromisoformat(ahead["datetime"]) - datetime.fromisoformat(first["datetime"])
    assert waited.total_seconds() > 1, "sent before the page was shown"


@contextmanager
def chromium_alone(address: str, profile: Path) -> Iterator[None]:
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    words += ["--disable-background-networking", "--disable-component-update"]
    words += [f"--user-agent={AGENT}", f"--user-data-dir={profile}", address]
    with subprocess.Popen([require("chromium"), *words], stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("option", ["data-dnt", "data-domains='other.example'", "data-exclude='/**'"])
async def test_nothing_is_sent_without_the_option_that_the_page_asks_for(scene: Scene, option: str) -> None:
    """Where the rest of the script cannot be fetched. Seen to fail with fewer letters in the core's `start`."""
    script = await (await scene.profile.request.get(f"{scene.stats}/cmb.js")).text()
    page = f"<!doctype html><title>Private</title><script src='/cmb.js' {option}></script>"

    async def answer(route: Route) -> None:
        body = script if route.request.url.endswith("/cmb.js") else page
        await route.fulfill(body=body, content_type="text/html")

    await scene.page.route("http://shop.example/**", answer)
    await scene.page.route("**/cmb.js?only", lambda route: route.abort())
    sent = scene.watch()
    async with scene.page.expect_event("requestfailed"):
        await scene.page.goto("http://shop.example/")
    await scene.page.evaluate("cmb.event('a', 'b')")
    await scene.settle()
    assert sent == []
    assert await scene.page.evaluate("Object.keys(localStorage).length") == 0


async def test_a_page_on_this_machine_is_told_once_why_it_is_not_counted(scene: Scene) -> None:
    told: list[str] = []
    scene.page.on("console", lambda message: told.append(message.text))
    sent = scene.watch()
    async with scene.page.expect_console_message(lambda message: "Crumby" in message.text):
        await scene.visit(f"<!doctype html><script src='{scene.stats}/cmb.js'></script>")
    await scene.page.evaluate("cmb.event('a', 'b')")
    await scene.settle()
    assert [text for text in told if "Crumby" in text] == ["Crumby: not counted: localhost"]
    assert await scene.page.evaluate("cmb.refused") == "localhost"
    assert sent == []
