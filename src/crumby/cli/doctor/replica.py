"""The replica that reports ask: whether it answers, follows, is of this schema, and how far it is behind."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from crumby import cluster
from crumby.cli.doctor.finding import Finding, Patient
from crumby.columnar import is_meant
from crumby.database import first_line
from crumby.engines import AsyncConnection
from crumby.migrations import HEAD

PATIENCE_S: Final = 10.0
LATE_S: Final = 60
SUBJECT: Final = "replica"
MYSQL_READS_ONLY: Final = "select @@global.read_only"
MYSQL_FOLLOWS: Final = "show replica status"
GRANT: Final = "grant replica monitor on *.* to that account (on MySQL: replication client)"
POSTGRES_FOLLOWS: Final = """
    select
      pg_is_in_recovery() as follows,
      exists (select 1 from pg_stat_wal_receiver) as receives,
      case
        when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
        else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
      end as behind
    """


async def look(patient: Patient) -> AsyncIterator[Finding]:
    replica = patient.database.replica
    if not replica:
        return
    if is_meant(patient.settings):
        from crumby.cli.doctor import columnar

        async for finding in columnar.look(patient):
            yield finding
        return
    shown = replica.url.render_as_string()
    try:
        async with asyncio.timeout(PATIENCE_S), replica.connect() as connection:
            yield Finding("ok", SUBJECT, f"reports ask {shown}, which answers")
            yield await _schema(connection)
            follows = _of_mysql if patient.database.dialect == "mysql" else _of_postgresql
            async for finding in follows(connection):
                yield finding
    except TimeoutError:
        yield Finding("fault", SUBJECT, f"{shown} does not answer within {PATIENCE_S:g} s", "is its server up?")
    except (SQLAlchemyError, OSError) as error:
        remedy = "is it up, and is REPORTS_DATABASE_URI right? Until then reports are answered 503, and hits are stored"
        yield Finding("fault", SUBJECT, f"{shown}: {first_line(error)}", remedy)


async def _schema(connection: AsyncConnection) -> Finding:
    try:
        revision = await connection.scalar(text("select version_num from alembic_version"))
    except SQLAlchemyError as error:
        await connection.rollback()
        remedy = "is it a replica of the database that SQLALCHEMY_DATABASE_URI names?"
        return Finding("fault", SUBJECT, f"it has no tables of Crumby's: {first_line(error)}", remedy)
    if revision == HEAD:
        return Finding("ok", SUBJECT, f"it has the schema {revision}")
    return Finding("warning", SUBJECT, f"it has the schema {revision}, and not yet {HEAD}", "let it catch up")


async def _of_mysql(connection: AsyncConnection) -> AsyncIterator[Finding]:
    if await connection.run_sync(cluster.is_there):
        yield Finding("ok", SUBJECT, "it is a node of a cluster, and follows in that")
        return
    if not int(await connection.scalar(text(MYSQL_READS_ONLY)) or 0):
        yield Finding("warning", SUBJECT, "it takes writes, which would part it from its source", "set read_only = on")
    try:
        row = (await connection.execute(text(MYSQL_FOLLOWS))).mappings().first()
    except SQLAlchemyError as error:
        yield Finding("warning", SUBJECT, f"it does not say how far it is behind: {first_line(error)}", GRANT)
        return
    if row is None:
        yield _follows_nobody()
        return
    yield _how_far(*_mysql_lag({str(name): value for name, value in row.items()}))


def _follows_nobody() -> Finding:
    return Finding("warning", SUBJECT, "it follows no other server: reports stand still", "is it the right one?")


def _mysql_lag(row: Mapping[str, Any]) -> tuple[float | None, str]:
    """Seconds, or None and why. MariaDB has the older names."""
    behind = row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master"))
    said = " ".join(str(row[key]) for key in ("Last_IO_Error", "Last_SQL_Error") if row.get(key))
    return (None if behind is None else float(behind)), said


async def _of_postgresql(connection: AsyncConnection) -> AsyncIterator[Finding]:
    row = (await connection.execute(text(POSTGRES_FOLLOWS))).one()
    if not row.follows:
        yield _follows_nobody()
        return
    yield _how_far(float(row.behind or 0) if row.receives else None, "")


def _how_far(behind: float | None, said: str) -> Finding:
    if behind is None:
        remedy = "start its replication again; the server's log says why it stopped"
        return Finding("warning", SUBJECT, f"its replication stands still{f': {said}' if said else ''}", remedy)
    if behind > LATE_S:
        return Finding(
            "warning", SUBJECT, f"it is {behind:,.0f} s behind, and so are reports", "give it time, or speed"
        )
    return Finding("ok", SUBJECT, f"it follows, {behind:,.0f} s behind")
