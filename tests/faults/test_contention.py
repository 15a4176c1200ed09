"""Row 18 of the card: everybody wants the embedded database at once, and nobody is told that it is locked."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

import httpx
import pytest

from tests.faults.clients import load
from tests.faults.ledger import Ledger, judge
from tests.servers import Crumby

CLIENTS = 32
PACE_S = 0.01  # some CPU is for the others
REPORTS = ("/api/public/visits?days=30", "/api/public/documents", "/api/public/locations", "/")


@pytest.mark.parametrize(
    "duration_s",
    [pytest.param(10.0, id="10 s"), pytest.param(60.0, id="60 s", marks=pytest.mark.long)],
)
async def test_nobody_is_told_that_the_database_is_locked(duration_s: float, tmp_path: Path) -> None:
    """Two workers that store hits, reports, users that come and go, backups.

    Seen to fail on connections that do not wait for each other (`busy_timeout = 0`).
    """
    ledger = Ledger()
    said: Counter[str] = Counter()
    with Crumby(arguments=["--workers", "2"]) as server:
        environ = server.environment()
        database = server.home / "crumby.db"
        async with load(server.port, ledger, PACE_S, CLIENTS), asyncio.TaskGroup() as tasks:
            ends = time.monotonic() + duration_s
            for work in (
                lambda: users(environ, "ann"),
                lambda: users(environ, "ben"),
                lambda: backup(environ, tmp_path / "b.db"),
                lambda: reports(server.url),
            ):
                tasks.create_task(again(work, ends, said))
        server.stop()
        assert said.keys() == {"users went well", "backup went well", "reports went well"}, said
        assert "locked" not in server.log
        await judge(f"sqlite:///{database}", ledger)
    assert set(ledger.outcomes) == {"ok"}, ledger.outcomes


async def again(work: Callable[[], Coroutine[None, None, str]], ends: float, said: Counter[str]) -> None:
    while time.monotonic() < ends:
        said[await work()] += 1


async def users(environ: Mapping[str, str], name: str) -> str:
    """The two names are two processes that write at the same time."""
    for words, stdin in (("adduser", name), b"a password\n"), (("deluser", name), b""):
        if wrong := await crumby(environ, *words, stdin=stdin):
            return wrong
    return "users went well"


async def backup(environ: Mapping[str, str], path: Path) -> str:
    return await crumby(environ, "backup", "--force", str(path)) or "backup went well"


async def reports(url: str) -> str:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        for path in REPORTS:
            answer = await client.get(path)
            if answer.status_code != httpx.codes.OK:
                return f"{path}: {answer.status_code} {answer.text[:200]}"
    return "reports went well"


async def crumby(environ: Mapping[str, str], *words: str, stdin: bytes = b"") -> str:
    """What went wrong, in its own words; empty where nothing did."""
    command = [sys.executable, "-m", "crumby", *words]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    _, err = await process.communicate(stdin)
    return f"{words[0]}: {process.returncode} {err.decode()}" if process.returncode or err else ""
