"""`crumby doctor`: what is amiss, or will be, and what to do about it. It looks and changes nothing."""

import asyncio
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import typer
from rich.table import Table
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from crumby import __version__
from crumby.backup.contents import read_only
from crumby.cli.people import Json, show
from crumby.database import Database, first_line, open_database
from crumby.durability import shortfalls
from crumby.engines import AsyncConnection
from crumby.errors import DatabaseUnavailable
from crumby.ingest.geo import Geo
from crumby.migrations import HEAD
from crumby.reporting.checking import faults
from crumby.reporting.query import QueryFolders
from crumby.settings import Settings, load_settings
from crumby.tables import users

GEO_AGE: Final = 60  # days; both MaxMind and DB-IP bring a new file each month
ROOM: Final = 1024  # MiB, about three million hits
TIGHT: Final = 100  # MiB
PATIENCE: Final = 10.0  # seconds that a server has to answer

SPOOLED: Final = ("hits", "refused")  # the spool's tables

Verdict = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    subject: str
    said: str  # where it is no "ok", with the remedy


def doctor(json_: Json = False) -> None:
    logging.getLogger("crumby").addHandler(logging.NullHandler())  # the table says it
    findings = asyncio.run(examine(load_settings()))
    if json_:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table("", "subject", "finding")
        for finding in findings:
            table.add_row(finding.verdict, finding.subject, finding.said)
        show(table)
    if any(finding.verdict == "fault" for finding in findings):
        raise typer.Exit(1)


async def examine(settings: Settings) -> list[Finding]:
    """Everything there is to say; faults are what keeps hits from being stored or reports from being answered."""
    found = [Finding("ok", "crumby", f"{__version__}, SQLite {sqlite3.sqlite_version}"), *_configuration(settings)]
    async with open_database(settings) as database:
        found += [finding async for finding in _database(database)]
        found += _disk(database, settings)
        if not database.sqlite_path:
            found += _spool(settings.spool)
        found += [finding async for finding in _queries(database, settings)]
    found += await _geo(settings.geoip2_database_name)
    return found


def _configuration(settings: Settings) -> Iterator[Finding]:
    name = os.environ.get("CRUMBY_SETTINGS")
    yield Finding("ok", "configuration", name or "no CRUMBY_SETTINGS: the defaults, and CRUMBY_* variables")
    if name and Path(name).expanduser().stat().st_mode & 0o077 and settings.secret_key:
        yield Finding("warning", "configuration", f"others on this machine can read {name}; chmod 600 {name}")
    if (settings.proxy_count or settings.trusted_proxies) and not settings.session_cookie_secure:
        yield Finding("warning", "sessions", "there is a proxy: if it speaks HTTPS, set SESSION_COOKIE_SECURE = True")
    for network in settings.trusted_proxies:
        if network.endswith("/0"):
            yield Finding("warning", "proxies", f"TRUSTED_PROXIES has {network}: anybody can say any address is theirs")


async def _database(database: Database) -> AsyncIterator[Finding]:
    path = database.sqlite_path
    shown = str(path or database.engine.url.render_as_string())
    if path and not path.exists():
        yield Finding("ok", "database", f"{shown} is not there yet; `crumby run` makes it")
        return
    try:
        async with asyncio.timeout(PATIENCE), database.reports.connect() as connection:
            yield Finding("ok", "database", f"{shown} answers")
            tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
            yield await _schema(connection, tables)
            yield await _users(connection, tables)
        for shortfall in await shortfalls(database):
            yield Finding("warning", "durability", shortfall)
    except TimeoutError:
        yield Finding("fault", "database", f"{shown} does not answer within {PATIENCE:g} s; is its server up?")
    except (SQLAlchemyError, OSError) as error:
        yield Finding("fault", "database", f"{shown}: {first_line(error)}")


