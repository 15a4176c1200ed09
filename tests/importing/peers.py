"""Files of other programs read by whoever knows them, and dumps of tables that a fixture fills in a real server."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from crumby.database import Database
from crumby.importing.importer import Importer, Outcome
from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.source import Wanted, module_of, recognised
from crumby.settings import Settings
from tests import servers

FIXTURES: Final = Path(__file__).with_name("fixtures")


def items(
    path: Path, settings: Settings, kind: str, *, mark: int = 0, zone: str = "UTC", unknown: bool = False, **wanted: Any
) -> list[Item]:
    """Give what comes of it. It is known for what it is, unless it is `unknown`."""
    with Input(path) as given:
        assert unknown or recognised(given) == kind
        source = module_of(kind).opened(given, Wanted(settings, ZoneInfo(zone), **wanted))
        return list(source.items(mark))


def found(of: Sequence[Item]) -> list[Found]:
    """Give page views and events, in the order of their time."""
    return sorted((item for item in of if isinstance(item, Found)), key=lambda item: item.hit.datetime)


def skipped(of: Sequence[Item]) -> dict[str, int]:
    return dict(Counter(item.why for item in of if isinstance(item, Skipped)))


async def stored(path: Path, database: Database, settings: Settings, **wanted: Any) -> Outcome:
    with Input(path) as given:
        return await Importer(database, Wanted(settings, ZoneInfo("UTC"), **wanted)).take(given)


def mysql_dump(server: servers.MariaDB, schema: str, path: Path, *options: str) -> Path:
    url = server.database()
    name = url.rpartition("/")[2]
    try:
        server.execute(f"set names utf8mb4;\n{schema}", name)
        program = servers.find("mariadb-dump")
        assert program
        words = ["--no-defaults", "--user=root", f"--socket={server.folder / 'socket'}", f"--result-file={path}"]
        server.run([program, *words, "--default-character-set=utf8mb4", *options, name])
    finally:
        server.drop(url)
    return path


def postgres_dump(server: servers.Postgres, schema: str, path: Path, *options: str) -> Path:
    url = server.database()
    name = url.rpartition("/")[2]
    try:
        server.execute(schema, name)
        words = [f"--host={server.folder}", f"--port={server.port}", "--username=crumby", "--encoding=UTF8"]
        command = [str(server.programs / "pg_dump"), *words, *options, name]
        path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    finally:
        server.drop(url)
    return path
