"""What a server and its commands make of a ClickHouse that reports ask."""

import asyncio
import contextlib
import json

import httpx
import pytest

from crumby.app import create_app
from crumby.cli.copying import forgotten
from crumby.cli.doctor import examine
from crumby.settings import Settings
from tests.columnar.conftest import Copied
from tests.conftest import MakeSettings
from tests.faults.ledger import new_hit
from tests.rollups.people import Stored
from tests.servers import READY_S, alive, free_port

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_hit_is_there_seconds_later(settings: MakeSettings, copied: Copied, database_url: str) -> None:
    """Of a running Crumby. Fault: nobody sends."""
    running = settings(sqlalchemy_database_uri=database_url, reports_database_uri=copied.url)
    async with alive(create_app(running)) as app:
        transport = httpx.ASGITransport(app.app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", timeout=READY_S) as client:
            for _ in range(3):
                answer = await client.post("/hit", content=json.dumps(new_hit("visit")))
                assert answer.status_code == 204
        async with asyncio.timeout(READY_S):
            while True:
                with contextlib.suppress(AssertionError):  # until the tables are made
                    if copied.ask("select count() from copied_visits") == [(3,)] and "totals" in copied.complete():
                        break
                await asyncio.sleep(0.1)
    assert [int(views) for (views,) in copied.ask("select sum(views) from rollup_totals_day")] == [3]


async def said(settings: Settings) -> list[str]:
    found = await examine(settings, offline=True)
    return [f"{each.verdict}: {each.said}" for each in found if each.subject == "clickhouse"]


async def test_the_doctor_says_how_far_it_is(
    settings: MakeSettings, stored: Stored, copied: Copied, database_url: str
) -> None:
    """Faults: a rollup that is not there is taken for one that is; a table without a window for one that has it."""
    asking = settings(sqlalchemy_database_uri=database_url, reports_database_uri=copied.url)
    await stored.come(20)
    assert (await said(asking))[-1] == "warning: nothing has been copied yet"
    await copied.rollups.advance()
    assert "warning: it has not got 3 rollups yet" in (await said(asking))[-1]
    await copied.finish()
    version, how_far = await said(asking)
    assert version.startswith("ok: reports ask the database")
    assert how_far == "ok: 0 visits and events are yet to be copied, and 0 blocks wait"
    window = "alter table rollup_pages_day modify setting non_replicated_deduplication_window = 0"
    copied.clickhouse.execute(window, copied.url.rpartition("/")[2])
    assert "fault: rollup_pages_day do not know a block that comes twice" in await said(asking)
    away = settings(
        sqlalchemy_database_uri=database_url, reports_database_uri=f"clickhouse://127.0.0.1:{free_port()}/x"
    )
    assert (await said(away))[0].startswith("fault: ")


async def test_what_is_forgotten_does_not_wait_for_a_clickhouse_that_is_away(
    settings: MakeSettings, stored: Stored, copied: Copied, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: the outbox keeps what names it."""
    await stored.come(20)
    await copied.finish()
    await stored.come(20)
    await copied.rollups.finish()
    assert (await copied.sender.waiting()).parcels
    await copied.sender.close()
    away = settings(
        sqlalchemy_database_uri=database_url, reports_database_uri=f"clickhouse://127.0.0.1:{free_port()}/x"
    )
    await forgotten(away, copied.rollups)
    assert "ClickHouse still has it" in capsys.readouterr().err
    assert not (await copied.sender.waiting()).parcels
    await copied.finish()
    await copied.compare()
