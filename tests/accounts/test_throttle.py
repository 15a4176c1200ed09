"""How often somebody may guess, on each database and on several workers at once."""

import asyncio
import random
import re
from datetime import timedelta

import pytest

from crumby.accounts.throttle import OF_ACCOUNT, OF_ADDRESS, WAIT_S, Guess, Throttle, network
from crumby.database import Database
from crumby.errors import TooManyGuesses
from crumby.tables import guesses
from tests.accounts.conftest import ONLY_SQLITE, Clock, rows, statements

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def throttle(database: Database, clock: Clock) -> Throttle:
    return Throttle(database.engine, "secret", clock)


async def counted(throttle: Throttle, name: str, address: str | None = HERE) -> Guess | None:
    try:
        return await throttle.password(name, address)
    except TooManyGuesses:
        return None


async def how_many(throttle: Throttle, *names: str, address: str | None = HERE) -> int:
    return len([name for name in names if await counted(throttle, name, address)])


async def test_ten_guesses_at_an_account_are_taken_from_an_address(throttle: Throttle, clock: Clock) -> None:
    """The owner gets in from elsewhere. Planted: an account that is closed to everybody; no limit."""
    assert await how_many(throttle, *["ann"] * 25) == OF_ACCOUNT
    assert await how_many(throttle, *["ann"] * 25, address=ELSEWHERE) == OF_ACCOUNT
    assert await how_many(throttle, "bob", address=HERE) == 1
    clock.s += WAIT_S - 1
    assert await how_many(throttle, "ann") == 0
    clock.s += 1
    assert await how_many(throttle, *["ann"] * 25) == OF_ACCOUNT


async def test_guesses_on_several_workers_at_once_count_together(
    database: Database, throttle: Throttle, clock: Clock
) -> None:
    """Planted: a number that is read, and written back by a statement of its own."""
    workers = [throttle, Throttle(database.engine, "secret", clock)]
    asked = [counted(workers[number % 2], "ann") for number in range(30)]
    found = [guess for guess in await asyncio.gather(*asked) if guess]
    assert sorted(guess.tries for guess in found) == list(range(1, OF_ACCOUNT + 1))


@ONLY_SQLITE
async def test_a_hundred_guesses_are_taken_from_an_address_whoever_is_guessed(throttle: Throttle) -> None:
    """Planted: an address of its own for each account."""
    assert await how_many(throttle, *(f"user {number}" for number in range(110))) == OF_ADDRESS
    assert await how_many(throttle, "ann", address=ELSEWHERE) == 1


@ONLY_SQLITE
async def test_no_quarter_of_an_hour_has_more_than_ten(throttle: Throttle, clock: Clock) -> None:
    """Planted: a window that begins anew a quarter of an hour after its first guess."""
    chance = random.Random(20261123)  # noqa: S311 - the same at each run
    taken: list[float] = []
    for _ in range(400):
        clock.s += chance.choice((1, 1, 1, 1, 30, 300, 800))
        if await counted(throttle, "ann"):
            taken.append(clock.s)
    assert len(taken) > 2 * OF_ACCOUNT
    assert max(len([at for at in taken if begin <= at < begin + WAIT_S]) for begin in taken) == OF_ACCOUNT


@ONLY_SQLITE
async def test_who_waits_is_told_how_long_and_costs_a_look(
    throttle: Throttle, clock: Clock, database: Database
) -> None:
    """Planted: a wait that begins anew with each guess; a write for each."""
    await how_many(throttle, *["ann"] * OF_ACCOUNT)
    with statements(database) as given:
        for waited in (0, 100, 839, 899):
            clock.s = 1000 + waited
            with pytest.raises(TooManyGuesses, match=f"again in {-(-(WAIT_S - waited) // 60)} minutes?$") as raised:
                await throttle.password("ann", HERE)
            assert raised.value.retry_after == WAIT_S - waited
    assert len(given) == 4
    assert all(statement.lower().startswith("select") for statement in given)


async def test_who_gets_in_uses_nothing_up(throttle: Throttle, database: Database) -> None:
    """Planted: a success that leaves its guesses with the address; one that clears those at others."""
    await how_many(throttle, *["eve"] * 3)
    for _ in range(7):
        assert await how_many(throttle, "ann") == 1
        guess = await counted(throttle, "ann")
        assert guess
        assert guess.tries == 2
        await throttle.right(guess)
    assert sorted(row["tries"] for row in await rows(database, guesses)) == [3, 3]


@ONLY_SQLITE
async def test_codes_count_for_their_account_wherever_they_come_from(throttle: Throttle) -> None:
    taken = 0
    for number in range(15):
        try:
            await throttle.code(7, f"198.51.100.{number}")
        except TooManyGuesses:
            continue
        taken += 1
    assert taken == OF_ACCOUNT
    await throttle.code(8, HERE)
    await throttle.share("a" * 22, HERE)
    await throttle.password("7", HERE)


@pytest.mark.parametrize(
    ("address", "of"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::1", "::"),
        (None, ""),
    ],
)
def test_an_ipv6_address_counts_as_its_network(address: str | None, of: str) -> None:
    assert network(address) == of


@ONLY_SQLITE
async def test_a_customer_with_many_addresses_is_one(throttle: Throttle) -> None:
    assert await how_many(throttle, "ann", address=None) == 1
    taken = [await counted(throttle, "ann", f"2001:db8:1:2::{number:x}") for number in range(20)]
    assert len(list(filter(None, taken))) == OF_ACCOUNT


async def test_no_name_and_no_address_is_kept_and_old_rows_are_deleted(
    throttle: Throttle, clock: Clock, database: Database
) -> None:
    """Not even what PostgreSQL has no letter for. Planted: a look at the clock that deletes by itself."""
    for name in ("ann", "a\0b", "\udcff", "x" * 5000, "'; drop table"):
        assert await how_many(throttle, name) == 1
    found = await rows(database, guesses)
    assert len(found) == 6
    assert all(re.fullmatch("[0-9a-f]{32}", row["what"]) for row in found)
    for ahead, left in ((0.0, 6), (1e6, 6), (WAIT_S - 1, 6), (WAIT_S + 60, 6), (WAIT_S + 120, 0)):
        clock.s = 1000.0 + ahead
        await throttle.clean()
        assert len(await rows(database, guesses)) == left
    assert await how_many(throttle, "ann") == 1


@ONLY_SQLITE
async def test_a_clock_that_was_ahead_keeps_nobody_out(throttle: Throttle, clock: Clock) -> None:
    """Planted: guesses of a time to come that are waited for."""
    clock.s += timedelta(days=365).total_seconds()
    assert await how_many(throttle, *["ann"] * 20) == OF_ACCOUNT
    clock.s = 1000.0
    assert await how_many(throttle, *["ann"] * 20) == OF_ACCOUNT
