"""What a file or a database holds, and whether that is a backup which this Crumby can read."""

import contextlib
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL

from crumby.database import BUSY_TIMEOUT
from crumby.engines import create_async_engine
from crumby.errors import CrumbyError, DatabaseUnavailable
from crumby.migrations import HEAD, migrate
from crumby.tables import events, guesses, metadata, salts, sessions, setups, users, visits

OLDEST: Final = "0.7.1"  # whose schema had no version
PRECIOUS: Final = tuple(table.name for table in (visits, events, users))  # the calendar can be made anew
PASSING: Final = tuple(table.name for table in (salts, sessions, guesses, setups))  # of today, and of no other day
STEPS: Final = 1_000_000  # of SQLite's, some milliseconds, between two words
VERSION: Final = "alembic_version"

Progress = Callable[[str, int, int | None], None]  # what is being done, steps so far, steps in all if known


class BackupError(CrumbyError):
    """That file cannot be written or restored from, or the database may not be replaced. Nothing has changed."""


@dataclass(frozen=True, slots=True)
class Contents:
    schema: str  # "0005", or OLDEST
    rows: Mapping[str, int]  # by table, of those of Crumby's that there are
    others: Sequence[str] = ()  # tables that are not Crumby's

    def __str__(self) -> str:
        """`12,331 visits, 204 events and 1 user`."""
        counts = ((self.rows.get(name, 0), name) for name in PRECIOUS)
        *most, last = (f"{count:,} {name if count != 1 else name[:-1]}" for count, name in counts)
        return f"{', '.join(most)} and {last}" + "".join(f", the table {name}" for name in self.others)


def inspected(path: Path, progress: Progress = lambda _doing, _done, _total: None) -> Contents:
    """What a backup holds. Raises BackupError for what is none, is damaged, or is of a newer Crumby.

    It takes a while. What `progress` raises ends it, as a BackupError.
    """
    if not path.is_file():
        raise BackupError(f"there is no file {path}")
    with named(path), contextlib.closing(read_only(path)) as file:
        file.set_progress_handler(lambda: progress("checking", 0, None), STEPS)
        said = str(file.execute("pragma integrity_check(1)").fetchone()[0])
        if said != "ok":
            raise BackupError(f"{path} is damaged: {' '.join(said.split())}")
        found = contents(file, path)
    if found.schema != OLDEST and not (found.schema.isdigit() and found.schema <= HEAD):
        raise BackupError(f"{path} has schema {found.schema}, and this Crumby knows up to {HEAD}; use a newer one")
    return found


def contents(connection: sqlite3.Connection, path: Path) -> Contents:
    """The first read, and so the instant of a snapshot."""
    names = table_names(connection)
    for name in PRECIOUS:
        if name not in names:
            raise BackupError(f"{path} is no database of Crumby's: it has no table {name}")
    version = connection.execute(f"select version_num from {VERSION}").fetchone() if VERSION in names else None  # noqa: S608
    return Contents(str(version[0]) if version else OLDEST, _counts(connection, names), _others(names))


def without_passing(path: Path, copied: Contents) -> Contents:
    """What is left of a copy, in which they are not even to be found in what is free of the file."""
    there = [name for name in PASSING if name in copied.rows]
    with contextlib.closing(unsynced(path)) as file:
        file.execute("pragma secure_delete = on").close()
        for name in there:
            file.execute(f"delete from {name}")  # noqa: S608 - a name of ours
    return replace(copied, rows={**copied.rows, **dict.fromkeys(there, 0)})


def held(connection: sqlite3.Connection) -> Contents:
    """What is there, be it a database of Crumby's or none."""
    names = table_names(connection)
    return Contents("", _counts(connection, names), _others(names))


def refuse_to_replace(name: Path | str, there: Contents, *, force: bool) -> None:
    if not force and (there.others or any(there.rows.get(table) for table in PRECIOUS)):
        raise BackupError(f"{name} holds {there}; --force replaces them")


def table_names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def _counts(connection: sqlite3.Connection, names: set[str]) -> dict[str, int]:
    ours = [name for name in metadata.tables if name in names]
    return {name: int(connection.execute(f"select count(*) from {name}").fetchone()[0]) for name in ours}  # noqa: S608


def _others(names: set[str]) -> tuple[str, ...]:
    foreign = names - metadata.tables.keys() - {VERSION}
    return tuple(sorted(name for name in foreign if not name.startswith("sqlite_")))


@contextlib.asynccontextmanager
async def of_today(source: Path, found: Contents, folder: Path | None) -> AsyncIterator[Path]:
    """The backup, or a copy of it, in that folder, which has been brought to today's schema."""
    if found.schema == HEAD:
        _check_columns(source, source)
        yield source
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".crumby-restore-") as temporary:
        copy = Path(temporary) / "copy.db"
        with named(source), contextlib.closing(read_only(source)) as old, contextlib.closing(unsynced(copy)) as new:
            old.backup(new)
        try:
            await migrate_file(copy)
        except DatabaseUnavailable as error:
            raise BackupError(f"{source} cannot be brought to schema {HEAD}: {error.__cause__}") from error
        _check_columns(copy, source)
        yield copy


def _check_columns(path: Path, source: Path) -> None:
    with named(source), contextlib.closing(read_only(path)) as file:
        for table in metadata.sorted_tables:
            there = {row[1] for row in file.execute(f"pragma table_info ({table.name})")}
            for column in table.columns:
                if column.name not in there:
                    raise BackupError(f"{source} is no backup of Crumby's: {table.name} has no column {column.name}")


async def migrate_file(path: Path) -> None:
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(path)))
    try:
        await migrate(engine)
    finally:
        await engine.dispose()


def read_only(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT)


def unsynced(path: Path) -> sqlite3.Connection:
    """For a file that is nobody's yet: it is synced as a whole before it gets its name."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = off").close()
    connection.execute("pragma synchronous = off")
    return connection


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """SQLite does not say of which file it speaks."""
    try:
        yield
    except sqlite3.Error as error:
        raise BackupError(f"{path}: {error}") from error
