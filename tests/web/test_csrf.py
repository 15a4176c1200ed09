"""Row 24 of the card: a page of another site signs nobody in or out, and changes nothing. A browser judges.

The other site is another host name, `localhost`, and once the same one with another port, where a cookie of
`SameSite=Lax` does go along. Somebody who is signed in at 127.0.0.1 opens its page.
"""

import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from sqlite3 import connect
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Page
from starlette.routing import Route

from crumby.app import create_app
from crumby.settings import Settings
from tests.servers import Crumby
from tests.web.watching import PASSWORD, USER, add_user

DRAFT: Final = '{"title": "theirs", "panels": ["public/pages"]}'
STATE: Final = {  # what a write would change
    "users": "select username, password from users order by id",
    "sessions": "select hash from sessions order by hash",
    "shares": "select id, title from shares order by id",
    "guesses": "select what, tries from guesses order by what",
    "visits": "select count(*) from visits",
}
# Each write that there is, but for those that any site may send: a hit, and a link's password.
WRITES: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("POST", "/login"): {"username": USER, "password": PASSWORD},
    ("POST", "/login/code"): {"note": "x", "code": "000000"},
    ("POST", "/logout"): {},
    ("POST", "/setup/{token}"): {"username": "eve", "password": "a good password", "again": "a good password"},
    ("POST", "/shares"): {DRAFT[:-1] + ', "password": "long enough': '"}'},  # JSON, as a form of text/plain spells it
    ("DELETE", "/shares/{id}"): {},
    ("POST", "/query"): {'{"sql": "select 1", "x": "': '"}'},
    ("POST", "/checks"): {},
}
FOR_ANY_SITE: Final = {("POST", "/hit"), ("POST", "/share/{token}")}
ATTACK: Final = """async ([method, address, fields, kind]) => {
    const said = Object.entries(fields);
    const text = said.map(([name, value]) => `${name}=${value}`).join('');
    const waited = { signal: AbortSignal.timeout(5000), credentials: 'include', method };
    const ways = {
        async form() { await posted('application/x-www-form-urlencoded'); },
        async plain() { await posted('text/plain'); },
        async parts() { await posted('multipart/form-data'); },
        async nocors() { await fetch(address, { ...waited, mode: 'no-cors', body: text || undefined }); },
        async json() {
            const headers = { 'Content-Type': 'application/json' };
            await fetch(address, { ...waited, headers, body: text || undefined });
        },
        async hidden() {
            const more = { mode: 'no-cors', referrerPolicy: 'no-referrer', body: new URLSearchParams(said) };
            await fetch(address, { ...waited, ...more });
        },
        async beacon() { navigator.sendBeacon(address, new URLSearchParams(said)); await pause(200); },
        async image() {
            const image = new Image();
            await new Promise((done) => { image.onload = image.onerror = done; image.src = address; });
        },
    };
    const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
    const posted = async (enctype) => {
        const frame = Object.assign(document.createElement('iframe'), { name: 'f' + Math.random() });
        document.body.append(frame);
        const form = Object.assign(document.createElement('form'), {
            method: 'post', action: address, enctype, target: frame.name,
        });
        for (const [name, value] of said) {
            form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
        }
        document.body.append(form);
        const loaded = new Promise((done) => { frame.addEventListener('load', done); });
        form.submit();
        await Promise.race([loaded, pause(2000)]);
    };
    try { await ways[kind](); } catch { /* the browser hides the answer, and has sent the request */ }
}"""
WAYS: Final = {
    "POST": ("form", "plain", "parts", "nocors", "json", "hidden", "beacon", "image"),
    "DELETE": ("json", "nocors", "image"),
}


class OtherSite(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture(scope="module")
def other_port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def crumby() -> Iterator[Crumby]:
    with Crumby(sql_editor="true") as server:
        add_user(server)
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def victim(page: Page, crumby: Crumby) -> AsyncIterator[Page]:
    """Give the page of somebody who is signed in, and has made a link."""
    form: dict[str, str | float | bool] = {"username": USER, "password": PASSWORD}
    assert (await page.request.post(f"{crumby.url}/login", form=form, max_redirects=0)).status == 303
    assert (await page.request.post(f"{crumby.url}/shares", data=DRAFT)).status == 201
    yield page


def state(crumby: Crumby) -> dict[str, list[Any]]:
    with closing(connect(crumby.home / "crumby.db")) as database:
        return {name: database.execute(sql).fetchall() for name, sql in STATE.items()}


def test_each_write_that_there_is_is_tried() -> None:
    """A new one has to be added. Seen to fail without `/shares`."""
    routes = create_app(Settings(secret_key="no secret of anybody's", sql_editor=True)).routes
    there = {
        (method, route.path)
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"GET", "HEAD"}
    }
    assert there == WRITES.keys() | FOR_ANY_SITE


@pytest.mark.parametrize(
    ("host", "each"),
    [
        pytest.param("localhost", 3, id="another host"),
        pytest.param("localhost", 1, id="another host, all", marks=pytest.mark.long),
        pytest.param("127.0.0.1", 1, id="another port"),
    ],
)
async def test_another_site_changes_nothing(
    victim: Page, crumby: Crumby, other_port: int, host: str, each: int
) -> None:
    """By forms of each kind, fetch, beacon and image; who was signed in still is, with what was there.

    Seen to fail where any site may post.
    """
    was = state(crumby)
    sent: list[str] = []
    victim.on("request", lambda request: sent.append(f"{request.method} {request.url.removeprefix(crumby.url)}"))
    await victim.goto(f"http://{host}:{other_port}/")
    for (method, path), fields in WRITES.items():
        path_of_it = path.format(token="x" * 43, id=was["shares"][-1][0])
        for way in WAYS[method][::each]:
            await victim.evaluate(ATTACK, [method, crumby.url + path_of_it, fields, way])
            assert state(crumby) == was, (method, path, way)
    assert sum(line.startswith("POST /") for line in sent) >= 6 // each * (len(WRITES) - 1), "they were not sent"
    assert (await victim.request.get(f"{crumby.url}/api/private/events")).status == 200


async def test_our_own_page_may(victim: Page, crumby: Crumby) -> None:
    """What is posted is no nonsense: from Crumby's own page it makes a link, and signs out."""
    await victim.goto(f"{crumby.url}/login")
    links = len(state(crumby)["shares"])
    await victim.evaluate(ATTACK, ["POST", f"{crumby.url}/shares", WRITES["POST", "/shares"], "json"])
    assert len(state(crumby)["shares"]) == links + 1
    sessions = len(state(crumby)["sessions"])
    await victim.evaluate(ATTACK, ["POST", f"{crumby.url}/logout", {}, "nocors"])
    assert len(state(crumby)["sessions"]) == sessions - 1
