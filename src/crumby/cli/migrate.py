"""`crumby migrate`: the database at the newest schema before anybody starts, and how far it is from there."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Annotated, Final

import typer
from sqlalchemy import Connection, inspect, text

from crumby.backup.contents import OLDEST, PRECIOUS, VERSION, named, read_only, table_names
from crumby.cli.copying import prepared
from crumby.cli.interrupting import CtrlC, on_ctrl_c
from crumby.cli.people import Json, say
from crumby.cli.progress import progress
from crumby.database import Database, first_line, open_database
from crumby.errors import ConfigurationError, CrumbyError, DatabaseUnavailable
from crumby.migrations import HEAD, Tell
from crumby.migrations import migrate as bring_up
from crumby.settings import Settings, load_settings

REVISION: Final = "select version_num from alembic_version"
LEFT: Final = "stopped: no hit is lost, and the next `crumby migrate` or start of Crumby brings the database to {}"

Check = Annotated[bool, typer.Option("--check", help="Only say how it is: exit code 1 where it is behind.")]


class Stopped(CrumbyError):
    """By Ctrl-C, in the thread that does the work."""


def migrate(check: Check = False, json_: Json = False) -> None:
    settings = load_settings()
    with on_ctrl_c(lambda: LEFT.format(HEAD)) as ctrl_c:
        before = asyncio.run(_at(settings) if check else _migrated(settings, ctrl_c))
    behind = check and before != HEAD
    facts = {"from": before, "to": before if check else HEAD, "newest": HEAD, "behind": behind}
    say(facts, _words(before, check=check), json_=json_)
    if behind:
        raise typer.Exit(1)


def _words(before: str | None, *, check: bool) -> str:
    if before == HEAD:
        return f"The database has schema {HEAD}, the newest"
    if before is None:
        return (
            "There is no database yet; `crumby migrate` makes it" if check else f"The database is made: schema {HEAD}"
        )
    if check:
        return f"The database has schema {before}; `crumby migrate` brings it to {HEAD}. Make a backup first"
    return f"The database had schema {before}, and has {HEAD} now, the newest"


async def _migrated(settings: Settings, ctrl_c: CtrlC) -> str | None:
    """The schema that it had."""
    async with open_database(settings) as database:
        before = await _schema(database)
        with _bar(ctrl_c) as tell:
            await bring_up(database.engine, tell)
        await prepared(settings, database)
        return before


async def _at(settings: Settings) -> str | None:
    async with open_database(settings) as database:
        return await _schema(database)


async def _schema(database: Database) -> str | None:
    """The schema that it has; None where there is nothing yet. Raises ConfigurationError for that of a newer Crumby."""
    found = _of_file(database) if database.sqlite_path else await _of_server(database)
    if found not in {None, OLDEST} and str(found) > HEAD:
        raise ConfigurationError(f"the database has schema {found}, of a newer Crumby than this one: upgrade it")
    return found


def _of_file(database: Database) -> str | None:
    """Nothing is made by looking."""
    path = database.sqlite_path
    if not path or not path.exists():
        return None
    with named(path), contextlib.closing(read_only(path)) as file:
        names = table_names(file)
        row = file.execute(REVISION).fetchone() if VERSION in names else None
        return _told(names, row and row[0])


async def _of_server(database: Database) -> str | None:
    try:
        async with database.engine.connect() as connection:
            return await connection.run_sync(_of_tables)
    except Exception as error:  # drivers have odd ones for a server that is away
        raise DatabaseUnavailable(f"{database.engine.url.render_as_string()}: {first_line(error)}") from error


def _of_tables(connection: Connection) -> str | None:
    names = set(inspect(connection).get_table_names())
    found = connection.scalar(text(REVISION)) if VERSION in names else None
    return _told(names, found)


def _told(names: set[str], version: str | None) -> str | None:
    return str(version) if version else OLDEST if names.intersection(PRECIOUS) else None


@contextlib.contextmanager
def _bar(ctrl_c: CtrlC) -> Iterator[Tell]:
    with progress() as bar:
        if not bar.disable:
            logging.getLogger("crumby").addHandler(logging.NullHandler())  # the bar says it
        task = bar.add_task("bringing up to date", total=None)

        def tell(done: int, total: int) -> None:
            if ctrl_c.came:
                raise Stopped
            bar.update(task, description="placing older hits", completed=done, total=total)

        yield tell
