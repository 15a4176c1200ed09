"""Days as another program had counted them are in the rollups exactly once, whatever happens meanwhile."""

import random
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import delete, insert, select

from crumby.database import Database
from crumby.importing.item import Total
from crumby.importing.totals import Added, add
from crumby.rollups import Horizon, Rollups, marks, pruning, settling
from crumby.tables import events, pruned, visits
from crumby.tables import totals as ledger
from tests.rollups.brute import Brute, Made, Table, kept
from tests.rollups.conftest import ZONE, finish
from tests.rollups.people import Stored
from tests.rollups.test_late import Killed, fuse
from tests.rollups.test_pruning import half, prune

SUMS = {  # of the rollups that these tests keep
    "totals": ("views", "sessions", "second_views", "seconds", "in_session"),
    "pages": ("views", "entries", "second_views"),
    "cities": ("views", "sessions"),
    "hours": ("views", "sessions"),
    "event_values": ("events",),
}
KEYS: dict[str, Sequence[tuple[str | int, ...]]] = {
    "totals": [()],
    "pages": [("/",), ("/a",), ("/ö/100%:x",), ("/" + "p" * 600,), ("/ends ",)],
    "cities": [("SE", "Skåne", "Malmö"), ("GB", "England", "")],
    "hours": [(1, 0), (7, 23)],
    "event_values": [("download", "x"), ("n", "長" * 700), ("😀" * 200, "😀" * 512)],
}
DAYS = (20251230, 20251231, 20260101, 20260221, 20260222, 20260301)  # of some there are visits as well
ORIGINS = ("crumby one", "crumby two")  # of its own counts Crumby leaves nothing out
Act = Callable[[], Awaitable[Any]]


