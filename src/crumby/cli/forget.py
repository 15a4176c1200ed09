"""`crumby forget`: a visitor who wants to be."""

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Final

import typer

from crumby.cli.copying import forgotten
from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json
from crumby.cli.progress import progress
from crumby.database import Database, open_database
from crumby.errors import CrumbyError, DatabaseUnavailable
from crumby.migrations import migrate
from crumby.rollups import open_rollups
from crumby.settings import Settings, load_settings
from crumby.subjects import Forgotten, Subject, Tell, find
from crumby.subjects import forget as delete

LEFT: Final = (
    "What Crumby can't forget: backups that were made before, logs of proxies in front of it, and totals of days whose "
    "visits were pruned, which name nobody."
)

Names = Annotated[
    list[str], typer.Argument(help="The visitor's cid, or an address; several if need be.", metavar="CID|IP")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete it without asking.")]


class Unconfirmed(CrumbyError):
    pass


def forget(names: Names, dry_run: DryRun = False, yes: Yes = False, json_: Json = False) -> None:
    settings = load_settings()
    subjects = [Subject.of(name) for name in dict.fromkeys(names)]
    try:
        there = asyncio.run(_found(settings, subjects))
        if not dry_run:
            if not json_ and not yes:
                _print(subjects, there, "this is stored")
            _confirm(yes=yes or not any(map(_any, there)))
            with on_ctrl_c(lambda: "stopped: a part may be deleted; run it again for the rest"):
                there = asyncio.run(_forget(settings, subjects))  # nothing as well: what was ended too early ends then
    except sqlite3.Error as said:
        raise DatabaseUnavailable(f"not all of it could be deleted: {said}; run it again") from said
    _tell(subjects, there, dry_run=dry_run, json_=json_)


async def _found(settings: Settings, subjects: Sequence[Subject]) -> list[Forgotten]:
    async with _opened(settings) as database:
        found = []
        for subject in subjects:
            there = Forgotten()
            there.add(await find(database, settings, subject))
            found.append(there)
        return found


async def _forget(settings: Settings, subjects: Sequence[Subject]) -> list[Forgotten]:
    async with _opened(settings) as database, open_rollups(database, settings) as rollups:
        with _bar() as tell:
            there = [await delete(database, rollups, settings, subject, tell) for subject in subjects]
        await forgotten(settings, rollups)
        return there


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings) as database:
        await migrate(database.engine)
        yield database


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not _asked():
        raise Unconfirmed("nothing is deleted: --yes does it without being asked")
    if not typer.confirm("Delete it for good?"):
        raise Unconfirmed("nothing is deleted")


def _asked() -> bool:
    """Whether somebody is there to be."""
    return sys.stdin.isatty()


@contextlib.contextmanager
def _bar() -> Iterator[Tell]:
    with progress() as bar:
        task = bar.add_task("forgetting", total=None)
        yield lambda said, done, of: bar.update(task, description=f"forgetting {said}", completed=done, total=of)


def _tell(subjects: Sequence[Subject], there: Sequence[Forgotten], *, dry_run: bool, json_: bool) -> None:
    if json_:
        rows = [
            {"asked": subject.said, "deleted": not dry_run, **asdict(found)}
            for subject, found in zip(subjects, there, strict=True)
        ]
        print(json.dumps(rows))
        return
    _print(subjects, there, "would be deleted" if dry_run else "deleted")
    if not dry_run and any(map(_any, there)):
        print(LEFT)


def _any(found: Forgotten) -> bool:
    return any(asdict(found).values())


def _print(subjects: Sequence[Subject], there: Sequence[Forgotten], what: str) -> None:
    for subject, found in zip(subjects, there, strict=True):
        if not _any(found):
            print(f"{subject.said}: nothing is stored")
            continue
        waiting = f", {found.waiting:,} in the spool" if found.waiting else ""
        rows = f"{_many(found.visits, 'visit')}, {_many(found.events, 'event')}{waiting}"
        of = "of the visitors who came from there, " if subject.ip else ""
        print(f"{subject.said}: {of}{rows}, and what is remembered of {_many(found.visitors, 'visitor')}: {what}")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
