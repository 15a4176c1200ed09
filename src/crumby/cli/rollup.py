"""`crumby rollup`: what reports have counted beforehand, brought up to date or made anew."""

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from crumby.cli.people import Json, show
from crumby.database import open_database
from crumby.errors import DatabaseUnavailable, QueryFileError
from crumby.migrations import migrate
from crumby.rollups import Listed, Rollups, open_rollups
from crumby.settings import Settings, load_settings

BUSY_S = 0.2  # until it is asked again whether another process is done

Names = Annotated[list[str] | None, typer.Argument(help="Rollups; without any, all of them.", show_default=False)]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="Count them anew from the first visit.")]


def rollup(names: Names = None, rebuild: Rebuild = False, json_: Json = False) -> None:
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
            with _bar() as bar:
                await _to_the_end(rollups, bar)
                while await rollups.put_right():
                    await _to_the_end(rollups, bar)
            return [each for each in await rollups.listed() if not names or each.name in names]


async def _to_the_end(rollups: Rollups, bar: Progress) -> None:
    """As far as the rows went when it began: where hits come without end, so would this."""
    task = bar.add_task("counting", total=None)
    there = None
    while True:
        done = await rollups.advance()
        if done.of:
            there = there or done.of
            bar.update(task, completed=done.of - done.left, total=done.of)
        if not done.pending or (there and done.of - done.left >= there):
            return
        if not done.visits:
            await asyncio.sleep(BUSY_S)


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar


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
