"""Row 39 of the card: the headers of each route there is, so that a new one cannot be forgotten.

What a route may do otherwise than the rest stands here, by its path. A new route that is in no list is no hit, is shown
in no other site's page, is kept nowhere, and its page runs no text.
"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from crumby.app import App, create_app
from tests.conftest import settings_in
from tests.reporting.site import MEMBER, Site, open_site

TRACKING = {"/hit", "/x/collect", "/cmb.js", "/bread.js", "/opt-out.js", "/{number}.gif"}
EXPLORERS = {"/docs", "/redoc"}
EMBEDS = {"/embed/{collection}/{name}", "/share/{token}/embed/{collection}/{name}"}
PICTURES = {"/badge.svg"}
KEPT = re.compile(r"/api/?|/api/(\{collection\}|public)(/.*)?|/badge\.svg|/static(/.*)?|/share/\{token\}/api(/.*)?")
BROWSER = {"Accept": "text/html"}
KEYS = {
    "session_cookie_secure": "1",
    "sql_editor": "1",
    "crossdomain_origin": "bakery.example",
    "hit_path": "/x/collect",
    "script_path": "/bread.js",
}
FRAMING = "'self' http://bakery.example:* https://bakery.example:*"
YEAR = "max-age=31536000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("routes")
    async with open_site(f"sqlite:///{folder / 'crumby.db'}", folder, **KEYS) as site:
        for each in (site.guest, site.member):
            each.base_url = httpx.URL("https://crumby.test")
        await site.member.post("/login", data=MEMBER)
        yield site


@pytest.fixture
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """Give one that is not started, for its routes."""
    return create_app(settings_in(tmp_path_factory.mktemp("app"), **{**KEYS, "session_cookie_secure": "0"}))


def paths_of(route: Route | Mount, token: str) -> Iterator[tuple[str, str]]:
    """Give the paths to ask for, each with the one by which a list names it."""
    if isinstance(route, Mount):
        yield from ((f"{route.path}/{name}", route.path) for name in ("crumby.css", "page.js", "nothing.js"))
        return
    for collection, name in (("public", "pages"), ("private", "sources"), ("nothing", "nothing")):
        known = {"token": token, "collection": collection, "name": name, "number": "1", "id": "9"}
        path = re.sub(r"\{(\w+)\}", lambda found: known[found[1]], route.path)  # noqa: B023 - used at once
        yield path, route.path if collection != "private" else route.path.replace("{collection}", "private")
        if "{collection}" not in route.path:
            return


def fault(listed: str, answer: httpx.Response, *, secure: bool) -> str | None:
    """What is amiss with an answer's headers."""
    headers = answer.headers
    for_pages = listed in TRACKING | EMBEDS | PICTURES or listed.replace("private", "{collection}") in EMBEDS
    expected: dict[str, str | None] = {
        "strict-transport-security": YEAR if secure else None,
        "cross-origin-resource-policy": "cross-origin" if for_pages else "same-origin",
    }
    if listed not in TRACKING:
        expected |= {
            "x-content-type-options": "nosniff",
            "cross-origin-opener-policy": "same-origin",
            "referrer-policy": "no-referrer" if listed.startswith("/share/") else "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "content-security-policy": policy(listed),
        }
        kept = KEPT.fullmatch(listed) and answer.status_code in {200, 304}
        if not kept and "no-store" not in headers.get("cache-control", "") and not listed.startswith("/static"):
            return f"may be kept: {headers.get('cache-control')}"
    wrong = {name: headers.get(name) for name, value in expected.items() if headers.get(name) != value}
    return str(wrong) if wrong else None


def policy(listed: str) -> str:
    embedded = listed.replace("private", "{collection}") in EMBEDS
    return "; ".join(
        [
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'",
            "style-src 'self' 'unsafe-inline'; worker-src 'self' blob:"
            if listed in EXPLORERS
            else "require-trusted-types-for 'script'; trusted-types 'none'",
            f"frame-ancestors {FRAMING if embedded else NOBODY}",
        ]
    )


NOBODY = "'none'"


async def test_each_route_has_its_headers_for_guests_and_members_whatever_it_answers(running: Site, app: App) -> None:
    """200, 303, 401, 404, 405, 422. Seen to fail without each of them, on a private list that may be kept, and on a
    path that other sites' pages ask for without `cross-origin`.
    """
    made = await running.member.post("/shares", json={"title": "All", "panels": ["public/pages"]})
    token = made.json()["token"]
    faults, statuses = {}, set()
    for route in app.routes:
        assert isinstance(route, Route | Mount)
        methods = sorted((route.methods or set()) - {"HEAD"}) if isinstance(route, Route) else ["GET"]
        for path, listed in paths_of(route, token):
            for client in (running.guest, running.member):
                for method in (*methods, "HEAD", "PATCH") if client is running.guest else methods:
                    if path == "/logout":
                        client = running.guest  # noqa: PLW2901 - the member stays
                    answer = await client.request(method, path, headers=BROWSER if path in {"/", "/api"} else {})
                    statuses.add(answer.status_code)
                    said = fault(listed, answer, secure=True)
                    if said:
                        faults[method, path, answer.status_code] = said
    assert faults == {}
    assert statuses >= {200, 303, 401, 404, 405, 422}


async def test_a_route_that_fails_has_its_headers_too(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """500; and without SESSION_COOKIE_SECURE nobody is told to come by HTTPS.

    Seen to fail on Starlette's own answer.
    """

    async def stumble(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("never thought of")

    faults: dict[Any, Any] = {}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
        for route in app.routes:
            assert isinstance(route, Route | Mount)
            monkeypatch.setattr(route, "app", stumble)
            for path, listed in paths_of(route, "A" * 22):
                if "HEAD" in (getattr(route, "methods", None) or {"HEAD"}):
                    answer = await client.get(path)
                    said = fault(listed, answer, secure=False)
                    if said or answer.status_code != 500 or "x-crumby-error" not in answer.headers:
                        faults[path, answer.status_code] = said
    assert faults == {}


async def test_where_there_is_no_route_it_is_as_if_there_were(running: Site) -> None:
    for path in ("/nothing", "/admin/login.php", "/HIT", "/shares/", "/.git/config", "/embed", "/staticx"):
        for client in (running.guest, running.member):
            answer = await client.get(path)
            assert (answer.status_code in {404, 405}, fault(path, answer, secure=True)) == (True, None)
