"""`crumby demo`: a year of visits that nobody paid, to look at."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json
from crumby.cli.progress import progress
from crumby.database import open_database
from crumby.demo.filling import Filled, NotEmpty, Tell, fill, held
from crumby.migrations import migrate
from crumby.settings import Settings, load_settings

VISITS = 50_000
MOST = 5_000_000

Visits = Annotated[int, typer.Option("--visits", metavar="N", min=1, max=MOST, help="How many.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Another one makes other visitors.")]
Into = Annotated[
    Path | None,
    typer.Option(
        "--into", metavar="FILE", help="An SQLite file to fill, not the configured database.", show_default=False
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Add them to the visits that are there.")]


def demo(visits: Visits = VISITS, seed: Seed = 1, into: Into = None, force: Force = False, json_: Json = False) -> None:
    settings = load_settings()
    if into:
        path = into.expanduser().absolute()
        settings = dataclasses.replace(settings, sqlalchemy_database_uri=f"sqlite:///{path}")
    baked = Baked()
    with on_ctrl_c(lambda: _stopped(baked, visits)):
        filled = asyncio.run(_fill(settings, visits, seed, baked, force=force))
    if json_:
        print(json.dumps(_facts(filled)))
        return
    print(f"{filled.visits:,} visits and {filled.events:,} events from {filled.first:%Y-%m-%d} until now")
    if into:
        print(f"To look at them: CRUMBY_SQLALCHEMY_DATABASE_URI=sqlite:///{path} crumby run")
    else:
        print("To look at them: crumby run")


@dataclasses.dataclass
class Baked:
    """How many visits are stored by now."""

    visits: int = 0


def _stopped(baked: Baked, visits: int) -> str:
    if not baked.visits:
        return "stopped: none of the demo's visits is stored"
    return (
        f"stopped: {baked.visits:,} of the demo's {visits:,} visits are stored, and work as they are; "
        "to begin anew, take another `--into FILE`"
    )


async def _fill(settings: Settings, visits: int, seed: int, baked: Baked, *, force: bool) -> Filled:
    async with open_database(settings) as database:
        await migrate(database.engine)
        there, events = await held(database)
        if (there or events) and not force:
            raise NotEmpty(
                f"the database holds {there:,} visits and {events:,} events already: `--into FILE` fills a file of "
                "its own, `--force` adds the demo's to them, and nothing parts them again"
            )
        with _bar(visits, baked) as tell:
            try:
                return await fill(database, visits, datetime.now(UTC).replace(tzinfo=None), seed, tell)
            except asyncio.CancelledError:
                baked.visits = (await held(database))[0] - there  # what was on its way is there as well
                raise


def _facts(filled: Filled) -> dict[str, object]:
    return {
        "visits": filled.visits,
        "events": filled.events,
        "from": filled.first.isoformat(timespec="seconds"),
        "until": filled.until.isoformat(timespec="seconds"),
    }


@contextlib.contextmanager
def _bar(visits: int, baked: Baked) -> Iterator[Tell]:
    with progress() as bar:
        task = bar.add_task("baking", total=visits)

        def tell(stored: int) -> None:
            baked.visits = stored
            bar.update(task, completed=stored)

        yield tell
