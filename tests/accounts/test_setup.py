"""The link that makes the first user, on each database."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from crumby.accounts import Accounts
from crumby.accounts.setup import Setup
from crumby.database import Database
from crumby.errors import AccountError, NotFound
from crumby.tables import setups
from tests.accounts.conftest import PASSWORD, Clock, rows

OTHERS = ("", "a" * 43, "é" * 43, "../login", "a\0")


@pytest.fixture
def setup(database: Database, accounts: Accounts, clock: Clock) -> Setup:
    return Setup(database.engine, accounts, clock.utc)


async def works(setup: Setup, token: str) -> bool:
    try:
        await setup.check(token)
    except NotFound:
        return False
    return True


async def test_a_link_makes_one_user_and_is_kept_as_a_hash(
    setup: Setup, accounts: Accounts, database: Database
) -> None:
    """Planted: a link that stays; one that works in spite of a user."""
    token = await setup.token()
    assert token
    assert [row["hash"] for row in await rows(database, setups)] == [hashlib.sha256(token.encode()).hexdigest()]
    assert await works(setup, token)
    assert [other for other in (*OTHERS, token[:-1], token + "a", token.swapcase()) if await works(setup, other)] == []
    with pytest.raises(AccountError, match="8 to 1024"):
        await setup.first(token, "ann", "short")
    user = await setup.first(token, "ann", PASSWORD)
    assert await accounts.authenticate("ann", PASSWORD) == user
    assert not await works(setup, token)
    with pytest.raises(NotFound):
        await setup.first(token, "eve", PASSWORD)
    assert (await rows(database, setups), await accounts.names()) == ([], ["ann"])
    assert await setup.token() is None
    assert await rows(database, setups) == []


async def test_of_those_who_come_at_once_one_is_made(
    setup: Setup, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one link or by two, as two machines print them. Planted: a transaction that locks nothing."""

    async def quick(_name: str, _password: str) -> str:
        return "a hash"

    monkeypatch.setattr(accounts, "fresh", quick)
    tokens = [token for token in [await setup.token(), await setup.token()] if token]
    assert len(tokens) == 2
    tries = [setup.first(tokens[number % 2], f"user {number}", PASSWORD) for number in range(6)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == ["NotFound"] * 5 + ["User"]
    assert len(await accounts.names()) == 1


async def test_a_link_ends_with_a_user_who_is_made_elsewhere_and_with_the_day(
    setup: Setup, accounts: Accounts, clock: Clock, database: Database
) -> None:
    """And does not begin again when that user is deleted. Planted: `adduser` that leaves it."""
    token = await setup.token()
    assert token
    clock.s += timedelta(days=1).total_seconds()
    assert await works(setup, token)
    clock.s += 1
    assert not await works(setup, token)
    fresh = await setup.token()
    assert fresh
    assert len(await rows(database, setups)) == 1
    await accounts.add("ann", PASSWORD)
    assert not await works(setup, fresh)
    await accounts.delete("ann")
    assert not await works(setup, fresh)
