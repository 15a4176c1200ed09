"""What a command that counts or deletes leaves to be told to ClickHouse, where reports ask one."""

import sys
from typing import TYPE_CHECKING, Final

from rich.progress import Progress, TaskID

from crumby import columnar
from crumby.database import Database
from crumby.errors import CrumbyError
from crumby.rollups import Rollups, open_rollups
from crumby.settings import Settings

if TYPE_CHECKING:
    from crumby.columnar.taking import Waiting

LATER: Final = "a running Crumby tells it later"


async def brought_up(settings: Settings, rollups: Rollups, bar: Progress) -> None:
    """Send it all that there is. It may be away: that is told, and no reason to fail."""
    sender = columnar.sender_of(settings, rollups)
    if not sender:
        return
    task = bar.add_task("copying to ClickHouse", total=None)
    try:
        await sender.finish(lambda there: _show(bar, task, there))
    except CrumbyError as error:
        _say(f"ClickHouse does not have all of it: {error}; {LATER}")
    finally:
        await sender.close()


def _show(bar: Progress, task: TaskID, there: "Waiting") -> None:
    """The rollups come last, and are fewer."""
    left = f"copying to ClickHouse, {len(there.rollups)} rollups left" if there.rollups else "copying to ClickHouse"
    bar.update(task, description=left, completed=there.done, total=there.of)


async def forgotten(settings: Settings, rollups: Rollups) -> None:
    """What was deleted is nowhere there, nor in what waits to be told."""
    sender = columnar.sender_of(settings, rollups)
    if not sender:
        return
    try:
        await sender.finish()
        await rollups.within(lambda work, _: work.restart_log())
    except CrumbyError as error:
        await sender.begin_anew()
        _say(f"ClickHouse still has it: {error}. All that it has is deleted once it answers, and copied anew; {LATER}")
    finally:
        await sender.close()


async def prepared(settings: Settings, database: Database) -> None:
    """Its tables are made."""
    if not columnar.is_meant(settings):
        return
    async with open_rollups(database, settings) as rollups:
        sender = columnar.sender_of(settings, rollups)
        try:
            if sender:
                await sender.prepare()
        except CrumbyError as error:
            _say(f"ClickHouse has no tables yet: {error}; a running Crumby makes them")
        finally:
            if sender:
                await sender.close()


def _say(text: str) -> None:
    print(f"crumby: {text}", file=sys.stderr)
