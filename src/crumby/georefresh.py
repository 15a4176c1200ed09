"""A new City database every GEOIP2_REFRESH_DAYS, by `crumby geoip --upgrade` in a process of its own.

That process gives its memory back when it ends, and has the least claim to the processor: hits come first. Each
machine has a file of its own, and one of its workers at a time sees to it, who has the lock beside it:

    GeoLite2-City.mmdb         as old as its date of change says, which is when it was put there
    GeoLite2-City.mmdb.lock    how many tries in a row have failed; its date of change is the last one's

Not the day on which the file was built counts: DB-IP builds one a month, and an old one would be fetched each day.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from crumby.background import GOODBYE_S

log = logging.getLogger(__name__)

SOON_S: Final = 2.0  # after the start, which has enough to do
LOOK_S: Final = 60.0  # between two looks whether it is time
DAY_S: Final = 86_400
AGAIN_S: Final = 3600.0  # after a try that failed; twice as long after each further one, a day at most
LONGEST_S: Final = 3600.0  # for a try; a download alone may take half of it
TOLD: Final = 300  # characters of what went wrong
PROGRAM: Final = """
import contextlib, os
with contextlib.suppress(OSError):  # which a hardened unit may forbid
    os.nice(10)
from crumby.cli import main
main()
"""
COMMAND: Final = (sys.executable, "-P", "-c", PROGRAM, "geoip", "--upgrade")


async def keep_fresh(path: Path, days: int) -> None:
    """Without an end, where it is for some days."""
    await asyncio.sleep(SOON_S)
    while days:
        pause = LOOK_S
        try:
            if is_due(path, days):
                with _alone(path) as lock:
                    if is_due(path, days):  # still, now that nobody else is at it
                        await _refresh(path, lock)
            else:
                log.debug("it is not time for a new City database")
        except BlockingIOError:
            log.debug("another worker gets a new City database")
        except OSError as error:
            log.warning("no City database can be put into %s: %s", path.parent, error.strerror)
            pause = AGAIN_S
        await asyncio.sleep(pause)


class Tries(NamedTuple):
    failed: int  # in a row
    last: float  # seconds since 1970

    @property
    def pause_s(self) -> float:
        return min(AGAIN_S * 2 ** (min(self.failed, 20) - 1), DAY_S) if self.failed else 0.0


def tries(path: Path) -> Tries:
    lock = _lock_of(path)
    try:
        return Tries(int(lock.read_text("ascii") or 0), lock.stat().st_mtime)
    except (OSError, ValueError):
        return Tries(0, 0.0)


def is_due(path: Path, days: int) -> bool:
    """A clock that was set back is no reason to wait for longer than it says."""
    now, tried = time.time(), tries(path)
    if 0 <= now - tried.last < tried.pause_s:
        return False
    try:
        changed = path.stat().st_mtime
    except OSError:
        return True
    return not 0 <= now - changed < days * DAY_S


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[int]:
    """The lock, which the process that fetches has as well: it may outlive us. Raises BlockingIOError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(_lock_of(path), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield lock
    finally:
        os.close(lock)


async def _refresh(path: Path, lock: int) -> None:
    why = await _fetch(lock)
    failed = tries(path).failed + 1 if why else 0
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(failed).encode(), 0)
    if why:
        pause = Tries(failed, 0).pause_s / 3600
        log.warning("the City database stays as it is: %s; tried again in %g h", why, pause)
    else:
        log.info("a new City database is at %s", path)


async def _fetch(lock: int) -> str | None:
    """Why there is no new one, in one line."""
    nothing, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=nothing, stdout=nothing, stderr=pipe, pass_fds=(lock,)
        )
    except OSError as error:
        return f"no process can be started ({error.strerror})"
    try:
        async with asyncio.timeout(LONGEST_S):
            _, said = await child.communicate()
    except TimeoutError:
        return f"it took longer than {LONGEST_S / 60:g} minutes"
    finally:
        await _ended(child)
    if not child.returncode:
        return None
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("crumby: ")[:TOLD] if lines else f"its process ended with {child.returncode}"


async def _ended(child: asyncio.subprocess.Process) -> None:
    """It cleans up after itself, if it is asked in time."""
    for end in (child.terminate, child.kill):
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S / 2):
                await child.wait()
