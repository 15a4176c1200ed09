"""The endpoints that the world writes to, over HTTP."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest

from crumby.app import create_app
from crumby.ingest.operations import operations
from crumby.ingest.routes import Paths
from tests.conftest import MakeSettings
from tests.servers import alive

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PIXEL = "/12345.gif?v=1&t=visit&cid=42&dl=https%3A%2F%2Fexample.com%2F"
IMAGE = "/hit?dl=https%3A%2F%2Fexample.com%2F"


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
    refused = await client.post("/hit", content=json.dumps([document(1), document(2, cid=" ")]))
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
    looked = await client.head(IMAGE)
    assert (looked.status_code, looked.headers["allow"]) == (405, "GET, POST")
    assert (await client.put("/hit")).status_code == 405
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
    async with alive(create_app(settings(crossdomain_origin=origins))) as running:
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
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            plain = await client.get("/cmb.js")
            poisoned = await client.get("/cmb.js", headers={forged: "evil.example"})
    assert plain.content == poisoned.content
    assert "stats.example.com" in plain.text
    assert "evil" not in poisoned.text
    assert "__DEFAULTS__" not in plain.text


def test_both_packings_hold_the_same_script() -> None:
    from crumby.ingest.script import Script

    bodies = Script("a.example").packed().bodies
    assert brotli.decompress(bodies["br"]) == gzip.decompress(bodies["gzip"]) == bodies["identity"]


def test_every_endpoint_is_described() -> None:
    """Those that always are as well. Seen to fail where the document tells of the usual paths alone."""
    for paths in (Paths(), Paths("/x/collect", "/x/s.js")):
        described = operations(paths)
        for route in paths.routes():
            methods = {method.lower() for method in route.methods or ()} - {"head"}
            assert set(described[route.path]) == methods
        assert len(described) == len({route.path for route in paths.routes()})


@pytest.fixture
async def elsewhere(settings: MakeSettings, mmdb: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app whose script and hits are where no list of trackers looks for them."""
    made = settings(hit_path="/x/collect", script_path="x/s.js", geoip2_database_name=str(mmdb))
    async with alive(create_app(made)) as running:
        transport = httpx.ASGITransport(running.app, client=("81.2.69.160", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            yield client


async def test_hits_and_the_script_are_where_the_configuration_says(elsewhere: httpx.AsyncClient) -> None:
    """And where they always are, for pages that have the old tag. Seen to fail without either."""
    for number, path in enumerate(("/x/collect", "/hit"), 1):
        answer = await elsewhere.post(
            path, content=json.dumps(document(number)), headers={"Origin": "https://a.example"}
        )
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "content-security-policy" not in answer.headers
        image = await elsewhere.get(f"{path}?dl=https%3A%2F%2Fexample.com%2F")
        assert (image.status_code, len(image.content)) == (200, 43)
    assert await views(elsewhere) == 4
    script = await elsewhere.get("/x/s.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert (await elsewhere.get("/cmb.js")).status_code == 200
    assert (await elsewhere.get("/x/other")).status_code == 404
    assert {"/x/collect", "/x/s.js"} <= (await elsewhere.get("/openapi.json")).json()["paths"].keys()


async def test_where_not_every_site_may_read_renamed_paths_are_told_apart_as_well(settings: MakeSettings) -> None:
    made = settings(hit_path="/x/collect", crossdomain_origin="https://a.example")
    async with alive(create_app(made)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            for origin, allowed in (("https://a.example", "https://a.example"), ("https://b.example", None)):
                answer = await client.post("/x/collect", content=json.dumps(document()), headers={"Origin": origin})
                assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (204, allowed)


async def test_an_image_on_a_page_without_a_script_is_a_visit(client: httpx.AsyncClient) -> None:
    """Of the page that the request names. Seen to fail where a second request is the same hit."""
    headers = {"Referer": "https://example.com/caf%C3%A9?a=b", "User-Agent": "Firefox"}
    for _ in range(2):
        answer = await client.get("/hit", headers=headers)
        assert (answer.status_code, len(answer.content), answer.headers["cache-control"]) == (200, 43, "no-store")
    rows = (await client.get("/api/public/documents")).json()["data"]
    assert [row[0] for row in rows] == ["example.com/café?a=b"]
    assert await views(client) == 2
    assert (await client.get("/api/public/summary")).json()["data"][0][:3] == [1, 1, 2]
    refused = await client.get("/hit")
    assert (refused.status_code, refused.headers["x-crumby"]) == (400, "invalid: dl, the page's address, is missing")


async def test_visitors_without_a_cookie_are_told_apart_by_what_they_show(client: httpx.AsyncClient) -> None:
    """By browser and by site. Seen to fail where all are one, and where each hit is another."""
    seen = [
        ("Firefox", "https://example.com/"),
        ("Firefox", "https://www.example.com/b"),
        ("Chrome", "https://example.com/"),
        ("Firefox", "https://b.example/"),
    ]
    for number, (agent, dl) in enumerate(seen):
        said = document(number, dl=dl)
        del said["cid"]
        answer = await client.post("/hit", content=json.dumps(said), headers={"User-Agent": agent})
        assert answer.status_code == 204
    assert (await client.get("/api/public/summary")).json()["data"][0][:3] == [3, 3, 4]
