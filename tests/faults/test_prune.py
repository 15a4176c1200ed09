"""Old visits are deleted while hits come in, and whoever deletes them is killed: no new hit is lost or stored twice."""

import asyncio
import os
import random
import sys
from asyncio.subprocess import DEVNULL
from contextlib import suppress

import pytest

from crumby.database import open_database
from crumby.migrations import migrate
from tests.conftest import MakeSettings
from tests.faults.clients import load
from tests.faults.ledger import Ledger, count, judge
from tests.rollups.people import People, Stored
from tests.servers import Crumby

OLD = 600
CLIENTS = 4
PACE_S = 0.05
KILLS = {"sqlite": 1}  # in the short form; three on a server
PIECES = "import crumby.rollups.pruning as p; p.PART = 50; from crumby.cli import main; main()"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "database_url",
    ["sqlite", pytest.param("mariadb", marks=pytest.mark.long), pytest.param("postgres", marks=pytest.mark.long)],
    indirect=True,
)
async def test_a_prune_under_load_that_is_killed_loses_and_doubles_nothing(
    database_url: str, settings: MakeSettings
) -> None:
    """`crumby prune` beside two workers, killed with -9. Planted: a horizon of tomorrow."""
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        await migrate(database.engine)
        stored = Stored(database, People())
        await stored.come(OLD)
        await stored.close()
    ledger = Ledger()
    with Crumby(database_url, arguments=["--workers", "2"], retention_days="30") as server:
        environ = {**os.environ, **server.environment()}
        async with load(server.port, ledger, PACE_S, CLIENTS):
            await ledger.next_ok()
            chance = random.Random(2)  # noqa: S311
            for _ in range(KILLS.get(database.dialect, 3)):
                pruning = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", PIECES, "prune", env=environ, stdout=DEVNULL, stderr=DEVNULL
                )
                with suppress(TimeoutError):
                    async with asyncio.timeout(chance.uniform(0.8, 2.5)):
                        await pruning.wait()
                if pruning.returncode is None:
                    pruning.kill()
                await pruning.wait()
                await ledger.next_ok()
            last = await asyncio.create_subprocess_exec(sys.executable, "-m", "crumby", "prune", env=environ)
            assert await last.wait() == 0
            await ledger.next_ok()
        assert not ledger.outcomes["busy"], server.log[-3000:]
        await judge(database_url, ledger)  # whose phantoms are rows that should have gone
        assert await count(database_url) >= len(ledger.ok)
