"""The endpoints that the world writes to, over HTTP."""

import gzip
import json
from typing import Any

import brotli
import httpx
import pytest
from asgi_lifespan import LifespanManager

from crumby.app import create_app
from crumby.ingest.operations import OPERATIONS
from tests.conftest import MakeSettings

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PIXEL = "/12345.gif?v=1&t=visit&cid=42&dl=https%3A%2F%2Fexample.com%2F"


def document(number: int = 1, **keys: object) -> dict[str, Any]:
    return {"v": 2, "id": f"{number:032x}", "t": "visit", "cid": "42", "dl": "https://example.com/", **keys}


async def views(client: httpx.AsyncClient) -> int:
    answer = await client.get("/api/public/visits", headers={"Cache-Control": "no-cache"})  # not the one of before
    return sum(row[2] for row in answer.json()["data"])


async def test_a_document_is_204_and_in_the_report(client: httpx.AsyncClient) -> None:
    answer = await client.post("/hit", content=json.dumps(document(dt="Grüße 👋")))
    assert (answer.status_code, answer.content) == (204, b"")
    pages = (await client.get("/api/public/documents")).json()
    assert (pages["columns"], pages["data"]) == (["uri", "doc_title", "views"], [["example.com/", "Grüße 👋", 1]])


async def test_a_visit_is_placed(client: httpx.AsyncClient) -> None:
    await client.post("/hit", content=json.dumps(document()))
    assert (await client.get("/api/public/locations")).json()["data"] == [["England", "GB", 1]]


async def test_an_array_is_stored_whole_or_not_at_all(client: httpx.AsyncClient) -> None:
    refused = await client.post("/hit", content=json.dumps([document(1), document(2, cid="")]))
    assert refused.status_code == 400
    assert await views(client) == 0
    assert (await client.post("/hit", content=json.dumps([document(1), document(2)]))).status_code == 204
    assert await views(client) == 2


@ONLY_SQLITE
async def test_the_same_hit_by_both_endpoints_is_one(client: httpx.AsyncClient) -> None:
    await client.post("/hit", content=json.dumps(document(7)))
    again = await client.get(f"{PIXEL.replace('v=1', 'v=2')}&id={7:032x}")
    assert again.status_code == 200
    assert await views(client) == 1


@ONLY_SQLITE
async def test_the_pixel_is_the_43_bytes_of_0_7_1_and_no_cache_keeps_it(client: httpx.AsyncClient) -> None:
    answer = await client.get(PIXEL)
    assert (answer.status_code, len(answer.content), answer.headers["content-type"]) == (200, 43, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert answer.headers["cache-control"] == "no-store"
    assert await views(client) == 1


@ONLY_SQLITE
async def test_a_look_at_the_pixel_is_no_visit(client: httpx.AsyncClient) -> None:
    """Planted fault: Starlette's own `Route` answers HEAD with the endpoint of GET, and stores."""
    assert (await client.head(PIXEL)).status_code == 405
    assert (await client.post(PIXEL)).status_code == 405
    assert (await client.get("/hit")).status_code == 405
    assert await views(client) == 0


@ONLY_SQLITE
@pytest.mark.parametrize(
    "path", ["/-5.gif", "/x.gif", f"/{'9' * 5000}.gif", "/.gif", "/1.gif/", "/٣.gif", "/1.gif.gif"]
)
async def test_an_image_without_a_number_is_no_hit(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"{path}?v=1&t=visit&cid=42&dl=a")).status_code == 404


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "invalid: Input data was truncated"),
        (b" " * 70_000, 413, "invalid: the body is longer than 65536 bytes"),
        (json.dumps(document(t="page")).encode(), 400, "invalid: Invalid enum value 'page' - at `$.t`"),
        (
            json.dumps(document(t="a\r\nSet-Cookie: b=c")).encode(),
            400,
            r"invalid: Invalid enum value 'a\r\nSet-Cookie",
        ),
        (json.dumps(document(cid="ö\n")).encode(), 400, "invalid: cid is not 1 to 32 letters, digits,"),
    ],
)
async def test_a_refused_hit_says_why(client: httpx.AsyncClient, body: bytes, status: int, reason: str) -> None:
    answer = await client.post("/hit", content=body)
    assert answer.status_code == status
    assert answer.headers["x-crumby"].startswith(reason)
    assert "\r" not in answer.headers["x-crumby"]
    assert "\n" not in answer.headers["x-crumby"]
    assert await views(client) == 0