@pytest.fixture
def folder(folder: Path) -> Path:
    """Leave some of the rollups: a server takes seconds to make the others."""
    for path in (folder / "rollups").glob("*.sql"):
        if path.stem not in SUMS:
            path.unlink()
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it take several pieces, and no server long to settle."""
    monkeypatch.setattr("crumby.rollups.CHUNK", 60)
    monkeypatch.setattr(pruning, "PART", 40)
    monkeypatch.setattr(settling, "SETTLING_S", 0.3)


class Counted(Brute):
    """What the visits are, with what is in the ledger."""

    def __init__(self, rows: Any, acts: Any, zone: str, told: Sequence[Any], dialect: str) -> None:
        super().__init__(rows, acts, zone)
        self._told = told
        self._dialect = dialect

    def _made(self, name: str) -> Iterator[Made]:
        yield from super()._made(name)
        for row in self._told:
            if row.rollup == name:
                amounts = msgspec.json.decode(row.sums)
                sums = tuple(amounts.get(each, 0) for each in SUMS[name])
                yield self._fitted(name, msgspec.json.decode(row.keys)), row.day, row.prev_day, self._whole(name, sums)

    def _whole(self, name: str, sums: tuple[int, ...]) -> tuple[int, ...]:
        return (*sums, *[0] * 5) if name == "pages" else sums

    def _fitted(self, name: str, key: Sequence[Any]) -> tuple[Any, ...]:
        lengths = {"pages": (512,), "cities": (3, 75, 75), "event_values": (200, 512)}.get(name, (None, None))
        cut = [value[:length] if isinstance(value, str) else value for value, length in zip(key, lengths, strict=False)]
        if self._dialect == "postgresql" and name == "event_values":
            cut = [value[:450] if len(value.encode()) > 1800 else value for value in cut]
        return tuple(cut)


class World:
    """A database, its rollups, and what ever was stored in it."""

    def __init__(self, database: Database, stored: Stored, rollups: Rollups, seed: int = 0) -> None:
        self.database = database
        self.stored = stored
        self.rollups = rollups
        self.random = random.Random(seed)  # noqa: S311
        self._gone: dict[str, dict[int, Any]] = {"visits": {}, "events": {}}

    async def told(self, count: int = 40) -> Added:
        """Some totals of days, new ones and corrected ones."""
        found = []
        for _ in range(count):
            rollup = self.random.choice(list(SUMS))
            day = self.random.choice(DAYS)
            sums = {name: self.random.randrange(1, 50) for name in SUMS[rollup] if self.random.random() < 0.8}
            key = self.random.choice(KEYS[rollup])
            found.append(Total(rollup, day, self.random.choice((0, 1, day, 20251115)), key, sums))
        return await add(self.database, self.random.choice(ORIGINS), found)

    async def prune(self, horizon: Horizon) -> None:
        await self.remember()
        await prune(self.rollups, horizon)

    async def remember(self) -> None:
        """How the rows are."""
        async with self.database.engine.connect() as connection:
            for table in (visits, events):
                for row in await connection.execute(select(table).where(table.c.datetime.is_not(None))):
                    self._gone[table.name][row.id] = row

    async def expected(self) -> dict[str, tuple[Table, ...]]:
        await self.remember()
        async with self.database.engine.connect() as connection:
            told = list(await connection.execute(select(ledger)))
        rows, acts = (list(self._gone[name].values()) for name in ("visits", "events"))
        counted = Counted(rows, acts, ZONE, told, self.database.dialect)
        return {name: counted.tables(name) for name in SUMS}

    async def held(self) -> dict[str, tuple[Table, ...]]:
        return {name: await kept(self.database, name, len(self.rollups.ready[name].sums)) for name in SUMS}

    async def check(self) -> None:
        await finish(self.rollups)
        held, expected = await self.held(), await self.expected()
        for name in SUMS:
            assert held[name] == expected[name], name


@pytest.fixture
async def world(database: Database, stored: Stored, rollups: Rollups) -> World:
    return World(database, stored, rollups)


async def test_each_total_is_added_once_beside_the_visits(world: World) -> None:
    """In an empty database, again with more, beside visits and after all is made anew; keys are cut as those of visits
    are. Planted: totals are read from the first one in each chunk; the months are left out; keys are not cut.
    """
    await world.told(80)
    await world.check()
    await world.stored.come(60)
    await world.stored.tell(10)
    await world.told(80)
    await world.check()
    await world.rollups.forget()
    await world.check()


async def test_who_dies_before_the_marks_move_has_added_nothing(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """Planted: a commit between the totals and the marks."""
    await world.told(30)
    await finish(world.rollups)
    await world.told(30)
    moves = 0

    def die(*_: Any) -> None:
        nonlocal moves
        moves += 1
        if moves > 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(marks, "move", die)
        with pytest.raises(Killed):
            await world.rollups.advance()
    await world.check()


@pytest.mark.parametrize("seed", range(2))
async def test_in_any_order_with_visits_and_deaths_each_counts_once(
    monkeypatch: pytest.MonkeyPatch, world: World, seed: int
) -> None:
    """Planted: days that are kept get their totals once more when the rollup begins anew; a pruning does not note which
    totals the rollups have.
    """
    world.random = random.Random(seed)  # noqa: S311
    await world.stored.come(40)

    async def die() -> None:
        with fuse(monkeypatch, world.random.randrange(30)), suppress(Killed):
            await world.rollups.advance()
        await world.rollups.catch_up()  # whatever the killed one left open

    async def anew() -> None:
        await world.rollups.forget([world.random.choice(list(SUMS))])

    acts: list[Act] = [
        world.told,
        world.told,
        die,
        die,
        anew,
        world.rollups.advance,
        world.rollups.catch_up,
        world.check,
    ]
    visited: list[Act] = [*acts, partial(world.stored.come, 15), partial(world.stored.tell, 8)]
    for _ in range(8):
        await world.random.choice(visited)()
    await world.check()
    await world.prune(await half(world.database))
    for _ in range(10):
        await world.random.choice(acts)()
    await world.check()
    await world.rollups.forget()
    await world.check()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_state_of_another_version_counts_nothing_twice(world: World) -> None:
    """What was kept is, the state is not. Planted: totals from before the pruning are not noted as kept, or those that
    came after it.
    """
    await world.stored.come(40)
    await world.told()
    await world.check()
    await world.prune(Horizon(date(2026, 6, 1), ZONE))
    for _ in range(2):
        async with Rollups(world.database, ZONE, world.rollups._folders) as others:
            await others._do(lambda work: work.do("drop table rollup_state"))
        async with Rollups(world.database, ZONE, world.rollups._folders) as again:
            world.rollups = again
            await world.check()
            await world.told()
            await world.check()


async def test_what_fits_no_file_is_passed_over(world: World) -> None:
    """Rollups that there are none of, other keys and sums, and what no program wrote. Planted: any of it is taken."""
    day: dict[str, Any] = {
        "origin": "o",
        "rollup": "pages",
        "day": 20260101,
        "prev_day": 1,
        "keys": '["/"]',
        "sums": '{"views":3}',
    }
    wrong: list[dict[str, Any]] = [
        {"rollup": "nobodys"},
        {"keys": "[]"},
        {"keys": "[3]"},
        {"keys": "/"},
        {"keys": '{"a": 1}'},
        {"rollup": "hours", "keys": '["1", 2]'},
        {"rollup": "hours", "keys": "[1, 99999999999]"},
        {"sums": '{"views": "3"}'},
        {"sums": '{"views": 1e30}'},
        {"sums": f'{{"views": {1 << 60}}}'},
        {"sums": '{"nothings": 3}'},
        {"sums": ""},
        {"prev_day": -1},
        {"day": 0},
    ]
    async with world.database.engine.begin() as connection:
        await connection.execute(insert(ledger), [day | each for each in wrong] + [day])
    await finish(world.rollups)
    assert not world.rollups.errors
    held = await world.held()
    assert held["pages"][0] == {("/", 20260101, 1): (3, *[0] * 7)}
    assert not held["hours"][0]


async def test_a_file_that_is_back_or_another_one_has_all_of_them(world: World, folder: Path) -> None:
    """Planted: a rollup that begins anew goes on at the others' mark."""
    await world.told(80)
    await world.check()
    path = folder / "rollups" / "cities.sql"
    sql = path.read_text()
    path.unlink()
    await finish(world.rollups)
    path.write_text(sql.replace("sum(sessions) as sessions", "sum(sessions) * 1 as sessions"))
    await world.check()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_other_totals_in_their_place_are_seen(world: World) -> None:
    """As a backup of another day has them, which was put in place. Planted: only a visit is asked."""
    await world.told(30)
    await world.check()
    async with world.database.engine.begin() as connection:
        await connection.execute(delete(ledger))
    await world.told(60)
    await world.check()


