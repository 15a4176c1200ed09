"""Who is not to be counted, in Chromium: by the browser's own signal, by a word, by a button; and docs/privacy.md."""

import ast
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Dialog, Request, Route

from crumby.ingest.script import Script
from crumby.settings import load_settings
from tests.servers import BROWSER, Crumby
from tests.tracker.examples import examples
from tests.tracker.scene import Scene

DOCUMENT = Path(__file__).parents[2] / "docs" / "privacy.md"
SHOP = "http://shop.example"
GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })"
DNT = "Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' })"
COUNT_COOKIES = """
    if (!('cookies' in window)) {
        window.cookies = 0;
        const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
        Object.defineProperty(document, 'cookie', {
            get: () => get.call(document),
            set: text => { cookies += !/Max-Age=0/.test(text); set.call(document, text); },
        });
    }
"""
TAG = "<script src='/cmb.js'></script>"
COOKIE = {"name": "cid", "value": "4815162342424242421", "url": SHOP}
STRICT = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'"}


class Shop:
    """A site that is not on this machine, as far as its pages know: its one page, whatever the path."""

    def __init__(self, scene: Scene, page: str, **keys: Any) -> None:
        self.scene, self.page = scene, scene.page
        self.html = f"<!doctype html><meta charset=utf-8><title>Shop</title><body>{page}"
        self.script = Script("", **keys)
        self.hits: list[Request] = []
        self.said: list[str] = []

    async def open(self, path: str = "/", headers: dict[str, str] | None = None) -> None:
        await self.page.add_init_script(COUNT_COOKIES)
        await self.page.route(f"{SHOP}/**", self._page)
        await self.page.route(f"{SHOP}/cmb.js*", self._script)
        await self.page.route(f"{SHOP}/opt-out.js", self._script)
        await self.page.route(f"{SHOP}/hit*", self._hit)
        await self.page.set_extra_http_headers(headers or {})
        await self.page.goto(SHOP + path)
        await self.scene.settle()

    def listen(self) -> None:
        self.hits = self.scene.watch()
        self.page.on("dialog", self._hear)

    async def cookies_set(self) -> int:
        """By this page, those that are gone again among them."""
        number: int = await self.page.evaluate("cookies")
        return number

    async def kept(self) -> tuple[list[str], list[str]]:
        """Names in localStorage, and cookies."""
        return await self.page.evaluate("Object.keys(localStorage)"), [
            str(cookie.get("name")) for cookie in await self.scene.profile.cookies(SHOP)
        ]

    async def _page(self, route: Route) -> None:
        await route.fulfill(body=self.html, content_type="text/html", headers=STRICT)

    async def _hit(self, route: Route) -> None:
        """Handed on, as the site's own web server does it."""
        url = route.request.url.replace(SHOP, self.scene.stats)
        await route.fulfill(response=await route.fetch(url=url))

    async def _script(self, route: Route) -> None:
        """As Crumby would serve it with other settings."""
        name, _, query = route.request.url.rpartition("/")[2].partition("?")
        packed = self.script._opt_out if name == "opt-out.js" else self.script.packed(query)
        await route.fulfill(body=packed.bodies["identity"], content_type="text/javascript")

    async def _hear(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        await dialog.accept()


def shop(scene: Scene, page: str = TAG, **keys: Any) -> Shop:
    opened = Shop(scene, page, **keys)
    opened.listen()
    return opened


@pytest.mark.parametrize(("sign", "header"), [(GPC, "Sec-GPC"), (DNT, "DNT")], ids=["gpc", "dnt"])
async def test_who_has_a_signal_is_sent_no_cookie_and_sends_no_hit(scene: Scene, sign: str, header: str) -> None:
    """And loses the cookie, and what waited. Seen to fail where the core does not look at the signal."""
    await scene.page.add_init_script(sign)
    there = shop(scene)
    await there.open(headers={header: "1"})
    assert (there.hits, await there.cookies_set(), await there.kept()) == ([], 0, ([], []))
    await scene.profile.add_cookies([COOKIE])  # type: ignore[list-item]
    await scene.page.evaluate("localStorage['cmb:1'] = '{}'")
    await there.open("/again", headers={header: "1"})
    assert (there.hits, await there.kept()) == ([], ([], []))
    assert await scene.page.evaluate("cmb.refused") == "DNT"


async def test_a_hit_that_the_server_does_not_want_is_sent_once(scene: Scene) -> None:
    """Of a page whose script heeds no signal. Seen to fail where 403 is an answer as 503 is."""
    await scene.page.add_init_script(GPC)
    there = shop(scene, signals=())
    await there.open(headers={"Sec-GPC": "1"})
    await scene.page.wait_for_timeout(1500)
    assert len(there.hits) == 1
    answer = await there.hits[0].response()
    assert answer
    assert (answer.status, answer.headers["x-crumby"].partition(":")[0]) == (403, "gpc")
    assert await there.kept() == ([], ["cid"])


async def test_a_word_in_the_address_opts_out_and_in_and_says_so(scene: Scene) -> None:
    """Under a strict policy. Seen to fail where the cookie stays, and where a core with a choice sets one."""
    there = shop(scene)
    await there.open()
    assert (len(there.hits), await there.kept()) == (1, ([], ["cid"]))
    await there.open("/a#crumby-opt-out")
    await there.open("/b")
    assert (len(there.hits), await there.cookies_set(), await there.kept()) == (1, 0, (["cmb"], []))
    await there.open("/c#crumby-opt-in")
    await there.open("/d")
    assert [each.removeprefix("Your visits to shop.example ") for each in there.said] == [
        "are not counted any more, in this browser.",
        "are counted again, in this browser.",
    ]
    assert (len(there.hits), await there.kept()) == (3, ([], ["cid"]))


async def test_a_button_opts_out_and_in_under_a_strict_policy(scene: Scene) -> None:
    """And the page's tracker sends nothing more. Seen to fail where it goes on until the next page."""
    complaints: list[str] = []
    scene.page.on("console", lambda message: complaints.append(message.text))
    there = shop(scene, TAG + "<h2>Counting</h2><script src='/opt-out.js'></script>")
    await there.open()
    button, words = scene.page.get_by_role("button"), scene.page.get_by_role("status")
    assert (await button.inner_text(), await words.inner_text()) == (
        "Do not count me",
        "Your visits to this site are counted.",
    )
    await button.click()
    assert await words.inner_text() == "Your visits to this site are not counted, in this browser."
    await scene.page.evaluate("cmb.event('a', 'b')")
    await scene.settle()
    assert (len(there.hits), await there.kept()) == (1, (["cmb"], []))
    await button.click()
    await there.open("/next")
    assert len(there.hits) == 2
    assert [each for each in complaints if "Security" in each] == []
    await scene.page.add_init_script(GPC)
    await there.open("/gpc")
    assert "asks not to be counted" in await words.inner_text()
    assert not await button.is_visible()


async def test_without_cookies_no_tag_has_one_and_the_one_of_before_goes(scene: Scene) -> None:
    """Seen to fail where the tag's own word counts."""
    await scene.profile.add_cookies([COOKIE])  # type: ignore[list-item]
    there = shop(scene, TAG.replace(" src", " data-cid=cookie src"), cookies=False)
    await there.open()
    assert (len(there.hits), await there.kept()) == (1, ([], []))
    assert COOKIE["value"] not in (there.hits[0].post_data or "")


# The page that explains


@pytest.mark.parametrize(
    ("referrer", "origin"),
    [
        ("https://bakery.example/privacy?a=1", "https://bakery.example"),
        ("http://user@bakery.example/", None),
        ("https://bakery.example:8443", "https://bakery.example:8443"),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]"),
        ("javascript://bakery.example/%0aalert(1)", None),
        ('https://a"><script>alert(1)</script>/', None),
        ("https://a.example:99999/", None),
        ("", None),
    ],
)
def test_the_page_leads_back_to_where_the_browser_says_it_came_from(
    crumby: Crumby, referrer: str, origin: str | None
) -> None:
    """And nowhere else, whatever the address says. Seen to fail with whatever the header holds."""
    with crumby.client() as http:
        answer = http.get("/opt-out?site=https://evil.example", headers=BROWSER | {"Referer": referrer})
    assert (answer.status_code, "evil" in answer.text, "<script>alert" in answer.text) == (200, False, False)
    assert ('href="' in answer.text.partition("How not to be counted")[2].partition("</article>")[0]) == bool(origin)
    assert origin is None or f'href="{origin}/#crumby-opt-out"' in answer.text
    assert "script-src" in answer.headers["Content-Security-Policy"] or "default-src 'self'" in str(answer.headers)
    assert answer.headers["Vary"] == "Referer"


