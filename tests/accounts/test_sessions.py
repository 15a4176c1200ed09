"""Sessions: what ends them and what does not, on each database."""

import asyncio
import hashlib
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from itsdangerous import URLSafeTimedSerializer
from passlib.hash import bcrypt
from sqlalchemy import delete, update

from crumby.accounts import Accounts, Sessions, User
from crumby.accounts import sessions as module
from crumby.accounts.sessions import REMEMBERED_S
from crumby.accounts.throttle import Throttle
from crumby.accounts.tidying import kept_tidy
from crumby.database import Database, open_database
from crumby.errors import DatabaseUnavailable
from crumby.tables import sessions as table
from crumby.tables import users
from tests.accounts.conftest import NOON, ONLY_SQLITE, PASSWORD, Clock, rows, statements
from tests.conftest import MakeSettings
from tests.servers import free_port

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def sessions(database: Database, clock: Clock) -> Sessions:
    return Sessions(database.engine, clock, clock.utc)


@pytest.fixture
async def ann(accounts: Accounts) -> User:
    await accounts.add("ann", PASSWORD)
    return await accounts.named("ann")


async def test_the_cookie_holds_a_random_id_and_the_table_its_hash(
    ann: User, sessions: Sessions, database: Database
) -> None:
    """Planted: the id itself in the table."""
    cookie = await sessions.begin(ann)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie)
    (kept,) = await rows(database, table)
    assert kept["hash"] == hashlib.sha256(cookie.encode()).hexdigest()
    assert (kept["user_id"], kept["begun"], kept["seen"]) == (ann.id, NOON, NOON)
    assert cookie not in repr(kept)
    assert await sessions.user(cookie) == ann


async def test_a_login_ends_the_session_that_the_browser_had(ann: User, sessions: Sessions, database: Database) -> None:
    """Whoever knew the id from before it knows none now. Planted: an old session that is left."""
    first = await sessions.begin(ann)
    elsewhere = await sessions.begin(ann)
    assert await sessions.user(first) == ann
    second = await sessions.begin(ann, first)
    assert len({first, second, elsewhere}) == 3
    assert await sessions.user(first) is None
    assert (await sessions.user(second), await sessions.user(elsewhere)) == (ann, ann)
    await sessions.begin(ann, "chosen by somebody else")
    assert len(await rows(database, table)) == 3


async def test_a_session_ends_at_the_logout_with_its_user_and_with_the_password(
    accounts: Accounts, ann: User, sessions: Sessions, clock: Clock, database: Database
) -> None:
    """Elsewhere within a second. Planted: a user who is deleted without the sessions, and SQLite gives the id again."""
    elsewhere = Sessions(database.engine, clock, clock.utc)

    async def ended(cookie: str) -> bool:
        clock.s += REMEMBERED_S
        return await elsewhere.user(cookie) is None

    cookie = await sessions.begin(ann)
    assert not await ended(cookie)
    await sessions.end(cookie)
    assert await sessions.user(cookie) is None
    assert await ended(cookie)

    cookie = await sessions.begin(ann)
    assert not await ended(cookie)
    await accounts.set_password("ann", "battery staple")
    assert await ended(cookie)
    stale = await sessions.begin(ann)  # who was let in by the old password, and was slow
    assert await ended(stale)

    cookie = await sessions.begin(await accounts.named("ann"))
    assert not await ended(cookie)
    await accounts.delete("ann")
    await accounts.add("eve", PASSWORD)
    assert await ended(cookie)
    assert [row["hash"] for row in await rows(database, table)] == []


@ONLY_SQLITE
async def test_a_session_ends_with_what_is_changed_by_hand(
    ann: User, sessions: Sessions, clock: Clock, database: Database
) -> None:
    """Planted: a session that knows nothing of the password."""
    cookie = await sessions.begin(ann)
    for change, over in (
        (update(users).values(password="another hash"), True),
        (update(users).values(password=ann.password), False),
        (delete(users), True),
    ):
        async with database.engine.begin() as connection:
            await connection.execute(change)
        clock.s += REMEMBERED_S
        assert (await sessions.user(cookie) is None) == over


