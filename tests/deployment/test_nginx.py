"""The files of deployment/nginx, in a real nginx before a real Crumby."""

import gzip
import json
import re
import secrets
import socket
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import brotli
import httpx
import pytest
from playwright.async_api import Page, expect

from tests.deployment.places import NAME, SENDER, Deployed, below_a_path, browser_of, own_host, text
from tests.faults.proxy import Proxy
from tests.servers import BROWSER, Crumby, require

DECODE: dict[str, Any] = {"gzip": gzip.decompress, "br": brotli.decompress, "": bytes}


class Site(NamedTuple):
    crumby: Crumby
    nginx: Deployed
    http: httpx.Client

    def stored(self) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self.crumby.home / "crumby.db")) as connection:
            return connection.execute("select hex(hit_id), ip from visits order by id").fetchall()


@contextmanager
def site(*, uds: bool = True, replaced: Sequence[tuple[str, str]] = (), rate_limit: str = "20") -> Iterator[Site]:
    """Crumby on a host of its own, by https."""
    with ExitStack() as stack:
        crumby = stack.enter_context(Crumby(uds=uds, proxy_count="1", session_cookie_secure="1", rate_limit=rate_limit))
        nginx = stack.enter_context(Deployed(own_host, crumby, replaced))
        http = stack.enter_context(browser_of(nginx.trusted, f"https://127.0.0.1:{nginx.port}"))
        yield Site(crumby, nginx, http)


@pytest.fixture(scope="module")
def stats() -> Iterator[Site]:
    with site(replaced=[("client_header_timeout 10s", "client_header_timeout 3s")]) as built:
        yield built


def hit(number: str = "") -> dict[str, str]:
    return {"id": number or secrets.token_hex(16), "t": "visit", "cid": "7", "dl": "https://bakery.example/"}


def test_a_hit_over_tls_and_a_unix_socket_is_stored_with_the_address_of_its_sender(stats: Site) -> None:
    """Seen to fail without X-Forwarded-For, and with what the browser said of it alone."""
    is_stored(stats)


def test_so_is_one_over_a_port() -> None:
    with site(uds=False) as there:
        is_stored(there)


def is_stored(there: Site) -> None:
    body = hit()
    answer = there.http.post("/hit", content=json.dumps(body), headers={"X-Forwarded-For": "203.0.113.6"})
    assert answer.status_code == 204
    assert (body["id"].upper(), SENDER) in there.stored()


