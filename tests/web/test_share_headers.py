"""Who may show what is shared in a frame, read it from another site, keep it, find it, and learn its address."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from crumby.web.headers import framing
from tests.reporting.site import Site, client, open_site

SHARE = {"title": "All", "panels": ["public/pages"]}
OWN = "'self' http://bakery.example:* https://bakery.example:*"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("headers")
    url = f"sqlite:///{folder / 'crumby.db'}"
    async with open_site(url, folder, crossdomain_origin="bakery.example") as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def path(running: Site) -> str:
    """Give a link's."""
    made = await running.member.post("/shares", json=SHARE)
    path: str = made.json()["url"]
    return path


def policy(response: httpx.Response) -> dict[str, str]:
    directives = response.headers["content-security-policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


@pytest.mark.parametrize(
    ("origins", "sources"),
    [
        (("*",), "*"),
        (("bakery.example", "*"), "*"),
        ((), "'self'"),
        (("bakery.example",), OWN),
        (("https://www.bakery.example",), "'self' https://www.bakery.example"),
        (("http://localhost:8080", "mill.example:81"), "'self' http://localhost:8080 http://mill.example:81 https://mill.example:81"),
        (("*.bakery.example",), "'self'"),
        (("a.example; script-src *",), "'self'"),
        (("a.example 'unsafe-inline'", "https://b.example/x"), "'self'"),
        (("https://b.example\r\nSet-Cookie: a=b",), "'self'"),
    ],
)  # fmt: skip
def test_the_sites_that_may_read_may_frame(origins: tuple[str, ...], sources: str) -> None:
    """Planted: an origin that is put into the policy as it is."""
    assert framing(origins) == sources


async def test_an_embed_is_framed_by_those_sites_and_nothing_else_is(running: Site, path: str) -> None:
    """Planted: every page of a share."""
    others = await running.guest.get("/")
    for framed in ("/embed/public/pages", f"{path}/embed/public/pages", "/embed/private/sources", "/embed/x"):
        answered = await running.guest.get(framed)
        assert policy(answered) == policy(others) | {"frame-ancestors": OWN}
        assert "x-frame-options" not in answered.headers
    for unframed in (path, f"{path}/api", "/embed", "/embed/", "/share/x", "/share/a/b/embed/public/pages", "/shares"):
        expected = OWN if unframed == "/embed/" else "'none'"  # where nothing is
        assert policy(await running.guest.get(unframed))["frame-ancestors"] == expected


async def test_no_search_engine_finds_what_is_shared_and_no_site_learns_its_address(running: Site, path: str) -> None:
    """Planted: the pages alone, and not what they ask."""
    for below in ("", "/api", "/api/public/pages", "/embed/public/pages", "/nothing"):
        for address in (path + below, f"/share/{'A' * 22}{below}"):
            headers = (await running.guest.get(address)).headers
            assert (headers["x-robots-tag"], headers["referrer-policy"]) == ("noindex", "no-referrer")
            assert re.search("no-store|private, no-cache", headers["cache-control"])
    headers = (await running.guest.get("/embed/public/pages")).headers
    assert (headers["x-robots-tag"], headers["referrer-policy"]) == ("noindex", "same-origin")
    for elsewhere in ("/", "/login", "/api", "/api/public/pages", "/shares"):
        assert "x-robots-tag" not in (await running.guest.get(elsewhere)).headers


async def test_no_other_site_reads_what_is_shared(running: Site, path: str) -> None:
    """Seen to fail where `/share/` is among the paths that are everybody's."""
    origin = {"Origin": "https://bakery.example"}
    for below in ("", "/api", "/api/public/pages"):
        assert "access-control-allow-origin" not in (await running.guest.get(path + below, headers=origin)).headers
    public = await running.guest.get("/api/public/pages", headers=origin)
    assert public.headers["access-control-allow-origin"] == origin["Origin"]


async def test_below_another_path_it_is_the_same(running: Site, path: str) -> None:
    """Planted: a cookie, and addresses, of the root."""
    made = (await running.member.post("/shares", json=SHARE | {"password": "tea"})).json()
    async with client(running.app) as guest:
        guest._transport.root_path = "/stats"  # type: ignore[attr-defined]
        page = await guest.get(f"/stats{path}")
        assert f'"api": "/stats{path}/api"' in page.text
        assert f'"path": "/stats{path}"' in page.text
        assert page.headers["x-robots-tag"] == "noindex"
        frame = await guest.get(f"/stats{path}/embed/public/pages")
        assert policy(frame)["frame-ancestors"] == OWN
        assert f'"home": "/stats{path}"' in frame.text
        opened = await guest.post(f"/stats{made['url']}", data={"password": "tea"})
        assert opened.headers["location"] == f"/stats{made['url']}"
        assert f"path=/stats{made['url']};" in opened.headers["set-cookie"].lower().replace(
            made["url"].lower(), made["url"]
        )
