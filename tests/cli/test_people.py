"""`adduser`, `deluser` and `users`."""

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest

from crumby.accounts import Accounts
from crumby.database import open_database
from crumby.settings import Settings
from tests.cli.conftest import Ask


def may_sign_in(home: Path, name: str, password: str) -> bool:
    async def ask() -> bool:
        async with open_database(Settings(sqlalchemy_database_uri=f"sqlite:///{home}/crumby.db")) as database:
            return await Accounts(database.engine).authenticate(name, password) is not None

    return asyncio.run(ask())


class Terminal:
    """`crumby WORDS…` in a terminal, and a person before it."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.said = ""

    def __enter__(self) -> Self:
        self.keyboard, screen = pty.openpty()
        command = [sys.executable, "-m", "crumby", *self.words]
        # In a session of its own it has no other terminal to ask at.
        self.process = subprocess.Popen(command, stdin=screen, stdout=screen, stderr=screen, start_new_session=True)
        os.close(screen)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.keyboard)

    def waits_for(self, text: str) -> None:
        """Read on until it says that."""
        deadline = time.monotonic() + 30
        said = ""
        while text not in said:
            assert time.monotonic() < deadline, f"no {text!r} in {said!r}"
            if select.select([self.keyboard], [], [], 0.1)[0]:
                said += os.read(self.keyboard, 1024).decode()
        self.said += said

    def type(self, text: str) -> None:
        os.write(self.keyboard, f"{text}\n".encode())


def test_a_password_comes_from_standard_input(crumby: Ask, home: Path) -> None:
    assert crumby("adduser", "ada", stdin="love lace ☕ \nnext line\n") == (0, "ada can now sign in\n", "")
    assert may_sign_in(home, "ada", "love lace ☕ ")
    assert not may_sign_in(home, "ada", "love lace ☕")


def test_a_password_is_asked_for_twice_and_not_shown(home: Path) -> None:
    with Terminal("adduser", "ada") as terminal:
        terminal.waits_for("Password: ")
        terminal.type("canary")
        terminal.waits_for("confirmation: ")
        terminal.type("cannary")
        terminal.waits_for("Password: ")  # the two differ, so once more
        terminal.type("canary")
        terminal.waits_for("confirmation: ")
        terminal.type("canary")
        terminal.waits_for("ada can now sign in")
    assert "do not match" in terminal.said
    assert "canary" not in terminal.said
    assert may_sign_in(home, "ada", "canary")


def test_a_password_as_an_argument_works_and_warns(verb: Ask, home: Path) -> None:
    answer = verb("adduser", "ada", "lovelace")
    assert (answer.status, answer.out) == (0, "ada can now sign in\n")
    assert answer.err.startswith("crumby: a password on the command line ")
    assert answer.err.count("\n") == 1
    assert "lovelace" not in answer.err
    assert may_sign_in(home, "ada", "lovelace")


def test_a_name_is_given_once(verb: Ask, home: Path) -> None:
    verb("adduser", "ada", stdin="one\n")
    assert verb("adduser", "ada", stdin="two\n") == (1, "", "crumby: there is a user 'ada' already\n")
    assert may_sign_in(home, "ada", "one")


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_an_empty_password_is_refused(stdin: str, verb: Ask) -> None:
    assert verb("adduser", "ada", stdin=stdin) == (1, "", "crumby: a password has 1 to 1024 characters\n")
    assert json.loads(verb("users", "--json").out) == []


@pytest.mark.parametrize("name", ["", "x" * 76, "a\nb", "a\x1b[2Jb", "\udcff"])
def test_a_name_that_would_spoil_the_list_is_refused(name: str, verb: Ask) -> None:
    assert verb("adduser", name, stdin="one\n") == (1, "", "crumby: a name has 1 to 75 printable characters\n")


def test_a_password_that_is_no_text_is_refused(crumby: Ask, verb: Ask) -> None:
    refusal = (1, "", "crumby: the password is not in the encoding of this terminal\n")
    assert crumby("adduser", "ada", stdin=b"\xff\n", PYTHONIOENCODING="utf-8:strict") == refusal
    assert verb("adduser", "ada", stdin="\udcff\n") == refusal  # as the C locale lets it through


def test_a_deleted_user_cannot_sign_in(verb: Ask, home: Path) -> None:
    verb("adduser", "ada", stdin="one\n")
    verb("adduser", "grace", stdin="one\n")
    assert verb("deluser", "ada") == (0, "ada can no longer sign in\n", "")
    assert not may_sign_in(home, "ada", "one")
    assert may_sign_in(home, "grace", "one")


def test_a_user_who_is_not_there_cannot_be_deleted(verb: Ask) -> None:
    assert verb("deluser", "ada") == (1, "", "crumby: there is no user 'ada'\n")


def test_users_are_listed_in_order_for_people_and_for_programs(verb: Ask) -> None:
    for name in ("grace", "ada", "Zoë [/red] :cat:"):
        verb("adduser", name, stdin="one\n")
    assert json.loads(verb("users", "--json").out) == ["Zoë [/red] :cat:", "ada", "grace"]
    table = verb("users").out
    assert table.index("Zoë [/red] :cat:") < table.index("ada") < table.index("grace")


def test_the_first_look_at_the_users_says_how_to_add_one(verb: Ask) -> None:
    assert verb("users") == (0, "There is no user yet. Add one: crumby adduser NAME\n", "")
    assert verb("users", "--json").out == "[]\n"
