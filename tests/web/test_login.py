"""Signing in and out, and what may be seen without."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from crumby.accounts import Accounts
from crumby.app import create_app
from crumby.database import open_database
from crumby.web.login import safe_next
from tests.conftest import MakeSettings, settings_in
from tests.servers import alive

FORM = {"username": "ann", "password": "a good password"}
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ASGIApp]:
    """Give one that all the tests share: they leave nothing in it."""
    settings = settings_in(tmp_path_factory.mktemp("login"))
    async with alive(create_app(settings)) as manager:
        async with open_database(settings) as database:
            await Accounts(database.engine).add(FORM["username"], FORM["password"])
        yield manager.app


@pytest_asyncio.fixture(loop_scope="module")
async def client(running: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that nobody has signed in."""
    transport = httpx.ASGITransport(running, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
        yield http


async def test_private_reports_open_with_a_login_and_close_with_a_logout(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/private/events")).status_code == 401
    signed_in = await client.post("/login", data=FORM)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    assert (await client.get("/api/private/events")).json()["columns"] == ["Title", "Name", "Value", "Count"]
    assert (await client.post("/logout")).status_code == 303
    assert (await client.get("/api/private/events")).status_code == 401


async def test_the_cookie_is_out_of_a_scripts_and_another_sites_reach(client: httpx.AsyncClient) -> None:
    cookie = (await client.post("/login", data=FORM)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "secure" not in cookie


async def test_behind_tls_the_cookie_goes_over_tls_only(settings: MakeSettings) -> None:
    behind_tls = settings(session_cookie_secure="true")
    async with alive(create_app(behind_tls)) as running:
        async with open_database(behind_tls) as database:
            await Accounts(database.engine).add(FORM["username"], FORM["password"])
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://crumby.test") as http:
            assert "Secure" in (await http.post("/login", data=FORM)).headers["set-cookie"]


async def test_a_wrong_password_is_told_as_a_wrong_name_is(client: httpx.AsyncClient) -> None:
    wrong = await client.post("/login", data=FORM | {"password": "guess"})
    unknown = await client.post("/login", data=FORM | {"username": "nobody"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text
    assert "set-cookie" not in wrong.headers


async def test_a_browser_is_sent_to_the_login_and_back(client: httpx.AsyncClient) -> None:
    sent = await client.get("/api/private", headers=BROWSER)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/api/private")
    form = await client.get(sent.headers["location"], headers=BROWSER)
    assert 'name="next" value="/api/private"' in form.text
    back = await client.post("/login", data=FORM | {"next": "/api/private"})
    assert back.headers["location"] == "/api/private"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "https:///evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nSet-Cookie: a=b",
        "\x00/evil.example",
        " //evil.example",
        "/%0a\\evil.example",
        "evil.example",
        "",
        None,
        "/é",
    ],
)
def test_next_leads_nowhere_else(target: str | None) -> None:
    """Planted fault: `target.startswith('/')` alone lets six of these through."""
    assert safe_next(target) == ""


@pytest.mark.parametrize("target", ["/", "/api/private/events?days=7&tz=Europe/Berlin", "/api#a"])
def test_next_leads_to_a_path_of_this_site(target: str) -> None:
    assert safe_next(target) == target


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
async def test_no_other_site_posts_our_forms(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    await client.post("/login", data=FORM)
    answer = await client.post(path, data=FORM, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_our_own_page_posts_our_forms(client: httpx.AsyncClient) -> None:
    own = [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://crumby.test"}, {}]
    for headers in own:
        assert (await client.post("/login", data=FORM, headers=headers)).status_code == 303


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/private",
        "/api/private/",
        "/api/private/events",
        "/api/private/events/",
        "/api/private/nothing",
        "/api/PRIVATE/events",
        "/api//private/events",
        "/api/private%2fevents",
        "/api/./private/events",
        "/api/public/../private/events",
    ],
)
async def test_nothing_private_is_seen_without_a_login(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code in {401, 404, 405}
    assert "columns" not in answer.text


async def test_a_private_answer_is_kept_by_no_cache(client: httpx.AsyncClient) -> None:
    await client.post("/login", data=FORM)
    answer = await client.get("/api/private/events", headers={"Origin": "https://evil.example"})
    assert "no-store" in answer.headers["cache-control"]
    assert "access-control-allow-origin" not in answer.headers
    client.cookies.clear()
    assert (await client.get("/api/private/events")).headers["cache-control"] == "no-store"


async def test_the_list_names_private_queries_to_those_who_are_signed_in(client: httpx.AsyncClient) -> None:
    listed = {query["collection"] for query in (await client.get("/api")).json()["queries"]}
    assert listed == {"public"}
    await client.post("/login", data=FORM)
    listed = {query["collection"] for query in (await client.get("/api")).json()["queries"]}
    assert listed == {"public", "private"}


@pytest.mark.parametrize("path", ["/", "/login", "/api", "/docs", "/redoc", "/nothing", "/api/public/visits?days=x"])
async def test_every_page_carries_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path, headers=BROWSER)).headers
    assert "script-src" not in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


async def test_a_static_file_is_kept_by_its_hash(client: httpx.AsyncClient) -> None:
    from crumby.web.render import static_path

    kept = await client.get(static_path("crumby.css"))
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await client.get("/static/crumby.css")).headers["cache-control"] == "no-cache"


async def test_what_is_not_there_is_told_as_the_client_reads(client: httpx.AsyncClient) -> None:
    plain = await client.get("/nothing")
    assert (plain.status_code, plain.json()["error"]) == (404, "NotFound")
    page = await client.get("/nothing", headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert "There is nothing here" in page.text


async def test_the_server_says_that_it_lives(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json()["status"] == "alive"
