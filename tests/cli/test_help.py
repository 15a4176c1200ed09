"""What `crumby` says of itself."""

import pytest

from crumby import __version__
from tests.cli.conftest import Ask

VERBS = {
    "adduser": "Add a user: grant access to the private queries.",
    "backup": "Write all of the database into one file, while Crumby runs.",
    "deluser": "Delete a user: revoke access to the private queries.",
    "demo": "Fill an empty database with a year of visits, to look at.",
    "doctor": "Look for what is amiss, and say what to do about it.",
    "env": "Show the configuration in force; secrets are hidden.",
    "export": "Write down all that is stored of a visitor, who asked for it.",
    "forget": "Delete all that is stored of a visitor or an address.",
    "geoip": "Download a City database, check it, and put it in its place.",
    "init": "Write a commented crumby.cfg into this folder.",
    "passwd": "Give a user another password, and end all sessions of that user.",
    "lists": "Show what crawlers and spammers are known by; get newer lists.",
    "prune": "Delete visits and events that are too old; their totals stay.",
    "query": "Ask a query file; list, check or begin them.",
    "restore": "Make the database hold what a backup does.",
    "run": "Serve Crumby.",
    "share": "Make a link that shows chosen panels to whoever has it.",
    "shares": "List the links that were made.",
    "token": "Let programs in: make, list and withdraw their tokens.",
    "totp": "Have a user asked for a code as well: show its secret, and try it.",
    "unshare": "Withdraw a link: nobody sees anything by it any more.",
    "users": "List the users.",
}


def test_the_help_lists_each_verb_with_a_line(crumby: Ask) -> None:
    answer = crumby("-h")
    assert answer.status == 0
    lines = [line.strip("│ ") for line in answer.out.splitlines()]
    for verb, meaning in VERBS.items():
        assert [line.split(None, 1)[1].strip() for line in lines if line.startswith(f"{verb} ")] == [meaning]


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_the_help_comes_unasked_and_by_its_long_name(words: list[str], verb: Ask) -> None:
    said = "".join(verb(*words)[1:])
    assert all(name in said for name in VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_has_a_help_of_its_own(name: str, verb: Ask) -> None:
    answer = verb(name, "-h")
    assert answer.status == 0
    assert VERBS[name] in answer.out


def test_the_help_of_run_names_its_options_and_where_it_listens(verb: Ask) -> None:
    said = verb("run", "--help").out
    assert all(option in said for option in ("--host", "--port", "--uds", "--workers", "--reload"))
    assert "127.0.0.1" in said
    assert "5000" in said


def test_the_version_is_told(verb: Ask) -> None:
    assert verb("--version") == (0, f"{__version__}\n", "")


def test_an_unknown_verb_is_refused(verb: Ask) -> None:
    answer = verb("adduesr")
    assert answer.status == 2
    assert "adduesr" in answer.err


def test_the_help_needs_no_configuration(verb: Ask) -> None:
    assert verb("-h", CRUMBY_SETTINGS="/absent/crumby.cfg").status == 0
