"""`share`, `shares` and `unshare`."""

import asyncio
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crumby.accounts import Accounts
from crumby.database import open_database
from crumby.settings import Settings
from crumby.sharing.shares import Share, Shares
from tests.cli.conftest import Ask
from tests.cli.terminal import Terminal
from tests.cli.test_errors import one_line

LINK = re.compile(r"/share/([A-Za-z0-9_-]{22})\n")
HINT = "crumby: set DOMAIN, and links have this Crumby's host before them\n"


def listed(verb: Ask) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(verb("shares", "--json").out)
    return found


def opens(home: Path, token: str, password: str) -> bool:
    async def ask() -> bool:
        async with open_database(Settings(sqlalchemy_database_uri=f"sqlite:///{home}/crumby.db")) as database:
            accounts = Accounts(database.engine)
            share: Share | None = await Shares(database.engine, accounts).of(token)
            assert share
            assert share.password
            return await accounts.fits(password, share.password)

    return asyncio.run(ask())


def test_a_link_is_printed_alone(crumby: Ask) -> None:
    answer = crumby("share", "All", CRUMBY_DOMAIN="stats.example.com", CRUMBY_SESSION_COOKIE_SECURE="1")
    assert re.fullmatch(r"https://stats\.example\.com/share/[A-Za-z0-9_-]{22}\n", answer.out)
    assert (answer.status, answer.err) == (0, "")


def test_without_a_domain_it_is_a_path(verb: Ask) -> None:
    answer = verb("share", "All")
    assert LINK.fullmatch(answer.out)
    assert (answer.status, answer.err) == (0, HINT)


def test_by_itself_it_shows_what_everybody_may_see(verb: Ask) -> None:
    """Planted: the private ones as well, and with filters what takes none."""
    verb("share", "All")
    verb("share", "Sweden", "--filter", "country=SE", "--filter", "page=~/blog/")
    sweden, everything = listed(verb)
    assert {name.split("/")[0] for name in everything["panels"]} == {"public"}
    assert set(everything["panels"]) - set(sweden["panels"]) == {"public/last_hit"}
    assert (everything["filters"], sweden["filters"]) == ("", "country=SE&page=~%2Fblog%2F")
    assert everything["creator"] == "the terminal"


def test_it_shows_the_chosen_panels_for_as_long_as_is_said(verb: Ask) -> None:
    words = ["--panel", "pages", "--panel", "private/sources", "--view", "period=last_90_days", "--expires"]
    verb("share", "A month", *words, "30d")
    verb("share", "A year", *words, "2999-12-31")
    year, month = listed(verb)
    assert month["panels"] == ["public/pages", "private/sources"]
    assert (month["view"], month["has_password"]) == ("period=last_90_days", False)
    ends = datetime.fromisoformat(month["expires"])
    assert abs(datetime.now(UTC) + timedelta(days=30) - ends) < timedelta(minutes=1)
    assert year["expires"] == "2999-12-31T23:59:59Z"


def test_its_password_comes_from_standard_input(verb: Ask, home: Path) -> None:
    token = LINK.fullmatch(verb("share", "Quiet", "--password", stdin="tea \nnext line\n").out)[1]  # type: ignore[index]
    assert listed(verb)[0]["has_password"]
    assert opens(home, token, "tea ")
    assert not opens(home, token, "tea")


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_no_link_is_made_without_the_password_that_was_to_be(stdin: str, verb: Ask) -> None:
    """Planted: an empty password that is none."""
    assert "a password has 1 to 1024 characters" in one_line(verb("share", "Quiet", "--password", stdin=stdin))
    assert listed(verb) == []


def test_a_password_is_asked_for_twice_and_not_shown(home: Path) -> None:
    with Terminal("share", "Quiet", "--password") as terminal:
        terminal.answer("Password: ", "canary")
        terminal.answer("confirmation: ", "canary")
        terminal.wait("before them")
    assert "canary" not in terminal.said
    token = re.search(r"/share/([A-Za-z0-9_-]{22})", terminal.said)
    assert token
    assert opens(home, token[1], "canary")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--panel", "pagse"], "there is no query pagse; did you mean pages?"),
        (["--filter", "country"], "--filter country: write --filter country=SE"),
        (["--filter", "contry=SE"], "filters: there is no 'contry': did you mean 'country'?"),
        (["--filter", "country=SE", "--panel", "last_hit"], "public/last_hit takes no filters"),
        (["--view", "period=x"], "view: period: 'x' is not one of"),
        (["--expires", "soon"], "expires: 'soon' is no date such as 2027-01-31"),
        (["--expires", "0d"], "expires: '0d' is no date"),
        (["--expires", "2020-01-01"], "expires: 2020-01-01 is over"),
    ],
)
def test_what_does_not_fit_is_named(words: list[str], said: str, verb: Ask) -> None:
    """Before a password is asked for."""
    assert said in one_line(verb("share", "A title", "--password", *words))
    assert listed(verb) == []


def test_a_title_that_would_spoil_the_list_is_refused(verb: Ask) -> None:
    for title in ("", "x" * 76, "a\x1b[2Jb"):
        assert "title: give it 1 to 75 printable characters" in one_line(verb("share", title))


def test_links_are_listed_for_people_the_newest_first(verb: Ask) -> None:
    assert verb("shares") == (0, "There is no link yet. Make one: crumby share TITLE\n", "")
    verb("share", "First [b]")
    verb("share", "Second", "--filter", "country=SE", "--expires", "2999-12-31")
    table = verb("shares").out
    assert table.index("Second") < table.index("First [b]")
    for each in listed(verb):
        assert f"/share/{each['token']}" in table
    assert "27 panels, by the terminal" in table
    assert "26 panels, country=SE, by the terminal" in table
    assert "2999-12-31" in table


def test_a_link_stands_whole_in_a_narrow_terminal(verb: Ask) -> None:
    """Planted: a column of links that is folded as the others are."""
    domain = {"CRUMBY_DOMAIN": "stats.bakery.example"}
    verb("share", "A rather long title, of some seventy characters, as people give them", **domain)
    token = listed(verb)[0]["token"]
    assert f"http://stats.bakery.example/share/{token}" in verb("shares", COLUMNS="66", **domain).out


def test_a_link_is_withdrawn_by_its_number_or_its_token(verb: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    verb("share", "One")
    chance = iter(["-a-token-like-an-option", "a-token-of-a-link-made"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _octets: next(chance))
    token = LINK.fullmatch(verb("share", "Two").out)[1]  # type: ignore[index]
    assert verb("unshare", token) == (0, f"the link {token} works no longer\n", "")
    assert [each["title"] for each in listed(verb)] == ["One"]
    assert verb("unshare", "1").status == 0
    assert listed(verb) == []
    for word in ("1", token, "-1x", "", "9" * 30, "One"):
        assert one_line(verb("unshare", "--", word)).startswith(f"crumby: there is no link {word}")