async def _schema(connection: AsyncConnection, tables: set[str]) -> Finding:
    if "alembic_version" not in tables:
        return Finding("ok", "schema", "none yet, or that of 0.7.1; `crumby run` brings it to the newest")
    revision = await connection.scalar(text("select version_num from alembic_version"))
    if revision == HEAD:
        return Finding("ok", "schema", revision)
    if str(revision) > HEAD:
        return Finding("fault", "schema", f"{revision} is of a newer Crumby than this one, which knows {HEAD}; upgrade")
    return Finding("warning", "schema", f"{revision}; `crumby run` brings it to {HEAD}; make a backup first")


async def _users(connection: AsyncConnection, tables: set[str]) -> Finding:
    count = await connection.scalar(select(func.count()).select_from(users)) if users.name in tables else 0
    if count:
        return Finding("ok", "users", f"{count} can sign in")
    return Finding("warning", "users", "nobody can see the private reports; `crumby adduser NAME`")


def _disk(database: Database, settings: Settings) -> Iterator[Finding]:
    """Where hits are written: beside the embedded database, or where the spool is."""
    folder = (database.sqlite_path or settings.spool).parent
    if not folder.is_dir():
        yield Finding("warning", "disk", f"there is no folder {folder} for the spool yet; `crumby run` makes it")
        return
    free = shutil.disk_usage(folder).free // 1024**2
    verdict: Verdict = "fault" if free < TIGHT else "warning" if free < ROOM else "ok"
    remedy = "" if verdict == "ok" else "; when none is left, hits are answered 503: make room"
    yield Finding(verdict, "disk", f"{free:,} MiB free in {folder}{remedy}")


def _spool(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("ok", "spool", f"{path} is not there yet, so nothing waits in it")
        return
    try:
        with closing(read_only(path)) as spool:
            waiting, set_aside = (spool.execute(f"select count(*) from {table}").fetchone()[0] for table in SPOOLED)  # noqa: S608 - ours
    except sqlite3.Error as error:
        yield Finding("fault", "spool", f"{path}: {error}; move the file away, and keep it: it may hold hits")
        return
    if waiting:
        yield Finding("warning", "spool", f"hits that wait for the database: {waiting}; they move on when it is back")
    else:
        yield Finding("ok", "spool", f"nothing waits in {path}")
    if set_aside:
        yield Finding(
            "warning", "spool", f"hits that the database refused: {set_aside}; see the table `refused` of {path}"
        )


async def _geo(path: Path) -> list[Finding]:
    geo = Geo(path)
    await geo.locate([])
    if not geo.built:
        return [Finding("warning", "places", f"visits have none: {path} is absent or damaged; `crumby geoip` gets one")]
    days = (datetime.now(UTC) - geo.built).days
    said = f"{path} is of {geo.built:%Y-%m-%d}"
    if days > GEO_AGE:
        return [Finding("warning", "places", f"{said}, {days} days old; `crumby geoip --upgrade` gets a new one")]
    return [Finding("ok", "places", said)]


async def _queries(database: Database, settings: Settings) -> AsyncIterator[Finding]:
    """As `crumby query --check` has it; a file's own fault needs no database to be found."""
    if settings.queries and not settings.queries.is_dir():
        yield Finding("fault", "queries", f"QUERIES: there is no folder {settings.queries}")
        return
    folders = QueryFolders.laid_over(settings.queries)
    queries = folders.all()
    sound = True
    for path, why in folders.passed_over.items():
        yield Finding("warning", "queries", f"{path}: {why}")
    try:
        if not database.sqlite_path or database.sqlite_path.exists():
            async for fault in faults(database, queries, settings.zone):
                sound = False
                yield Finding("fault", "queries", str(fault))
        else:
            for query in filter(lambda query: query.error, queries):
                sound = False
                yield Finding("fault", "queries", str(query.error))
    except DatabaseUnavailable as error:
        yield Finding("warning", "queries", f"not all could be checked: {error}")
    if sound:
        yield Finding("ok", "queries", f"{len(queries)} reports")
