"""Reports let SQLite's write-ahead log start anew.

That needs a moment in which nobody reads it. Reports that overlap without end leave none, and the log would grow with
each hit: so once it is long a new report waits, those under way end within their time limit, and the ingest resets it.
All workers look at the same file, so they agree without a word.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

BOUND: Final = 64 << 20  # bytes; a quiet log stays below 20 MiB
POLL_S: Final = 0.05
STILL_S: Final = 5.0  # beyond the time limit, without a write: then nobody resets it, and nothing makes it grow


async def wait_for_reset(database: Path, timeout_s: float) -> None:
    """Return once a report may read. Raises TimeoutError."""
    log, still_s = f"{database}-wal", timeout_s + STILL_S
    if not _is_to_be_reset(log, still_s):  # as a rule: without a timer
        return
    async with asyncio.timeout(timeout_s):
        while _is_to_be_reset(log, still_s):  # noqa: ASYNC110 - another process resets it
            await asyncio.sleep(POLL_S)


def _is_to_be_reset(log: str, still_s: float) -> bool:
    try:
        found = os.stat(log)  # noqa: PTH116 - a Path costs as much again
    except FileNotFoundError:
        return False
    return found.st_size > BOUND and abs(time.time() - found.st_mtime) < still_s  # a clock may jump either way
