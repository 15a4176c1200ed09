"""`crumby backup` and `crumby restore`: all of the database in one file, and back."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from crumby.backup import Contents, Restored, back_up, spooled
from crumby.backup import Progress as Report
from crumby.backup import restore as put_back
from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json
from crumby.cli.progress import progress, show
from crumby.database import open_database
from crumby.settings import Settings, load_settings

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, an SQLite file.", show_default=False)]


def backup(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json_: Json = False,
) -> None:
    target = file.expanduser()
    with on_ctrl_c(lambda: _unwritten(target)):
        found, waiting = asyncio.run(_back_up(load_settings(), target, force=force))
    if waiting:
        print(
            f"crumby: {waiting:,} acknowledged hits waited in the spool for the database and are not in this backup; "
            "make another one when they have moved on",
            file=sys.stderr,
        )
    if json_:
        print(json.dumps(_facts(target, found) | {"waiting": waiting}))
    else:
        print(f"{target} holds {found} ({target.stat().st_size / 1e6:,.1f} MB)")


def restore(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace what the database holds.")] = False,
    json_: Json = False,
) -> None:
    source = file.expanduser()
    with on_ctrl_c(lambda: f"stopped: the database is as it was, or all as {source} is, and nothing in between"):
        restored = asyncio.run(_restore(load_settings(), source, force=force))
    if restored.cut:
        print(f"crumby: {restored.cut:,} values were too long for their columns, and cut", file=sys.stderr)
    if json_:
        print(json.dumps(_facts(source, restored.contents) | {"cut": restored.cut}))
    else:
        print(f"The database holds {restored.contents}, as {source} does")


def _unwritten(target: Path) -> str:
    return f"stopped: there is no backup; {target} is {'as it was' if target.exists() else 'not written'}"


async def _back_up(settings: Settings, target: Path, *, force: bool) -> tuple[Contents, int]:
    """What is in the backup, and how many hits were on their way to the database when it began."""
    async with open_database(settings) as database:
        waiting = 0 if database.sqlite_path else spooled(settings.spool)
        with _bar() as progress:
            return await back_up(database, target, force=force, progress=progress), waiting


async def _restore(settings: Settings, source: Path, *, force: bool) -> Restored:
    async with open_database(settings) as database:
        with _bar() as progress:
            return await put_back(database, source, force=force, progress=progress)


def _facts(file: Path, contents: Contents) -> dict[str, object]:
    return {
        "file": str(file.absolute()),
        "bytes": file.stat().st_size,
        "schema": contents.schema,
        "rows": dict(contents.rows),
    }


@contextlib.contextmanager
def _bar() -> Iterator[Report]:
    with progress() as bar:
        yield lambda doing, done, total: _show(bar, doing, done, total)


def _show(bar: Progress, doing: str, done: int, total: int | None) -> None:
    """Raises KeyboardInterrupt: SQLite's copying awaits nothing, so that asyncio would not come to it."""
    work = asyncio.current_task()
    if work and work.cancelling():
        raise KeyboardInterrupt
    show(bar, doing, done, total)
