"""Users and their passwords, on each database."""

import asyncio
import time
from typing import Any

import pytest
from passlib.hash import bcrypt
from sqlalchemy import insert

from crumby.accounts import Accounts, hashing
from crumby.accounts.people import is_fit
from crumby.database import Database
from crumby.errors import AccountError
from crumby.tables import sessions, users
from tests.accounts.conftest import ONLY_SQLITE, PASSWORD, rows


async def put(database: Database, **user: Any) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(insert(users).values(**user))


async def kept(database: Database, name: str) -> str:
    return next(str(user["password"]) for user in await rows(database, users) if user["username"] == name)


async def test_a_user_signs_in_with_the_right_password_only(accounts: Accounts, database: Database) -> None:
    """Seen to fail on MariaDB where its `ann ` is `ann`, and on PostgreSQL where it is asked for a NUL."""
    await accounts.add("ann", PASSWORD)
    user = await accounts.authenticate("ann", PASSWORD)
    assert user
    assert (user.name, user.totp) == ("ann", None)
    for name in ("bob", "", "ANN", "ann ", "ann\0", "\udcff", "a" * 76):
        assert await accounts.authenticate(name, PASSWORD) is None
    for password in ("wrong", "", PASSWORD + "\0", "x" * 1025):
        assert await accounts.authenticate("ann", password) is None
    assert (await kept(database, "ann")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_password_of_0_7_1_still_fits_and_is_hashed_anew(accounts: Accounts, database: Database) -> None:
    """However short it is."""
    old = bcrypt.using(rounds=4, ident="2b").hash("pässwrd")
    await put(database, username="old", password=old)
    assert await accounts.authenticate("old", "passwrd") is None
    assert await accounts.authenticate("old", "pässwrd\0") is None
    assert await kept(database, "old") == old
    assert await accounts.authenticate("old", "pässwrd")
    assert (await kept(database, "old")).startswith("$argon2id$")
    assert await accounts.authenticate("old", "pässwrd")


@ONLY_SQLITE
async def test_a_password_that_0_7_1_cut_at_72_bytes_still_fits(accounts: Accounts, database: Database) -> None:
    """Planted fault: today's bcrypt raises for more than 72 bytes."""
    long = "x" * 80
    await put(database, username="long", password=bcrypt.using(rounds=4).hash(long.encode()[:72]))
    assert await accounts.authenticate("long", long)
    assert await accounts.authenticate("long", long)
    assert await accounts.authenticate("long", long[:72]) is None  # no longer


@ONLY_SQLITE
async def test_a_hash_that_is_none_fits_nothing(accounts: Accounts, database: Database) -> None:
    await put(database, username="a", password="plain")
    await put(database, username="b", password=None)
    assert await accounts.authenticate("a", "plain") is None
    assert await accounts.authenticate("b", "") is None


async def test_a_name_is_taken_once(accounts: Accounts) -> None:
    await accounts.add("ann", PASSWORD)
    with pytest.raises(AccountError, match="there is a user 'ann' already"):
        await accounts.add("ann", "another one")
    await accounts.add("Ann", "a name of its own")
    assert await accounts.names() == ["Ann", "ann"]


@ONLY_SQLITE
async def test_an_unfit_name_is_refused(accounts: Accounts) -> None:
    for name in ("", "x" * 76, "a\nb", "a\0"):
        assert not is_fit(name)
        with pytest.raises(AccountError, match="1 to 75 printable characters"):
            await accounts.add(name, PASSWORD)
    assert await accounts.names() == []


@ONLY_SQLITE
async def test_nobody_can_be_deleted_or_changed_who_is_not_there(accounts: Accounts) -> None:
    await accounts.add("ann", PASSWORD)
    await accounts.delete("ann")
    for asked in (accounts.delete("ann"), accounts.set_password("ann", "another one"), accounts.named("ann")):
        with pytest.raises(AccountError, match="there is no user 'ann'"):
            await asked


async def test_another_password_takes_the_place_of_the_old_one(accounts: Accounts, database: Database) -> None:
    """And what `adduser` refuses is refused here. Planted: passwords that are not looked at."""
    await accounts.add("ann", PASSWORD)
    with pytest.raises(AccountError, match="most common"):
        await accounts.set_password("ann", "password1")
    assert await accounts.authenticate("ann", PASSWORD)
    await accounts.set_password("ann", "battery staple")
    assert await accounts.authenticate("ann", PASSWORD) is None
    assert await accounts.authenticate("ann", "battery staple")
    assert await rows(database, sessions) == []


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

    monkeypatch.setattr(hashing, "verify", slow)
    await asyncio.gather(*(accounts.authenticate("ann", "guess") for _ in range(8)))
    assert most == 2
