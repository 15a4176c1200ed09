"""Rows 41 and 42 of the card, of ACCESS_LOG: one line a request, whatever a stranger sends, and no secret in it."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.types import Receive, Scope, Send

from crumby import mishaps
from crumby.accesslog import AccessLog, shown
from crumby.app import App, create_app
from crumby.ingest.client import Proxies
from crumby.ingest.routes import Paths
from tests.conftest import settings_in
from tests.servers import alive

PEER = "203.0.113.77"
CANARY = "canary"
HIT = {"v": 2, "id": "0" * 32, "t": "visit", "cid": "6", "dl": f"https://bakery.example/{CANARY}"}
KEYS = {"time", "ip", "method", "path", "status", "ms", "bytes"}
SECRETIVE = {
    "Cookie": f"crumby_session={CANARY}",
    "Authorization": f"Bearer crumby_{CANARY}",
    "User-Agent": f"{CANARY}/1.0",
    "Referer": f"https://bakery.example/{CANARY}",
    "X-Forwarded-For": CANARY,
}


class Lines(logging.Handler):
    """What was logged, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += self.format(record).split("\n")

    def take(self) -> list[dict[str, Any]]:
        taken, self.lines = self.lines, []
        return [json.loads(line) for line in taken]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("crumby.access")
    level, logger.level = logger.level, logging.INFO
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    settings = settings_in(tmp_path_factory.mktemp("log"), access_log="all", ip_storage="masked")
    app = create_app(settings)
    async with alive(app) as manager:
        app.state.inside = manager.app
        yield app