@ONLY_SQLITE
async def test_sessions_go_on_where_an_old_hash_is_replaced(
    accounts: Accounts, sessions: Sessions, clock: Clock, database: Database
) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(users.insert().values(username="old", password=bcrypt.using(rounds=4).hash(PASSWORD)))
    cookie = await sessions.begin(await accounts.named("old"))
    fresh = await accounts.authenticate("old", PASSWORD)
    assert fresh
    assert fresh.password.startswith("$argon2id$")
    clock.s += REMEMBERED_S
    assert await sessions.user(cookie) == fresh


@ONLY_SQLITE
async def test_who_it_is_is_asked_once_a_second_however_many_ask(
    ann: User, sessions: Sessions, database: Database, clock: Clock
) -> None:
    """Planted faults: nobody is remembered; `REMEMBERED_S` of a minute; a look for each who waits."""
    cookie = await sessions.begin(ann)
    with statements(database) as given:
        assert await asyncio.gather(*(sessions.user(cookie) for _ in range(30))) == [ann] * 30
        assert len(given) == 1
        clock.s += REMEMBERED_S
        assert await sessions.user(cookie) == ann
        assert len(given) == 2


@ONLY_SQLITE
async def test_no_mutation_of_a_thousand_cookies_is_taken(
    ann: User, sessions: Sessions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bit of a cookie's letters, letters for others, and what is cut or put on. Planted: half an id looked at.

    And looks that are remembered without a bound.
    """
    monkeypatch.setattr(module, "REMEMBERED", 100)
    chance = random.Random(20261123)  # noqa: S311 - the same at each run
    cookies = [await sessions.begin(ann) for _ in range(10)]
    forged: set[str] = set()
    for cookie in cookies:
        for _ in range(50):
            place, bit = chance.randrange(len(cookie)), 1 << chance.randrange(7)
            forged.add(cookie[:place] + chr(ord(cookie[place]) ^ bit) + cookie[place + 1 :])
            other = chance.choice([letter for letter in LETTERS if letter != cookie[place]])
            forged.add(cookie[:place] + other + cookie[place + 1 :])
        forged |= {
            cookie[:-1],
            cookie + "A",
            f" {cookie}",
            cookie.swapcase(),
            cookie[::-1],
            cookie + "\n",
            f"{cookie}é",
        }
    forged -= set(cookies)
    assert len(forged) > 1000
    assert [value for value in forged if await sessions.user(value)] == []
    assert len(sessions._looks) <= 100
    assert all([await sessions.user(cookie) for cookie in cookies])


@ONLY_SQLITE
async def test_a_cookie_of_the_signed_kind_is_signed_out_and_costs_no_look(
    ann: User, sessions: Sessions, database: Database
) -> None:
    signed = URLSafeTimedSerializer("secret", salt="crumby.session").dumps([ann.id, "0" * 32])
    with statements(database) as given:
        for cookie in (signed, "", "a.b.c", "é", None, "x" * 4000):
            assert await sessions.user(cookie) is None
        assert given == []
    assert await sessions.begin(ann, signed)
    await sessions.end(signed)


async def test_a_session_that_is_idle_or_old_is_over(
    ann: User, sessions: Sessions, clock: Clock, database: Database
) -> None:
    """Planted: no idle limit, no absolute one, a use that is not noted."""
    cookie = await sessions.begin(ann)
    clock.s += timedelta(days=14).total_seconds()
    assert await sessions.user(cookie) == ann
    clock.s += REMEMBERED_S + 1
    assert await sessions.user(cookie) is None

    cookie = await sessions.begin(ann)
    for _ in range(9):
        clock.s += timedelta(days=10).total_seconds() - 1
        assert await sessions.user(cookie) == ann
        await sessions.note()
    clock.s += 60
    assert await sessions.user(cookie) is None


@ONLY_SQLITE
async def test_a_use_is_noted_at_most_once_an_hour_by_all_workers(
    ann: User, sessions: Sessions, clock: Clock, database: Database
) -> None:
    """Planted: a note of each use."""
    cookie = await sessions.begin(ann)
    other = Sessions(database.engine, clock, clock.utc)
    noted: Counter[int] = Counter()
    for _ in range(12):
        clock.s += 600
        for each in (sessions, other):
            assert await each.user(cookie) == ann
            await each.note()
        noted[hash((await rows(database, table))[0]["seen"])] += 1
    assert len(noted) <= 3


async def test_what_is_over_is_deleted_when_two_looks_at_the_clock_say_so(
    ann: User, sessions: Sessions, clock: Clock, database: Database
) -> None:
    """A clock that is a year ahead for a moment deletes nothing. Planted: the clock of now alone."""
    await sessions.begin(ann)
    clock.s += timedelta(days=10).total_seconds()
    kept = await sessions.begin(ann)
    for ahead in (timedelta(), timedelta(days=365), timedelta(), timedelta(days=-3650), timedelta()):
        clock.ahead = ahead
        await sessions.clean()
        clock.s += 3600
    assert len(await rows(database, table)) == 2
    clock.s += timedelta(days=5).total_seconds()
    await sessions.clean()
    assert len(await rows(database, table)) == 2
    await sessions.clean()
    assert [row["hash"] for row in await rows(database, table)] == [hashlib.sha256(kept.encode()).hexdigest()]


@ONLY_SQLITE
async def test_a_clock_that_jumps_signs_nobody_out_for_good(
    ann: User, sessions: Sessions, clock: Clock, database: Database
) -> None:
    """Planted: a session of the future that is refused; a look that makes the time of its use an earlier one."""
    early = await sessions.begin(ann)
    clock.ahead = timedelta(days=30)
    assert await sessions.user(early) is None
    late = await sessions.begin(ann)
    for ahead in (timedelta(), timedelta(days=-30), timedelta()):
        clock.ahead = ahead
        clock.s += REMEMBERED_S
        for cookie in (early, late):
            assert await sessions.user(cookie) == ann
        await sessions.note()
    clock.ahead = timedelta(days=-100)  # for as long as it could last at the most
    assert await sessions.user(late) is None


@ONLY_SQLITE
async def test_what_was_used_is_noted_at_the_end(
    ann: User, sessions: Sessions, clock: Clock, database: Database
) -> None:
    cookie = await sessions.begin(ann)
    clock.s += 7200
    async with kept_tidy(sessions, Throttle(database.engine, "secret")):
        assert await sessions.user(cookie) == ann
    assert (await rows(database, table))[0]["seen"] == clock.utc()


@pytest.fixture
async def away(settings: MakeSettings) -> AsyncIterator[Database]:
    url = f"postgresql://me:canary@127.0.0.1:{free_port()}/crumby"
    async with open_database(settings(sqlalchemy_database_uri=url)) as opened:
        yield opened


async def test_a_database_that_is_away_is_said_to_be_so_and_asked_once_a_second(away: Database, clock: Clock) -> None:
    """No cookie of a guest is refused for it, nor is a use lost that breaks anything."""
    sessions = Sessions(away.engine, clock, clock.utc)
    assert await sessions.user(None) is None
    looks = [sessions.user("a" * 43) for _ in range(3)]
    for answer in await asyncio.gather(*looks, return_exceptions=True):
        assert isinstance(answer, DatabaseUnavailable)
        assert "canary" not in str(answer)
    sessions._used["a"] = NOON
    await sessions.note()
    async with kept_tidy(sessions, Throttle(away.engine, "secret")):
        pass
