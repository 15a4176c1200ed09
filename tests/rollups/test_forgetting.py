"""Who is forgotten was never there: what is left is what a fresh database would hold that was given the rest alone."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest
from sqlalchemy import or_, select

from crumby.database import Database, open_database
from crumby.errors import CrumbyError
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.ingest.spool import Spool
from crumby.migrations import migrate
from crumby.reporting.query import QueryFolders
from crumby.reporting.questions import understand
from crumby.rollups import Horizon, Rollups, amended, settling
from crumby.rollups.files import RollupFolders
from crumby.settings import Settings
from crumby.subjects import Forgotten, Subject, find, forget, told
from crumby.tables import engagements, events, visitors, visits
from tests.rollups.conftest import ZONE, compare, finish
from tests.rollups.people import BEGIN, Stored
from tests.rollups.test_late import Killed, fuse
from tests.rollups.test_pruning import half, prune

Rows = tuple[list[Visit], list[Event]]
NOW = BEGIN + timedelta(days=400)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amended, "PART", 20)
    monkeypatch.setattr(settling, "SETTLING_S", 0.3)


def batch(stored: Stored, size: int) -> Rows:
    """As people come, from one of some addresses, which changes by the day."""
    came, done = stored.people.batch(size)
    return (
        [msgspec.structs.replace(row, ip=address(row)) for row in came],
        [msgspec.structs.replace(row, ip=address(row)) for row in done],
    )


def address(row: Visit | Event) -> str:
    return f"203.0.113.{crc32(f'{row.cid}{row.datetime:%j}'.encode()) % 40}"


def without(rows: Rows, is_theirs: Callable[[Any], bool]) -> Rows:
    came, done = rows
    return [row for row in came if not is_theirs(row)], [row for row in done if not is_theirs(row)]


async def reports(database: Database, rollups: Rollups, settings: Settings, to: datetime = NOW) -> Mapping[str, Any]:
    """What every shipped report answers."""
    asked = [("from", f"{BEGIN:%Y-%m-%d}"), ("to", f"{to:%Y-%m-%d}")]
    found = {}
    for query in QueryFolders.laid_over(None).all():
        question = understand(query, asked, settings, NOW, ready=rollups.ready)
        found[f"{query.collection}/{query.name}"] = sorted(
            map(repr, (await question.answer(database, settings)).result.rows)
        )
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("said", ["visitor3", "203.0.113.7"])
async def test_every_report_is_that_of_a_fresh_database_with_the_rows_that_are_left(
    said: str, configured: Settings, database: Database, stored: Stored, rollups: Rollups, folder: Path, tmp_path: Path
) -> None:
    """Also when they come again. Planted: what is remembered of them stays; rows of nothing stay in the rollups; an
    address takes its own rows alone, and breaks the chains of the rest.
    """
    came, later = batch(stored, 200), batch(stored, 60)
    subject = Subject.of(said)
    all_of_them: list[Any] = [*came[0], *came[1]]
    people = {row.cid for row in all_of_them if row.ip == said} - {"", "null"} or {said}

    def is_theirs(row: Visit | Event) -> bool:
        return row.cid in people or row.ip == said

    told_ = stored.people.engagements(60)
    await stored.store(*came)
    await finish(rollups)
    await stored._store.insert([], [], told_)
    forgotten = await forget(database, rollups, configured, subject)
    assert (forgotten.visits, forgotten.events) == tuple(sum(map(is_theirs, some)) for some in came)
    assert forgotten.visitors == len(people & {row.cid for row in all_of_them})
    assert not await find(database, configured, subject)
    async with open_database(Settings(sqlalchemy_database_uri=f"sqlite:///{tmp_path / 'fresh.db'}")) as fresh:
        await migrate(fresh.engine)
        given = Stored(fresh, stored.people)
        await given.store(*without(came, is_theirs))
        await given._store.insert([], [], told_)
        async with Rollups(fresh, ZONE, RollupFolders(folder)) as theirs:
            for rows in ([], []), later:
                await stored.store(*rows)
                await given.store(*rows)
                await finish(rollups)
                await finish(theirs)
                answers = await reports(database, rollups, configured), await reports(fresh, theirs, configured)
                assert answers[0] == answers[1]
        await given.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_reports_of_days_that_were_pruned_answer_as_before(
    configured: Settings, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Those that read rollups. Planted: `leave_the_rest` takes days; visits are taken out of the rollups."""
    await stored.store(*batch(stored, 150))
    await finish(rollups)
    horizon = await half(database)
    until = horizon.instant  # in UTC: the evening of the day before
    before = await reports(database, rollups, configured, until)
    await prune(rollups, horizon)
    await rollups.forget()
    await finish(rollups)
    after = await reports(database, rollups, configured, until)
    rolled = [
        f"{query.collection}/{query.name}" for query in QueryFolders.laid_over(None).all() if query.header.rollups
    ]
    assert len(rolled) > 20
    assert {name: after[name] for name in rolled} == {name: before[name] for name in rolled}
    assert before["private/locations"] != after["private/locations"]


