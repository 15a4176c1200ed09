"""Programs of other people read the document and talk to a running server: a validator, a generator, a tester."""

import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import clients
from tests.reporting.site import MEMBER
from tests.servers import Crumby

HOOK = Path(__file__).with_name("sensible.py")
pytestmark = pytest.mark.timeout(600)  # whoever comes first installs them, beside whatever else there is
VISIT = {"t": "visit", "dl": "https://example.com/a", "dt": "A", "ul": "en-GB", "dr": "https://news.example/"}


@pytest.fixture(scope="module")
def server() -> Iterator[Crumby]:
    with Crumby() as crumby:
        hits = [VISIT | {"id": f"{number:032x}", "cid": f"visitor{number}"} for number in range(3)]
        with crumby.client() as client:
            assert client.post("/hit", content=json.dumps(hits)).status_code == 204
        words = [sys.executable, "-m", "crumby", "adduser", MEMBER["username"]]
        password = f"{MEMBER['password']}\n".encode()
        subprocess.run(words, check=True, input=password, env=crumby.environment(), cwd=crumby.folder)
        yield crumby


@pytest.fixture(scope="module")
def document(server: Crumby, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    with server.client() as client:
        path.write_bytes(client.get("/openapi.json").content)
    return path


def test_the_document_is_valid(document: Path) -> None:
    """Seen to fail on a parameter without its place."""
    status, said = clients.run("openapi-spec-validator", document.name, folder=document.parent)
    assert status == 0, said


CALL = """
import datetime, sys
from crumby_client import Client
from crumby_client.api.public import public_visits
from crumby_client.api.tracking import store_hits
from crumby_client.models import Format, Preset, PublicVisitsAnswer, StoreHitsJsonBodyType0, TimeZone

known = StoreHitsJsonBodyType0(id="0" * 32, t="visit", cid="visitor0", dl="https://example.com/a")

with Client(sys.argv[1], raise_on_unexpected_status=True) as client:
    answer = public_visits.sync(client=client, days=1, tz=TimeZone.UTC)
    records = public_visits.sync(client=client, days=1, format_=Format.RECORDS)
    refused = public_visits.sync(client=client, period=Preset.LAST_MONTH, days=1)
    stored = store_hits.sync_detailed(client=client, body=known)
assert isinstance(answer, PublicVisitsAnswer)
assert answer.columns == ["date", "users", "views"]
assert answer.meta.period.tz == "UTC"
assert [column.type_ for column in answer.meta.columns] == ["date", "integer", "integer"]
day, users, views = answer.data[-1]
assert isinstance(day, datetime.date)
assert (users, views) == (records[-1].users, records[-1].views) == (3, 3), (answer.data, records)
assert refused.error == "InvalidParameter"
assert stored.status_code == 204
print("typed")
"""


def test_a_generated_client_compiles_and_gives_typed_answers(server: Crumby, document: Path) -> None:
    """Seen to fail on columns without types, and on an answer without its `meta`."""
    shutil.copy(document, document.with_name("mine.json"))
    document.with_name("config.yaml").write_text("project_name_override: crumby-client\n")
    words = ["generate", "--path", "mine.json", "--config", "config.yaml", "--meta", "none"]
    status, said = clients.run(
        "openapi-python-client", *words, "--output-path", "crumby_client", folder=document.parent
    )
    assert status == 0, said
    refused = re.findall(r"WARNING parsing (.+?) within (\w+)", said)
    assert {tag for _, tag in refused} <= {"tracking", "live", "export"}, said  # image, event, zip, post
    status, said = clients.run("python", "-m", "compileall", "-q", "crumby_client", folder=document.parent)
    assert status == 0, said
    document.with_name("call.py").write_text(CALL)
    status, said = clients.run("python", "call.py", server.url, folder=document.parent)
    assert (status, said) == (0, "typed\n")


def schemathesis(server: Crumby, folder: Path, *words: str, signed_in: bool, timeout_s: float = 110) -> None:
    """All of its checks, and no failure."""
    config = [f'hooks = "{HOOK}"']
    if signed_in:
        with server.client() as client:
            client.post("/login", data=MEMBER)
            config += ["[auth.openapi.session]", f'api_key = "{client.cookies["crumby_session"]}"']
    folder.joinpath("schemathesis.toml").write_text("\n".join(config))
    address = f"{server.url}/openapi.json"
    status, said = clients.run(
        *("schemathesis", "run", address, "--checks", "all", "--no-color", "--continue-on-failure", *words),
        folder=folder,
        timeout_s=timeout_s,
    )
    assert status == 0, said[said.find("= FAILURES =") :]
    assert re.search(r"[1-9]\d* generated, \d+ passed", said), said


@pytest.mark.parametrize(
    ("signed_in", "most"),
    [pytest.param(False, "1", id="guest"), pytest.param(True, "2", id="member")],  # whom half of it is closed to
)
def test_no_question_finds_a_fault(server: Crumby, tmp_path: Path, *, signed_in: bool, most: str) -> None:
    """Each operation is asked some things, valid and not."""
    words = ["--phases", "examples,fuzzing", "--max-examples", most, "--generation-deterministic", "--workers", "2"]
    words += ["--exclude-path", "/live/stream"]  # its end would be waited for in vain, for 20 s
    schemathesis(server, tmp_path, *words, signed_in=signed_in)


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(("path", "/api/private/retention"), id="report", marks=pytest.mark.long),
        pytest.param(("tag", "tracking"), id="hits", marks=pytest.mark.long),
    ],
)
def test_nor_does_each_value_at_the_bounds_of_what_is_taken(
    server: Crumby, tmp_path: Path, chosen: tuple[str, str]
) -> None:
    """A thousand questions to an operation: here to a report that takes all there is, and to what stores a hit.

    Seen to fail on a document whose event needs no name, and on a server that stores an event without one.
    """
    kind, name = chosen
    schemathesis(server, tmp_path, "--phases", "coverage", f"--include-{kind}", name, signed_in=True)


@pytest.mark.long
@pytest.mark.parametrize("signed_in", [False, True], ids=["guest", "member"])
def test_an_hour_of_questions_finds_no_fault(server: Crumby, tmp_path: Path, *, signed_in: bool) -> None:
    words = ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "200", "--workers", "2"]
    schemathesis(server, tmp_path, *words, signed_in=signed_in, timeout_s=7200)


def test_the_server_is_whole_thereafter(server: Crumby) -> None:
    """One visit more is one view more."""
    with server.client() as client:
        views = views_of_today(client)
        hit = VISIT | {"id": secrets.token_hex(16), "cid": "visitor0"}
        assert client.post("/hit", content=json.dumps(hit)).status_code == 204
        assert views_of_today(client) == views + 1
    assert "Traceback" not in server.log


def views_of_today(client: httpx.Client) -> int:
    address = "/api/public/visits?days=1&tz=UTC"
    views: int = client.get(address, headers={"Cache-Control": "no-cache"}).json()["data"][-1][-1]
    return views