async def test_a_day_that_is_over_is_sound_with_its_totals(world: World) -> None:
    """Planted: they are not taken off before it is held against the visits."""
    await world.stored.come(40)
    day = world.stored.people.now.replace(tzinfo=UTC).astimezone(ZoneInfo(ZONE)).date() - timedelta(days=1)
    number = int(day.strftime("%Y%m%d"))
    counts = {"views": 9, "sessions": 4}
    await add(world.database, ORIGINS[0], [Total("totals", number, each, (), counts) for each in (1, number)])
    await add(world.database, ORIGINS[0], [Total("pages", number, 1, ("/",), {"views": 8})])
    await finish(world.rollups)
    assert await world.rollups.audit(day) == []
    await world.check()


async def test_yesterdays_answers_are_others_with_a_total_more(world: World) -> None:
    """Planted: the version stays."""
    await world.stored.come(20)
    await finish(world.rollups)
    before = world.rollups.version
    await add(world.database, ORIGINS[0], [Total("totals", 20260101, 1, (), {"views": 1})])
    await finish(world.rollups)
    assert world.rollups.version != before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_days_are_whole_once_they_are_in(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """Planted: they are as soon as they are known of."""
    await add(world.database, ORIGINS[0], [Total("totals", 20260105, 1, (), {"views": 1})])
    await finish(world.rollups)
    assert world.rollups.imported.whole
    monkeypatch.setattr("crumby.rollups.ON_DEMAND", 0)
    await add(world.database, ORIGINS[0], [Total("totals", day, 1, (), {"views": 2}) for day in (20260104, 20260302)])
    await world.rollups.catch_up()
    assert not world.rollups.imported.whole
    await finish(world.rollups)
    assert world.rollups.imported.whole
    assert world.rollups.imported.spans == {"totals": {202601: (20260104, 20260105), 202603: (20260302, 20260302)}}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_installation_without_totals_is_asked_for_the_last_one_alone(world: World) -> None:
    """With what is asked anyhow. Planted: the last total is asked for as well, or their days."""
    await world.stored.come(20)
    await finish(world.rollups)
    asked: list[str] = []

    def trace(work: Any) -> None:
        work._connection.set_trace_callback(asked.append)

    await world.rollups._do(trace)
    await world.stored.come(20)
    await finish(world.rollups)
    assert asked
    assert {sql for sql in asked if re.search(r"\bfrom totals\b", sql)} == {settling.HEADS}


async def test_what_is_kept_of_pruned_days_adds_up_with_what_is_there(world: World) -> None:
    """A fresh database with those totals, and the visits that are there, has the same. Planted: imported totals are
    given again; late visits are; a session's second view past midnight is.
    """
    await world.stored.come(120)
    await world.stored.tell(10)
    await world.told(60)
    await world.check()
    horizon = await half(world.database)
    night, _ = world.stored.people.batch(2)

    about = [horizon.instant - timedelta(minutes=5), horizon.instant + timedelta(minutes=5)]
    rows = [msgspec.structs.replace(row, cid="owl", datetime=at) for row, at in zip(night, about, strict=False)]
    await world.stored.store(rows, [])
    await finish(world.rollups)
    await world.prune(horizon)
    late, acts = world.stored.people.batch(6)
    at = horizon.instant - timedelta(hours=30)
    moved = [msgspec.structs.replace(row, datetime=at, session=None) for row in late]
    await world.stored.store(moved, [msgspec.structs.replace(row, datetime=at) for row in acts])
    await finish(world.rollups)
    held = await world.held()
    found = [each async for part in world.rollups.kept_totals() for each in part]
    assert found
    async with world.database.engine.begin() as connection:
        await connection.execute(delete(pruned))
    assert (await add(world.database, "pruned", [Total(*each) for each in found])).rows == len(found)
    await world.rollups.forget()
    await finish(world.rollups)
    assert await world.held() == held
