"""The check of the usual troubles: pages that a small server of the test's own has, and what is said of them."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import pytest_asyncio

from crumby.accounts import Accounts
from crumby.app import create_app
from crumby.database import open_database
from crumby.migrations import migrate
from crumby.web import checks
from crumby.web.policy import forbidden
from tests.conftest import settings_in
from tests.servers import alive

MEMBER = {"username": "ada", "password": "gingerbread and tea"}
OURS = "http://crumby.test/cmb.js"
TAG = f'<script src="{OURS}"></script>'


class Bakery(BaseHTTPRequestHandler):
    """Answers with what the test has put there, by path."""

    pages: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        with contextlib.suppress(OSError):  # who asked has gone
            self.answer()

    def answer(self) -> None:
        if self.path == "/slow":
            time.sleep(2)
        status, headers, body = self.pages.get(self.path, (404, {}, b"lost"))
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        while self.path == "/endless":
            self.wfile.write(b"x" * 65_536)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def bakery() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bakery) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """Give a member's, of a Crumby at crumby.test."""
    settings = settings_in(tmp_path_factory.mktemp("checks"))
    async with open_database(settings) as database:
        await migrate(database.engine)
        await Accounts(database.engine).add(*MEMBER.values())
    async with alive(create_app(settings)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            await http.post("/login", data=MEMBER)
            yield http


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def found(http: httpx.AsyncClient, address: str, **headers: str) -> dict[str, dict[str, Any]]:
    """By name."""
    answer = await http.post("/checks", json={"address": address}, headers=headers)
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json()}


