"""Passwords and sessions, on each database."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from passlib.hash import bcrypt
from sqlalchemy import insert, select, update

from crumby import accounts as accounts_module
from crumby.accounts import Accounts, Sessions
from crumby.database import Database, open_database
from crumby.errors import AccountError
from crumby.migrations import migrate
from crumby.tables import users
from tests.conftest import MakeSettings

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as opened:
        await migrate(opened.engine)
        yield opened


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database.engine)


async def kept(database: Database, name: str) -> str:
    async with database.engine.connect() as connection:
        return str(await connection.scalar(select(users.c.password).where(users.c.username == name)))


async def test_a_user_signs_in_with_the_right_password_only(accounts: Accounts, database: Database) -> None:
    await accounts.add("ann", "correct horse")
    user = await accounts.authenticate("ann", "correct horse")
    assert user
    assert user.name == "ann"
    for name, password in [("ann", "wrong"), ("ann", ""), ("bob", "correct horse"), ("", ""), ("ANN", "correct horse")]:
        assert await accounts.authenticate(name, password) is None
    assert (await kept(database, "ann")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_password_of_0_7_1_still_fits_and_is_hashed_anew(accounts: Accounts, database: Database) -> None:
    old = bcrypt.using(rounds=4, ident="2b").hash("pässword")
    async with database.engine.begin() as connection:
        await connection.execute(insert(users).values(username="old", password=old))
    assert await accounts.authenticate("old", "password") is None
    assert await kept(database, "old") == old
    assert await accounts.authenticate("old", "pässword")
    assert (await kept(database, "old")).startswith("$argon2id$")
    assert await accounts.authenticate("old", "pässword")


@ONLY_SQLITE
async def test_a_password_that_0_7_1_cut_at_72_bytes_still_fits(accounts: Accounts, database: Database) -> None:
    """Planted fault: today's bcrypt raises for more than 72 bytes."""
    long = "x" * 80
    async with database.engine.begin() as connection:
        await connection.execute(
            insert(users).values(username="long", password=bcrypt.using(rounds=4).hash(long.encode()[:72]))
        )
    assert await accounts.authenticate("long", long)
    assert await accounts.authenticate("long", long)
    assert await accounts.authenticate("long", long[:72]) is None  # no longer


@ONLY_SQLITE
async def test_a_hash_that_is_none_fits_nothing(accounts: Accounts, database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(
            insert(users), [{"username": "a", "password": "plain"}, {"username": "b", "password": None}]
        )
    assert await accounts.authenticate("a", "plain") is None
    assert await accounts.authenticate("b", "") is None


async def test_a_name_is_taken_once(accounts: Accounts) -> None:
    await accounts.add("ann", "one password")
    with pytest.raises(AccountError, match="there is a user 'ann' already"):
        await accounts.add("ann", "another")
    await accounts.add("Ann", "a name of its own")
    assert await accounts.names() == ["Ann", "ann"]


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("name", "password"), [("", "x"), ("x" * 76, "x"), ("a\nb", "x"), ("ann", ""), ("ann", "x" * 1025)]
)
async def test_an_unfit_name_or_password_is_refused(accounts: Accounts, name: str, password: str) -> None:
    with pytest.raises(AccountError, match="characters"):
        await accounts.add(name, password)
    assert await accounts.names() == []


@ONLY_SQLITE
async def test_nobody_can_be_deleted_only_once(accounts: Accounts) -> None:
    await accounts.add("ann", "password")
    await accounts.delete("ann")
    with pytest.raises(AccountError, match="there is no user 'ann'"):
        await accounts.delete("ann")


@ONLY_SQLITE
async def test_at_most_two_hashes_are_computed_at_once(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0

    def slow(_password: str, _hashed: str) -> tuple[bool, None]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return False, None

    monkeypatch.setattr(accounts_module, "_verify", slow)
    await asyncio.gather(*(accounts.authenticate("ann", "guess") for _ in range(8)))
    assert most == 2


@ONLY_SQLITE
async def test_a_session_ends_with_its_user_or_the_users_password(accounts: Accounts, database: Database) -> None:
    await accounts.add("ann", "password")
    sessions = Sessions("secret", accounts)
    user = await accounts.authenticate("ann", "password")
    assert user
    cookie = sessions.begin(user)
    assert await sessions.user(cookie) == user
    async with database.engine.begin() as connection:
        await connection.execute(update(users).values(password="another hash"))
    assert await sessions.user(cookie) is None
    async with database.engine.begin() as connection:
        await connection.execute(update(users).values(password=user.password))
    assert await sessions.user(cookie) == user
    await accounts.delete("ann")
    assert await sessions.user(cookie) is None


@ONLY_SQLITE
async def test_no_forged_or_expired_session_is_taken(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: `loads_unsafe` in place of `loads`."""
    await accounts.add("ann", "password")
    sessions = Sessions("secret", accounts)
    user = await accounts.authenticate("ann", "password")
    assert user
    cookie = sessions.begin(user)
    forged = [Sessions("another secret", accounts).begin(user), "", "a.b.c", "é", cookie + "x", cookie[1:]]
    for place in range(0, len(cookie), 3):
        flipped = chr(ord(cookie[place]) ^ 1)
        forged.append(cookie[:place] + flipped + cookie[place + 1 :])
    for value in forged:
        with contextlib.suppress(AssertionError):
            assert await sessions.user(value) is None, value
            continue
        # The last character of a base64 signature has two spare bits: another spelling of the same bytes.
        assert value[:-1] == cookie[:-1]
    monkeypatch.setattr(accounts_module, "SESSION_AGE", -1)
    assert await sessions.user(cookie) is None
