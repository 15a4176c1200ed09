"""Tokens that let programs in, on each database."""

import asyncio
import contextlib
import hashlib
import logging
import random
import re
import secrets
import string
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from crumby import tokens as module
from crumby.database import Database, open_database
from crumby.errors import AccountError, DatabaseUnavailable
from crumby.migrations import migrate
from crumby.tables import tokens as table
from crumby.tokens import REMEMBERED_S, SECRET, Scope, Tokens, bearer, open_tokens
from tests.conftest import MakeSettings
from tests.servers import free_port

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001 - UTC throughout
LETTERS = string.ascii_letters + string.digits + "-_"


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as opened:
        await migrate(opened.engine)
        yield opened


@pytest.fixture
def clock() -> "Clock":
    return Clock()


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s

    def utc(self) -> datetime:
        return NOON + timedelta(seconds=self.s - 1000.0)


@pytest.fixture
def tokens(database: Database, clock: Clock) -> Tokens:
    return Tokens(database.engine, clock, clock.utc)


@contextlib.contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    given: list[str] = []

    def listener(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        given.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", listener)
    yield given
    event.remove(database.engine.sync_engine, "before_cursor_execute", listener)


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.engine.connect() as connection:
        found = await connection.execute(select(table).order_by(table.c.name))
        return [dict(row) for row in found.mappings()]


async def test_a_token_opens_what_its_scope_says_and_nothing_else(tokens: Tokens) -> None:
    """Planted: a scope that is not looked at."""
    read = await tokens.add("reports", "read", None, "the terminal")
    ingest = await tokens.add("shop", "ingest", None, "the terminal")
    assert (await tokens.allows(read, "read"), await tokens.allows(read, "ingest")) == (True, False)
    assert (await tokens.allows(ingest, "read"), await tokens.allows(ingest, "ingest")) == (False, True)
    for secret in ("", "crumby_", read[:-1], f"{read} ", read + "x", read.upper(), "crumby_" + "a" * 43, "é" * 50):
        assert not await tokens.allows(secret, "read")


async def test_no_mutation_of_a_token_is_one(tokens: Tokens, database: Database) -> None:
    """A thousand, by one character each. Planted: half of a token looked at."""
    secret = await tokens.add("reports", "read", None, "")
    chance = random.Random(20261123)  # noqa: S311 - the same at each run
    with statements(database) as given:
        for _ in range(1000):
            place = chance.randrange(len(secret))
            other = chance.choice([each for each in string.printable + "éⅣ\0" if each != secret[place]])
            assert not await tokens.allows(secret[:place] + other + secret[place + 1 :], "read")
        assert len(given) == 1


async def test_a_flood_of_guesses_costs_a_look_a_second(tokens: Tokens, database: Database, clock: Clock) -> None:
    """Planted: a look for each that is not known."""
    await tokens.add("reports", "read", None, "")
    with statements(database) as given:
        for _ in range(3):
            guesses = [f"crumby_{secrets.token_urlsafe(32)}" for _ in range(500)]
            assert not any(await asyncio.gather(*(tokens.allows(guess, "read") for guess in guesses)))
            clock.s += REMEMBERED_S
    assert len(given) == 3


async def test_a_token_is_kept_as_a_hash_alone(tokens: Tokens, database: Database) -> None:
    secret = await tokens.add("reports", "read", NOON + timedelta(days=90), "ann")
    assert re.fullmatch(r"crumby_[A-Za-z0-9_-]{43}", secret)
    (kept,) = await rows(database)
    assert secret.removeprefix("crumby_") not in repr(kept)
    del kept["id"]
    assert kept == {
        "name": "reports",
        "hash": hashlib.sha256(secret.encode()).hexdigest(),
        "scope": "read",
        "expires": NOON + timedelta(days=90),
        "created": NOON,
        "used": None,
        "creator": "ann",
    }


async def test_tokens_are_never_alike_and_use_every_letter(tokens: Tokens) -> None:
    made = [await tokens.add(str(number), "read", None, "") for number in range(40)]
    assert len(set(made)) == 40
    assert all(SECRET.fullmatch(each) for each in made)
    assert set("".join(each.removeprefix("crumby_") for each in made)) == set(LETTERS)  # 1,720 of 64


async def test_a_token_is_over_at_its_end(tokens: Tokens, clock: Clock) -> None:
    """By the clock, with no look at the database. Planted: an end that is asked for when it is read."""
    secret = await tokens.add("reports", "read", NOON + timedelta(seconds=0.5), "")
    assert await tokens.allows(secret, "read")
    clock.s += 0.4
    assert await tokens.allows(secret, "read")
    clock.s += 0.1
    assert not await tokens.allows(secret, "read")


async def test_a_withdrawn_token_ends_in_every_worker_within_a_second(
    tokens: Tokens, database: Database, clock: Clock
) -> None:
    """Planted: a minute for a second."""
    secret = await tokens.add("reports", "read", None, "")
    others = [Tokens(database.engine, clock, clock.utc) for _ in range(3)]
    assert all([await each.allows(secret, "read") for each in (tokens, *others)])
    await tokens.withdraw("reports")
    clock.s += 1.0
    assert not any([await each.allows(secret, "read") for each in (tokens, *others)])
    with pytest.raises(AccountError, match="there is no token 'reports'"):
        await tokens.withdraw("reports")


@ONLY_SQLITE
async def test_a_new_token_opens_within_a_second(tokens: Tokens, clock: Clock) -> None:
    assert not await tokens.allows("crumby_" + "a" * 43, "read")
    secret = await tokens.add("reports", "read", None, "")
    clock.s += 1.0
    assert await tokens.allows(secret, "read")


async def test_a_name_is_taken_once(tokens: Tokens) -> None:
    await tokens.add("reports", "read", None, "")
    with pytest.raises(AccountError, match="there is a token 'reports' already"):
        await tokens.add("reports", "ingest", None, "")
    await tokens.add("Reports", "read", None, "")
    assert [each.name for each in await tokens.all()] == ["Reports", "reports"]


@ONLY_SQLITE
@pytest.mark.parametrize("name", ["", " ", "a ", "x" * 76, "a\nb", "a\x1b[2J", "\udcff"])
async def test_an_unfit_name_is_refused(name: str, tokens: Tokens) -> None:
    with pytest.raises(AccountError, match="a name has 1 to 75 printable characters"):
        await tokens.add(name, "read", None, "")
    assert await tokens.all() == []


@ONLY_SQLITE
async def test_there_are_no_more_than_are_read_each_second(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: no bound."""
    monkeypatch.setattr(module, "MOST", 2)
    for name in ("one", "two"):
        await tokens.add(name, "read", None, "")
    with pytest.raises(AccountError, match="there are 2 tokens already; `crumby token rm NAME` makes room"):
        await tokens.add("three", "read", None, "")
    assert [each.name for each in await tokens.all()] == ["one", "two"]


# Looks at the database


async def test_what_cannot_be_known_is_said_and_asked_once_a_second(settings: MakeSettings, clock: Clock) -> None:
    """Planted: a failure that is not remembered; one that is, for ever."""
    url = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/none"
    asked = 0

    async def counted(self: Tokens) -> Any:
        nonlocal asked
        asked += 1
        return {token.hash: token for token in await self.all()}

    async with open_database(settings(sqlalchemy_database_uri=url)) as away:
        tokens = Tokens(away.engine, clock)
        tokens._latest._look = lambda: counted(tokens)
        for second in (1, 2):
            for _ in range(20):
                with pytest.raises(DatabaseUnavailable, match="the database can't be reached"):
                    await tokens.allows("crumby_" + "a" * 43, "read")
            assert asked == second
            clock.s += 1.0
        assert not await tokens.allows("no token by its looks", "read")  # which no database has to say


@ONLY_SQLITE
async def test_a_frozen_database_makes_nobody_wait_longer_than_is_bearable(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a driver that can't be stopped. Planted: a second look beside it; a wait of each that comes later."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    looks = 0
    thawed = asyncio.Event()

    async def frozen() -> Any:
        nonlocal looks
        looks += 1
        while not thawed.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await thawed.wait()
        return {}

    tokens._latest._look = frozen
    tokens._latest._clock = time.monotonic
    try:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable, match=r"could not be read within 0\.05 s"):
                async with asyncio.timeout(5):
                    await tokens.allows("crumby_" + "a" * 43, "read")
        assert looks == 1
    finally:
        thawed.set()
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                assert not await tokens.allows("crumby_" + "a" * 43, "read")
                break


@ONLY_SQLITE
async def test_who_comes_while_a_long_look_goes_on_is_told_nothing_older_than_a_second(
    tokens: Tokens, clock: Clock
) -> None:
    """Planted: the answer of the look under way, whenever it began."""
    secret = await tokens.add("reports", "read", None, "")
    begun, slow = asyncio.Event(), asyncio.Event()
    look = tokens._latest._look

    async def slowly() -> Any:
        found = await look()
        begun.set()
        await slow.wait()
        return found

    tokens._latest._look = slowly
    early = asyncio.create_task(tokens.allows(secret, "read"))
    await begun.wait()
    await tokens.withdraw("reports")
    clock.s += 1.0
    late = asyncio.create_task(tokens.allows(secret, "read"))
    await asyncio.sleep(0.01)
    slow.set()
    assert (await early, await late) == (True, False)


# When a token was used last


async def used(database: Database) -> dict[str, datetime | None]:
    return {row["name"]: row["used"] for row in await rows(database)}


async def test_when_a_token_was_used_is_written_down(tokens: Tokens, database: Database, clock: Clock) -> None:
    """Planted: a refusal that counts as a use; an earlier time over a later one."""
    scopes: list[Scope] = ["read", "ingest", "read"]
    made = [await tokens.add(name, scope, None, "") for name, scope in zip("abc", scopes, strict=True)]
    await tokens.allows(made[0], "read")
    clock.s += 0.25
    await tokens.allows(made[1], "ingest")
    await tokens.allows(made[2], "ingest")
    await tokens.uses.write()
    expected = {"a": NOON, "b": NOON + timedelta(seconds=0.25), "c": None}
    assert await used(database) == expected
    with statements(database) as given:
        await tokens.uses.write()
        assert given == []
    async with database.engine.begin() as connection:  # by another worker
        await connection.execute(update(table).where(table.c.name == "a").values(used=NOON + timedelta(hours=1)))
    await tokens.allows(made[0], "read")
    await tokens.uses.write()
    assert await used(database) == expected | {"a": NOON + timedelta(hours=1)}


@ONLY_SQLITE
async def test_uses_are_written_at_once_then_once_a_minute_and_at_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a write for each use; none at the end."""
    naps: list[float] = []
    nap = asyncio.Event()

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        await nap.wait()

    secret = await Tokens(database.engine).add("reports", "read", None, "")
    monkeypatch.setattr(asyncio, "sleep", sleep)
    async with open_tokens(database.engine) as tokens:
        with statements(database) as given:
            for _ in range(100):
                assert await tokens.allows(secret, "read")
            async with asyncio.timeout(20):
                while not naps:
                    await asyncio.wait({asyncio.create_task(used(database))})
            first = (await used(database))["reports"]
            assert first
            for _ in range(100):
                assert await tokens.allows(secret, "read")
            assert (naps, len([each for each in given if each.startswith("UPDATE")])) == ([60.0], 1)
    last = (await used(database))["reports"]
    assert last
    assert last > first


@ONLY_SQLITE
async def test_a_use_that_cannot_be_written_is_in_nobodys_way(
    tokens: Tokens, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept for the next time. Planted: a failure that ends the task."""
    caplog.set_level(logging.DEBUG, "crumby.tokens")
    secret = await tokens.add("reports", "read", None, "")
    later = module.LATER
    monkeypatch.setattr(module, "LATER", insert(table))  # without all that it needs
    assert await tokens.allows(secret, "read")
    await tokens.uses.write()
    assert "when tokens were used waits in memory" in caplog.text
    assert await used(database) == {"reports": None}
    monkeypatch.setattr(module, "LATER", later)
    await tokens.uses.write()
    assert await used(database) == {"reports": NOON}


@pytest.mark.parametrize(
    ("header", "borne"),
    [
        (None, None),
        ("", None),
        ("Basic YTpi", None),
        ("crumby_x", None),
        ("Bearer", ""),
        ("Bearer crumby_x", "crumby_x"),
        ("bEARER   crumby_x  ", "crumby_x"),
        ("Bearer a b", "a b"),
        ("Bearercrumby_x", None),
    ],
)
def test_a_bearer_is_told_from_other_ways_to_say_who_one_is(header: str | None, borne: str | None) -> None:
    assert bearer(header) == borne
