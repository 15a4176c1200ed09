"""`crumby prune`: what is older than it is to be kept, deleted; what was counted of it stays."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress

from crumby.cli.copying import brought_up
from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json
from crumby.cli.progress import progress
from crumby.database import open_database
from crumby.errors import ConfigurationError
from crumby.migrations import migrate
from crumby.rollups import Busy, Horizon, Prune, Rollups, open_rollups
from crumby.settings import Settings, load_settings

BUSY_S: Final = 0.2
REST: Final = 0.5  # of the time that a piece took, before the next one: hits come first
PATIENCE: Final = 3000  # times that rollups may be behind: ten minutes
MOST: Final = 36_500

Days = Annotated[
    int | None,
    typer.Option(
        "--days", metavar="N", min=1, max=MOST, help="Keep so many, whatever RETENTION_DAYS says.", show_default=False
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")]


def prune(days: Days = None, dry_run: DryRun = False, json_: Json = False) -> None:
    settings = load_settings()
    kept = days or settings.retention_days
    if not kept:
        raise ConfigurationError(
            "RETENTION_DAYS: it is 0, for good, so nothing is too old; --days N prunes all the same"
        )
    run = Prune(Horizon.of(kept, settings.time_zone))
    with on_ctrl_c(lambda: _stopped(run, dry_run=dry_run)):
        there = asyncio.run(_prune(settings, run, dry_run=dry_run))
    _tell(run, there if dry_run else _gone(run), dry_run=dry_run, json_=json_)


async def _prune(settings: Settings, run: Prune, *, dry_run: bool) -> Mapping[str, int]:
    """What there was to be deleted."""
    async with open_database(settings) as database:
        await migrate(database.engine)
        async with open_rollups(database, settings) as rollups:
            there = await rollups.older(run.horizon)
            if not dry_run:
                with progress() as bar:
                    await _counted(rollups, bar)
                    await _deleted(rollups, run, bar, there)
                    await brought_up(settings, rollups, bar)
            return there


async def _counted(rollups: Rollups, bar: Progress) -> None:
    task = bar.add_task("counting first", total=None)
    await rollups.finish(lambda done, of: bar.update(task, completed=done, total=of))
    bar.remove_task(task)


async def _deleted(rollups: Rollups, run: Prune, bar: Progress, there: Mapping[str, int]) -> None:
    task = bar.add_task("deleting", total=there["visits"] + there["events"])
    more, patience = True, PATIENCE
    while more:
        begun = time.monotonic()
        try:
            more = await rollups.prune(run)
        except Busy:
            patience -= 1
            if not patience:
                raise
            await rollups.advance()
            await asyncio.sleep(BUSY_S)
        else:
            bar.update(task, completed=run.visits + run.events)
            await asyncio.sleep(REST * (time.monotonic() - begun))


def _gone(run: Prune) -> dict[str, int]:
    return {"visits": run.visits, "events": run.events, "visitors": run.visitors}


def _stopped(run: Prune, *, dry_run: bool) -> str:
    if dry_run:
        return "stopped: nothing is deleted"
    return f"stopped: {_said(_gone(run))} are deleted; the rest go with the next `crumby prune`"


def _said(rows: Mapping[str, Any]) -> str:
    return "{visits:,} visits, {events:,} events and {visitors:,} visitors".format_map(rows)


def _tell(run: Prune, rows: Mapping[str, int], *, dry_run: bool, json_: bool) -> None:
    if json_:
        print(json.dumps({"before": run.horizon.day.isoformat(), "deleted": not dry_run, **rows}))
        return
    day = run.horizon.day
    if dry_run:
        print(f"{_said(rows)} from before {day} would be deleted; what was counted of them would stay")
        return
    print(f"{_said(rows)} from before {day} are deleted; what was counted of them stays")
    if rows["visits"] or rows["events"]:
        print("Backups that were made before have them still. The space is used again; files do not get smaller.")
