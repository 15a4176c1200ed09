"""Answers that come by themselves, as server-sent events."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.types import Message

from crumby.accounts import COOKIE
from crumby.reporting import live
from crumby.reporting.live import STREAM_PATH
from tests.reporting.site import Site, statements
from tests.servers import Crumby, Nginx, wait_until

SITES = ["sqlite"]  # it is one on every database
SOON_S = 30.0  # on a busy machine
NUMBER = "-- refresh: 30\nselect count(*) as views from visits where {{ filters() }}"
LIVE = {"query": "public/live"}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY_S", 0.05)
    monkeypatch.setattr(live, "PROPORTION", 0)


@dataclass
class Listening:
    """A client of a stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    comments: int = 0
    body: bytes = b""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message["body"]
        for block in message["body"].decode().split("\n\n"):
            self.comments += block.startswith(":")
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in lines:
                await self.events.put({**lines, "data": json.loads(lines["data"])})
        if not message.get("more_body"):
            self.ended.set()

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.events.get(), SOON_S)

    async def end(self) -> None:
        await asyncio.wait_for(self.ended.wait(), SOON_S)


@contextlib.asynccontextmanager
async def listening(
    site: Site,
    asked: dict[str, Any],
    *,
    member: bool = False,
    cookie: str = "",
    method: str = "GET",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> AsyncIterator[Listening]:
    """Look at a stream until the context is left."""
    cookie = cookie or (site.member.cookies[COOKIE] if member else "")
    client = Listening()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": STREAM_PATH,
        "raw_path": STREAM_PATH.encode(),
        "query_string": urlencode(asked, doseq=True).encode(),
        "root_path": "",
        "headers": [
            (b"host", b"crumby.test"),
            *([(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []),
            *headers,
        ],
        "server": ("crumby.test", 80),
        "client": ("127.0.0.1", 50_000),
    }
    task = asyncio.ensure_future(site.app(scope, client.receive, client.send))
    try:
        yield client
    finally:
        client.left.set()
        await asyncio.wait_for(task, SOON_S)


async def hit(site: Site, **keys: str) -> None:
    said = {"v": 2, "id": secrets.token_hex(16), "t": "visit", "cid": secrets.token_hex(8), "dl": "https://a.example/"}
    assert (await site.guest.post("/hit", json=said | keys)).status_code == 204


def looking() -> list[str]:
    return sorted(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("crumby-live"))


async def nobody_looks() -> None:
    """Wait until the tasks of those who left have ended, which a question under way may put off."""
    async with asyncio.timeout(SOON_S):
        while looking():  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0.01)


async def test_an_answer_comes_at_once_and_again_when_it_has_changed(site: Site) -> None:
    """Planted: an answer that is sent at each look, and one that is sent once."""
    with site.query(NUMBER) as address:
        name = address.removeprefix("/api/")
        async with listening(site, {"query": name}) as client:
            first = await client.next()
            assert (client.status, client.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            assert client.headers["cache-control"] == "no-store"
            assert client.headers["x-accel-buffering"] == "no"
            assert (first["event"], first["data"]["query"]) == ("answer", name)
            assert first["data"]["columns"] == ["views"]
            assert first["data"] == {"query": name, **(await site.guest.get(address)).json()}
            await asyncio.sleep(0.3)
            assert client.events.empty()
            await hit(site)
            second = await client.next()
            assert second["data"]["data"] == [[first["data"]["data"][0][0] + 1]]
            assert second["id"] != first["id"]
    await nobody_looks()


async def test_filters_leave_what_they_leave_of_an_answer(site: Site) -> None:
    with site.query(NUMBER) as address:
        name = address.removeprefix("/api/")
        async with listening(site, {"query": name, "site": "nowhere.example"}) as client:
            assert (await client.next())["data"]["data"] == [[0]]


async def test_several_queries_come_in_one_stream(site: Site) -> None:
    names = ["public/live", "public/live_now", "public/live_pages", "public/live_countries", "private/live_sources"]
    async with listening(site, {"query": names}, member=True) as client:
        assert sorted([(await client.next())["data"]["query"] for _ in names]) == sorted(names)


async def test_of_several_queries_those_come_again_that_have_changed(site: Site) -> None:
    """Planted: all of them come whenever one has changed."""
    still = site.write("still", "-- refresh: 30\nselect 1 as one")
    try:
        with site.query(NUMBER) as address:
            name = address.removeprefix("/api/")
            async with listening(site, {"query": [name, "public/still"]}) as client:
                assert {(await client.next())["data"]["query"] for _ in "12"} == {name, "public/still"}
                await hit(site)
                assert (await client.next())["data"]["query"] == name
                await hit(site)
                assert (await client.next())["data"]["query"] == name
    finally:
        still.unlink()


async def test_many_who_look_cost_one(site: Site) -> None:
    """Planted: a task for each of them."""
    with site.query(NUMBER) as address:
        name = address.removeprefix("/api/")
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(listening(site, {"query": name})) for _ in range(50)]
            for client in clients:
                await client.next()
            assert looking() == [f"crumby-live-{name}"]
            with statements(site) as asked:
                await asyncio.sleep(0.5)
            assert len(asked) <= 12  # ten looks
            await hit(site)
            for client in clients:
                await client.next()
    await nobody_looks()


async def test_a_question_that_takes_long_is_asked_less_often(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: `PROPORTION` of no effect."""
    monkeypatch.setattr(live, "PROPORTION", 10_000)
    with site.query(NUMBER) as address:
        async with listening(site, {"query": address.removeprefix("/api/")}) as client:
            await client.next()
            with statements(site) as asked:
                await asyncio.sleep(0.5)
            assert asked == []


async def test_a_fault_is_an_event_and_its_mending_another(site: Site) -> None:
    """Planted: a look that ends with the first error."""
    with site.query(NUMBER) as address:
        name = address.removeprefix("/api/")
        async with listening(site, {"query": name}) as client:
            await client.next()
            site.write("own", "-- refresh: 30\nselect nothing from nowhere")
            failed = await client.next()
            assert failed["event"] == "failed"
            assert (failed["data"]["query"], failed["data"]["error"]) == (name, "QueryFileError")
            assert "id" not in failed
            site.write("own", NUMBER)
            assert (await client.next())["event"] == "answer"


async def test_a_comment_tells_proxies_that_somebody_is_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.1)
    async with listening(site, LIVE) as client:
        await client.next()
        await asyncio.sleep(0.5)
        assert client.comments >= 2


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({}, 422, "name 1 to 12"),
        ({"query": [f"public/a{number}" for number in range(13)]}, 422, "name 1 to 12"),
        ({"query": "public/visits"}, 422, "refresh:"),
        ({"query": "public/nothing"}, 404, "public/nothing"),
        ({"query": "../../etc/passwd"}, 404, "etc/passwd"),
        ({"query": "private/live_sources"}, 401, "signed-in"),
        ({"query": "public/live", "city": "London"}, 401, "city"),
        ({"query": "public/live", "contry": "SE"}, 422, "did you mean 'country'"),
        ({"query": "public/live", "days": "many"}, 422, "days"),
    ],
)
async def test_what_cannot_be_streamed_is_refused(site: Site, asked: dict[str, Any], status: int, words: str) -> None:
    """Planted: a private query without a look at who asks."""
    answer = await site.guest.get(STREAM_PATH, params=asked)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    await nobody_looks()


async def test_there_are_so_many_streams_and_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: followers that are not counted."""
    followed = live.Streams.followed

    def few(streams: live.Streams, *words: Any) -> Any:
        streams._most = 2
        return followed(streams, *words)

    monkeypatch.setattr(live.Streams, "followed", few)
    async with listening(site, LIVE) as one, listening(site, LIVE) as two:
        await one.next()
        await two.next()
        refused = await site.guest.get(STREAM_PATH, params=LIVE)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    async with listening(site, LIVE) as client:
        await client.next()


async def test_a_private_stream_ends_with_its_session(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: nobody looks up who it was. A public one goes on."""
    monkeypatch.setattr(live, "BEAT_S", 0.1)
    cookie = site.member.cookies[COOKIE]
    async with (
        listening(site, {"query": "private/live_sources"}, cookie=cookie) as theirs,
        listening(site, LIVE, cookie=cookie) as everybodys,
    ):
        await theirs.next()
        known = asyncio.Event()

        async def nobody(_request: object) -> None:
            known.set()

        monkeypatch.setattr(live, "reader", nobody)
        await asyncio.wait_for(known.wait(), SOON_S)
        await theirs.end()
        await asyncio.sleep(0.3)
        assert not everybodys.ended.is_set()


async def test_a_look_at_its_head_streams_nothing(site: Site) -> None:
    async with listening(site, LIVE, method="HEAD") as client:
        await client.end()
        assert (client.status, client.body) == (200, b"")
        await nobody_looks()


# A server of its own


@pytest.fixture(scope="module", params=[1, 2], ids=["one", "two workers"])
def server(request: pytest.FixtureRequest) -> Iterator[Crumby]:
    with Crumby(arguments=["--workers", str(request.param)]) as crumby:
        wait_until(lambda: crumby.log.count("Application startup complete") == request.param, "all workers serve")
        yield crumby


def test_a_proxy_passes_on_what_comes(server: Crumby) -> None:
    """nginx as it comes. Planted: news that nobody is told of; the next comment would bring them."""

    def config(port: int) -> str:
        return f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {server.url}; }} }}"

    with Nginx(config) as nginx:
        address = f"{nginx.url}{STREAM_PATH}?query=public/live_now"
        with httpx.stream("GET", address, trust_env=False, timeout=SOON_S) as response:
            chunks = response.iter_text()
            until("event: answer", chunks)
            said = {"v": 2, "id": secrets.token_hex(16), "t": "visit", "cid": "ann", "dl": "https://a.example/"}
            with server.client() as client:
                assert client.post("/hit", json=said).status_code == 204
            until("event: answer", chunks)


def until(words: str, chunks: Iterator[str]) -> None:
    text = ""
    while words not in text:
        text += next(chunks)


def test_a_stop_does_not_wait_for_who_looks(server: Crumby) -> None:
    """Planted: a lifespan that hears of no signal. uvicorn would wait for seven seconds, and cut the stream."""
    address = f"{server.url}{STREAM_PATH}?query=public/live"
    with httpx.stream("GET", address, trust_env=False, timeout=30) as response:
        chunks = response.iter_text()
        until("event: answer", chunks)
        began = time.monotonic()
        server.stop()
        took = time.monotonic() - began
        for _ in chunks:  # to an end that is one
            pass
    assert took < 4
    assert "Traceback" not in server.log
