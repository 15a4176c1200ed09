"""A database in which people come and go, its rollups, and a ClickHouse that is told of them."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from shutil import copytree
from typing import Any, Self

import pytest
from sqlalchemy import make_url, text

from crumby.columnar import delivery
from crumby.columnar.outbox import Outbox
from crumby.columnar.sending import Sender
from crumby.database import Database, open_database
from crumby.migrations import migrate
from crumby.rollups import RollupFolders, Rollups
from crumby.rollups.tables import names
from crumby.settings import Settings, shipped
from tests.clickhouse import ClickHouse
from tests.conftest import MakeSettings
from tests.rollups.conftest import ZONE, finish
from tests.rollups.people import People, Stored
from tests.servers import READY_S

COLUMNS = {
    "visits": "id, cid, page, country, session, seq, engaged, scroll, prev, page_prev, prevs",
    "events": "id, cid, page, name, value, prev",
    "totals": "id, rollup, day, keys, sums",
}
PLAIN = "settings output_format_json_quote_64bit_integers = 0"  # else they are texts in its JSON
KEPT = ("totals", "pages", "events")  # rollups: of no key, of stamps of their own, of events


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouse]:
    with ClickHouse() as server:
        yield server


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """No report reads here."""
    monkeypatch.setattr(delivery, "READERS_S", 0.0)
    monkeypatch.setattr(delivery, "LOOK_S", 0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of some of the shipped rollups, to be changed."""
    made = tmp_path / "queries" / "rollups"
    copytree(shipped("queries") / "rollups", made)
    for file in made.glob("*.sql"):
        if file.stem not in KEPT:
            file.unlink()
    return tmp_path / "queries"


@pytest.fixture
def configured(database_url: str, settings: MakeSettings) -> Settings:
    return settings(sqlalchemy_database_uri=database_url, time_zone=ZONE)


@pytest.fixture
async def database(configured: Settings) -> AsyncIterator[Database]:
    async with open_database(configured) as opened:
        await migrate(opened.engine)
        yield opened


@pytest.fixture
async def stored(database: Database) -> AsyncIterator[Stored]:
    opened = Stored(database, People())
    yield opened
    await opened.close()


@pytest.fixture
def there(clickhouse: ClickHouse) -> Iterator[str]:
    """Give the URL of an empty database in ClickHouse."""
    made = clickhouse.database()
    yield made
    clickhouse.drop(made)


@dataclass
class Copied:
    """A process of Crumby's, as far as this is concerned."""

    database: Database
    rollups: Rollups
    sender: Sender
    clickhouse: ClickHouse
    url: str

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, database: Database, folder: Path, clickhouse: ClickHouse, url: str, zone: str = ZONE
    ) -> AsyncIterator[Self]:
        outbox = Outbox()
        async with Rollups(database, zone, RollupFolders(folder), outbox) as rollups:
            sender = Sender(url, rollups, outbox)
            yield cls(database, rollups, sender, clickhouse, url)
            await sender.close()

    async def finish(self) -> None:
        """All that is committed is counted, and there."""
        await finish(self.rollups)
        await self.sender.finish()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """By a plain connection: an httpx client costs more than the answer."""
        port, database = make_url(self.url).port, make_url(self.url).database
        asked = HTTPConnection("127.0.0.1", port, timeout=READY_S)
        head = {"X-ClickHouse-User": "crumby", "X-ClickHouse-Key": "cookie"}
        with contextlib.closing(asked):
            asked.request("POST", f"/?database={database}", f"{sql} format JSONCompactEachRow".encode(), head)
            answer = asked.getresponse()
            told = answer.read().decode()
        assert answer.status == HTTPStatus.OK, told
        return [tuple(json.loads(line)) for line in told.splitlines()]

    async def compare(self) -> None:
        """What is there is what the main database has, to the row."""
        await self.compare_rollups(list(self.rollups.ready))
        for table in COLUMNS:
            assert self.plain(table) == await self._rows(table), table
        assert self.complete() == set(self.rollups.ready)

    def complete(self) -> set[str]:
        """Which rollups may be read there."""
        return {name for (name,) in self.ask("select name from rollup_state where complete = 1")}

    async def compare_rollups(self, names_: Sequence[str]) -> None:
        wanted, asked = {}, []
        for rollup in map(self.rollups.ready.__getitem__, names_):
            for table in names(rollup.name):
                sums = [rollup.counted] if table == rollup.return_table else list(rollup.sums)
                key = [*(each.name for each in rollup.keys), "day", "prev_day"]
                wanted[table] = await self._held(table, key, sums)
                of_key = f"[{', '.join(f'toString({each})' for each in key)}]"
                asked.append(f"select '{table}', groupArray((k, s)) from ({_added(table, of_key, sums)})")
        there = {} if not asked else dict(self.ask(f"{' union all '.join(asked)} {PLAIN}"))
        for table, rows in wanted.items():
            found = {tuple(key): tuple(map(int, sums)) for key, sums in there[table] if any(map(int, sums))}
            assert found == rows, table

    async def _held(
        self, table: str, key: Sequence[str], sums: Sequence[str]
    ) -> dict[tuple[str, ...], tuple[int, ...]]:
        """But for rows of nothing."""
        async with self.database.reading.connect() as connection:
            rows = (await connection.execute(text(f"select {', '.join([*key, *sums])} from {table}"))).all()
        found = {tuple(map(str, row[: len(key)])): tuple(map(int, row[len(key) :])) for row in rows}
        return {place: amounts for place, amounts in found.items() if any(amounts)}

    def plain(self, table: str) -> list[tuple[Any, ...]]:
        """Its rows in ClickHouse."""
        return self.ask(f"select {COLUMNS[table].replace('keys', '`keys`')} from {table} order by id {PLAIN}")

    async def _rows(self, table: str) -> list[tuple[Any, ...]]:
        own = ", ".join(f"t.{name}" for name in COLUMNS[table].split(", "))
        timed = "" if table == "totals" else "where t.datetime is not null"
        async with self.database.engine.connect() as connection:
            rows = await connection.execute(text(f"select {own} from {table} t {timed} order by t.id"))
            return [tuple(row) for row in rows]


def _added(table: str, key: str, sums: Sequence[str]) -> str:
    amounts = ", ".join(f"toString(sum({name}))" for name in sums)
    return f"select {key} as k, [{amounts}] as s from {table} group by k"


@pytest.fixture
async def copied(database: Database, folder: Path, clickhouse: ClickHouse, there: str) -> AsyncIterator[Copied]:
    async with Copied.opened(database, folder, clickhouse, there) as opened:
        yield opened
