"""What `crumby` says of itself: on 80 columns as on 120, with examples that can be copied."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from crumby import __version__
from crumby.cli import verbs
from crumby.cli.examples import EXAMPLES
from tests.cli.conftest import Ask
from tests.docs.pages import ROOT

VERBS = {
    "adduser": "Add a user: grant access to the private queries.",
    "backup": "Write all of the database into one file, while Crumby runs.",
    "dashboard": "Show the panels in the terminal.",
    "deluser": "Delete a user: revoke access to the private queries.",
    "demo": "Fill an empty database with a year of visits, to look at.",
    "doctor": "Look for what is amiss, and say what to do about it.",
    "env": "Show the configuration in force; secrets are hidden.",
    "export": "Write down all that is stored, or what is stored of a visitor.",
    "forget": "Delete all that is stored of a visitor or an address.",
    "geoip": "Download a City database, check it, and put it in its place.",
    "import": "Bring the history along that others, or access logs, have.",
    "init": "Write a commented crumby.cfg into this folder.",
    "passwd": "Give a user another password, and end all sessions of that user.",
    "lists": "Show what crawlers and spammers are known by; get newer lists.",
    "migrate": "Bring the database to the newest schema, as each start does.",
    "openapi": "Print the OpenAPI document of this Crumby, for programs.",
    "prune": "Delete visits and events that are too old; their totals stay.",
    "query": "Ask a query file; list, check or begin them.",
    "restore": "Make the database hold what a backup does.",
    "rollup": "Bring what is counted beforehand up to date, or count it anew.",
    "run": "Serve Crumby.",
    "share": "Make a link that shows chosen panels to whoever has it.",
    "shares": "List the links that were made.",
    "sites": "List the sites that are counted: since when, and how many come.",
    "tail": "Show hits as they come, and why others were refused.",
    "token": "Let programs in: make, list and withdraw their tokens.",
    "totp": "Have a user asked for a code as well: show a secret, and try it.",
    "unshare": "Withdraw a link: nobody sees anything by it any more.",
    "users": "List the users.",
}
OF_TOKENS = ("token add", "token list", "token rm")


def frameless(text: str) -> list[str]:
    return [line.strip("│ ") for line in text.splitlines()]


def test_the_help_lists_each_verb_with_a_line(crumby: Ask) -> None:
    """Of 80 columns. Fault: a line that is one word longer."""
    answer = crumby("-h", COLUMNS="80")
    assert answer.status == 0
    lines = frameless(answer.out)
    for verb, meaning in VERBS.items():
        assert [line.split(None, 1)[1].strip() for line in lines if line.startswith(f"{verb} ")] == [meaning]
    assert verbs.VERBS.keys() == VERBS.keys()


def test_the_verbs_stand_in_groups(verb: Ask) -> None:
    said = verb("--help").out
    groups = [verbs.SERVE, verbs.REPORTS, verbs.PEOPLE, verbs.DATA, verbs.UPKEEP]
    assert re.findall(r"╭─ ([A-Z].*?) ─", said) == ["Options", *groups]


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_the_help_comes_unasked_and_by_its_long_name(words: list[str], verb: Ask) -> None:
    said = "".join(verb(*words)[1:])
    assert all(name in said for name in VERBS)


@pytest.mark.parametrize("width", ["80", "120"])
@pytest.mark.parametrize("name", [*VERBS, *OF_TOKENS])
def test_each_verb_has_a_help_of_its_own_with_examples(name: str, width: str, verb: Ask) -> None:
    """Nothing of it is cut, and each example is a line to be copied. Fault: an example of 79 characters."""
    answer = verb(*name.split(), "-h", COLUMNS=width)
    assert answer.status == 0
    assert VERBS.get(name, "token") in answer.out
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= int(width)
    assert "…" not in answer.out.replace(" …", "")
    assert not re.search("<[a-z]", answer.out.partition("Examples:")[0]), "a type in the place of a name"
    assert 1 <= len(EXAMPLES[name]) <= 3
    for meaning, words in EXAMPLES[name]:
        at = lines.index(f"   # {meaning}".ljust(int(width)))
        assert lines[at + 1].rstrip() == f"   {words}"


def commands(line: str) -> Iterator[list[str]]:
    """Give the words after `crumby`, of each that a line of the shell calls."""
    words: list[str] = []
    for word in [*shlex.split(line, comments=False), "|"]:
        if word == "|":
            if words[:1] == ["crumby"]:
                yield words[1 : next((at for at, each in enumerate(words) if each in "<>"), None)]
            words = []
        else:
            words.append(word)


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, examples in EXAMPLES.items() for _, line in examples]
)
def test_the_words_of_each_example_are_understood(name: str, line: str) -> None:
    """Fault: an option that is spelled wrong."""
    (words,) = commands(line)
    assert " ".join(words).startswith(name)
    command: Any = verbs.command(verbs.asked(words))
    above = None
    while hasattr(command, "commands"):
        context = command.make_context("crumby", words, parent=above, resilient_parsing=False)
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        above = context
    command.make_context(command.name, words, parent=above)


@pytest.mark.parametrize("name", [*(VERBS.keys() - {"token"}), *OF_TOKENS])
def test_the_page_of_the_command_line_has_each_verb_and_option(name: str) -> None:
    """Fault: an option that is added, and not told there."""
    paragraphs = (ROOT / "docs" / "cli.md").read_text("utf-8").split("\n\n")
    (told,) = [each for each in paragraphs if re.search(rf"\*\*`crumby {name}[` ]", each)]
    command: Any = verbs.command(name.split(maxsplit=1)[0])
    for word in name.split():
        command = command.commands[word]
    long = [[option for option in one.opts if option.startswith("--")][:1] for one in command.params]
    options = {option for each in long for option in each} - {"--json"}
    assert [option for option in sorted(options) if option not in re.findall(r"--[\w-]+", told)] == []


def test_the_help_of_run_names_its_options_and_where_it_listens(verb: Ask) -> None:
    said = verb("run", "--help").out
    assert all(option in said for option in ("--host", "--port", "--uds", "--workers", "--reload"))
    assert "127.0.0.1" in said
    assert "5000" in said


def test_the_version_is_told(verb: Ask) -> None:
    assert verb("--version") == (0, f"{__version__}\n", "")


def test_an_unknown_verb_is_refused_with_a_near_one(verb: Ask) -> None:
    """Fault: a command line that knows the verb that was asked for alone."""
    answer = verb("adduesr")
    assert answer.status == 2
    assert "'adduesr'. Did you mean 'adduser'" in answer.err


def test_the_help_needs_no_configuration(verb: Ask) -> None:
    assert verb("-h", CRUMBY_SETTINGS="/absent/crumby.cfg").status == 0
