"""The list of queries, who may ask what, and what is refused. It is one on every database; here it is SQLite."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from crumby.app import create_app
from crumby.reporting.filters import DIMENSIONS
from tests.conftest import MakeSettings
from tests.reporting.site import Site
from tests.servers import alive

SITES = ["sqlite"]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SHIPPED = {f"{path.parent.name}/{path.stem}" for path in (Path(__file__).parents[2] / "queries").glob("p*/*.sql")}
TYPED = """\
-- A typed query
-- It has a parameter of each type: all of them.
--
-- chart: bars of n by who
-- group: Tests
-- order: 7
-- click: browser by who
-- refresh: 30
-- parameter who: text = ada, a visitor
-- parameter rows: integer = 7 (1 to 9)
-- parameter share: number = 0.25
-- parameter local: boolean = false
-- parameter since: date = 2026-01-31
-- parameter at: datetime = 2026-01-31T12:30
-- parameter bare: text (a | b)
-- column who: text, a visitor
-- column n: percent, a number
select :who as who, :rows as n from (select 1 as one) as rows
{% if bare or false %}where :bare = '' or {{ filters() }}{% endif %}
{{ order_by("who") }} {{ limit() }}
"""


@pytest.fixture
def typed(site: Site) -> Iterator[str]:
    with site.query(TYPED) as address:
        yield address


async def listed(http: httpx.AsyncClient, address: str = "/api") -> list[str]:
    queries = (await http.get(address)).json()["queries"]
    assert [query["url"] for query in queries] == [f"/api/{query['collection']}/{query['name']}" for query in queries]
    return [f"{query['collection']}/{query['name']}" for query in queries]


# The list


async def test_a_guest_is_shown_the_public_queries(site: Site) -> None:
    public = {name for name in SHIPPED if name.startswith("public/")}
    assert set(await listed(site.guest)) == public
    assert set(await listed(site.guest, "/api/public")) == public


async def test_who_is_signed_in_is_shown_all_of_them(site: Site) -> None:
    assert set(await listed(site.member)) == SHIPPED
    assert set(await listed(site.member, "/api/private")) == {name for name in SHIPPED if name.startswith("private/")}
    assert set(await listed(site.member, "/api/public")) == {name for name in SHIPPED if name.startswith("public/")}


async def test_they_are_listed_in_the_order_of_the_page(site: Site) -> None:
    queries = (await site.member.get("/api")).json()["queries"]
    places = [(query["order"], query["collection"], query["name"]) for query in queries]
    assert places == sorted(places)


def parameter(name: str, kind: str, default: Any = None, description: str = "", **taken: Any) -> dict[str, Any]:
    said = {"choices": None, "minimum": None, "maximum": None} | taken
    return {"name": name, "type": kind, "default": default, "description": description} | said


async def test_the_list_tells_all_that_the_header_says(site: Site, typed: str) -> None:
    queries = (await site.guest.get("/api/public")).json()["queries"]
    assert next(query for query in queries if query["name"] == "own") == {
        "name": "own",
        "collection": "public",
        "url": "/api/public/own",
        "title": "A typed query",
        "description": "It has a parameter of each type: all of them.",
        "group": "Tests",
        "order": 7,
        "chart": {"kind": "bars", "x": "who", "y": ["n"], "by": ["who"]},
        "click": {"dimension": "browser", "column": "who"},
        "refresh": 30,
        "closed": False,
        "tab": None,
        "takes": ["filters", "limit", "order_by"],
        "parameters": [
            parameter("who", "text", "ada", "a visitor"),
            parameter("rows", "integer", 7, minimum=1, maximum=9),
            parameter("share", "number", 0.25),
            parameter("local", "boolean", default=False),
            parameter("since", "date", "2026-01-31"),
            parameter("at", "datetime", "2026-01-31T12:30:00"),
            parameter("bare", "text", choices=["a", "b"]),
        ],
        "columns": [
            {"name": "who", "type": "text", "format": None, "description": "a visitor"},
            {"name": "n", "type": "number", "format": "percent", "description": "a number"},
        ],
        "error": None,
    }


async def test_the_list_tells_what_can_be_filtered_by(site: Site) -> None:
    """Seen to fail where it is not told what is for members alone."""
    told = (await site.guest.get("/api")).json()["dimensions"]
    assert {each["name"]: each["private"] for each in told} == {name: each.private for name, each in DIMENSIONS.items()}


async def test_the_text_of_a_file_is_there_for_whoever_may_ask_it(site: Site, typed: str) -> None:
    """Seen to fail where the collection is not looked at."""
    told = await site.guest.get(f"{typed}/source")
    assert (told.text, told.headers["Content-Type"]) == (TYPED, "text/plain; charset=utf-8")
    assert (await site.guest.get("/api/private/sources/source")).status_code == 401
    assert (await site.member.get("/api/private/sources/source")).text.startswith("-- Sources\n")
    assert (await site.guest.get("/api/public/nowhere/source")).status_code == 404


async def test_a_broken_file_is_listed_with_its_error_and_spoils_nothing_else(site: Site) -> None:
    with site.query("select\n{% if %}") as address:
        queries = {query["name"]: query for query in (await site.guest.get("/api/public")).json()["queries"]}
        assert queries["own"]["error"].startswith("queries/public/own.sql, line 2: ")
        assert queries["visits"]["error"] is None
        assert (await site.guest.get("/api/public/visits")).status_code == 200
        broken = await site.guest.get(address)
    assert (broken.status_code, broken.json()) == (
        500,
        {"error": "QueryFileError", "detail": queries["own"]["error"]},
    )


@pytest.mark.parametrize("address", ["/api", "/api/", "/api/public", "/api/public/"])
async def test_a_browser_gets_a_page(site: Site, typed: str, address: str) -> None:
    response = await site.guest.get(address, headers=BROWSER)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "A typed query" in response.text
    assert "/api/private/events" not in response.text


async def test_a_header_cannot_write_into_the_page(site: Site) -> None:
    with site.query("-- <script>alert(1)</script>\n-- parameter a: text = <b>, <i>\nselect 1"):
        page = (await site.guest.get("/api", headers=BROWSER)).text
    assert not re.search("<script>|<b>|<i>", page)


@pytest.mark.parametrize("address", ["/api/", "/api/public/"])
async def test_a_list_may_end_in_a_slash(site: Site, address: str) -> None:
    assert await listed(site.guest, address) == await listed(site.guest, address.rstrip("/"))


async def test_a_querys_address_may_end_in_a_slash(site: Site) -> None:
    response = await site.guest.get("/api/public/visits/?days=7")
    assert len(response.json()["data"]) == 8
    assert (await site.guest.get("/api/private/events/")).status_code == 401


# Who may ask what


@pytest.mark.parametrize("address", ["/api/private", "/api/private/", "/api/private/events", "/api/private/nowhere"])
async def test_a_guest_is_told_to_sign_in_whether_or_not_there_is_something(site: Site, address: str) -> None:
    response = await site.guest.get(address)
    assert (response.status_code, response.json()["error"]) == (401, "SignInRequired")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ["/api/private", "/api/private/events"])
async def test_a_browser_is_sent_to_sign_in(site: Site, address: str) -> None:
    response = await site.guest.get(address, headers=BROWSER)
    assert (response.status_code, response.headers["Location"]) == (303, f"/login?next={address}")


async def test_a_private_answer_is_kept_nowhere(site: Site) -> None:
    response = await site.member.get("/api/private/events")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "private, no-store")


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "é".encode().decode("latin-1"), "x" * 5000])
async def test_a_forged_session_is_none(site: Site, cookie: str) -> None:
    headers = {"Cookie": f"crumby_session={cookie}".encode("latin-1").decode("latin-1")}
    response = await site.guest.get("/api/private/events", headers=httpx.Headers(headers, encoding="latin-1"))
    assert response.status_code == 401


# What is refused


@pytest.mark.parametrize(
    ("address", "status", "error", "detail"),
    [
        ("/api/secret", 404, "NotFound", "there is no collection 'secret', only public and private"),
        ("/api/secret/visits", 404, "NotFound", "there is no collection 'secret', only public and private"),
        ("/api/public/nowhere", 404, "NotFound", "there is no query public/nowhere; /api lists those there are"),
        ("/api/public/visits.sql", 404, "NotFound", "there is no query public/visits.sql"),
        ("/api/public/..%2Fprivate%2Fevents", 404, "NotFound", "there is "),
        ("/api/public/a/b", 404, "NotFound", "there is nothing at /api/public/a/b"),
        ("/api/public/visits?format=xml", 422, "InvalidParameter", "format: 'xml' is not one of json, records, "),
        ("/api/public/visits?days=many", 422, "InvalidParameter", "days: 'many' is not a whole number"),
        ("/api/public/visits?from=2026", 422, "InvalidParameter", "from: '2026' is not a date"),
        ("/api/public/visits?tz=Mars", 422, "InvalidParameter", "tz: there is no time zone 'Mars'"),
        ("/api/public/visits?form=csv", 422, "InvalidParameter", "'form' is no parameter of queries/public/visits.sql"),
        ("/api/public/visits?DAYS=7", 422, "InvalidParameter", "'DAYS' is no parameter of queries/public/visits.sql"),
    ],
)
async def test_what_is_not_there_or_does_not_fit_is_named(
    site: Site, address: str, status: int, error: str, detail: str
) -> None:
    response = await site.guest.get(address)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["detail"].startswith(detail)


async def test_a_browser_gets_the_reason_as_a_page(site: Site) -> None:
    response = await site.guest.get("/api/public/visits?days=<b>", headers=BROWSER)
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "days: &#39;&lt;b&gt;&#39; is not a whole number" in response.text


async def test_a_querys_own_parameters_are_known_and_typed(site: Site, typed: str) -> None:
    response = await site.guest.get(typed, params={"who": "bob", "rows": "3"})
    assert response.json()["data"] == [["bob", 3]]
    response = await site.guest.get(typed, params={"rows": "many"})
    assert (response.status_code, response.json()["detail"]) == (422, "rows: 'many' is not a whole number")


async def test_what_old_clients_bust_caches_with_is_taken(site: Site) -> None:
    assert (await site.guest.get("/api/public/visits?_=1774950000")).status_code == 200


@pytest.mark.parametrize("address", ["/api", "/api/public", "/api/public/visits", "/openapi.json"])
async def test_head_is_get_without_the_answer(site: Site, address: str) -> None:
    head, get = await site.guest.head(address), await site.guest.get(address)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert dict(head.headers) == dict(get.headers)


async def test_head_of_a_private_query_takes_a_session_too(site: Site) -> None:
    assert (await site.guest.head("/api/private/events")).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused_and_told_which_would_do(site: Site, method: str) -> None:
    response = await site.guest.request(method, "/api/public/visits")
    assert (response.status_code, response.json()["error"]) == (405, "MethodNotAllowed")
    assert "GET" in response.headers["Allow"]


# Other sites

STRANGER = "https://stranger.example"


async def preflight(http: httpx.AsyncClient, address: str, origin: str) -> httpx.Response:
    return await http.options(address, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})


@pytest.fixture
async def of_origins(settings: MakeSettings, request: pytest.FixtureRequest) -> Any:
    app = create_app(settings(crossdomain_origin=request.param))
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            yield http


ALLOWED = "Access-Control-Allow-Origin"


@pytest.mark.parametrize("of_origins", ["*"], indirect=True)
@pytest.mark.parametrize("address", ["/api", "/api/public", "/api/public/visits", "/api/public/nowhere"])
async def test_any_site_may_read_public_reports_by_default(of_origins: httpx.AsyncClient, address: str) -> None:
    response = await of_origins.get(address, headers={"Origin": STRANGER})
    assert response.headers[ALLOWED] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert (await preflight(of_origins, address, STRANGER)).headers[ALLOWED] == "*"


@pytest.mark.parametrize("of_origins", ["*", "https://a.example", "a.example"], indirect=True)
@pytest.mark.parametrize("address", ["/api/private", "/api/private/events", "/login", "/", "/openapi.json"])
async def test_no_site_may_read_anything_else(of_origins: httpx.AsyncClient, address: str) -> None:
    for origin in (STRANGER, "https://a.example"):
        assert ALLOWED not in (await of_origins.get(address, headers={"Origin": origin})).headers
        assert ALLOWED not in (await preflight(of_origins, address, origin)).headers


@pytest.mark.parametrize(
    ("of_origins", "allowed", "refused"),
    [
        ("https://a.example", ["https://a.example"], ["http://a.example", "https://a.example:8443", STRANGER]),
        ("https://a.example/", ["https://a.example"], [STRANGER]),
        ("a.example", ["https://a.example", "http://a.example", "http://a.example:8000"], ["https://b.a.example"]),
        ("a.example", [], ["https://a-example", "https://a.example.stranger.example", "ftp://a.example", "null"]),
        ("a.example, https://b.example", ["http://a.example", "https://b.example"], ["http://b.example", STRANGER]),
        ("", [], [STRANGER, "http://crumby.test", "null"]),
    ],
    indirect=["of_origins"],
)
async def test_the_sites_that_are_named_may_read_public_reports(
    of_origins: httpx.AsyncClient, allowed: list[str], refused: list[str]
) -> None:
    for origin in allowed:
        response = await of_origins.get("/api/public/visits", headers={"Origin": origin})
        assert response.headers[ALLOWED] == origin
        assert set(response.headers["Vary"].split(", ")) == {"Accept-Encoding", "Origin"}
        assert (await preflight(of_origins, "/api/public/visits", origin)).headers[ALLOWED] == origin
    for origin in refused:
        assert ALLOWED not in (await of_origins.get("/api/public/visits", headers={"Origin": origin})).headers
        assert ALLOWED not in (await preflight(of_origins, "/api/public/visits", origin)).headers


@pytest.mark.parametrize("written", ["['a.example', 'https://b.example']", "('a.example', 'https://b.example')"])
async def test_sites_may_be_named_as_a_list(
    tmp_path: Path, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    from crumby.settings import load_settings

    config = tmp_path / "crumby.cfg"
    config.write_text(f"CROSSDOMAIN_ORIGIN = {written}\nSQLALCHEMY_DATABASE_URI = 'sqlite:///{tmp_path}/list.db'\n")
    async with alive(create_app(load_settings({"CRUMBY_SETTINGS": str(config)}))) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            for origin, value in (("http://a.example", "http://a.example"), (STRANGER, None)):
                response = await http.get("/api/public/visits", headers={"Origin": origin})
                assert response.headers.get(ALLOWED) == value
