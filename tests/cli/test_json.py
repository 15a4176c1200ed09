"""`--json`: one document on standard output, of whatever a verb says in words without it."""

import json
import re
from pathlib import Path
from typing import Any

import pyotp
import pytest

from crumby.cli import people, verbs
from crumby.tokens import PREFIX
from tests.cli.conftest import Answer, Ask

WITHOUT = {"run"}  # it serves, and says what it has to in a log


def told(answer: Answer) -> Any:
    assert answer.status == 0, answer.err
    return json.loads(answer.out)


@pytest.mark.parametrize("name", [*verbs.VERBS.keys() - WITHOUT - {"token"}, "token add", "token list", "token rm"])
def test_each_verb_has_it(name: str, verb: Ask) -> None:
    assert "--json" in verb(*name.split(), "--help").out


def test_users_come_change_and_go(verb: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a second factor there are two, a line each: the secret has to be seen before there is a code."""
    assert told(verb("adduser", "zoë", "--json", stdin="a long password\n")) == {"user": "zoë", "added": True}
    assert told(verb("passwd", "zoë", "--json", stdin="another password\n")) == {"user": "zoë", "changed": True}

    def shown(username: str, uri: str, *, json_: bool) -> None:
        print(json.dumps({"user": username, "uri": uri}))
        found = re.search("secret=([A-Z2-7]+)", uri)
        assert found
        monkeypatch.setattr(people, "ask_code", pyotp.TOTP(found[1]).now)

    before = verb("totp", "zoë", "--json", stdin="\n")
    assert before.status == 1
    assert json.loads(before.out)["uri"].startswith("otpauth://totp/")
    assert json.loads(before.err)["error"] == "AccountError"
    monkeypatch.setattr(people, "show_secret", shown)
    lines = [json.loads(line) for line in verb("totp", "zoë", "--json").out.splitlines()]
    assert lines[1] == {"user": "zoë", "totp": True}
    assert told(verb("totp", "zoë", "--off", "--json")) == {"user": "zoë", "totp": False}
    assert told(verb("users", "--json")) == ["zoë"]
    assert told(verb("deluser", "zoë", "--json")) == {"user": "zoë", "deleted": True}


def test_tokens_are_made_and_withdrawn(verb: Ask) -> None:
    made = told(verb("token", "add", "shop", "--scope", "read", "--expires", "2099-01-31", "--json"))
    assert (made["name"], made["scope"], made["expires"][:4]) == ("shop", "read", "2099")
    assert made["token"].startswith(PREFIX)
    (listed,) = told(verb("token", "list", "--json"))
    assert listed["expires"] == made["expires"]
    assert told(verb("token", "rm", "shop", "--json")) == {"name": "shop", "withdrawn": True}


def test_links_are_made_and_withdrawn(verb: Ask) -> None:
    """As `shares` has them."""
    made = told(verb("share", "Our numbers", "--panel", "pages", "--json", CRUMBY_DOMAIN="stats.example"))
    assert [made] == told(verb("shares", "--json", CRUMBY_DOMAIN="stats.example"))
    assert told(verb("unshare", str(made["id"]), "--json")) == {"share": str(made["id"]), "withdrawn": True}


def test_files_are_named(verb: Ask, home: Path) -> None:
    (home / "own").mkdir()
    own = {"CRUMBY_QUERIES": str(home / "own")}
    path = home / "own" / "private" / "mine.sql"
    assert told(verb("query", "--new", "mine", "--json", **own)) == {"file": str(path), "replaces_shipped": False}
    exported = told(verb("export", "--visitor", "42", "-o", "42.json", "--json"))
    assert exported["file"] == str(home / "42.json")
    assert exported["rows"] == {
        name: len(rows) for name, rows in json.loads((home / "42.json").read_text()).items() if isinstance(rows, list)
    }
