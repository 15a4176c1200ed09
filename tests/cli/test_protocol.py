"""Hits off the connection: answered as the application would, byte for byte, and without it."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from crumby.app import create_app
from crumby.cli.protocol import Protocol
from crumby.ingest.desk import Desk
from crumby.ingest.hit import MAX_BODY
from tests.conftest import MakeSettings
from tests.servers import until

ANSWER_S = 10.0
DATE = re.compile(rb"date: [^\r]*\r\n")
HIT = {"v": 2, "id": "0" * 31 + "1", "t": "visit", "cid": "42", "dl": "https://example.com/"}
PIXEL = b"/1.gif?v=1&t=visit&cid=42&dl=https%3A%2F%2Fexample.com%2F"


class Served:
    """An application under uvicorn, in this loop, and what reached it."""

    def __init__(self, app: Any, protocol: type[asyncio.Protocol]) -> None:
        self.app = app
        self.reached: list[str] = []
        self._config = Config(
            self._note,
            http=protocol,
            lifespan="on",
            timeout_graceful_shutdown=1,  # a fault that keeps a connection open shall not keep the tests
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            interface="asgi3",
            loop="asyncio",
        )
        self.server = uvicorn.Server(self._config)
        self.port = 0

    async def _note(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.reached.append(scope["path"])
        await self.app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Served"]:
        with socket.create_server(("127.0.0.1", 0)) as door:
            self.port = door.getsockname()[1]
            task = asyncio.create_task(self.server.serve([door]))
            while not self.server.started:
                await asyncio.sleep(0.01)
                assert not task.done()
            try:
                yield self
            finally:
                self.server.should_exit = True
                await task

    async def ask(self, *pieces: bytes) -> bytes:
        """What comes until the server closes, less the date."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        async with asyncio.timeout(ANSWER_S):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.005)  # so that each is read by itself
            answer = await reader.read()
        writer.close()
        return DATE.sub(b"", answer)

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.server.lifespan.state
        return state


@pytest.fixture
async def server(settings: MakeSettings) -> AsyncIterator[Served]:
    async with Served(create_app(settings(hit_path="/x/collect")), Protocol).running() as served:
        yield served


@pytest.fixture
async def plain(settings: MakeSettings, tmp_path: Path) -> AsyncIterator[Served]:
    """Give the same behind uvicorn's own protocol."""
    (tmp_path / "plain").mkdir()
    made = settings(sqlalchemy_database_uri=f"sqlite:///{tmp_path / 'plain' / 'crumby.db'}", hit_path="/x/collect")
    async with Served(create_app(made), HttpToolsProtocol).running() as served:
        yield served


def post(body: bytes, *headers: bytes, last: bool = True, path: bytes = b"/hit") -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: stats.example.com", *headers]
    lines += [b"Connection: close"] * last
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def get(path: bytes, *headers: bytes, method: bytes = b"GET", last: bool = True) -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: stats.example.com", *headers]
    return b"\r\n".join([*lines, *[b"Connection: close"] * last, b"", b""])


def hit(number: int = 1, **keys: Any) -> bytes:
    return json.dumps({**HIT, "id": f"{number:032x}", **keys}).encode()


def in_pieces(whole: bytes, size: int) -> list[bytes]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


