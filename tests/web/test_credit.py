"""Whose places they are stands where they are shown, as licences ask: DB-IP's with a link, MaxMind's in its words."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from crumby.app import create_app
from tests.conftest import LONDON, settings_in, write_mmdb
from tests.reporting.site import open_site
from tests.servers import alive

BROWSER = {"Accept": "text/html"}
KINDS = {
    "DBIP-City-Lite (compat=City)": ("IP geolocation by DB-IP", "https://db-ip.com"),
    "GeoLite2-City": ("This product includes GeoLite Data created by MaxMind", "https://www.maxmind.com"),
    "GeoIP2-City": None,  # paid for
    "": None,  # there is no file
}
WITH_PLACES = ("/", "/live", "/embed/public/countries", "/api/public/countries?format=html")
WITHOUT = ("/login", "/embed/public/pages", "/docs", "/nothing")
CREDIT = re.compile(r'<p class="credit"><a href="([^"]+)"[^>]*>([^<]+)</a>')


@asynccontextmanager
async def client_of(folder: Path, kind: str) -> AsyncIterator[httpx.AsyncClient]:
    if kind:
        write_mmdb(folder / "GeoLite2-City.mmdb", {"127.0.0.0/8": LONDON}, kind)
    app = create_app(settings_in(folder))
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=BROWSER) as http:
            yield http


def credit(answer: httpx.Response) -> tuple[str, str] | None:
    found = CREDIT.findall(answer.text)
    assert len(found) <= 1
    return (html.unescape(found[0][1]), found[0][0]) if found else None


@pytest.mark.parametrize("kind", KINDS)
async def test_pages_with_places_name_whose_they_are_and_no_others_do(kind: str, tmp_path: Path) -> None:
    """Planted: a credit on all pages; on none of a frame's; MaxMind's for a database that was paid for."""
    async with client_of(tmp_path, kind) as client:
        for path in WITH_PLACES:
            assert credit(await client.get(path)) == KINDS[kind], path
        for path in WITHOUT:
            assert credit(await client.get(path)) is None, path


async def test_a_shared_page_names_them_as_well(tmp_path: Path) -> None:
    """Planted: the credit stands in the part of the footer that a shared page leaves out."""
    write_mmdb(tmp_path / "City.mmdb", {"127.0.0.0/8": LONDON}, "DBIP-City-Lite")
    url = f"sqlite:///{tmp_path / 'crumby.db'}"
    async with open_site(url, tmp_path, geoip2_database_name=str(tmp_path / "City.mmdb")) as site:
        draft = {"title": "For the mill", "panels": ["public/countries"]}
        path = urlsplit((await site.member.post("/shares", json=draft)).json()["url"]).path
        for below in (path, f"{path}/embed/public/countries"):
            assert credit(await site.guest.get(below, headers=BROWSER)) == KINDS["DBIP-City-Lite (compat=City)"]
