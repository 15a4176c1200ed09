"""An empty database of each kind, and sources whose items a test writes down."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from crumby.database import Database, open_database
from crumby.importing import source
from crumby.importing.ids import Names
from crumby.importing.importer import Importer, Outcome
from crumby.importing.input import Input
from crumby.importing.item import Found, Item
from crumby.importing.source import Kind, Wanted
from crumby.ingest.client import Client
from crumby.ingest.hit import Hit
from crumby.migrations import migrate
from crumby.settings import Settings
from crumby.tables import metadata
from tests.conftest import MakeSettings

T0 = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - UTC throughout
NAMES = Names("a secret", "told")
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 "
    "Safari/605.1.15"
)


def view(minutes: float, page: str = "/", cid: str = "ann", **known: Any) -> Found:
    """Write down a page view, so many minutes after `T0`; at the same minute the same one."""
    at = T0 + timedelta(minutes=minutes)
    hit = Hit(
        kind="visit",
        id=NAMES.hit(at, f"{cid} {page}".encode()),
        cid=cid,
        datetime=at,
        uri=f"https://example.com{page}",
        title=page,
    )
    return Found(hit, Client("81.2.69.160", SAFARI, None, "en-GB"), known or None)


def act(minutes: float, name: str = "signup", cid: str = "ann", **known: Any) -> Found:
    """Write down an event."""
    at = T0 + timedelta(minutes=minutes)
    hit = Hit(
        kind="event",
        id=NAMES.hit(at, f"{cid} {name}".encode()),
        cid=cid,
        datetime=at,
        uri="https://example.com/",
        title=None,
        name=name,
        value="",
    )
    return Found(hit, Client("81.2.69.160", SAFARI, None, None), known or None)


class Told:
    """A source that yields what a test wrote down. Its marks are numbers of items."""

    NAME: ClassVar[str] = "told"

    def __init__(self, items: Sequence[Item], *, ordered: bool = True, breaks: int | None = None) -> None:
        self.ordered = ordered
        self.origin = "told example.com"
        self.size = len(items)
        self.mark = 0
        self._items = items
        self._breaks = breaks  # after so many

    def items(self, mark: int) -> Iterator[Item]:
        self.mark = mark
        for item in self._items[mark:]:
            if self.mark == self._breaks:
                raise source.ImportRefused(f"item {self.mark} is broken")
            self.mark += 1
            yield item


@pytest.fixture
def configured(database_url: str, settings: MakeSettings, mmdb: Path) -> Settings:
    return settings(sqlalchemy_database_uri=database_url, geoip2_database_name=str(mmdb))


@pytest.fixture
async def database(configured: Settings) -> AsyncIterator[Database]:
    async with open_database(configured) as opened:
        await migrate(opened.engine)
        yield opened


Take = Callable[..., Any]


@pytest.fixture
def take(database: Database, configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Take:
    """Import items: `await take([view(1), …])`; with what `Wanted` and `Told` take as well."""
    monkeypatch.setattr(source, "KINDS", {**source.KINDS, "told": Kind("told", "what a test wrote down")})
    path = tmp_path / "told.txt"
    path.write_text("x" * 5000)

    async def taking(
        items: Sequence[Item],
        *,
        ordered: bool = True,
        breaks: int | None = None,
        dry: bool = False,
        chosen: Settings = configured,
        **wanted: Any,
    ) -> Outcome:
        told = Told(items, ordered=ordered, breaks=breaks)
        module = SimpleNamespace(NAME="told", recognises=lambda _given: True, opened=lambda _given, _wanted: told)
        monkeypatch.setitem(sys.modules, "crumby.importing.sources.told", module)
        importer = Importer(database, Wanted(chosen, ZoneInfo("UTC"), **wanted), dry=dry)
        with Input(path) as given:
            return await importer.take(given, "told")

    return taking


async def rows(database: Database, table: str, *without: str) -> list[dict[str, Any]]:
    """Give all of a table but its ids, in the order of time."""
    there = metadata.tables[table]
    names = [column.name for column in there.columns if column.name not in {"id", *without}]
    async with database.engine.connect() as connection:
        found = [dict(row._mapping) for row in await connection.execute(select(*(there.c[name] for name in names)))]
    return sorted(found, key=lambda row: (str(row.get("datetime")), str(row.get("hit_id")), str(row.get("cid"))))


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
