"""What a scenario works with: a visitor, a site with one of the two scripts, and what is stored of it."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import anyio.to_thread
from playwright.async_api import BrowserContext, Page, Request

from tests.faults.proxy import Proxy
from tests.servers import Crumby, wait_until
from tests.tracker.scenarios.bakery import Bakery
from tests.tracker.scenarios.table import Row, Table

NOW, OLD = "cmb.js", "0.7.1"
STATS = "stats.example"  # Crumby's host, to the browser alone
QUIET_S = 0.25  # in which what is not expected would come
PATIENCE_S = 20.0  # the script waits longer from try to try; a busy machine needs some itself
HITS = """
    select doc_uri, '' as said, hit_id, id, datetime from visits where doc_uri like :these
    union all
    select doc_uri, name || '=' || coalesce(value, ''), hit_id, id, datetime from events where doc_uri like :these
    order by datetime, id
"""


@dataclass(frozen=True, slots=True)
class Hit:
    page: str  # below the scenario's folder: path, query, fragment
    said: str  # by an event: name=value
    hit_id: bytes | None
    at: str  # UTC

    def __str__(self) -> str:
        return f"{self.page} {self.said}".strip()


@dataclass(slots=True)
class Stage:
    scenario: str
    script: str
    slug: str
    profile: BrowserContext
    bakery: Bakery
    crumby: Crumby
    door: Proxy  # the way to Crumby
    table: Table

    @property
    def stats(self) -> str:
        return f"http://{STATS}:{self.door.port}"

    @property
    def folder(self) -> str:
        return f"{self.bakery.url}/{self.slug}/"

    def tag(self, attributes: str = "", stats: str = "", words: str = "") -> str:
        base = stats or self.stats
        src = f"/0.7.1.js?{base.removeprefix('http://')}" if self.script == OLD else f"{base}/cmb.js{words}"
        return f'<script src="{src}" {attributes}></script>'

    def put(
        self,
        path: str,
        more: str = "",
        *,
        title: str = "",
        attributes: str = "",
        stats: str = "",
        words: str = "",
        headers: Mapping[str, str] | None = None,
        tracked: bool = True,
        status: int = 200,
    ) -> str:
        """Put a page up below the scenario's folder → its address. `words` stand behind the script's address."""
        tag = self.tag(attributes, stats, words) if tracked else ""
        text = f"<!doctype html><meta charset=utf-8><title>{title or path}</title>{tag}{more}"
        return self.bakery.put(f"/{self.slug}/{path}", text, headers, status=status)

    def put_script(self, path: str, text: str) -> str:
        return self.bakery.put(f"/{self.slug}/{path}", text, kind="text/javascript")

    async def tab(self) -> Page:
        return await self.profile.new_page()

    async def visit(self, path: str, **options: Any) -> Page:
        """Put the page up and open it in a tab of its own."""
        page = await self.tab()
        await page.goto(self.put(path, **options))
        return page

    @property
    def database(self) -> Path:
        return self.crumby.home / "crumby.db"

    def hits(self) -> list[Hit]:
        return hits(self.database, self.slug)

    def columns(self, *names: str, table: str = "visits") -> list[tuple[Any, ...]]:
        """These columns of what is stored, oldest first."""
        select = f"select {', '.join(names)} from {table} where doc_uri like ? order by datetime, id"
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(select, [f"{self.folder}%"]).fetchall()

    async def stored(self, count: int, within_s: float = PATIENCE_S) -> None:
        """Return when so many are stored, or in vain after `within_s`."""
        with suppress(TimeoutError):
            await anyio.to_thread.run_sync(wait_until, lambda: len(self.hits()) >= count, f"{count} hits", within_s)

    async def counted(self, *expected: str, old: Sequence[str] | None = None, why: str = "") -> list[Hit]:
        """Hold what is stored against these hits, each `page` or `page name=value`, in any order, each once.

        `old`: what 0.7.1's script sends where that is something else, and `why`.
        """
        if self.script == OLD and old is not None:
            expected = tuple(old)
        else:
            why = ""
        await self.stored(len(expected))
        await anyio.sleep(QUIET_S)
        found = self.hits()
        self.table.rows.append(Row(self.scenario, self.script, len(expected), len(found), why, self.slug))
        assert sorted(map(str, found)) == sorted(expected)
        return found

    async def seen(self, word: str, times: int = 1, within_s: float = PATIENCE_S) -> None:
        """Return when pages have said so of themselves."""

        def said() -> bool:
            return self.bakery.saw.count(f"{self.slug}-{word}") >= times

        await anyio.to_thread.run_sync(wait_until, said, f"{word!r} is said", within_s)

    def tell(self, word: str) -> str:
        """The JavaScript by which a page says so."""
        return f"fetch('/saw?{self.slug}-' + {word}, {{method: 'POST', keepalive: true}})"


def hits(database: Path, slug: str) -> list[Hit]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(HITS, {"these": f"http://%/{slug}/%"}).fetchall()
    return [Hit(unquote(uri.partition(f"/{slug}/")[2]), said, hit_id, at) for uri, said, hit_id, _, at in rows]


def is_hit(request: Request) -> bool:
    return request.url.partition("?")[0].endswith(("/hit", ".gif"))
