"""Which new passwords are taken. The common ones are those of zxcvbn's list, as @zxcvbn-ts/language-common has them."""

import lzma

import pytest

from crumby.accounts.passwords import COMMON, check
from crumby.errors import AccountError


@pytest.mark.parametrize(
    "password", ["eight ch", "x" * 64, "x" * 1024, "☕🍪☕🍪☕🍪☕🍪", "        ", "pass\0word", "annelise-b"]
)
def test_long_ones_of_any_characters_are_taken_whole(password: str) -> None:
    check(password, "ann")


@pytest.mark.parametrize("password", ["", "seven c", "x" * 1025, "☕" * 7])
def test_shorter_and_longer_ones_are_refused(password: str) -> None:
    with pytest.raises(AccountError, match="8 to 1024 characters"):
        check(password, "ann")


@pytest.mark.parametrize("password", ["password", "PassWord", "12345678", "qwertyuiop", "trustno1", "1qaz2wsx"])
def test_what_everybody_guesses_is_refused(password: str) -> None:
    """Planted: a list that is asked for the case that was typed."""
    with pytest.raises(AccountError, match="one of the 10,000 most common"):
        check(password, "ann")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("annabelle", "annabelle"),
        ("Annabelle", "aNNabelle"),
        ("ann", "ann12345"),
        ("ann", "!!!!Ann!"),
        ("7" * 9, "7" * 9),
    ],
)
def test_the_users_own_name_is_refused_whatever_is_put_around_it(name: str, password: str) -> None:
    with pytest.raises(AccountError, match="own name"):
        check(password, name)


def test_the_list_holds_ten_thousand_that_are_long_enough() -> None:
    words = lzma.decompress(COMMON.read_bytes()).decode().split("\n")
    assert len(set(words)) == len(words) == 10_000
    assert min(len(word) for word in words) == 8
    assert all(word == word.lower() for word in words)
    notice = COMMON.with_name("NOTICE").read_text("utf-8")
    assert "@zxcvbn-ts/language-common" in notice
    assert "Permission is hereby granted, free of charge" in notice