def test_the_button_s_script_is_served_as_the_tracker_is(crumby: Crumby) -> None:
    with crumby.client() as http:
        script, tracker = (http.get(path, headers={"Origin": SHOP}) for path in ("/opt-out.js", "/cmb.js"))
        again = http.get("/opt-out.js", headers={"If-None-Match": script.headers["ETag"]})
    assert (script.status_code, again.status_code) == (200, 304)
    names = ("Content-Type", "Cache-Control", "Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy", "Vary")
    assert [script.headers.get(name) for name in names] == [tracker.headers.get(name) for name in names]


# The document


def test_each_configuration_of_the_document_is_taken(tmp_path: Path) -> None:
    """As it stands. Seen to fail with a key that there is not."""
    configurations = [each.text for each in examples(DOCUMENT) if each.language == "python"]
    assert len(configurations) == 2
    for text in configurations:
        file = tmp_path / "crumby.cfg"
        file.write_text(text, "utf-8")
        read = load_settings({"CRUMBY_SETTINGS": str(file)})
        for key, value in ((node.targets[0].id, ast.literal_eval(node.value)) for node in ast.parse(text).body):  # type: ignore[attr-defined]
            assert getattr(read, key.lower()) == value
    assert read.retention_days == 760


HTML = [each for each in examples(DOCUMENT) if each.language == "html"]


@pytest.mark.parametrize("each", HTML, ids=lambda each: each.name)
async def test_each_snippet_of_the_document_does_what_it_says(scene: Scene, each: Any) -> None:
    page = each.text.replace('https://stats.example/opt-out"', f'{scene.stats}/opt-out"')
    there = shop(scene, page.replace("https://stats.example", ""))
    await there.open("/privacy")
    if "opt-out.js" in each.text:
        await scene.page.get_by_role("button").click()
    elif "/cmb.js" in each.text:
        await scene.page.get_by_role("link").first.click()
        await scene.settle()
        assert len(there.said) == 1
    else:
        await scene.page.get_by_role("link").click()
        await scene.page.get_by_role("link", name="Do not count me").click()
        await scene.settle()
        return
    assert await scene.page.evaluate("localStorage.cmb") == "#crumby-opt-out"
    german = each.text.count("data-counted")
    assert not german or await scene.page.get_by_role("button").inner_text() == "Wieder zählen"
