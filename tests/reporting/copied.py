"""What a SQLite has, put into ClickHouse by hand, into the tables of the sender, which has tests of its own."""

import contextlib
import json
import math
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import make_url

from crumby import database
from crumby.columnar import tables
from crumby.columnar.engine import clickhouse_url
from crumby.columnar.outbox import Parcel
from crumby.rollups.files import Rollup, RollupFolders
from crumby.settings import shipped
from tests.clickhouse import ClickHouse
from tests.reporting.site import Site, open_site

OWN = ("from rollup_state", "from totals")  # how Crumby looks which rollups have come


@contextlib.asynccontextmanager
async def open_copied(clickhouse: ClickHouse, folder: Path, **keys: str) -> AsyncIterator["CopiedSite"]:
    """A site on SQLite whose reports ask a ClickHouse, which has nothing until it is copied."""
    url = clickhouse.database()
    copy = Copy(clickhouse, url.rpartition("/")[2])
    async with contextlib.AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # nothing is sent for it
            patch.setattr(database, "_replica_url", lambda _url, _uri: clickhouse_url(make_url(url)))
            site = await stack.enter_async_context(open_site(f"sqlite:///{folder / 'crumby.db'}", folder, **keys))
        yield CopiedSite(**{each.name: getattr(site, each.name) for each in fields(site)}, copy=copy)
    clickhouse.drop(url)


@dataclass(frozen=True)
class CopiedSite(Site):
    copy: "Copy"

    async def take(self, *, rolled: bool) -> None:
        """All of what the SQLite has, with its rollups or without, in the place of what was there."""
        await self.rollups.finish()
        path = self.database.sqlite_path
        assert path
        self.copy.begin()
        self.copy.take_rows(path)
        if rolled:
            self.copy.take_rollups(database.rollups_path(path))
        self.rollups._looked = -math.inf  # type: ignore[attr-defined]
        await self.rollups.catch_up()

    @contextlib.contextmanager
    def wire(self) -> Iterator[list[str]]:
        """Give the reports' statements that come to ClickHouse meanwhile, as they come."""
        self.copy.clickhouse.statements()
        given: list[str] = []
        try:
            yield given
        finally:
            given += [text for text in self.copy.clickhouse.statements() if not any(own in text for own in OWN)]


class Copy:
    def __init__(self, clickhouse: ClickHouse, name: str) -> None:
        self.clickhouse = clickhouse
        self.name = name

    def do(self, sql: str) -> str:
        return self.clickhouse.execute(sql, self.name)

    def begin(self) -> None:
        self.clickhouse.execute(f"drop database if exists {self.name} sync")
        self.clickhouse.execute(f"create database {self.name}")
        for statement in (*tables.creation("0"), *tables.views()):
            self.do(statement)

    def take_rows(self, path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for name, table in tables.COPIED.items():
                columns = [column.name for column in table.columns]
                quoted = ", ".join(f'"{column}"' for column in columns)
                self.insert(tables.copy_of(name), columns, connection.execute(f"select {quoted} from {name}"))

    def take_rollups(self, path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for rollup in RollupFolders(shipped("queries")).all():
                for statement in tables.rollup_creation(_parcel(rollup)):
                    self.do(statement)
                columns = [*(key.name for key in rollup.keys), "day", "prev_day", *rollup.sums]
                rows = connection.execute(f"select {', '.join(columns)} from {rollup.day_table}")
                self.insert(rollup.day_table, columns, rows)
            states = connection.execute(f"select {', '.join(tables.OF_STATE)} from rollup_state")
            self.insert(tables.STATES, list(tables.OF_STATE), states)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        lines = b"\n".join(json.dumps([_plain(value) for value in row]).encode() for row in rows)
        if lines:
            quoted = [f"`{column}`" for column in columns]
            self.clickhouse.insert(table, quoted, lines, self.name, "JSONCompactEachRow")


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _parcel(rollup: Rollup) -> Parcel:
    keys = [(key.name, key.length) for key in rollup.keys]
    body = {"name": rollup.name, "keys": keys, "sums": list(rollup.sums), "counted": rollup.counted}
    return cast("Parcel", SimpleNamespace(body=body))
