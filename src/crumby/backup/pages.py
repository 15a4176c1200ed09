"""The embedded database, copied page by page by SQLite itself."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from crumby.backup.contents import (
    BackupError,
    Contents,
    Progress,
    contents,
    held,
    named,
    read_only,
    refuse_to_replace,
    unsynced,
)

STEP: Final = 256  # pages, which are 1 MiB
UNANSWERED: Final = 1.0  # second that a restore waits for whoever has the database open


def copy(source: Path, partial: Path, progress: Progress) -> Contents:
    """One read transaction is the snapshot. Without it each commit of the server's would begin the copy anew."""
    if not source.exists():
        raise BackupError(f"there is no database {source}, and so nothing to back up")
    with named(source), contextlib.closing(read_only(source)) as old:
        old.execute("begin")
        copied = contents(old, source)
        with named(partial), contextlib.closing(unsynced(partial)) as new:  # such as: it is full
            _step_through(old, new, progress)
    return copied


def replace(source: Path, target: Path, *, force: bool, progress: Progress) -> None:
    """In one transaction, which a kill rolls back, and with nobody else having the database open.

    A rename instead would leave a server that starts at this moment with the old file, which has no name any more.
    """
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
    with named(target), contextlib.closing(_sole(target)) as new, contextlib.closing(read_only(source)) as old:
        refuse_to_replace(target, held(new), force=force)
        # In WAL mode SQLite takes no page size but the database's own; a file of 0.7.1 may have 1 KiB.
        new.execute("pragma journal_mode = delete").close()
        new.execute("pragma synchronous = full")
        _step_through(old, new, progress)


def _step_through(old: sqlite3.Connection, new: sqlite3.Connection, progress: Progress) -> None:
    old.backup(new, pages=STEP, progress=lambda _, left, total: progress("copying", total - left, total))


def _sole(path: Path) -> sqlite3.Connection:
    """A connection that keeps all others out. One of WAL mode has the file locked even while it is idle."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=UNANSWERED)
    try:
        connection.execute("pragma locking_mode = exclusive").close()
        connection.execute("begin exclusive")
        connection.execute("commit")  # the lock stays until the connection is closed
    except sqlite3.Error as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise BackupError(f"{path} is in use, by a running Crumby most likely; stop it first") from error
        raise
    return connection
