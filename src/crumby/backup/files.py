"""A file that is there whole or not at all."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from crumby.backup.contents import BackupError

COMPANIONS: Final = ("-wal", "-shm", "-journal")  # what SQLite may lay beside a file


@contextlib.contextmanager
def replacing(target: Path, *, force: bool) -> Iterator[Path]:
    """A file to write, which becomes `target` when the context ends well, and is gone when it does not.

    What a kill leaves of it is overwritten by the next one.
    """
    if not target.parent.is_dir():
        raise BackupError(f"there is no folder {target.parent}; make it first")
    if target.is_dir():
        raise BackupError(f"{target} is a folder; name a file in it")
    partial = target.with_name(f"{target.name}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        _claim(descriptor, partial)
        try:
            _refuse_to_overwrite(target, force=force)
            _remove_companions(partial)
            os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, 0)
            yield partial
            os.fsync(descriptor)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            _remove_companions(partial)
            raise
        _sync(target.parent)
    finally:
        os.close(descriptor)


def _claim(descriptor: int, partial: Path) -> None:
    """Held until the descriptor is closed, or its process dies."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = partial.exists() and os.path.samestat(os.fstat(descriptor), partial.stat())
    except BlockingIOError:
        ours = False
    if not ours:  # or it was the other's, who has just given it its name
        raise BackupError(f"another backup is being written to {partial}; wait for it")


def _refuse_to_overwrite(target: Path, *, force: bool) -> None:
    if target.exists() and not force:
        raise BackupError(f"{target} is there already; --force replaces it")
    for beside in (target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-journal")):
        if beside.exists() and beside.stat().st_size:
            raise BackupError(f"{beside} is there, and would be taken for a part of the backup; name another file")


def make_self_contained(path: Path) -> None:
    """Its header may say WAL, and then reading it takes a file beside it."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("pragma journal_mode = delete").close()


def _remove_companions(path: Path) -> None:
    for suffix in COMPANIONS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the name is durable once the folder is
    finally:
        os.close(descriptor)