def test_what_comes_by_http_is_led_to_https_and_to_no_other_host(stats: Site) -> None:
    """Seen to fail with $host in the place of the name."""
    plain = (stats.nginx.folder / "plain").read_text()
    answer = httpx.get(f"http://127.0.0.1:{plain}/login?next=/live", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{NAME}/login?next=/live")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_tls_of_today_alone_is_spoken(version: str, stats: Site) -> None:
    """Seen to fail for 1.1 with it among ssl_protocols (and a security level of openssl's that lets it be)."""
    context = ssl.create_default_context(cafile=stats.nginx.folder / "fullchain.pem")
    context.check_hostname = False
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with browser_of(context, f"https://127.0.0.1:{stats.nginx.port}") as http:
        if version == "TLSv1_1":
            with pytest.raises(httpx.ConnectError):
                http.get("/healthz")
        else:
            assert http.get("/healthz").is_success


def test_http_2_is_spoken(stats: Site) -> None:
    """Seen to fail without http2 on the line that listens."""
    words = f"-q -sk --http2 --noproxy * -o /dev/null -w %{{http_version}} https://127.0.0.1:{stats.nginx.port}/healthz"
    done = subprocess.run([require("curl"), *words.split()], capture_output=True, text=True, check=True)
    assert done.stdout == "2"


@pytest.mark.parametrize(
    ("accepted", "packed"), [("gzip, deflate, br, zstd", "br"), ("gzip;q=1.0, *;q=0.5", "gzip"), ("identity", "")]
)
def test_the_script_is_kept_by_nginx_in_each_way_it_is_packed(accepted: str, packed: str, stats: Site) -> None:
    """Seen to fail with a key without $crumby_packed: the second way is then answered in the first."""
    path = "/cmb.js?engagement"
    said = []
    for more in ("", ", *;q=0.1"):  # another browser, which puts it in another way
        request = stats.http.build_request("GET", path, headers={"Accept-Encoding": accepted + more})
        answer = stats.http.send(request, stream=True)
        body = b"".join(answer.iter_raw())
        assert answer.headers.get("Content-Encoding", "") == packed
        assert b"engagement" in DECODE[packed](body)
        assert answer.headers["Cache-Control"] == "public, max-age=900"
        assert answer.headers["ETag"]
        said.append(answer.headers["X-Cache"])
    assert said == ["MISS", "HIT"]
    again = stats.http.get(path, headers={"Accept-Encoding": accepted, "If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_the_script_is_served_while_crumby_is_away() -> None:
    """Seen to fail without the cache."""
    with site() as there:
        there.http.get("/cmb.js")
        there.crumby.stop()
        answer = there.http.get("/cmb.js")
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "HIT")
        assert there.http.get("/healthz").status_code == 502


def test_pages_are_packed_as_well(stats: Site) -> None:
    answer = stats.http.get("/login", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "<form" in answer.text


def test_a_flood_of_hits_is_refused_before_it_gets_to_crumby() -> None:
    """Both forms of a hit count; the page does not. Seen to fail without the old script's pictures in the map."""
    assert "rate=50r/s" in text("nginx/crumby-upstream.conf")
    slower = [("rate=50r/s", "rate=1r/m"), ("zone=crumby_hits burst=500", "zone=crumby_hits burst=3")]
    with site(replaced=slower, rate_limit="0") as there:
        pixel = "/{}.gif?v=1&t=visit&cid=7&ul=en&sd=24&sr=1x1&de=UTF-8&dl=https%3A%2F%2Fbakery.example%2F&dt=a&dr="
        taken = [there.http.get(pixel.format(number)).status_code for number in (7, 8)]
        taken += [there.http.post("/hit", content=json.dumps(hit())).status_code for _ in range(2)]
        refused = [there.http.post("/hit", content=json.dumps(hit())), there.http.get(pixel.format(9))]
        assert taken == [200, 200, 204, 204]
        assert [answer.status_code for answer in refused] == [429, 429]
        assert [answer.headers.get("X-Crumby") for answer in refused] == [None, None]
        assert there.http.get("/").is_success
        with browser_of(there.nginx.trusted, f"https://127.0.0.1:{there.nginx.port}") as other:
            other._transport = httpx.HTTPTransport(verify=there.nginx.trusted, local_address="127.0.0.10")
            assert other.post("/hit", content=json.dumps(hit())).status_code == 204
        assert len(there.stored()) == 5


def test_guesses_are_refused_before_they_get_to_crumby(stats: Site) -> None:
    """21 are taken at once, one each three seconds. Seen to fail without the zone, and without shares in the map."""
    began = time.monotonic()
    paths = ["/login", "/share/none"] * 16
    limited = [path for path in paths if stats.http.post(path, data={"password": "x"}).status_code == 429]
    refilled = int((time.monotonic() - began) / 3) + 1
    assert len(paths) - 21 - refilled <= len(limited)
    assert stats.nginx.log.count("limiting requests, excess") >= len(paths) - 21 - refilled
    assert stats.http.get("/login").is_success


def test_a_head_that_does_not_come_is_not_waited_for(stats: Site) -> None:
    """Seen to fail without client_header_timeout, which is a minute then."""
    raw = socket.create_connection(("127.0.0.1", stats.nginx.port), timeout=30)
    with stats.nginx.trusted.wrap_socket(raw) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert slow.recv(1000) == b""


def test_a_hit_whose_answer_is_lost_is_sent_again_and_stored_once() -> None:
    """Seen to fail without `non_idempotent`: 502, and the visitor's browser has to."""
    with ExitStack() as stack:
        crumby = stack.enter_context(Crumby(proxy_count="1"))
        proxy = stack.enter_context(Proxy(crumby.port))
        nginx = stack.enter_context(Deployed(below_a_path, proxy.port))
        http = stack.enter_context(browser_of(None, nginx.url, **BROWSER))
        assert http.get("/stats/healthz").is_success  # a connection that is kept
        proxy.cut_replies_to(rb"POST /hit", 1)
        assert http.post("/stats/hit", content=json.dumps(hit())).status_code == 204
        assert proxy.cuts == 1
        with closing(sqlite3.connect(crumby.home / "crumby.db")) as connection:
            assert connection.execute("select count(*) from visits").fetchone() == (1,)


def test_what_happens_is_passed_on_as_it_does(stats: Site) -> None:
    """Seen to fail where X-Accel-Buffering is passed over and proxy_buffering is on."""
    with stats.http.stream("GET", "/live/stream?query=public/live_now", headers={"Accept-Encoding": "gzip"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert "retry: 3000" in next(answer.iter_lines())


# Below a path


@pytest.fixture(scope="module")
def stats_path() -> Iterator[tuple[Crumby, str]]:
    with ExitStack() as stack:
        crumby = stack.enter_context(Crumby(uds=True, proxy_count="1", arguments=["--root-path", "/stats"]))
        nginx = stack.enter_context(Deployed(below_a_path, crumby))
        yield crumby, nginx.url


def test_all_of_crumby_is_below_the_path(stats_path: tuple[Crumby, str]) -> None:
    """Seen to fail with a proxy_pass that leaves the path on."""
    crumby, url = stats_path
    with browser_of(None, url, Accept="text/html", **BROWSER) as http:
        assert http.get("/").text == "The bakery's own"
        assert http.get("/stats").headers["Location"] == "/stats/"
        page = http.get("/stats/")
        assets = set(re.findall(r"""(?:src|href)="([^"]*/static/[^"]+)\"""", page.text))
        assert assets
        assert [path for path in assets if not path.startswith("/stats/") or not http.get(path).is_success] == []
        assert http.get("/stats/api/private/sources").headers["Location"].startswith("/stats/login")
        assert http.get("/stats/api/public/visits", headers={"Accept": "application/json"}).json()["columns"]
        for number, script in enumerate([http.get("/stats/cmb.js"), http.get("/stats/cmb.js")]):
            assert script.headers["X-Cache"] == ("MISS", "HIT")[number]
        assert http.post("/stats/hit", content=json.dumps(hit())).status_code == 204
        assert http.post("/hit", content=json.dumps(hit())).text == "The bakery's own"
    with closing(sqlite3.connect(crumby.home / "crumby.db")) as connection:
        assert connection.execute("select ip from visits").fetchall() == [(SENDER,)]


async def test_a_browser_signs_in_below_the_path(stats_path: tuple[Crumby, str], page: Page) -> None:
    """What it asks for is below the path, all of it, and so is the cookie."""
    crumby, url = stats_path
    link = re.findall(r"/setup/\S+", crumby.log)[0].removeprefix("/stats")
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(url)))
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    await page.goto(f"{url}/stats{link}")
    await page.locator("input[name=username]").fill("ann")
    for field in await page.locator("input[type=password]").all():
        await field.fill("a long enough password")
    await page.locator("main form button").first.click()
    await page.goto(f"{url}/stats/")
    await expect(page.get_by_role("heading", name=re.compile("Sources")).first).to_be_visible()
    await page.goto(f"{url}/stats/docs")
    await expect(page.get_by_text("Private").first).to_be_visible()
    cookies = await page.context.cookies()
    assert {cookie["path"] for cookie in cookies if "session" in cookie["name"].lower()} == {"/stats"}
    assert failed == []
    assert [path for path in asked if not path.startswith(("/stats/", "data:", "blob:"))] == []
