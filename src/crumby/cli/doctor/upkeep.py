"""What a running Crumby does by itself: old visits deleted each day, rollups kept up each second."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, text

from crumby.cli.doctor.finding import Finding, Patient
from crumby.engines import AsyncConnection
from crumby.rollups import Horizon
from crumby.rollups.tables import STATE
from crumby.tables import visits

OVERDUE: Final = timedelta(days=2)
BEHIND: Final = 10_000  # visits; a running Crumby counts them in two seconds


async def look(patient: Patient, connection: AsyncConnection, tables: set[str]) -> AsyncIterator[Finding]:
    if visits.name not in tables:
        return
    days = patient.settings.retention_days
    oldest = await connection.scalar(select(func.min(visits.c.datetime))) if days else None
    if oldest and oldest < Horizon.of(days, patient.settings.time_zone).instant - OVERDUE:
        said = f"RETENTION_DAYS is {days}, and there are visits of {oldest:%Y-%m-%d}"
        yield Finding("warning", "retention", said, "let Crumby run over midnight, or `crumby prune` deletes them now")
    counted = await _counted(patient, connection, tables)
    newest = await connection.scalar(select(func.max(visits.c.id))) or 0
    if counted is not None and newest - counted > BEHIND:
        said = f"{newest - counted:,} visits are not counted beforehand, and each report reads them one by one"
        yield Finding("warning", "rollups", said, "`crumby run` counts them, and so does `crumby rollup`")


async def _counted(patient: Patient, connection: AsyncConnection, tables: set[str]) -> int | None:
    """Up to which visit all rollups are; None where there are none yet."""
    if patient.database.sqlite_path:
        there = await connection.scalar(text(f"select 1 from rollups.sqlite_master where name = '{STATE}'"))  # noqa: S608
    else:
        there = STATE in tables
    found = await connection.scalar(text(f"select min(visits) from {STATE}")) if there else None  # noqa: S608 - ours
    return None if found is None else int(found)
