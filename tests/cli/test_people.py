"""`adduser`, `deluser` and `users`."""

import asyncio
import json
from pathlib import Path

import pyotp
import pytest

from crumby.accounts import Accounts
from crumby.database import open_database
from crumby.settings import Settings
from tests.cli.conftest import Ask
from tests.cli.terminal import Terminal


def may_sign_in(home: Path, name: str, password: str) -> bool:
    async def ask() -> bool:
        async with open_database(Settings(sqlalchemy_database_uri=f"sqlite:///{home}/crumby.db")) as database:
            return await Accounts(database.engine).authenticate(name, password) is not None

    return asyncio.run(ask())


def test_a_password_comes_from_standard_input(crumby: Ask, home: Path) -> None:
    assert crumby("adduser", "ada", stdin="love lace ☕ \nnext line\n") == (0, "ada can now sign in\n", "")
    assert may_sign_in(home, "ada", "love lace ☕ ")
    assert not may_sign_in(home, "ada", "love lace ☕")


def test_a_password_is_asked_for_twice_and_not_shown(home: Path) -> None:
    with Terminal("adduser", "ada") as terminal:
        terminal.answer("Password: ", "canary of mine")
        terminal.answer("confirmation: ", "cannary of mine")
        terminal.answer("Password: ", "canary of mine")  # the two differ, so once more
        terminal.answer("confirmation: ", "canary of mine")
        terminal.wait("ada can now sign in")
    assert "do not match" in terminal.said
    assert "canary of mine" not in terminal.said
    assert may_sign_in(home, "ada", "canary of mine")


def test_a_password_as_an_argument_works_and_warns(verb: Ask, home: Path) -> None:
    answer = verb("adduser", "ada", "love lace")
    assert (answer.status, answer.out) == (0, "ada can now sign in\n")
    assert answer.err.startswith("crumby: a password on the command line ")
    assert answer.err.count("\n") == 1
    assert "love lace" not in answer.err
    assert may_sign_in(home, "ada", "love lace")


def test_a_name_is_given_once(verb: Ask, home: Path) -> None:
    verb("adduser", "ada", stdin="one password\n")
    assert verb("adduser", "ada", stdin="two passwords\n") == (1, "", "crumby: there is a user 'ada' already\n")
    assert may_sign_in(home, "ada", "one password")


@pytest.mark.parametrize("stdin", ["", "\n", "short\n"])
def test_a_short_password_is_refused(stdin: str, verb: Ask) -> None:
    assert verb("adduser", "ada", stdin=stdin) == (1, "", "crumby: a password has 8 to 1024 characters\n")
    assert json.loads(verb("users", "--json").out) == []


def test_a_password_that_others_guess_is_refused(verb: Ask, home: Path) -> None:
    for word, why in (("Password1", "one of the 10,000 most common ones"), ("ada12345", "the user's own name")):
        said = verb("adduser", "ada", stdin=f"{word}\n")
        assert (said.status, why in said.err, word in said.err) == (1, True, False)
    verb("adduser", "ada", stdin="one password\n")
    assert "most common" in verb("passwd", "ada", stdin="Password1\n").err
    assert may_sign_in(home, "ada", "one password")


def test_another_password_takes_the_place_of_the_old_one(verb: Ask, home: Path) -> None:
    verb("adduser", "ada", stdin="one password\n")
    told = (0, "ada has a new password, and is signed out everywhere\n", "")
    assert verb("passwd", "ada", stdin="another one\n") == told
    assert not may_sign_in(home, "ada", "one password")
    assert may_sign_in(home, "ada", "another one")
    for name in ("passwd", "totp"):
        assert verb(name, "bob", stdin="another one\n") == (1, "", "crumby: there is no user 'bob'\n")


def factor(home: Path, name: str = "ada") -> str | None:
    async def ask() -> str | None:
        async with open_database(Settings(sqlalchemy_database_uri=f"sqlite:///{home}/crumby.db")) as database:
            return (await Accounts(database.engine).named(name)).totp

    return asyncio.run(ask())


def test_a_second_factor_is_on_once_a_code_has_shown_that_the_app_has_it(verb: Ask, home: Path) -> None:
    """Planted: a factor that is on before its code; one that stays."""
    verb("adduser", "ada", stdin="one password\n")
    wrong = verb("totp", "ada", stdin="000000\n", CRUMBY_DOMAIN="stats.example")
    assert wrong.out.startswith("otpauth://totp/Crumby%20stats.example:ada?secret=")
    assert (wrong.status, wrong.err) == (1, "crumby: that is not the code of now; all is as it was\n")
    assert factor(home) is None

    with Terminal("totp", "ada") as terminal:
        terminal.wait("The code that the app shows: ")
        assert "█" in terminal.said
        secret = terminal.said.partition("secret=")[2].partition("&")[0]
        terminal.answer("The code that the app shows: ", pyotp.TOTP(secret).now())
        terminal.wait("ada is asked for a code from now on")
    assert factor(home) == secret

    assert verb("totp", "ada", "--off") == (0, "ada signs in by the password alone\n", "")
    assert factor(home) is None


@pytest.mark.parametrize("name", ["", "x" * 76, "a\nb", "a\x1b[2Jb", "\udcff"])
def test_a_name_that_would_spoil_the_list_is_refused(name: str, verb: Ask) -> None:
    assert verb("adduser", name, stdin="one password\n") == (1, "", "crumby: a name has 1 to 75 printable characters\n")


def test_a_password_that_is_no_text_is_refused(crumby: Ask, verb: Ask) -> None:
    refusal = (1, "", "crumby: the password is not in the encoding of this terminal\n")
    assert crumby("adduser", "ada", stdin=b"\xff\n", PYTHONIOENCODING="utf-8:strict") == refusal
    assert verb("adduser", "ada", stdin="\udcff\n") == refusal  # as the C locale lets it through


def test_a_deleted_user_cannot_sign_in(verb: Ask, home: Path) -> None:
    verb("adduser", "ada", stdin="one password\n")
    verb("adduser", "grace", stdin="one password\n")
    assert verb("deluser", "ada") == (0, "ada can no longer sign in\n", "")
    assert not may_sign_in(home, "ada", "one password")
    assert may_sign_in(home, "grace", "one password")


def test_a_user_who_is_not_there_cannot_be_deleted(verb: Ask) -> None:
    assert verb("deluser", "ada") == (1, "", "crumby: there is no user 'ada'\n")


def test_users_are_listed_in_order_for_people_and_for_programs(verb: Ask) -> None:
    for name in ("grace", "ada", "Zoë [/red] :cat:"):
        verb("adduser", name, stdin="one password\n")
    assert json.loads(verb("users", "--json").out) == ["Zoë [/red] :cat:", "ada", "grace"]
    table = verb("users").out
    assert table.index("Zoë [/red] :cat:") < table.index("ada") < table.index("grace")


def test_the_first_look_at_the_users_says_how_to_add_one(verb: Ask) -> None:
    assert verb("users") == (0, "There is no user yet. Add one: crumby adduser NAME\n", "")
    assert verb("users", "--json").out == "[]\n"