def put(path: str, html: str = "", status: int = 200, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    Bakery.pages[path] = (status, named, html.encode())
    return path


async def test_a_page_that_has_it_all_is_all_right(client: httpx.AsyncClient, bakery: str) -> None:
    said = await found(client, bakery + put("/good", f"<title>A</title>{TAG}"))
    assert [said[name]["state"] for name in ("domain", "proxies", "page", "script", "addresses", "refused")] == [
        "ok"
    ] * 6
    assert OURS in said["script"]["words"]
    assert "policy" not in said


@pytest.mark.parametrize(
    ("html", "state", "words", "remedy"),
    [
        ("<p>Bread</p>", "fail", "no script tag", 'src="http://crumby.test/cmb.js?engagement"'),
        ("<!-- <script src='http://crumby.test/cmb.js'></script> -->", "fail", "no script tag", "Paste"),
        ('<script src="https://old.example/cmb.js"></script>', "fail", "from old.example", "crumby.test"),
        ('<base href="http://crumby.test/"><script src="cmb.js" async></script>', "ok", "is there", ""),
        ('<SCRIPT SRC="//crumby.test/cmb.js?x=1"></SCRIPT>', "ok", "is there", ""),
        ('<script type="module" src="http://crumby.test/cmb.js"></script>', "fail", "module", "Leave the type out"),
        ('<script src="http://[bad/cmb.js"></script>', "fail", "no script tag", "Paste"),
    ],
)
async def test_the_script_tag_is_there_or_what_is_in_its_place(
    client: httpx.AsyncClient, bakery: str, html: str, state: str, words: str, remedy: str
) -> None:
    """Planted: a tag of another host that is taken for ours."""
    said = (await found(client, bakery + put("/page", html)))["script"]
    assert said["state"] == state
    assert words in said["words"]
    assert remedy in said["remedy"]


@pytest.mark.parametrize(
    ("policy", "state", "words"),
    [
        ("default-src 'self'", "fail", "forbids the script: default-src 'self'"),
        (
            "script-src 'self' crumby.test; connect-src 'self'; img-src 'self'",
            "fail",
            "forbids the hit: connect-src 'self'",
        ),
        ("script-src http://crumby.test; connect-src 'none'; img-src *", "warn", "as an image instead"),
        ("script-src *; connect-src *", "ok", "lets the script in"),
        ("script-src https:", "fail", "forbids the script"),
        ("object-src 'none'", "ok", "lets the script in"),
    ],
)
@pytest.mark.parametrize("kept_in", ["header", "meta"])
async def test_a_policy_lets_the_script_in_and_its_hits_out(
    client: httpx.AsyncClient, bakery: str, policy: str, state: str, words: str, kept_in: str
) -> None:
    """Planted: policies of the header alone, and a `connect-src` that nobody looks at."""
    if kept_in == "header":
        path = put("/policy", TAG, Content_Security_Policy=policy)
    else:
        path = put("/policy", f'<meta http-equiv="Content-Security-Policy" content="{policy}">{TAG}')
    said = (await found(client, bakery + path))["policy"]
    assert (said["state"], words in said["words"]) == (state, True), said


@pytest.mark.parametrize(
    ("policies", "address", "page", "nonce", "lets"),
    [
        (["script-src *.stats.example"], "https://a.stats.example/cmb.js", "https://b.example/", None, True),
        (["script-src *.stats.example"], "https://stats.example/cmb.js", "https://b.example/", None, False),
        (["script-src 'nonce-abc'"], "https://stats.example/cmb.js", "https://b.example/", "abc", True),
        (["script-src 'nonce-abc'"], "https://stats.example/cmb.js", "https://b.example/", None, False),
        (["script-src 'strict-dynamic' https:"], "https://stats.example/cmb.js", "https://b.example/", None, False),
        (["script-src 'self'"], "https://b.example/cmb.js", "https://b.example/", None, True),
        (["script-src 'self'"], "https://b.example:8443/cmb.js", "https://b.example/", None, False),
        (["script-src stats.example:*"], "https://stats.example:8443/cmb.js", "https://b.example/", None, True),
        (["script-src stats.example/js/"], "https://stats.example/cmb.js", "https://b.example/", None, False),
        (["script-src stats.example/js/"], "https://stats.example/js/cmb.js", "https://b.example/", None, True),
        (["script-src http://stats.example"], "https://stats.example/cmb.js", "http://b.example/", None, True),
        (["script-src https://stats.example"], "http://stats.example/cmb.js", "http://b.example/", None, False),
        (["script-src *", "default-src 'none'"], "https://stats.example/cmb.js", "https://b.example/", None, False),
        (["script-src 'none'; script-src-elem *"], "https://stats.example/cmb.js", "https://b.example/", None, True),
        (["script-src"], "https://stats.example/cmb.js", "https://b.example/", None, False),
        ([""], "https://stats.example/cmb.js", "https://b.example/", None, True),
    ],
)
async def test_sources_match_as_browsers_have_it(
    policies: list[str], address: str, page: str, nonce: str | None, *, lets: bool
) -> None:
    assert (forbidden(policies, "script-src-elem", address, page, nonce) is None) == lets


@pytest.mark.parametrize(
    ("say", "name", "state", "words"),
    [
        ("", "tag", "fail", "on 127.0.0.1, and the script counts nothing there"),
        ("data-local", "tag", None, ""),
        ('data-local data-domains="bakery.example,*.bakery.example"', "tag", "fail", "and the page is on 127.0.0.1"),
        ('data-local data-domains="bakery.example, 127.0.0.1"', "tag", None, ""),
        ('data-local data-exclude="/tags/*"', "tag", "fail", "and /tags/shop fits"),
        ('data-local data-exclude="/tags,/shop"', "tag", None, ""),
        ('data-local data-include="/blog/**"', "tag", "fail", "and /tags/shop does not fit"),
        ('data-local data-include="/blog/**,/*/shop"', "tag", None, ""),
        ('data-local data-auto="false"', "tag", "warn", "when cmb.visit() is called"),
        ('data-local data-api="https://old.example/"', "api", "fail", "sends hits to old.example"),
        ('data-local data-api="/crumb"', "api", None, ""),
        ('data-local data-outbond data-turbo-track="reload"', "attribute", "warn", "does not know data-outbond"),
    ],
)
async def test_what_the_tag_itself_keeps_from_being_counted_is_said(
    client: httpx.AsyncClient, bakery: str, say: str, name: str, state: str | None, words: str
) -> None:
    """Planted: a `*` that goes on beyond a slash, and attributes that nobody reads."""
    said = await found(client, bakery + put("/tags/shop", TAG.replace("<script", f"<script {say}")))
    assert said.get(name, {}).get("state") == state
    assert words in said.get(name, {}).get("words", "")


async def test_a_script_of_the_sites_own_host_is_asked_for_there(client: httpx.AsyncClient, bakery: str) -> None:
    """Handed on by the site's web server, or not. Planted: a file of that name that is another one."""
    page = put("/own", '<script defer src="/js/cmb.js" data-local></script>')
    said = (await found(client, bakery + page))["script"]
    assert (said["state"], "is not Crumby's" in said["words"]) == ("fail", True)
    put("/js/cmb.js", "alert('cmb')")
    assert (await found(client, bakery + page))["script"]["state"] == "fail"
    put("/js/cmb.js", (await client.get("/cmb.js")).text)
    assert (await found(client, bakery + page))["script"]["state"] == "ok"


async def test_a_renamed_script_is_known_by_its_name(bakery: str, tmp_path: Path) -> None:
    """Planted: the usual name alone."""
    settings = settings_in(tmp_path, script_path="/js/bread.js", hit_path="/crumb")
    async with open_database(settings) as database:
        await migrate(database.engine)
        await Accounts(database.engine).add(*MEMBER.values())
    policy = "script-src crumby.test; connect-src http://crumby.test/crumb"
    put("/renamed", TAG.replace("/cmb.js", "/js/bread.js"), Content_Security_Policy=policy)
    async with alive(create_app(settings)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            await http.post("/login", data=MEMBER)
            said = await found(http, f"{bakery}/renamed")
            bare = await found(http, bakery + put("/bare", "<p>"))
    assert [said[name]["state"] for name in ("script", "policy")] == ["ok", "ok"]
    assert 'defer src="http://crumby.test/js/bread.js?engagement"' in bare["script"]["remedy"]


async def test_a_page_leads_on_three_times_and_no_more(client: httpx.AsyncClient, bakery: str) -> None:
    """Planted: `max_redirects` of httpx's own, 20."""
    put("/0", TAG)
    for number in range(1, 5):
        put(f"/{number}", status=302, Location=f"/{number - 1}")
    assert (await found(client, f"{bakery}/3"))["script"]["state"] == "ok"
    said = (await found(client, f"{bakery}/4"))["page"]
    assert (said["state"], "more than 3 times" in said["words"]) == ("fail", True)
    put("/out", status=302, Location="file:///etc/passwd")
    said = (await found(client, f"{bakery}/out"))["page"]
    assert said["state"] == "fail"


async def test_a_page_is_waited_for_and_read_so_far(
    client: httpx.AsyncClient, bakery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a page that is read to its end, and one that has none."""
    monkeypatch.setattr(checks, "PATIENCE_S", 0.5)
    monkeypatch.setattr(checks, "MOST", 10_000)
    put("/slow", TAG)
    began = time.monotonic()
    said = (await found(client, f"{bakery}/slow"))["page"]
    assert ("did not answer" in said["words"], time.monotonic() - began < 1.5) == (True, True)
    put("/long", "<p>" + "x" * 200_000 + TAG)
    assert "no script tag" in (await found(client, f"{bakery}/long"))["script"]["words"]
    put("/endless", TAG)
    assert (await found(client, f"{bakery}/endless"))["script"]["state"] == "ok"
    put("/lost", "<p>lost", status=404)
    assert (await found(client, f"{bakery}/lost"))["page"]["state"] == "warn"


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://a.example/", "http://", "javascript:alert(1)", "http://ann:pw@a.example/",
                "http://[::1/", "http://a.example:99999999/", "https://a.example/" + "x" * 3000],
)  # fmt: skip
async def test_an_address_that_no_browser_would_open_is_refused(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.post("/checks", json={"address": address})
    assert answer.status_code == 422
    assert "address" in answer.json()["detail"]


async def test_nobody_there_is_said_so(client: httpx.AsyncClient) -> None:
    said = (await found(client, "http://127.0.0.1:9/"))["page"]
    assert (said["state"], "can't be fetched" in said["words"]) == ("fail", True)


async def test_it_takes_a_user_and_a_page_of_crumbys_own(client: httpx.AsyncClient, bakery: str) -> None:
    """Planted: a request of another site is answered, and one of nobody."""
    Bakery.asked.clear()
    transport = client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as guest:
        assert (await guest.post("/checks", json={"address": f"{bakery}/good"})).status_code == 401
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await client.post("/checks", json={"address": f"{bakery}/good"}, headers=headers)).status_code == 403
    assert (await client.get("/checks")).status_code == 405
    assert (await client.post("/checks", content=b"[")).status_code == 422
    assert (await client.post("/checks", content=b"x" * 9000)).status_code == 422
    assert Bakery.asked == []


# What the server knows by itself


async def test_a_proxy_that_is_not_counted_is_found(client: httpx.AsyncClient) -> None:
    said = (await found(client, "", **{"X-Forwarded-For": "203.0.113.7, 10.0.0.2"}))["proxies"]
    assert said["state"] == "fail"
    assert "names 2" in said["remedy"]
    assert "page" not in await found(client, "")


async def test_visitors_of_one_address_are_a_proxys(client: httpx.AsyncClient) -> None:
    """Planted: hits are counted, not visitors."""
    await asyncio.gather(*(stored(client, f"visitor{number}") for number in range(4)))
    await stored(client, "visitor0", path="/again")
    assert (await found(client, "bakery.example"))["addresses"]["state"] == "ok"
    await stored(client, "visitor5")
    said = await found(client, "bakery.example")
    assert said["addresses"]["state"] == "fail"
    assert re.match("All 5 visitors of late came from one address, 127.0.0.1", said["addresses"]["words"])
    assert said["arrived"]["words"].startswith("6 page views of bakery.example")


async def stored(client: httpx.AsyncClient, cid: str, path: str = "/") -> None:
    number = f"{abs(hash((cid, path))):032x}"[-32:]
    hit = {"v": 2, "id": number, "t": "visit", "cid": cid, "dl": f"https://www.bakery.example{path}"}
    assert (await client.post("/hit", json=hit)).status_code == 204
