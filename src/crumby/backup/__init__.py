"""A backup: what the database holds at one instant, in one ordinary SQLite file, whatever kind of database it is.

    back_up    embedded database ── pages.py, of one snapshot ─┐
               server            ── rows.py, of one snapshot ──┴─► FILE.partial ── checked, on the disk ──► FILE
    restore    FILE ── checked, of today's schema ─┬─ pages.py ─► embedded database
                                                   └─ rows.py ──► server

Each of them ends in one rename or one commit, so a kill leaves the old state or the new one. From a server come
Crumby's own tables alone; with an embedded database comes whatever else is in its file. Salts are left out: what is
made with them is to be nobody's once they are deleted. So are sessions: one that ended meanwhile would go on.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from crumby.backup import pages, rows
from crumby.backup.contents import (
    BackupError,
    Contents,
    Progress,
    inspected,
    named,
    of_today,
    read_only,
    table_names,
    without_passing,
)
from crumby.backup.files import make_self_contained, replacing
from crumby.database import Database
from crumby.migrations import migrate

__all__ = ["BackupError", "Contents", "Progress", "Restored", "back_up", "restore", "spooled"]


@dataclass(frozen=True, slots=True)
class Restored:
    contents: Contents  # of the backup
    cut: int  # values that were longer than a server's column may be; the embedded database has no such bounds


def silent(_doing: str, _done: int, _total: int | None) -> None:
    pass


async def back_up(database: Database, target: Path, *, force: bool = False, progress: Progress = silent) -> Contents:
    """What is in `target` now: all that was committed before the start. Hits go on being stored meanwhile.

    Raises BackupError or DatabaseUnavailable; then `target` is as it was.
    """
    path = database.sqlite_path
    if _is_same(target, path):
        raise BackupError(f"{target} is the database itself; name another file")
    with replacing(target, force=force) as partial, named(partial):
        if path:
            copied = pages.copy(path, partial, progress)
        else:
            copied = await rows.copy(database.engine, partial, progress)
        copied = without_passing(partial, copied)
        make_self_contained(partial)
        progress("checking", 0, None)
        found = inspected(partial, progress)
        if found != copied:
            raise BackupError(f"{target}: {copied} were to be written, {found} were; is the disk sound?")
    return found


async def restore(database: Database, source: Path, *, force: bool = False, progress: Progress = silent) -> Restored:
    """Make the database hold what `source` does, and nothing else; with `force` also where it holds something.

    Raises BackupError or DatabaseUnavailable; then the database is as it was.
    """
    path = database.sqlite_path
    if _is_same(source, path):
        raise BackupError(f"{source} is the database itself; name a backup of it")
    progress("checking", 0, None)
    found = inspected(source, progress)
    cut = 0
    async with of_today(source, found, path and path.parent) as ready:
        if path:
            pages.replace(ready, path, force=force, progress=progress)
        else:
            cut = await rows.replace(ready, database.engine, found, force=force, progress=progress)
    await migrate(database.engine)  # there is nothing to migrate, but WAL to turn on
    return Restored(found, cut)


def spooled(path: Path) -> int:
    """How many acknowledged hits wait in the spool at `path` for their server."""
    if not path.exists():
        return 0
    with named(path), contextlib.closing(read_only(path)) as spool:
        waiting = "hits" in table_names(spool) and spool.execute("select count(*) from hits").fetchone()[0]
    return int(waiting)


def _is_same(one: Path, other: Path | None) -> bool:
    return other is not None and one.exists() and other.exists() and one.samefile(other)