WHOLE = post(hit())
EXPECTING = post(hit(), b"Expect: 100-continue")
REQUESTS = {
    "a document": ([WHOLE], b"204"),
    "in pieces": (in_pieces(WHOLE, 40), b"204"),
    "an array": ([post(b"[%b,%b]" % (hit(1), hit(2)))], b"204"),
    "in chunks": (
        [
            b"POST /hit HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%b\r\n" % (len(hit()), hit()),
            b"0\r\n\r\n",
        ],
        b"204",
    ),
    "of HTTP/1.0": ([b"POST /hit HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(hit()), hit())], b"204"),
    "after 100 Continue": (list(EXPECTING.partition(b"\r\n\r\n")), b"100"),
    "from another site": ([post(hit(), b"Origin: https://example.com")], b"204"),
    "with an escape in its path": ([post(hit(), path=b"/%68it")], b"204"),
    "with a query": ([post(hit(), path=b"/hit?a=b")], b"204"),
    "that asks for HTTP/2": ([post(hit(), b"Connection: Upgrade, close", b"Upgrade: h2c", last=False)], b"400"),
    "no JSON": ([post(b"{")], b"400"),
    "an empty body": ([post(b"")], b"400"),
    "no hit": ([post(hit(cid="ö\r\n"))], b"400"),
    "just short enough": ([post(hit().ljust(MAX_BODY))], b"204"),
    "too long": (in_pieces(post(hit().ljust(MAX_BODY + 1)), 60_000), b"413"),
    "too long, and with more to come": (in_pieces(post(b" " * 200_000)[: MAX_BODY + 200], 60_000), b"413"),
    "a pixel": ([get(PIXEL)], b"200"),
    "a pixel that is none": ([get(b"/1.gif?v=1&t=page&cid=42")], b"400"),
    "a pixel without a number": ([get(b"/x.gif")], b"404"),
    "a look at a pixel": ([get(PIXEL, method=b"HEAD")], b"405"),
    "an image": ([get(b"/hit?dl=https%3A%2F%2Fexample.com%2F")], b"200"),
    "an image that says its page by a header": ([get(b"/hit", b"Referer: https://example.com/")], b"200"),
    "an image of no page": ([get(b"/hit")], b"400"),
    "a look at an image": ([get(b"/hit", b"Referer: https://example.com/", method=b"HEAD")], b"405"),
    "a hit by PUT": ([get(b"/hit", method=b"PUT")], b"405"),
    "at the renamed path": ([post(hit(), path=b"/x/collect")], b"204"),
    "an image at the renamed path": ([get(b"/x/collect?dl=https%3A%2F%2Fexample.com%2F&id=" + b"0" * 32)], b"200"),
    "below the renamed path": ([post(hit(), path=b"/x/collect/1")], b"404"),
    "with a token that is none": ([post(hit(), b"Authorization: Bearer x")], b"401"),
    "with a password of somebody else's": ([post(hit(), b"Authorization: Basic eDp5")], b"204"),
    "that says whose it is": ([post(hit(ip="203.0.113.7"))], b"401"),
    "of nobody": ([post(hit(cid=""))], b"204"),
    "several at once": (
        [
            post(hit(1), last=False) + post(hit(2), last=False) + get(b"/healthz", last=False)
            + get(PIXEL, last=False) + post(b"{", last=False) + post(hit(3))
        ],
        b"204",
    ),
    "one after the other": ([post(hit(1), last=False), get(PIXEL, last=False), post(b"{", last=False), WHOLE], b"204"),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_hit_is_answered_byte_for_byte_as_the_application_would(
    server: Served, plain: Served, name: str
) -> None:
    """Seen to fail on an answer that does not say `connection: close`, on a body that is read without a bound,
    and on a client that is left to wait for `100 Continue`.
    """
    pieces, status = REQUESTS[name]
    answer = await server.ask(*pieces)
    assert answer == await plain.ask(*pieces)
    assert answer[9:12] == status


async def test_a_hit_does_not_reach_the_application_and_all_else_does(server: Served) -> None:
    await server.ask(post(hit(1)))
    await server.ask(get(PIXEL))
    await server.ask(post(b"{"))
    await server.ask(get(b"/hit", b"Referer: https://example.com/"))
    await server.ask(post(hit(3), path=b"/x/collect"))
    await server.ask(post(hit(4), b"Authorization: Bearer x"))
    await server.ask(get(b"/healthz"))
    await server.ask(post(hit(2), path=b"/hits"))
    assert server.reached == ["/healthz", "/hits"]


async def test_where_not_every_site_may_read_the_answer_the_application_says_which(settings: MakeSettings) -> None:
    """Seen to fail on a protocol that does not ask."""
    app = create_app(settings(crossdomain_origin="a.example"))
    async with Served(app, Protocol).running() as server:
        answer = await server.ask(post(hit(), b"Origin: https://a.example"))
    assert b"access-control-allow-origin: https://a.example\r\n" in answer
    assert server.reached == ["/hit"]


async def test_a_hit_whose_body_ends_early_is_counted_as_refused(server: Served) -> None:
    """Seen to fail on a connection that forgets what it was waiting for."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(WHOLE[:-1])
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    counts = server.state["refusals"]._counts
    async with asyncio.timeout(ANSWER_S):
        while not counts:  # noqa: ASYNC110 - a count is no event
            await asyncio.sleep(0.01)
    assert [(reason, count) for (_, reason), count in counts.items()] == [("InvalidHit", 1)]


async def test_a_fault_of_ours_is_no_fault_of_the_request(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail on an exception that reaches the parser, which calls the request invalid: its hit would be lost."""

    def stumble(*_arguments: object) -> None:
        raise RuntimeError("never thought of")

    monkeypatch.setattr(Desk, "post", stumble)
    assert (await server.ask(WHOLE))[9:12] == b"500"


class Wire(asyncio.Transport):
    """What was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def has_any(self) -> bool:
        return bool(self.written)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def test_who_does_not_read_the_answers_is_not_written_to(server: Served) -> None:
    """Seen to fail on answers that are written to a full connection."""
    state = ServerState()
    protocol = Protocol(server._config, state, server.state)
    wire = Wire()
    protocol.connection_made(wire)
    protocol.pause_writing()
    protocol.data_received(post(hit(), last=False))
    await asyncio.sleep(0.2)
    assert not wire.written
    protocol.resume_writing()
    await until(wire.has_any)
    assert wire.written.startswith(b"HTTP/1.1 204 ")
    protocol._unset_keepalive_if_required()


async def test_a_hit_that_comes_in_pieces_while_the_server_stops_is_the_last_of_its_connection(server: Served) -> None:
    """Seen to fail where the application, which a hit that is too long is left to, is not told of the stop."""
    for body, status in ((hit(), b"204"), (hit().ljust(MAX_BODY + 1), b"413")):
        protocol = Protocol(server._config, ServerState(), server.state)
        wire = Wire()
        protocol.connection_made(wire)
        whole = post(body, last=False)
        protocol.data_received(whole[:-1])
        protocol.shutdown()
        protocol.data_received(whole[-1:])
        await until(wire.has_any)
        assert wire.written[9:12] == status
        assert b"\r\nconnection: close\r\n" in wire.written


async def test_a_client_that_has_left_gets_no_answer_and_its_hit_is_stored(server: Served) -> None:
    protocol = Protocol(server._config, ServerState(), server.state)
    wire = Wire()
    protocol.connection_made(wire)
    protocol.data_received(post(hit(), last=False))
    protocol.connection_lost(ConnectionResetError())
    await asyncio.sleep(0.2)
    assert not wire.written
    assert b'"data":[["' in (await server.ask(get(b"/api/public/visits")))
