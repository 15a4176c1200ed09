"""A rollup that is no longer what its file, the zone or the database say is made anew, while the others go on."""

import asyncio
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from crumby.database import Database, open_database
from crumby.rollups import Rollups, marks, settling
from crumby.rollups.engine import Engine
from crumby.rollups.files import RollupFolders
from crumby.settings import Settings
from crumby.tables import events, visitors, visits
from tests.rollups.brute import NAMES
from tests.rollups.conftest import ZONE, compare, finish
from tests.rollups.people import People, Stored


async def test_a_changed_file_makes_its_rollup_anew_and_no_other(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    """Faults: a hash of the name alone; a reset that leaves the old rows; one that resets all."""
    monkeypatch.setattr("crumby.rollups.CHUNK", 50)
    await stored.come(200)
    await finish(rollups)
    file = folder / "rollups" / "countries.sql"
    before = file.read_text()
    file.write_text(before.replace("from hits", "from hits where country = 'SE'"))
    done = await rollups.advance()
    assert done.visits == 50
    assert done.pending
    assert sorted(rollups.ready) == sorted(set(NAMES) - {"countries"})
    await finish(rollups)
    async with database.reports.connect() as connection:
        found = await connection.exec_driver_sql("select distinct country from rollup_countries_day")
        assert [tuple(row) for row in found] == [("SE",)]
    file.write_text(before)
    await stored.come(20)
    await finish(rollups)
    await compare(database, rollups)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_chunk_completes_is_complete_when_it_has_ended(
    monkeypatch: pytest.MonkeyPatch, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    """Nobody waits for it, and hits of meanwhile would be in no answer. Fault: complete as soon as its thread says."""
    await stored.come(80)
    await finish(rollups)
    monkeypatch.setattr("crumby.rollups.CHUNK", 50)
    file = folder / "rollups" / "countries.sql"
    file.write_text(file.read_text().replace("from hits", "from hits where country = 'SE'"))
    assert (await rollups.advance()).pending
    counted, go_on, tend = threading.Event(), threading.Event(), Engine.tend

    def held(engine: Engine, work: Any) -> None:
        counted.set()
        go_on.wait(30)
        tend(engine, work)

    monkeypatch.setattr(Engine, "tend", held)
    advancing = asyncio.ensure_future(rollups.advance())
    try:
        assert await asyncio.to_thread(counted.wait, 30)
        assert sorted(rollups.ready) == sorted(set(NAMES) - {"countries"})
    finally:
        go_on.set()
        await advancing
    assert sorted(rollups.ready) == sorted(NAMES)


async def test_prose_in_a_file_makes_nothing_anew(stored: Stored, rollups: Rollups, folder: Path) -> None:
    """Fault: a hash of the whole file."""
    await stored.come(20)
    await finish(rollups)
    file = folder / "rollups" / "countries.sql"
    file.write_text(file.read_text().replace("-- Countries", "-- Countries of the world"))
    done = await rollups.advance()
    assert not done.visits
    assert rollups.ready["countries"].title == "Countries of the world"


async def test_another_time_zone_makes_all_of_them_anew(
    database: Database, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    """Fault: a state that is valid in any zone."""
    await stored.come(150)
    await stored.tell(20)
    await finish(rollups)
    zone = "Pacific/Apia"
    async with Rollups(database, zone, RollupFolders(folder)) as elsewhere:
        await finish(elsewhere)
        await compare(database, elsewhere, zone)
        assert (await rollups.advance()).visits  # and back, where the other process is still there
    await finish(rollups)
    await compare(database, rollups)


async def test_another_database_under_the_same_name_makes_all_of_them_anew(
    database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Fault: a witness that every visit passes for. All the ids of the marks are there again, as other visits."""
    await stored.come(80)
    await finish(rollups)
    async with database.engine.begin() as connection:
        await connection.execute(update(visits).values(hit_id=None, engaged=7))
    await finish(rollups)
    await compare(database, rollups)


async def test_a_database_that_was_emptied_makes_all_of_them_anew(
    database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Fault: marks beyond the last visit are taken for valid."""
    await stored.come(80)
    await finish(rollups)
    for table in (events, visits):
        async with database.engine.begin() as connection:
            await connection.execute(delete(table))
        await finish(rollups)
        await compare(database, rollups)


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)  # SQLite has one picture of it all
@pytest.mark.parametrize(
    ("within", "after", "counted"),
    [(marks, "sound", 30), (Engine, "_advance", 0)],
    ids=["looked at its marks", "read its first visits"],
)
async def test_what_is_deleted_while_a_step_is_under_way_is_met_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
    configured: Settings,
    database: Database,
    stored: Stored,
    rollups: Rollups,
    within: object,
    after: str,
    counted: int,
) -> None:
    """Planted: a step that does not look at its marks again in the end; a witness that is called when all has been
    read. The deleted visits stay counted.
    """
    monkeypatch.setattr(settling, "SETTLING_S", 0.3)
    original = getattr(within, after)

    async def replace_all() -> None:
        async with open_database(configured) as other:
            async with other.engine.begin() as connection:
                for table in (visits, events, visitors):
                    await connection.execute(delete(table))
            later = Stored(other, stored.people)
            await later.come(30)
            await later.close()

    def interrupted(*given: Any, **named: Any) -> Any:
        found = original(*given, **named)
        monkeypatch.setattr(within, after, original)
        with ThreadPoolExecutor(1) as beside:
            beside.submit(asyncio.run, replace_all()).result()
        return found

    if counted:
        await stored.come(counted)
        await finish(rollups)
    await stored.come(30)
    monkeypatch.setattr(within, after, interrupted)
    await rollups.advance()
    await finish(rollups)
    await compare(database, rollups)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_file_that_was_deleted_is_made_anew(
    database: Database, stored: Stored, rollups: Rollups, tmp_path: Path
) -> None:
    """Faults: a connection that is kept, to a file that is not there any more; readers that keep theirs."""
    await stored.come(80)
    await finish(rollups)
    await compare(database, rollups)
    for file in tmp_path.glob("crumby-rollups.db*"):
        file.unlink()
    await stored.come(20)
    await finish(rollups)
    assert (tmp_path / "crumby-rollups.db").exists()
    await compare(database, rollups)


async def test_a_rollup_whose_file_is_gone_goes_as_well(
    database: Database, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    await stored.come(20)
    await finish(rollups)
    (folder / "rollups" / "hours.sql").unlink()
    await finish(rollups)
    assert sorted(rollups.ready) == sorted(set(NAMES) - {"hours"})
    with pytest.raises(Exception, match="rollup_hours_day"):
        async with database.engine.connect() as connection:
            await connection.exec_driver_sql("select * from rollup_hours_day")


async def test_an_operators_own_rollup_replaces_the_shipped_one(
    database: Database, stored: Stored, folder: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    (own / "rollups").mkdir(parents=True)
    shutil.copy(folder / "rollups" / "hours.sql", own / "rollups" / "mine.sql")
    text = (folder / "rollups" / "devices.sql").read_text()
    (own / "rollups" / "devices.sql").write_text(
        text.replace("-- sum: views, sessions", "-- sum: views, sessions, told").replace(
            "as sessions", "as sessions, sum(told) as told"
        )
    )
    await stored.come(20)
    async with Rollups(database, ZONE, RollupFolders(folder, own)) as rollups:
        await finish(rollups)
        assert rollups.ready["devices"].sums == ("views", "sessions", "told")
        assert rollups.ready["mine"].keys == rollups.ready["hours"].keys


def test_people_are_the_same_for_the_same_seed() -> None:
    assert People(3).batch(20) == People(3).batch(20)
