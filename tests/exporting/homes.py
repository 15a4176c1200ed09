"""A Crumby of some database: to be exported, imported into, and asked."""

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlalchemy import select

from crumby.app import create_app
from crumby.database import Database, open_database
from crumby.exporting.columns import SHAPES
from crumby.exporting.export import Export
from crumby.exporting.manifest import Format
from crumby.exporting.selection import Selection
from crumby.importing.importer import Importer, Outcome
from crumby.importing.input import Input
from crumby.importing.source import Wanted
from crumby.migrations import migrate
from crumby.rollups import Rollups, open_rollups
from crumby.settings import Settings
from crumby.tables import metadata
from crumby.tokens import Tokens
from tests.conftest import settings_in
from tests.servers import alive

ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Home:
    settings: Settings
    database: Database
    rollups: Rollups

    def export(self, form: Format = "ndjson", asked: Mapping[str, str] = MappingProxyType({})) -> Export:
        selection = Selection.of(asked, self.settings.zone)
        return Export(self.database, self.rollups, selection, form)

    async def exported(
        self, path: Path, form: Format = "ndjson", asked: Mapping[str, str] = MappingProxyType({})
    ) -> Path:
        with path.open("wb") as file:
            async with aclosing(self.export(form, asked).octets()) as octets:
                async for piece in octets:
                    file.write(piece)
        return path

    async def take(self, path: Path, **wanted: Any) -> Outcome:
        importer = Importer(self.database, Wanted(self.settings, self.settings.zone, **wanted))
        with Input(path) as given:
            outcome = await importer.take(given, "crumby")
        await importer.end()
        await self.rollups.finish()
        return outcome

    async def rows(self, table: str, *without: str) -> list[tuple[Any, ...]]:
        there = metadata.tables[table]
        names = [column.name for column in there.columns if column.name not in without]
        async with self.database.engine.connect() as connection:
            found = await connection.execute(select(*(there.c[name] for name in names)).order_by(*there.primary_key))
            return [tuple(row) for row in found]

    async def answers(self, questions: list[tuple[str, dict[str, str]]]) -> dict[str, Any]:
        """What the API answers, by its address; columns and data of it."""
        secret = await Tokens(self.database.engine).add("asker", "read", None, "test")
        async with alive(create_app(self.settings)) as running:
            await running._state["rollups"].finish()
            transport = httpx.ASGITransport(running.app)
            headers = {"Authorization": f"Bearer {secret}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=headers) as http:
                return {
                    f"{name}?{urlencode(asked)}": said(await http.get(f"/api/{name}", params=asked, timeout=60))
                    for name, asked in questions
                }


def said(answer: httpx.Response) -> Any:
    body = json.loads(answer.content, parse_float=_nearly)
    return body if answer.status_code != 200 else {key: body.get(key) for key in ("columns", "data", "compared")}


def _nearly(number: str) -> float:
    """Databases divide to other last digits."""
    return float(f"{float(number):.12g}")


@contextlib.asynccontextmanager
async def home_of(url: str, folder: Path, **keys: str) -> AsyncIterator[Home]:
    folder.mkdir(exist_ok=True)
    settings = settings_in(folder, sqlalchemy_database_uri=url, time_zone=ZONE, **keys)
    async with open_database(settings) as database:
        await migrate(database.engine)
        async with open_rollups(database, settings) as rollups:
            yield Home(settings, database, rollups)


async def whole(octets: AsyncGenerator[bytes, None]) -> bytes:
    async with aclosing(octets) as pieces:
        return b"".join([piece async for piece in pieces])


TABLES = tuple(shape.table for shape in SHAPES)
