"""`token add`, `token list` and `token rm`."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Answer, Ask
from tests.cli.test_errors import one_line
from tests.servers import Crumby, wait_until

SECRET = re.compile(r"(crumby_[A-Za-z0-9_-]{43})\n")
ROOT = Path(__file__).parent.parent.parent
PRIVATE = "/api/private/sources"


def secret_of(answer: Answer) -> str:
    """What stands on standard output, alone."""
    found = SECRET.fullmatch(answer.out)
    assert found, answer
    return found[1]


def listed(verb: Ask) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(verb("token", "list", "--json").out)
    return found


def test_a_token_is_printed_alone_and_the_words_go_elsewhere(crumby: Ask) -> None:
    """`TOKEN=$(crumby token add …)` takes it. Planted: words on standard output."""
    answer = crumby("token", "add", "backup", "--scope", "read")
    assert (answer.status, secret_of(answer)) == (0, answer.out.strip())
    assert answer.err == "crumby: backup opens the reports for ever; it is not shown again\n"


def test_it_opens_for_as_long_as_is_said(verb: Ask) -> None:
    for name, when in (("b", "90d"), ("a", "2999-12-31"), ("c", "2999-12-31T12:00+02:00")):
        assert SECRET.fullmatch(verb("token", "add", name, "--scope", "ingest", "--expires", when).out)
    a, b, c = listed(verb)
    assert (a["expires"], c["expires"]) == ("2999-12-31T23:59:59Z", "2999-12-31T10:00:00Z")
    ends = datetime.fromisoformat(b["expires"])
    assert abs(datetime.now(UTC) + timedelta(days=90) - ends) < timedelta(minutes=1)
    said = verb("token", "add", "d", "--scope", "ingest", "--expires", "2999-12-31").err
    assert said == "crumby: d opens the endpoint for hits until 2999-12-31 23:59 UTC; it is not shown again\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "--scope", "read", "--expires", "soon"], "expires: 'soon' is no date such as 2027-01-31"),
        (["x", "--scope", "read", "--expires", "0d"], "expires: '0d' is no date"),
        (["x", "--scope", "read", "--expires", ""], "expires: '' is no date"),
        (["x", "--scope", "read", "--expires", "2020-01-01"], "expires: 2020-01-01 is over"),
        (["a\x1b[2J", "--scope", "read"], "a name has 1 to 75 printable characters"),
        (["taken", "--scope", "read"], "there is a token 'taken' already; choose another name"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_made(words: list[str], said: str, verb: Ask) -> None:
    verb("token", "add", "taken", "--scope", "ingest")
    assert said in one_line(verb("token", "add", *words))
    assert [(each["name"], each["scope"]) for each in listed(verb)] == [("taken", "ingest")]


@pytest.mark.parametrize("words", [["x"], ["x", "--scope", "write"], ["--scope", "read"]])
def test_a_scope_and_a_name_are_wanted(words: list[str], verb: Ask) -> None:
    assert verb("token", "add", *words).status == 2
    assert listed(verb) == []


def test_tokens_are_listed_without_what_only_their_makers_have(verb: Ask) -> None:
    """Planted: the hash in the JSON."""
    assert verb("token", "list") == (0, "There is no token yet. Make one: crumby token add NAME --scope read\n", "")
    secret = secret_of(verb("token", "add", "shop [b]", "--scope", "ingest", "--expires", "2999-12-31"))
    verb("token", "add", "agency", "--scope", "read")
    said = verb("token", "list").out
    assert said.index("agency") < said.index("shop [b]")
    assert all(word in said for word in ("ingest", "2999-12-31", "for ever", "never", "the terminal"))
    agency, shop = listed(verb)
    assert set(agency) == {"name", "scope", "created", "expires", "last_used", "creator"}
    assert (shop["name"], shop["scope"], shop["last_used"], agency["expires"]) == ("shop [b]", "ingest", None, None)
    both = said + json.dumps([agency, shop])
    assert secret not in both
    assert not re.search("[0-9a-f]{20}", both)


def test_a_token_is_withdrawn_by_its_name(verb: Ask) -> None:
    verb("token", "add", "one", "--scope", "read")
    verb("token", "add", "--scope", "read", "--", "-two")
    assert verb("token", "rm", "one") == (0, "the token one opens nothing any more\n", "")
    assert one_line(verb("token", "rm", "one")).startswith("crumby: there is no token 'one'; `crumby token list`")
    assert verb("token", "rm", "--", "-two").status == 0
    assert listed(verb) == []


def test_the_documents_lines_do_what_they_say(tmp_path: Path) -> None:
    """Each of docs/api.md, in one shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    add, ask, rest = blocks
    listing, remove = rest.splitlines()
    with Crumby() as server:
        script = "\n".join(["set -eu", add, ask, "echo", listing, remove, f"! {ask}"])
        programs = Path(sys.executable).parent
        done = subprocess.run(
            ["bash", "-c", script.replace("http://127.0.0.1:5000", server.url).replace("! curl", "sleep 1; ! curl")],
            env={**server.environment(), "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "200"},
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    answer, table = done.stdout.split("\n\n")
    assert answer.startswith("source,")
    assert "monday-mail" in table
    assert table.endswith("the token monday-mail opens nothing any more\n")
    assert "401" in done.stderr


@pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("mariadb", marks=pytest.mark.long), "postgres"], indirect=True
)
def test_a_program_is_let_in_and_out_of_every_worker_while_they_run(database_url: str) -> None:
    """As from a terminal, on each database. Planted: tokens that are read when a worker starts."""
    with Crumby(database_url, arguments=["--workers", "2"]) as server:

        def crumby(*words: str) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "crumby", "token", *words],
                env=dict(server.environment()),
                capture_output=True,
                check=True,
                text=True,
                timeout=60,
            )
            return done.stdout

        def statuses() -> set[int]:
            """Of one connection each: the workers take turns."""
            found = set()
            for _ in range(12):
                with server.client() as client:
                    found.add(client.get(PRIVATE, headers={"Authorization": f"Bearer {secret}"}).status_code)
            return found

        def kept() -> dict[str, Any]:
            (agency,) = json.loads(crumby("list", "--json"))
            return dict(agency)

        with server.client() as client:
            assert client.get(PRIVATE).status_code == 401
        secret = crumby("add", "agency", "--scope", "read", "--expires", "90d").strip()
        time.sleep(1)
        assert statuses() == {200}
        wait_until(lambda: kept()["last_used"] is not None, "the use is written down")
        crumby("rm", "agency")
        time.sleep(1)
        assert statuses() == {401}
