"""ClickHouse has what the main database has, to the row, whatever happens to it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from crumby.columnar import outbox, rows, sending, taking
from crumby.database import Database
from crumby.importing.item import Total
from crumby.importing.totals import add
from crumby.ingest.enrich import Event, Visit
from crumby.rollups import Horizon, Prune, amended, settling
from crumby.settings import shipped
from crumby.tables import calendar, events, refusals, visits
from tests.clickhouse import ClickHouse
from tests.columnar.conftest import Copied
from tests.rollups.conftest import ZONE
from tests.rollups.people import Stored

Act = Callable[[], Awaitable[object]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all of it take several pieces."""
    monkeypatch.setattr("crumby.rollups.CHUNK", 60)
    monkeypatch.setattr(outbox, "HITS_AT_ONCE", 70)
    monkeypatch.setattr(taking, "SEED", 150)
    monkeypatch.setattr(taking, "JOINED", 5)
    monkeypatch.setattr(rows, "AT_ONCE", 30)
    monkeypatch.setattr(amended, "PART", 20)
    monkeypatch.setattr(settling, "SETTLING_S", 0.3)


class Acts:
    """What may happen."""

    def __init__(self, stored: Stored, copied: Copied, folder: Path) -> None:
        self._stored = stored
        self._copied = copied
        self._folder = folder
        self._days = 0

    async def come(self) -> None:
        await self._stored.come(40)
        await self._copied.rollups.advance()

    async def come_late(self) -> None:
        """Some are counted before others, which were there earlier, come."""
        came, done = self._stored.people.batch(30)
        mixed: list[Visit | Event] = [*came, *done]
        self._stored.people.random.shuffle(mixed)
        for part in (mixed[::2], mixed[1::2]):
            await self._stored.store(
                [row for row in part if isinstance(row, Visit)], [row for row in part if isinstance(row, Event)]
            )
            await self._copied.rollups.advance()

    async def are_put_right(self) -> None:
        while await self._copied.rollups.put_right():
            pass

    async def tell(self) -> None:
        await self._stored.tell(12)
        await self._copied.rollups.advance()

    async def are_forgotten(self) -> None:
        async with self._copied.database.engine.connect() as connection:
            out = list(await connection.scalars(select(visits.c.id).where(visits.c.datetime.is_not(None))))[::7]
            acts = list(await connection.scalars(select(events.c.id).where(events.c.datetime.is_not(None))))[::9]
        await self._copied.rollups.take_out(out, acts)
        await self._copied.rollups.finish()
        await self._copied.rollups.clear(out)

    async def are_pruned(self) -> None:
        async with self._copied.database.engine.connect() as connection:
            at = list(await connection.scalars(select(visits.c.datetime).order_by(visits.c.datetime)))
        await self._copied.rollups.finish()
        run = Prune(Horizon(at[len(at) // 5].replace(tzinfo=UTC).astimezone(ZoneInfo(ZONE)).date(), ZONE))
        while await self._copied.rollups.prune(run):
            pass

    async def are_imported(self) -> None:
        self._days += 1
        given = [
            Total("pages", 20250100 + self._days, 0, ("/a",), {"views": 3, "entries": 1}, ""),
            Total("totals", 20260221, 20260110, (), {"views": 2}, ""),
        ]
        await add(self._copied.database, "crumby elsewhere", given)

    async def are_made_anew(self) -> None:
        await self._copied.rollups.forget(("pages", "events"))
        await self._copied.rollups.advance()

    async def a_file_comes(self) -> None:
        """Or goes, where it is there."""
        file = self._folder / "rollups" / "exits.sql"
        if file.exists():
            file.unlink()
        else:
            file.write_text((shipped("queries") / "rollups" / "exits.sql").read_text())

    async def send(self) -> None:
        with suppress(taking.Taken):
            await self._copied.sender.step()

    def all(self) -> list[Act]:
        return [
            *(self.come, self.come_late, self.are_put_right, self.tell, self.are_forgotten, self.are_pruned),
            *(self.are_imported, self.are_made_anew, self.a_file_comes, self.send, self.send),
        ]


@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True)
async def test_whatever_happens_it_is_there(stored: Stored, copied: Copied, folder: Path) -> None:
    """Faults: days that were told already are told again by the chunks; what is changed keeps its first version; ids of
    what was told later are not noted; a rollup that begins anew keeps its rows; the prune goes before what it is of.
    """
    await story(stored, copied, folder, rounds=2)


@pytest.mark.long
async def test_whatever_happens_for_long_it_is_there(stored: Stored, copied: Copied, folder: Path) -> None:
    await story(stored, copied, folder, rounds=12)


async def story(stored: Stored, copied: Copied, folder: Path, rounds: int) -> None:
    await stored.come(200)
    await copied.finish()
    await copied.compare()
    acts = Acts(stored, copied, folder).all()
    for _ in range(rounds):
        stored.people.random.shuffle(acts)
        for act in acts:
            await act()
        await copied.finish()
        await copied.compare()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_installation_that_is_there_is_copied_and_in_another_zone_anew(
    database: Database, stored: Stored, folder: Path, clickhouse: ClickHouse, there: str
) -> None:
    """Faults: a rollup that is complete is not told; one of another zone stays as it was."""
    await stored.come(150)
    for zone in (ZONE, "Asia/Tokyo"):
        async with Copied.opened(database, folder, clickhouse, there, zone) as copied:
            await copied.finish()
            await copied.compare()
            assert {zone for (zone,) in copied.ask("select distinct zone from rollup_state")} == {zone}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nobody_reads_half_of_it(stored: Stored, copied: Copied) -> None:
    """Faults: a rollup is told to be complete with its first days; visits are to be read from the first one on."""
    await stored.come(300)
    await copied.rollups.finish()
    seen = set()
    while await copied.sender.step():
        complete = copied.complete()
        await copied.compare_rollups(sorted(complete))
        ((views,),) = copied.ask(
            "select count() from system.tables where database = currentDatabase() and name = 'visits'"
        )
        ((come,),) = copied.ask("select count() from copied_visits")
        assert come == 300 or not views
        seen.add((len(complete), views))
    assert len(seen) >= 3
    await copied.finish()
    await copied.compare()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_small_tables_are_there(monkeypatch: pytest.MonkeyPatch, database: Database, copied: Copied) -> None:
    """Fault: what was counted meanwhile stays what it was."""
    monkeypatch.setattr(sending, "SMALL_S", 0.0)
    monkeypatch.setattr(sending, "LOOK_AT_IT_S", 0.0)
    quarter = datetime.now(UTC).replace(tzinfo=None, minute=15, second=0, microsecond=0)
    async with database.engine.begin() as connection:
        await connection.execute(insert(calendar), [{"datetime": datetime(2026, 2, day)} for day in (21, 22)])  # noqa: DTZ001
        await connection.execute(insert(refusals), [{"datetime": quarter, "reason": "bot", "hits": 3}])
    await copied.finish()
    assert copied.ask("select toDate(datetime) from calendar order by 1") == [("2026-02-21",), ("2026-02-22",)]
    assert [int(hits) for (hits,) in copied.ask("select hits from refusals")] == [3]
    async with database.engine.begin() as connection:
        await connection.execute(update(refusals).values(hits=5))
    await copied.finish()
    assert [int(hits) for (hits,) in copied.ask("select hits from refusals")] == [5]