@pytest.mark.parametrize("database_url", ["sqlite", "mariadb"], indirect=True)
async def test_somebody_is_forgotten_while_they_come(
    monkeypatch: pytest.MonkeyPatch, configured: Settings, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """And whatever is counted then is what Python counts of the rows that are left, whose stamps it does not look at.
    Planted: one round, for who comes between the look and the first deed.
    """
    there = batch(stored, 90)
    await stored.store(*there)
    await stored.tell(20)
    await finish(rollups)
    await stored.tell(20)  # which is not in yet
    more = [batch(stored, 40) for _ in range(2)]
    known = {row.cid for row in there[0] if row.cid} - {"null"}
    cid = Counter(row.cid for row in more[0][0] if row.cid and row.cid in known).most_common(1)[0][0]

    def coming(true: Any) -> Any:
        async def and_come(*given: Any, **named: Any) -> None:
            if more:
                await stored.store(*more.pop(0))
            await true(*given, **named)

        return and_come

    for name in ("forget_visitors", "take_out"):
        monkeypatch.setattr(Rollups, name, coming(getattr(Rollups, name)))
    await forget(database, rollups, configured, Subject.of(cid))
    assert not more
    await finish(rollups)
    await compare(database, rollups)
    async with database.engine.connect() as connection:
        visited = select(visits.c.id).where(visits.c.id == engagements.c.visit_id)
        of_nobody = select(engagements.c.id).where(engagements.c.visit_id > 0, ~visited.exists())
        assert (await connection.execute(of_nobody)).all() == []


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
async def test_where_it_ends_it_is_begun_again(
    monkeypatch: pytest.MonkeyPatch, configured: Settings, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Planted: rows of the address go before those of its visitors that came from elsewhere."""
    await stored.store(*batch(stored, 90))
    await finish(rollups)
    async with database.engine.connect() as connection:
        (ip, *_) = await connection.scalars(select(visits.c.ip).where(visits.c.cid == "visitor5"))
        here = select(visits.c.cid).where(visits.c.ip == ip, visits.c.cid.not_in(["", "null"]))
        people = set(await connection.scalars(here))
    for writes in range(0, 24, 3 if database.dialect == "sqlite" else 7):
        with fuse(monkeypatch, writes), suppress(Killed):
            await forget(database, rollups, configured, Subject.of(ip))
        await finish(rollups)
    await forget(database, rollups, configured, Subject.of(ip))
    await finish(rollups)
    async with database.engine.connect() as connection:
        for table in (visits, events):
            left = select(table.c.id).where(or_(table.c.ip == ip, table.c.cid.in_(people)))
            assert (await connection.execute(left)).all() == []
        assert (await connection.execute(select(visitors.c.cid).where(visitors.c.cid.in_(people)))).all() == []
    await compare(database, rollups)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_waits_in_the_spool_is_forgotten_as_well(
    configured: Settings, database: Database, stored: Stored, rollups: Rollups, tmp_path: Path
) -> None:
    """Also what was told of a page view, which names nobody; while a server uses the spool. Planted: engagements stay;
    it is not waited for the turn; pages are freed as they are.
    """
    came, done = batch(stored, 60)
    spool = Spool(configured.spool, 10)
    await spool.open()
    await spool.add(came[::2], done, [Engagement(row.hit_id, 9, 50) for row in came])
    await stored.store(came[1::2], [])
    theirs = [row for row in came if row.cid == "visitor5"]
    await told(database, configured, Subject.of("visitor5"))
    assert any(b"visitor5" in file.read_bytes() for file in tmp_path.glob("spool.db*"))
    forgotten = await forget(database, rollups, configured, Subject.of("visitor5"))
    of_spool = len([row for row in came[::2] if row.cid == "visitor5"]) + len(theirs)
    assert forgotten.waiting == of_spool + len([row for row in done if row.cid == "visitor5"])
    left = await spool.first(1000)
    assert [row.cid for row in left.visits] == [row.cid for row in came[::2] if row.cid != "visitor5"]
    assert {each.hit_id for each in left.engagements} == {row.hit_id for row in came} - {row.hit_id for row in theirs}
    assert not any(b"visitor5" in file.read_bytes() for file in tmp_path.glob("spool.db*"))
    with spool.turn() as ours, pytest.MonkeyPatch.context() as patch:
        assert ours
        patch.setattr("crumby.subjects.TURN_S", 0.05)
        with pytest.raises(CrumbyError, match="has been emptied for"):
            await forget(database, rollups, configured, Subject.of("visitor6"))
    await spool.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_was_pruned_is_somebody_new(database: Database, stored: Stored, rollups: Rollups) -> None:
    """And who was not is not: their memory is whole. Planted: all visitors go; none does."""
    await stored.store(*batch(stored, 150))
    await finish(rollups)
    horizon = await half(database)
    await prune(rollups, horizon)
    async with database.engine.connect() as connection:
        kept = dict((await connection.execute(select(visitors.c.cid, visitors.c.first))).all())
        last = (await connection.execute(select(visits).order_by(visits.c.id.desc()).limit(1))).one()
    assert kept
    assert min(kept.values()) < horizon.instant
    row = Visit(**{name: last._mapping[name] for name in Visit.__struct_fields__})
    again = [
        msgspec.structs.replace(row, cid=cid, hit_id=crc32(cid.encode()).to_bytes(16), datetime=stored.people.now)
        for cid in (f"visitor{number}" for number in range(24))
    ]
    await stored.store(again, [])
    async with database.engine.connect() as connection:
        came = dict((await connection.execute(select(visits.c.cid, visits.c.first).where(visits.c.id > last.id))).all())
    now = int(stored.people.now.replace(tzinfo=UTC).timestamp())
    assert {cid for cid, first in came.items() if first < now} == set(kept)


def test_nobody_can_be_named_but_by_a_cid_or_an_address() -> None:
    """Planted: the rows of all who keep no cookie go with `null`."""
    assert Subject.of("::ffff:203.0.113.7").ip == "203.0.113.7"
    assert Subject.of("2001:DB8::1").ip == "2001:db8::1"
    assert Subject.of(" 93f7a2b1 ").said == "93f7a2b1"
    for said in ("", "null", "x" * 40):
        with pytest.raises(CrumbyError, match="neither a visitor's cid nor an address"):
            Subject.of(said)
    assert Forgotten() == Forgotten(0, 0, 0, 0)
    assert Horizon.of(36_500, "UTC").day.year == 1970
