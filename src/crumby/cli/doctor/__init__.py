"""`crumby doctor`: what is amiss, or will be, and what to do about it. It looks and changes nothing.

finding.py        what is found, and how bad it is
configuration.py  settings that do not go together, secrets, and files that others can read
database.py       whether it answers, its schema, its commits, its users
replica.py        the replica that reports ask, if there is one
columnar.py       or the ClickHouse
clock.py          whose clock is wrong
upkeep.py         what is done once a day, and what is counted beforehand
traffic.py        whether visitors have addresses of their own
disk.py           room for hits, and the spool
tracker.py        whether browsers reach the script
places.py         the City database
queries.py        the query files
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from crumby import __version__
from crumby.cli.doctor import clock, configuration, database, disk, places, queries, replica, tracker, traffic, upkeep
from crumby.cli.doctor.finding import Finding, Patient
from crumby.cli.people import Json, show
from crumby.database import open_database
from crumby.errors import ConfigurationError
from crumby.settings import Settings, load_settings


def doctor(
    json_: Json = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody but the database: do not fetch the script from DOMAIN.")
    ] = False,
) -> None:
    logging.getLogger("crumby").addHandler(logging.NullHandler())  # the table says it
    findings = asyncio.run(examine(load_settings(), offline=offline))
    if json_:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    if any(finding.verdict == "fault" for finding in findings):
        raise typer.Exit(1)


async def examine(settings: Settings, *, offline: bool = False) -> list[Finding]:
    """Everything there is to say."""
    found = [Finding("ok", "crumby", f"{__version__}, SQLite {sqlite3.sqlite_version}")]
    try:
        async with open_database(settings) as opened:
            found += [finding async for finding in _of(Patient(settings, opened))]
    except ConfigurationError as error:
        found.append(Finding("fault", "configuration", str(error), "Crumby does not start until that is mended"))
    found.append(await places.look(settings))
    if not offline:
        found.append(await tracker.look(settings))
    return found


async def _of(patient: Patient) -> AsyncIterator[Finding]:
    for finding in [*configuration.look(patient), *disk.look(patient)]:
        yield finding
    async for finding in database.look(patient, clock.look, upkeep.look, traffic.look):
        yield finding
    async for finding in replica.look(patient):
        yield finding
    async for finding in queries.look(patient):
        yield finding


def _print(findings: list[Finding]) -> None:
    table = Table("", "subject", "finding, and what to do")
    for each in findings:
        table.add_row(each.verdict, each.subject, f"{each.said}\n→ {each.remedy}" if each.remedy else each.said)
    show(table)
