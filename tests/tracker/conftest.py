"""Crumby behind nginx, a website on another origin, and a browser that visits it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.servers import Crumby, Nginx
from tests.tracker.scene import ADDRESS, AGENT, Scene
from tests.tracker.site import Site


@pytest.fixture(scope="module")
def crumby(mmdb: Path) -> Iterator[Crumby]:
    with Crumby(proxy_count="1", geoip2_database_name=str(mmdb)) as server:
        yield server


@pytest.fixture(scope="module")
def stats(crumby: Crumby) -> Iterator[str]:
    """Give the address that the world knows Crumby by. Its proxy says that everyone comes from London."""

    def config(port: int) -> str:
        return f"""
            proxy_set_header X-Forwarded-For {ADDRESS};
            server {{
                listen 127.0.0.1:{port};
                location / {{ proxy_pass http://127.0.0.1:{crumby.port}; }}
                location /tools/stats/ {{ proxy_pass http://127.0.0.1:{crumby.port}/; }}
            }}"""

    with Nginx(config) as nginx:
        yield nginx.url


@pytest_asyncio.fixture(loop_scope="session")
async def scene(chromium: Browser, crumby: Crumby, stats: str) -> AsyncIterator[Scene]:
    profile = await chromium.new_context(user_agent=AGENT, locale="de-DE", screen={"width": 1366, "height": 768})
    with Site() as site:
        yield Scene(profile, await profile.new_page(), site, stats, crumby.home / "crumby.db")
        await profile.close()
