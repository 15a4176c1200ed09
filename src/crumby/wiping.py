"""What is deleted from an SQLite file is to be nowhere in it any more, nor in the log beside it.

`secure_delete` writes zeros over what goes. The log has the pages as they were until it starts anew, which it does with
the first commit after all of it has been moved into the file while nobody reads it.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from crumby.database import PRAGMAS

SECURE: Final = "secure_delete = on"
BUSY_S: Final = 2.0
SHORT: Final = 256 << 10  # bytes of a log that has just started anew, at the most


def restart_log(path: Path) -> bool:
    """Have the log of that file start anew, cut → whether it has; it has not while somebody reads it.

    It is moved while a second connection keeps everybody from committing: `ingest/store.py` says why. Raises
    sqlite3.Error.
    """
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or not log.stat().st_size:
        return True
    with contextlib.closing(_open(path)) as own, contextlib.closing(_open(path)) as guard:
        try:
            guard.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            raise
        try:
            _, logged, moved = own.execute("pragma wal_checkpoint(passive)").fetchone()
        finally:
            guard.execute("rollback")
        if moved < logged:
            return False
        (version,) = own.execute("pragma user_version").fetchone()
        own.execute(f"pragma user_version = {version}")
        return log.stat().st_size <= SHORT


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
    for pragma in (*PRAGMAS, f"busy_timeout = {BUSY_S * 1000:.0f}", "journal_size_limit = 0"):
        connection.execute(f"pragma {pragma}").close()
    return connection
