"""What goes wrong is one line on standard error and exit code 1, whatever it was; with `--json` it is JSON."""

import json
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crumby.cli.examples import EXAMPLES
from tests import servers
from tests.cli.conftest import Answer, Ask


def one_line(answer: Answer) -> str:
    """What `crumby` complains of, once its form is seen to be right."""
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith("crumby: ")
    assert answer.err.count("\n") == 1, answer.err
    return answer.err


def words_of(name: str) -> list[str]:
    """Give those of its last example that takes neither another program, nor JSON, nor a terminal."""
    lines = [line for _, line in EXAMPLES[name] if not re.search("[|<>]|--json|--watch", line)]
    return shlex.split(lines[-1])[1:]


# `init` reads no configuration; what is there of `geoip` and `token` without one is told by others.
VERBS = sorted(EXAMPLES.keys() - {"init", "token"})


def test_an_error_of_the_process_is_one_line(crumby: Ask) -> None:
    assert "did you mean DOMAIN?" in one_line(crumby("env", CRUMBY_DOMIAN="x"))


@pytest.mark.parametrize("name", ["adduser", "deluser", "env", "geoip", "run", "users"])
def test_each_verb_names_a_broken_config(name: str, verb: Ask, home: Path) -> None:
    (home / "crumby.cfg").write_text("DOMAIN = unknown", "utf-8")
    words = [name, "ada"] if name in {"adduser", "deluser"} else [name]
    words += ["--upgrade"] if name == "geoip" else []
    assert "crumby.cfg, line 1: NameError" in one_line(
        verb(*words, stdin="one\n", CRUMBY_SETTINGS=str(home / "crumby.cfg"))
    )


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite:////absent/crumby.db", "there is no folder /absent"),
        ("sqlite:///:memory:", "an in-memory SQLite forgets every hit"),
        ("oracle://me:canary@db/crumby", "does not speak 'oracle'"),
        ("sqlite:///notes.db", "file is not a database"),
        ("sqlite:///folder", "unable to open database file"),
        ("mysql+pymysql://me:canary@127.0.0.1:{port}/crumby", "127.0.0.1"),
        ("postgresql://me:canary@127.0.0.1:{port}/crumby", "127.0.0.1"),
        ("postgresql://me:canary@host.invalid/crumby", "host.invalid"),
    ],
)
def test_a_database_that_cannot_be_had_is_named_without_its_password(
    uri: str, message: str, verb: Ask, home: Path
) -> None:
    (home / "notes.db").write_text("This is no database. " * 100, "utf-8")
    (home / "folder").mkdir()
    environ = {
        "CRUMBY_SQLALCHEMY_DATABASE_URI": uri.format(port=servers.free_port()),
        "CRUMBY_SECRET_KEY": "canary, and more of it",
    }
    # A server that is away may come back, and so does not keep `run` from serving.
    for name in ["users"] if "127.0.0.1" in uri or "host." in uri else ["users", "run"]:
        said = one_line(verb(name, **environ))
        assert message in said
        assert "canary" not in said


@pytest.mark.parametrize("server", ["mariadb", "postgres"])
def test_a_wrong_database_password_is_one_line(server: str, verb: Ask, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(server).url.format(port=request.getfixturevalue(server).port, name="crumby")
    said = one_line(verb("users", CRUMBY_SQLALCHEMY_DATABASE_URI=url.replace("cookie", "canary")))
    assert "crumby" in said
    assert "canary" not in said


def test_a_failure_in_the_middle_of_the_work_is_one_line(verb: Ask, home: Path) -> None:
    verb("adduser", "ada", stdin="one password\n")
    with closing(sqlite3.connect(home / "crumby.db")) as database, database:
        database.execute("create trigger no before delete on users begin select raise(abort, 'read only'); end")
    assert one_line(verb("deluser", "ada")) == "crumby: read only\n"


def test_a_file_that_cannot_be_written_is_named(verb: Ask, home: Path) -> None:
    (home / "crumby.cfg").mkdir()
    assert str(home / "crumby.cfg") in one_line(verb("init", "--force"))


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_says_no_with_1_and_tells_programs_in_json(name: str, verb: Ask) -> None:
    """On standard error, and nothing elsewhere. Fault: a verb that asks for its settings after it has printed."""
    wrong = {"CRUMBY_DOMIAN": "x"}
    assert "did you mean DOMAIN?" in one_line(verb(*words_of(name), **wrong))
    if name == "run":  # it serves, and has a log
        return
    answer = verb(*words_of(name), "--json", **wrong)
    assert (answer.status, answer.out) == (1, "")
    told = json.loads(answer.err)
    assert told.keys() == {"error", "detail"}
    assert told["error"] == "ConfigurationError"
    assert "did you mean DOMAIN?" in told["detail"]


@pytest.mark.parametrize("name", [*VERBS, "init", "token"])
def test_words_that_are_not_understood_end_with_2(name: str, verb: Ask) -> None:
    """Fault: a usage error that is caught with the others."""
    answer = verb(*name.split(), "--xyzzy")
    assert (answer.status, answer.out) == (2, "")
    assert "No such option: --xyzzy" in answer.err
    answer = verb(*name.split(), "--xyzzy", "--json")
    assert answer.status == 2
    assert json.loads(answer.err) == {"error": "NoSuchOption", "detail": "No such option: --xyzzy"}


def test_what_stands_after_two_dashes_is_no_wish_for_json(verb: Ask) -> None:
    assert verb("deluser", "--", "--json").err.startswith("crumby: ")
