"""`crumby rollup`: what reports have counted beforehand, brought up to date or made anew."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

import typer
from rich.progress import Progress
from rich.table import Table

from crumby.cli.completing import rollup_names
from crumby.cli.copying import brought_up
from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json, show
from crumby.cli.progress import progress
from crumby.database import open_database
from crumby.errors import DatabaseUnavailable, QueryFileError
from crumby.migrations import migrate
from crumby.rollups import Listed, Rollups, open_rollups
from crumby.settings import Settings, load_settings

LEFT: Final = (
    "stopped: what is counted by now stays, and a running Crumby or the next `crumby rollup` goes on from there"
)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME", help="Rollups; without any, all of them.", show_default=False, autocompletion=rollup_names
    ),
]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="Count them anew from the first visit that there is.")]


def rollup(names: Names = None, rebuild: Rebuild = False, json_: Json = False) -> None:
    with on_ctrl_c(lambda: LEFT):
        try:
            listed = asyncio.run(_rolled_up(load_settings(), names or [], rebuild=rebuild))
        except sqlite3.Error as said:
            raise DatabaseUnavailable(f"the rollups can't be counted: {said}") from said
    if json_:
        print(json.dumps([_facts(each) for each in listed]))
    else:
        _print(listed)
    bad = [each.error for each in listed if each.error]
    for error in bad:
        print(f"crumby: {error}", file=sys.stderr)
    if bad:
        raise typer.Exit(1)


async def _rolled_up(settings: Settings, names: Sequence[str], *, rebuild: bool) -> list[Listed]:
    async with open_database(settings) as database:
        await migrate(database.engine)
        async with open_rollups(database, settings) as rollups:
            known = rollups.names()
            for name in names:
                if name not in known:
                    raise QueryFileError(f"there is no rollup {name!r}; there are {', '.join(known)}")
            if rebuild:
                await rollups.forget(names)
                _tell(await rollups.kept())
            with progress() as bar:
                await to_the_end(rollups, bar)
                while await rollups.put_right():
                    await to_the_end(rollups, bar)
                await brought_up(settings, rollups, bar)
            return [each for each in await rollups.listed() if not names or each.name in names]


def _tell(kept: date | None) -> None:
    if kept:
        print(f"crumby: days before {kept}, whose visits were pruned, stay as they were counted", file=sys.stderr)


async def to_the_end(rollups: Rollups, bar: Progress) -> None:
    task = bar.add_task("counting", total=None)
    await rollups.finish(lambda done, of: bar.update(task, completed=done, total=of))


def _facts(listed: Listed) -> dict[str, object]:
    return {
        "name": listed.name,
        "ready": listed.ready,
        "days": listed.days,
        "months": listed.months,
        "visit": listed.visit,
        "event": listed.event,
        "behind": listed.behind,
        "error": listed.error,
    }


def _print(listed: Sequence[Listed]) -> None:
    table = Table("rollup", "rows by day", "by month", "up to visit", "event", "behind", "")
    for each in listed:
        state = "its file is wrong" if each.error else "ready" if each.ready else "not complete"
        numbers = (each.days, each.months, each.visit, each.event, each.behind)
        table.add_row(each.name, *(f"{number:,}" for number in numbers), state)
    show(table)
