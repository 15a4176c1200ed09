"""`crumby migrate`."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from crumby.database import open_database
from crumby.migrations import HEAD, migrate
from crumby.settings import Settings
from tests import servers
from tests.cli.conftest import Answer, Ask
from tests.cli.terminal import shown
from tests.cli.test_errors import one_line
from tests.legacy import crumby071

BEFORE = f"{int(HEAD) - 1:04}"


def make_older(url: str, revision: str) -> None:
    async def work() -> None:
        async with open_database(Settings(sqlalchemy_database_uri=url)) as database:
            await migrate(database.engine)
            async with database.engine.begin() as connection:
                await connection.execute(text(f"update alembic_version set version_num = '{revision}'"))

    asyncio.run(work())


def facts(answer: Answer) -> tuple[int, dict[str, object]]:
    assert answer.err == ""
    return answer.status, json.loads(answer.out)


def told(before: str | None, after: str | None, *, behind: bool = False) -> dict[str, object]:
    return {"from": before, "to": after, "newest": HEAD, "behind": behind}


def test_an_older_database_is_brought_to_the_newest_schema(database_url: str, verb: Ask) -> None:
    """And a check changes nothing. Faults: a check that ends with 0; one that migrates."""
    make_older(database_url, BEFORE)
    here = {"CRUMBY_SQLALCHEMY_DATABASE_URI": database_url}
    answer = verb("migrate", "--check", **here)
    assert (answer.status, answer.err) == (1, "")
    assert answer.out.startswith(f"The database has schema {BEFORE}; `crumby migrate` brings it to {HEAD}")
    assert facts(verb("migrate", "--check", "--json", **here)) == (1, told(BEFORE, BEFORE, behind=True))
    assert facts(verb("migrate", "--json", **here)) == (0, told(BEFORE, HEAD))
    assert facts(verb("migrate", "--check", "--json", **here)) == (0, told(HEAD, HEAD))
    assert verb("migrate", **here).out == f"The database has schema {HEAD}, the newest\n"


def test_one_that_is_not_there_is_made_but_not_by_a_check(verb: Ask, home: Path) -> None:
    assert facts(verb("migrate", "--check", "--json")) == (1, told(None, None, behind=True))
    assert not list(home.iterdir())
    assert verb("migrate").out == f"The database is made: schema {HEAD}\n"
    assert facts(verb("migrate", "--json")) == (0, told(HEAD, HEAD))


def test_one_of_a_server_that_has_no_table_yet_is_made(verb: Ask, mariadb: servers.MariaDB) -> None:
    here = {"CRUMBY_SQLALCHEMY_DATABASE_URI": mariadb.database()}
    assert facts(verb("migrate", "--json", **here)) == (0, told(None, HEAD))


def test_a_check_does_not_touch_a_file_of_0_7_1(verb: Ask, home: Path) -> None:
    crumby071.build(home / "crumby.db")
    before = (home / "crumby.db").read_bytes()
    assert facts(verb("migrate", "--check", "--json")) == (1, told("0.7.1", "0.7.1", behind=True))
    assert (home / "crumby.db").read_bytes() == before
    assert [path.name for path in home.iterdir()] == ["crumby.db"]


@pytest.mark.parametrize("words", [("--check",), ()])
def test_one_of_a_newer_crumby_is_refused(words: tuple[str, ...], verb: Ask, home: Path) -> None:
    """Fault: what Alembic says of a revision that it does not know."""
    make_older(f"sqlite:///{home / 'crumby.db'}", "0999")
    assert "has schema 0999, of a newer Crumby than this one: upgrade it" in one_line(verb("migrate", *words))


@pytest.mark.parametrize("words", [("--check",), ()])
@pytest.mark.parametrize("uri", ["mysql://me:canary@127.0.0.1:{port}/x", "postgresql://me:canary@127.0.0.1:{port}/x"])
def test_a_server_that_is_away_is_named(uri: str, words: tuple[str, ...], verb: Ask) -> None:
    here = {"CRUMBY_SQLALCHEMY_DATABASE_URI": uri.format(port=servers.free_port())}
    said = one_line(verb("migrate", *words, **here))
    assert "127.0.0.1" in said
    assert "canary" not in said


def test_people_see_how_far_it_is(home: Path) -> None:
    """Fault: a revision that does not hand on who is to be told."""
    crumby071.build(home / "crumby.db")
    said, _ = shown("stderr", "migrate", TERM="xterm", COLUMNS="120")
    assert "placing older hits" in said
    assert "100%" in said