@pytest_asyncio.fixture(loop_scope="module")
async def client(running: App) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(running.state.inside, client=(PEER, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=SECRETIVE) as http:
        yield http


async def test_a_request_is_a_line_that_says_what_was_asked_and_what_came(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    """Seen to fail on a path with its query, and on an address that is kept whole."""
    del client.headers["Authorization"]
    answer = await client.get("/api/public", params={"days": CANARY}, headers={"Accept-Encoding": "gzip"})
    [line] = lines.take()
    assert set(line) == KEYS
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/public", 200)
    assert line["ip"] == "203.0.113.0"
    assert line["bytes"] == int(answer.headers["content-length"])  # as it is sent, packed
    await client.head("/api/public")
    assert lines.take()[0]["bytes"] == 0


async def test_hits_are_logged_as_well_on_either_way_in(running: App, client: httpx.AsyncClient, lines: Lines) -> None:
    """Seen to fail on a log that is a middleware, which the door goes past."""
    del client.headers["Authorization"]
    assert (await client.post("/hit", json=HIT)).status_code == 204
    assert (await client.get(f"/1.gif?v=1&t=visit&cid=7&dl={CANARY}")).status_code == 200
    assert (await client.post("/hit?x=1", content="{")).status_code == 400
    assert (await client.get("/cmb.js")).status_code == 200
    taken = lines.take()
    assert [(line["path"], line["status"]) for line in taken] == [
        ("/hit", 204), ("/1.gif", 200), ("/hit", 400), ("/cmb.js", 200),
    ]  # fmt: skip
    assert {line["ip"] for line in taken} == {"203.0.113.0"}


STRANGE = (
    "/%0d%0aGET%20/admin", '/%0a{"time":0}', "/%00", "/%1b[2J%1b]0;title%07", "/%7f", "/%c2%9b31m", "/%c2%85x",
    "/%e2%80%a8x%e2%80%a9", "/%ff%fe", '/"},{"a":"', "/\\n", "/%5c%6e", "/%e2%80%ae", "/%f0%9f%8d%9e", "/" + "x" * 9000,
    "/..%2f..%2fetc/passwd", "/%25%30%61",
)  # fmt: skip
KEYED = (
    f"/share/{CANARY}", f"/share/{CANARY}/api/public/pages", f"/SHARE/{CANARY}", f"/x//share//{CANARY}",
    f"/share%2f{CANARY}", f"/share%252f{CANARY}", f"/stats/share/{CANARY}/embed", f"/setup/{CANARY}",
    f"/setup/%0a{CANARY}", f"/x/setup/{CANARY}?a", f"/api/crumby_{CANARY}", f"/api%3ftoken={CANARY}",
    f"/api%23{CANARY}", f"/login%253fnext={CANARY}", f"/?{CANARY}", f"/api/public?token={CANARY}",
)  # fmt: skip


async def test_a_line_is_one_whatever_its_path_holds(client: httpx.AsyncClient, lines: Lines) -> None:
    """Row 42. Seen to fail on a path that is written as it came."""
    for path in STRANGE:
        await client.get(path)
    assert len(lines.lines) == len(STRANGE)
    assert all(line.isascii() and line.isprintable() and len(line) < 4096 for line in lines.lines)
    assert all(set(line) == KEYS for line in lines.take())


async def test_no_line_holds_what_opens_a_door_or_tells_of_a_visitor(client: httpx.AsyncClient, lines: Lines) -> None:
    """Row 41. Seen to fail on `/share/TOKEN` as it came, in other letters, and escaped twice."""
    for path in KEYED:
        await client.get(path)
        await client.post(path, data={"password": CANARY, "code": CANARY})
    assert len(lines.lines) == 2 * len(KEYED)
    assert [line for line in lines.lines if CANARY in line] == []
    assert lines.take()[0]["path"] == "/share/…"


def test_what_is_no_key_is_shown() -> None:
    for path in (
        "/shares/12",
        "/shares",
        "/api/public/pages",
        "/share",
        "/setup/",
        "/embed/public/pages",
        "/login/code",
    ):
        assert shown(path) == path


async def test_reports_logs_all_but_what_other_sites_pages_ask_for(lines: Lines) -> None:
    asked: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bread"})

    log = AccessLog(Paths("/crumb", "/bread.js"), Proxies(), "none", hits=False)
    for path in ("/crumb", "/hit", "/1.gif", "/cmb.js", "/bread.js", "/stats/hit", "/", "/healthz", "/x.gif"):
        root = "/stats" if path.startswith("/stats") else ""
        await log(app, scope_of(path, root), receive, send)
    assert len(asked) == 9
    assert [(line["path"], line["ip"], line["bytes"]) for line in lines.take()] == [
        ("/", None, 5), ("/healthz", None, 5), ("/x.gif", None, 5),
    ]  # fmt: skip


async def test_a_client_that_leaves_and_a_request_that_fails_are_told_apart(lines: Lines) -> None:
    async def left(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pass

    async def failed(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("never thought of")

    log = AccessLog(Paths(), Proxies(), "full", hits=True)
    await log(left, scope_of("/"), receive, send)
    with pytest.raises(RuntimeError):
        await log(failed, scope_of("/"), receive, send)
    assert [line["status"] for line in lines.take()] == [499, 500]


async def test_what_is_answered_500_has_an_id_that_both_logs_have(
    running: App,
    client: httpx.AsyncClient,
    lines: Lines,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen to fail on an error that the server answers, past the headers and without an id."""

    async def stumble(*_arguments: object) -> None:
        raise RuntimeError("never thought of")

    monkeypatch.setattr("crumby.ingest.health.Health.report", stumble)
    for headers, form in (({"Accept": "text/html"}, "text/html"), ({}, "application/json")):
        answer = await client.get("/readyz", headers=headers)
        assert answer.status_code == 500
        assert answer.headers["content-type"].startswith(form)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "never thought of" not in answer.text
        made = answer.headers["x-crumby-error"]
        assert lines.take()[0]["error"] == made
        assert any(record.message.startswith(made) and record.exc_info for record in caplog.records)
        assert form != "text/html" or made in answer.text


def test_a_request_has_one_id_at_the_most() -> None:
    scope: Scope = {}
    assert mishaps.id_of(scope) is None
    assert mishaps.id_for(scope) == mishaps.id_for(scope) == mishaps.id_of(scope)


async def receive() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def send(_message: Any) -> None:
    pass


def scope_of(path: str, root: str = "") -> Scope:
    return {"type": "http", "path": path, "root_path": root, "method": "GET", "headers": [], "client": (PEER, 1)}
