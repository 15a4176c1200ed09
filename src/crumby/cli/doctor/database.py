"""The database: whether it answers, of which age its schema is, what its commits are worth, who can sign in.

What others ask of it, while it answers, they ask on the same connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from crumby.cli.doctor.finding import Finding, Patient
from crumby.database import first_line
from crumby.durability import shortfalls
from crumby.engines import AsyncConnection
from crumby.migrations import HEAD
from crumby.tables import users

PATIENCE: Final = 10.0  # seconds that a server has to answer

Question = Callable[[Patient, AsyncConnection, set[str]], AsyncIterator[Finding]]  # the last: tables there are


async def look(patient: Patient, *questions: Question) -> AsyncIterator[Finding]:
    database = patient.database
    path = database.sqlite_path
    shown = str(path or database.engine.url.render_as_string())
    if path and not path.exists():
        yield Finding("ok", "database", f"{shown} is not there yet; `crumby run` makes it")
        return
    reader = database.reading  # reports may ask another one
    try:
        async with asyncio.timeout(PATIENCE), reader.connect() as connection:
            yield Finding("ok", "database", f"{shown} answers")
            tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
            yield await _schema(connection, tables)
            yield await _users(connection, tables)
            for question in questions:
                async for finding in question(patient, connection, tables):
                    yield finding
        for shortfall in await shortfalls(database):
            said, remedy = _parted(shortfall)
            yield Finding("warning", "durability", said, remedy)
    except TimeoutError:
        yield Finding("fault", "database", f"{shown} does not answer within {PATIENCE:g} s", "is its server up?")
    except (SQLAlchemyError, OSError) as error:
        remedy = "is it up, and is SQLALCHEMY_DATABASE_URI right? Until then hits wait in the spool"
        if path:
            remedy = "is that a database of Crumby's? If not, name another; if so, `crumby restore` puts a backup there"
        yield Finding("fault", "database", f"{shown}: {first_line(error)}", remedy)


def _parted(shortfall: str) -> tuple[str, str]:
    """What is wrong, and what to do about it, which is the last of the sentence."""
    between = next(mark for mark in ("; ", ". ", ": ") if mark in shortfall)
    said, _, remedy = shortfall.rpartition(between)
    return said, remedy


async def _schema(connection: AsyncConnection, tables: set[str]) -> Finding:
    if "alembic_version" not in tables:
        return Finding("ok", "schema", "none yet, or that of 0.7.1; `crumby run` brings it to the newest")
    revision = await connection.scalar(text("select version_num from alembic_version"))
    if revision == HEAD:
        return Finding("ok", "schema", revision)
    if str(revision) > HEAD:
        said = f"{revision} is of a newer Crumby than this one, which knows {HEAD}"
        return Finding("fault", "schema", said, "upgrade Crumby")
    return Finding("warning", "schema", f"{revision}, and the newest is {HEAD}", "make a backup; then `crumby run`")


async def _users(connection: AsyncConnection, tables: set[str]) -> Finding:
    count = await connection.scalar(select(func.count()).select_from(users)) if users.name in tables else 0
    if count:
        return Finding("ok", "users", f"{count} can sign in")
    return Finding("warning", "users", "nobody can see the private reports", "`crumby adduser NAME`")
