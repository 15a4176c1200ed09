"""`GET /api/export`: who may have it, as it is written, and who leaves."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message

from crumby.app import App, create_app
from crumby.exporting import routes
from crumby.tokens import Tokens
from tests.exporting.awkward import row
from tests.exporting.homes import Home, home_of
from tests.exporting.test_archive import some, stored
from tests.servers import alive, until

PATH = "/api/export"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with home_of(f"sqlite:///{tmp_path / 'home.db'}", tmp_path / "home") as opened:
        await some(opened)
        yield opened


@pytest.fixture
async def app(home: Home) -> AsyncIterator[Any]:
    async with alive(create_app(home.settings)) as running:
        yield running.app


@pytest.fixture
async def secret(home: Home) -> str:
    return await Tokens(home.database.engine).add("taker", "read", None, "test")


@pytest.fixture
async def http(app: App, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=headers) as client:
        yield client


@pytest.mark.parametrize("form", routes.FORMS)
async def test_a_token_of_scope_read_takes_all(http: httpx.AsyncClient, form: str) -> None:
    """Packed once, and kept by nobody. Fault: gzip of what is a zip."""
    answer = await http.get(PATH, params={"format": form}, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-disposition"].endswith(f'-{form}.zip"')
    assert answer.headers["cache-control"] == "private, no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
        assert files.testzip() is None
        manifest = json.loads(files.read("manifest.json"))
    assert [part["rows"] for part in manifest["files"]] == [5, 1, 3, 1, 2]


async def test_what_is_chosen_is_what_comes(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH, params={"site": "b.example", "from": "2026-03-29", "tz": "UTC"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
        assert [json.loads(line)["id"] for line in files.read("visits.ndjson").splitlines()] == [5]


async def test_nobody_else_takes_anything(app: App, home: Home, http: httpx.AsyncClient) -> None:
    """Faults: the public API's CORS; a token that sends hits; a guest."""
    sender = await Tokens(home.database.engine).add("sender", "ingest", None, "test")
    for bearer, page in (("", False), (sender, False), ("crumby_none", False), ("", True)):
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        headers |= {"Accept": "text/html"} if page else {}
        http.headers.pop("authorization", None)
        answer = await http.get(PATH, headers={**headers, "Origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in answer.headers
        assert (answer.status_code, answer.headers.get("location", "")[:6]) == ((303, "/login") if page else (401, ""))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": "xml"}, "format: 'xml' is not one of ndjson, csv, sqlite"),
        ({"format": "parquet"}, "`crumby export` writes it"),
        ({"from": "yesterday"}, "from: 'yesterday' is not a date"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "is after to"),
        ({"tz": "Mars/Base"}, "no time zone"),
        ({"visitor": "null"}, "neither a visitor's cid nor an address"),
        ({"sites": "a.example"}, "there is no parameter 'sites'"),
    ],
)
async def test_what_does_not_fit_is_named(http: httpx.AsyncClient, asked: dict[str, str], said: str) -> None:
    answer = await http.get(PATH, params=asked)
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text


class Client:
    """One who takes what is sent piece by piece, and leaves when told to."""

    def __init__(self, app: App, secret: str, *, method: str = "GET") -> None:
        self.sent: list[Message] = []
        self.takes = asyncio.Event()
        self.leaves = asyncio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"crumby.test"), (b"authorization", f"Bearer {secret}".encode())],
            "server": ("crumby.test", 80),
            "client": ("127.0.0.1", 50_000),
        }
        self.served = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        await self.takes.wait()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def whole(self) -> bool:
        return self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")


async def test_one_is_sent_at_a_time(app: App, secret: str, http: httpx.AsyncClient) -> None:
    """Whoever comes meanwhile is told when to come again. Fault: a turn that nobody gives back."""
    first = Client(app, secret)
    await until(lambda: first.sent)
    second = await http.get(PATH)
    assert (second.status_code, second.headers["retry-after"]) == (503, "60")
    assert second.json()["error"] == "AnotherExport"
    first.takes.set()
    await asyncio.wait_for(first.served, 60)
    assert (first.status, first.whole) == (200, True)
    assert (await http.get(PATH)).status_code == 200


async def test_who_leaves_ends_it(app: App, secret: str, http: httpx.AsyncClient) -> None:
    """Fault: it goes on to its end, and nobody else has a turn until then."""
    client = Client(app, secret)
    await until(lambda: client.sent)
    client.leaves.set()
    await asyncio.wait_for(client.served, 60)
    assert not client.whole
    assert (await http.get(PATH)).status_code == 200


async def test_who_stops_taking_ends_it(
    app: App, secret: str, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And its end is not sent, so that nobody takes it for whole. Fault: a client that rests keeps the only turn."""
    monkeypatch.setattr(routes, "STALLED_S", 0.1)
    client = Client(app, secret)
    await until(lambda: client.sent)
    client.takes.set()
    client.takes.clear()
    await asyncio.wait_for(client.served, 60)
    assert not client.whole
    assert "an export was broken off: nobody took any of it" in caplog.text
    client.takes.set()
    assert (await http.get(PATH)).status_code == 200


async def test_a_client_that_is_slow_holds_no_transaction(app: App, home: Home, secret: str) -> None:
    """SQLite's log starts anew while it waits. Fault: all of it is one statement."""
    client = Client(app, secret)
    await until(lambda: client.sent)
    await stored(home, row(900))
    path = home.database.sqlite_path
    assert path
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as other:
        assert other.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0
    client.leaves.set()
    client.takes.set()
    await asyncio.wait_for(client.served, 60)


async def test_a_head_costs_nothing(app: App, http: httpx.AsyncClient) -> None:
    answer = await http.head(PATH)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/zip"


async def test_the_document_describes_it(http: httpx.AsyncClient) -> None:
    operation = (await http.get("/openapi.json")).json()["paths"][PATH]["get"]
    assert [each["name"] for each in operation["parameters"]] == ["format", "from", "to", "tz", "site", "visitor"]
    assert operation["security"] == [{"session": []}, {"token": []}]
    assert set(operation["responses"]) == {"200", "401", "422", "503"}
