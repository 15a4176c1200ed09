"""What a test of the tracker works with: a visitor, a site, and the rows that come of it."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from playwright.async_api import BrowserContext, Page, Request

from tests.servers import wait_until
from tests.tracker.site import Site

ADDRESS = "81.2.69.160"  # in London, by the tests' place database
AGENT = (  # without the word "Headless"
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
Row = dict[str, Any]


@dataclass(slots=True)
class Scene:
    """A visitor with a fresh profile, a site, and what Crumby has stored of it."""

    profile: BrowserContext
    page: Page
    site: Site
    stats: str
    database: Path

    @property
    def script(self) -> str:
        """The site is on this machine; the piece that allows that comes with the script, else it would be fetched."""
        return f"<script src='{self.stats}/cmb.js?local&engagement' data-local data-engagement></script>"

    def html(self, more: str = "", *, title: str = "Crumbs", stats: str = "") -> str:
        script = self.script.replace(self.stats, stats or self.stats)
        return f"<!doctype html><title>{title}</title>{script}{more}"

    async def visit(self, html: str, path: str = "/", headers: Mapping[str, str] | None = None) -> None:
        """Put the page up and open it."""
        await self.page.goto(self.site.page(path, html, headers))

    async def settle(self) -> None:
        """Give what should not be sent the time to be sent."""
        await self.page.wait_for_load_state("networkidle")
        await anyio.sleep(0.2)

    async def rows(self, table: str, *, at_least: int = 1, within_s: float = 5.0) -> list[Row]:
        def enough() -> bool:
            return len(self._stored(table)) >= at_least

        await anyio.to_thread.run_sync(wait_until, enough, f"{at_least} of {table}", within_s)
        return self._stored(table)

    async def row(self, table: str, *, within_s: float = 5.0) -> Row:
        [row] = await self.rows(table, within_s=within_s)
        return row

    def watch(self) -> list[Request]:
        """Collect the requests that carry hits, from now on."""
        sent: list[Request] = []
        self.page.on("request", lambda request: sent.append(request) if _is_hit(request) else None)
        return sent

    def _stored(self, table: str) -> list[Row]:
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            select = f"select * from {table} where doc_uri like ? order by id"
            return [dict(row) for row in connection.execute(select, [f"{self.site.url}/%"])]


def _is_hit(request: Request) -> bool:
    return "/hit" in request.url.removesuffix("/") and "/cmb.js" not in request.url
