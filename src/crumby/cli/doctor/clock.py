"""Whose clock is wrong: a database server's that differs from ours, or one by which hits came from the future."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text

from crumby.cli.doctor.finding import Finding, Patient
from crumby.engines import AsyncConnection
from crumby.tables import visits

APART_S: Final = 2.0
AHEAD: Final = timedelta(minutes=2)
NOW: Final = {  # seconds since 1970
    "mysql": "select unix_timestamp(now(6))",
    "postgresql": "select extract(epoch from clock_timestamp())",
}


async def look(patient: Patient, connection: AsyncConnection, tables: set[str]) -> AsyncIterator[Finding]:
    if visits.name in tables:
        async for finding in _future(connection):
            yield finding
    if patient.database.dialect in NOW:
        async for finding in _server(connection, NOW[patient.database.dialect]):
            yield finding


async def _server(connection: AsyncConnection, statement: str) -> AsyncIterator[Finding]:
    before = time.time()
    theirs = float(await connection.scalar(text(statement)) or 0)
    after = time.time()
    apart = max(before - theirs, theirs - after)
    if apart > APART_S:
        which = "behind" if theirs < before else "ahead of"
        said = f"the database server's clock is {apart:,.0f} s {which} this machine's"
        yield Finding("warning", "clock", said, "set both by NTP; `timedatectl` says whether one is")


async def _future(connection: AsyncConnection) -> AsyncIterator[Finding]:
    now = datetime.now(UTC).replace(tzinfo=None)
    late = select(func.count(), func.max(visits.c.datetime)).where(visits.c.datetime > now + AHEAD)
    count, newest = (await connection.execute(late)).one()
    if count:
        said = (
            f"visits that are dated after now, {now:%Y-%m-%d %H:%M} UTC: {count:,}, the last of {newest:%Y-%m-%d %H:%M}"
        )
        remedy = (
            "this machine's clock is behind, or was ahead when they came; `timedatectl` says whether it is set by NTP"
        )
        yield Finding("warning", "clock", said, remedy)
