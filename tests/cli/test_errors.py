"""What goes wrong is one line on standard error and exit code 1, whatever it was."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import Answer, Ask


def one_line(answer: Answer) -> str:
    """What `crumby` complains of, once its form is seen to be right."""
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith("crumby: ")
    assert answer.err.count("\n") == 1, answer.err
    return answer.err


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