@ONLY_SQLITE
async def test_a_refused_pixel_is_no_image(client: httpx.AsyncClient) -> None:
    answer = await client.get("/1.gif?v=1&t=page&cid=42")
    assert answer.status_code == 400
    assert answer.headers["x-crumby"] == "invalid: t is 'visit' or 'event', not 'page'"
    assert answer.headers["content-type"] == "application/json"


@ONLY_SQLITE
async def test_a_page_of_another_site_may_post_a_hit_and_read_the_reason(client: httpx.AsyncClient) -> None:
    headers = {"Origin": "https://example.com", "Content-Type": "text/plain;charset=UTF-8"}
    stored = await client.post("/hit", content=json.dumps(document()), headers=headers)
    assert stored.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in stored.headers
    refused = await client.post("/hit", content=b"{", headers=headers)
    assert "X-Crumby" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ("*", "https://a.example", "*"),
        ("a.example", "https://a.example", "https://a.example"),
        ("a.example", "http://a.example:8080", "http://a.example:8080"),
        ("https://a.example,b.example", "https://b.example", "https://b.example"),
        ("https://a.example", "http://a.example", None),
        ("a.example", "https://evil-a.example", None),
        ("a.example", "https://a.example.evil", None),
        ("a.example", "null", None),
        ("", "https://a.example", None),
    ],
)
async def test_who_may_read_the_answer_to_a_hit_is_configured(
    settings: MakeSettings, origins: str, origin: str, allowed: str | None
) -> None:
    """The hit itself is stored in any case: a browser that hides the answer has sent it."""
    async with LifespanManager(create_app(settings(crossdomain_origin=origins))) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            for answer in (
                await client.post("/hit", content=json.dumps(document()), headers={"Origin": origin}),
                await client.get(PIXEL, headers={"Origin": origin}),
                await client.get("/api/public/visits", headers={"Origin": origin}),
            ):
                assert answer.status_code in {200, 204}
                assert answer.headers.get("access-control-allow-origin") == allowed
                assert "access-control-allow-credentials" not in answer.headers
            assert await views(client) == 2


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip"), ("", None), ("zstd", None)],
)
async def test_the_script_is_compressed_as_the_browser_takes_it(
    client: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    answer = await client.get("/cmb.js", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["cache-control"] == "public, max-age=900"
    assert "Accept-Encoding" in answer.headers["vary"]
    assert "cmb" in answer.text  # httpx has unpacked it
    assert answer.headers["content-type"].startswith("text/javascript")


@ONLY_SQLITE
async def test_a_script_that_the_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    etag = (await client.get("/cmb.js")).headers["etag"]
    again = await client.get("/cmb.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/cmb.js", headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize("forged", ["Host", "X-Forwarded-Host", "Forwarded"])
async def test_no_header_reaches_the_script(settings: MakeSettings, forged: str) -> None:
    app = create_app(settings(domain="stats.example.com"))
    async with LifespanManager(app) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            plain = await client.get("/cmb.js")
            poisoned = await client.get("/cmb.js", headers={forged: "evil.example"})
    assert plain.content == poisoned.content
    assert "stats.example.com" in plain.text
    assert "evil" not in poisoned.text
    assert "__DOMAIN__" not in plain.text


def test_both_packings_hold_the_same_script() -> None:
    from crumby.ingest.script import Script

    bodies = Script("a.example")._bodies
    assert brotli.decompress(bodies["br"]) == gzip.decompress(bodies["gzip"]) == bodies["identity"]


def test_every_endpoint_is_described() -> None:
    from crumby.ingest.routes import routes

    served = {getattr(route, "path", "") for route in routes}
    assert served == set(OPERATIONS)
