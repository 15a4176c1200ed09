"""A request is one request to nginx and to Crumby: none hides in another, and no answer goes to somebody else.

Each case holds a hit inside of something else, or behind it, with a number in its address. What nginx took for a
request, it logs: a row whose request nginx has not seen was smuggled past it. Beside each case others ask for what they
alone know, by the same connection of nginx to Crumby.
"""

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import pytest_asyncio

from tests.faults.ledger import new_hit, stored_rows
from tests.faults.test_nginx import before
from tests.servers import Crumby, Nginx
from tests.wire import Answer, Wire, get, post

SILENCE_S = 0.3
ONE_CONNECTION = """
    keepalive 1;
    keepalive_timeout 4s;"""
AGENT = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"

# `%H%` is the hidden request, `%n%` its length, `%x%` the same in hexadecimal; a line ends as it stands here.
HOST = "Host: stats.example.com\r\n"
POST = f"POST /nothing HTTP/1.1\r\n{HOST}"
CHUNKED = "Transfer-Encoding: chunked\r\n"
IN_CHUNK = "%x%\r\n%H%\r\n0\r\n\r\n"
BEHIND_CHUNK = "0\r\n\r\n%H%"


def both(transfer_encoding: str) -> str:
    """By its length the hidden request is the body, by its chunks it is the next one."""
    return f"{POST}Content-Length: %e%\r\n{transfer_encoding}\r\n\r\n{BEHIND_CHUNK}"


def length(said: str) -> str:
    return f"{POST}{said}\r\n\r\n%H%"


def chunk(text: str) -> str:
    return f"{POST}{CHUNKED}\r\n{text}"


CASES: Final = {
    "CL.TE": both("Transfer-Encoding: chunked"),
    "TE.CL": f"{POST}Content-Length: 4\r\n{CHUNKED}\r\n{IN_CHUNK}",
    "TE.TE: a word more": both("Transfer-Encoding: xchunked"),
    "TE.TE: a blank before the colon": both("Transfer-Encoding : chunked"),
    "TE.TE: a tab": both("Transfer-Encoding:\tchunked"),
    "TE.TE: a vertical tab": both("Transfer-Encoding:\x0bchunked"),
    "TE.TE: twice": both("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    "TE.TE: a list": both("Transfer-Encoding: chunked, identity"),
    "TE.TE: a list that ends well": both("Transfer-Encoding: identity, chunked"),
    "TE.TE: twice, ends well": both("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"),
    "TE.TE: folded": both("Transfer-Encoding:\r\n chunked"),
    "TE.TE: in another's fold": both("X: a\r\n Transfer-Encoding: chunked"),
    "TE.TE: behind a bare LF": both("X: a\nTransfer-Encoding: chunked"),
    "TE.TE: behind a bare CR": both("X: a\rTransfer-Encoding: chunked"),
    "TE.TE: quoted": both('Transfer-Encoding: "chunked"'),
    "TE.TE: an underscore": both("Transfer_Encoding: chunked"),
    "TE.TE: capitals": both("TRANSFER-ENCODING: CHUNKED"),
    "TE.TE: a NUL behind": both("Transfer-Encoding: chunked\0"),
    "TE.TE: a NUL in the name": both("Transfer\0-Encoding: chunked"),
    "TE.TE: a letter of another alphabet": both("Transfer-Encoding: chunKed".replace("K", "\xb5")),
    "TE.TE: named as of one hop": both("Connection: Content-Length\r\nTransfer-Encoding: chunked"),
    "a length twice": length("Content-Length: %n%\r\nContent-Length: 0"),
    "a length twice, the other way": length("Content-Length: 0\r\nContent-Length: %n%"),
    "a list of lengths": length("Content-Length: %n%, 0"),
    "a length with a plus": length("Content-Length: +%n%"),
    "a length below nothing": length("Content-Length: -1"),
    "a hexadecimal length": length("Content-Length: 0x%x%"),
    "a length of two words": length("Content-Length: 0 %n%"),
    "a length without an end": length("Content-Length: 18446744073709551616"),
    "a length with an underscore": length("Content_Length: %n%"),
    "a length that is folded": length("Content-Length:\r\n %n%"),
    "a length of one hop": length("Connection: keep-alive, Content-Length\r\nContent-Length: %n%"),
    "a GET with a body": f"GET /nothing HTTP/1.1\r\n{HOST}Content-Length: %n%\r\n\r\n%H%",
    "a HEAD with a body": f"HEAD /healthz HTTP/1.1\r\n{HOST}Content-Length: %n%\r\n\r\n%H%",
    "a body that is waited for": length("Expect: 100-continue\r\nContent-Length: %n%"),
    "a body of another protocol": length("Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: %n%"),
    "a web socket": f"GET / HTTP/1.1\r\n{HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n%H%",
    "bare LFs": length("Content-Length: %n%").replace("\r\n", "\n"),
    "a chunk with an extension": chunk(f"%x%;a={'b' * 99}\r\n%H%\r\n0\r\n\r\n"),
    "an extension with a bare LF": chunk("2;\nxx\r\n%x%\r\n%H%\r\n0\r\n\r\n"),
    "an extension that is quoted": chunk('2;a="\r\nxx\r\n0\r\n\r\n%H%"\r\nxx\r\n0\r\n\r\n'),
    "a chunk too large to count": chunk("FFFFFFFFFFFFFFFFFF\r\n%H%\r\n0\r\n\r\n"),
    "a chunk that counts to nothing": chunk("10000000000000000\r\n%H%"),
    "a chunk with a sign": chunk("-1\r\n%H%\r\n0\r\n\r\n"),
    "a chunk of 0x": chunk("0x%x%\r\n%H%\r\n0\r\n\r\n"),
    "a chunk's size and blanks": chunk("%x% \t\r\n%H%\r\n0\r\n\r\n"),
    "a chunk without its end": chunk("2\r\nxx0\r\n\r\n%H%"),
    "a chunk that ends in LF": chunk("2\nxx\n0\n\n%H%"),
    "a chunk that ends in two other letters": chunk("2\r\nxxyy0\r\n\r\n%H%"),
    "a trailer that is a length": chunk("0\r\nContent-Length: %n%\r\n\r\n%H%"),
    "a NUL in a value": length("X: a\0b\r\nContent-Length: %n%"),
    "a line without a colon": length("nonsense\r\nContent-Length: %n%"),
    "a name of nothing": length(": a\r\nContent-Length: %n%"),
    "a blank in the address": "GET /nothing%20 /x HTTP/1.1\r\n" + HOST + "Content-Length: %n%\r\n\r\n%H%",
    "a fragment": f"POST /nothing#/../hit HTTP/1.1\r\n{HOST}Content-Length: %n%\r\n\r\n%H%",
    "an absolute address": "POST http://other.example/nothing HTTP/1.1\r\n" + HOST + "Content-Length: %n%\r\n\r\n%H%",
    "an authority": f"CONNECT stats.example.com:80 HTTP/1.1\r\n{HOST}\r\n%H%",
    "HTTP/1.0 that stays": "POST /nothing HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: %n%\r\n\r\n%H%",
    "HTTP/1.0 in chunks": f"POST /nothing HTTP/1.0\r\nConnection: keep-alive\r\n{CHUNKED}\r\n{IN_CHUNK}",
    "HTTP/1.1 in two figures": f"POST /nothing HTTP/1.10\r\n{HOST}Content-Length: %n%\r\n\r\n%H%",
    "HTTP/0.9": "GET /nothing\r\n%H%",
    "two hosts": length("Host: other.example\r\nContent-Length: %n%"),
    "an end of the connection, and more": f"{POST}Connection: close\r\nContent-Length: 0\r\n\r\n%H%",
    "a hit, and what hides in it": f"POST /hit HTTP/1.1\r\n{HOST}Content-Length: %n%\r\n\r\n%H%",
    "a pixel with a body": f"GET /1.gif HTTP/1.1\r\n{HOST}Content-Length: %n%\r\n\r\n%H%",
}


@dataclass
class Judge:
    """What was hidden, by its number, and what others were told."""

    hidden: list[bytes] = field(default_factory=list)  # ids
    sent: set[bytes] = field(default_factory=set)
    ok: set[bytes] = field(default_factory=set)

    def hide(self, case: str) -> bytes:
        """The bytes of the case."""
        hit = new_hit()
        inner = post(f"/hit?hidden={len(self.hidden)}", json.dumps(hit).encode(), AGENT)
        self.hidden.append(bytes.fromhex(str(hit["id"])))
        told = {"%n%": len(inner), "%e%": len(inner) + len(BEHIND_CHUNK) - 3, "%x%": f"{len(inner):x}"}
        for mark, value in told.items():
            case = case.replace(mark, str(value))
        begin, _, end = case.encode("latin-1").partition(b"%H%")
        return begin + inner + end

    async def bystander(self, port: int) -> None:
        """One who asks for what nobody else does, and one who sends a hit."""
        word = secrets.token_hex(8)
        hit = new_hit()
        hit_id = bytes.fromhex(str(hit["id"]))
        self.sent.add(hit_id)
        async with Wire.to(port) as wire:
            await wire.send(get(f"/{word}", AGENT))
            told = await wire.answer()
            assert told, "nobody answered"
            assert told.status == 404
            assert word.encode() in told.body
            await wire.send(post("/hit", json.dumps(hit).encode(), AGENT))
            told = await wire.answer()
            assert told, "nobody answered"
            assert (told.status, told.body) == (204, b"")
        self.ok.add(hit_id)

    async def stored(self, crumby: Crumby) -> set[int]:
        """Which of the hidden hits are rows; of all others there is one row each."""
        rows = await stored_rows(f"sqlite:///{crumby.home / 'crumby.db'}")
        ids = [row[0] for kept in rows.values() for row in kept]
        assert len(ids) == len(set(ids))
        assert self.ok <= set(ids)
        assert set(ids) <= self.sent | set(self.hidden)
        return {number for number, hit_id in enumerate(self.hidden) if hit_id in ids}


def seen_by(nginx: Nginx) -> set[int]:
    """The numbers of the hits that nginx took for requests."""
    log = (nginx.folder / "access.log").read_text(errors="replace")
    return {int(number) for number in re.findall(r'"POST /hit\?hidden=(\d+) HTTP', log)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Crumby, Nginx]]:
    with Crumby(proxy_count="1") as crumby, Nginx(before([f"127.0.0.1:{crumby.port}"], ONE_CONNECTION)) as nginx:
        yield crumby, nginx


async def attacked(judge: Judge, port: int, beside: int) -> dict[str, list[Answer]]:
    """What each case was answered, while others ask at `beside`."""

    async def attack(data: bytes) -> list[Answer]:
        async with Wire.to(port) as wire:
            await wire.send(data)
            await judge.bystander(beside)
            return await wire.answers(SILENCE_S)

    async with asyncio.TaskGroup() as tasks:
        attacks = {}
        for name, case in CASES.items():
            attacks[name] = tasks.create_task(attack(judge.hide(case)))
            await judge.bystander(beside)
    return {name: task.result() for name, task in attacks.items()}


async def test_nothing_is_smuggled_past_nginx(running: tuple[Crumby, Nginx]) -> None:
    """Seen to fail before an nginx that leaves bodies out, and their lengths in."""
    crumby, nginx = running
    judge = Judge()
    async with Wire.to(nginx.port) as wire:  # a body that nobody reads, and nginx sends behind its answer
        await wire.send(judge.hide(f"POST /logout HTTP/1.1\r\n{HOST}Content-Length: %n%\r\n\r\n%H%"))
        assert (await wire.answers(SILENCE_S))[0].status == 303
    told = await attacked(judge, nginx.port, nginx.port)
    stored = await judge.stored(crumby)
    names = ["a body that nobody reads", *CASES]
    assert {names[number] for number in stored - seen_by(nginx)} == set()
    assert {answer.status for answers in told.values() for answer in answers} <= {100, 200, 204, 400, 404, 501}
    assert "Traceback" not in crumby.log


async def test_crumby_sees_no_request_where_nginx_sees_none(running: tuple[Crumby, Nginx]) -> None:
    """Another proxy may hand on what nginx refuses. Seen to fail on a lenient parser: of lengths, chunks, headers."""
    crumby, nginx = running
    of_nginx, own = Judge(), Judge()
    log = nginx.folder / "access.log"
    log.write_text("")
    await attacked(of_nginx, nginx.port, nginx.port)
    seen = seen_by(nginx)
    await attacked(own, crumby.port, crumby.port)
    stored = await with_others(own, of_nginx, crumby)
    names = list(CASES)
    assert {names[number] for number in stored - seen} == set()
    assert "Traceback" not in crumby.log


async def with_others(judge: Judge, other: Judge, crumby: Crumby) -> set[int]:
    rows = await stored_rows(f"sqlite:///{crumby.home / 'crumby.db'}")
    ids = {row[0] for kept in rows.values() for row in kept}
    assert judge.ok | other.ok <= ids
    return {number for number, hit_id in enumerate(judge.hidden) if hit_id in ids}


async def test_requests_that_come_at_once_are_answered_in_their_order(running: tuple[Crumby, Nginx]) -> None:
    """Hits among pages, on one connection. Seen to fail where a hit is answered before what came before it."""
    crumby, _ = running
    words = [secrets.token_hex(8) for _ in range(20)]
    wanted: list[tuple[int, bytes]] = []
    data = b""
    for word in words:
        data += get(f"/{word}", AGENT) + post("/hit", json.dumps(new_hit()).encode(), AGENT) + get("/healthz", AGENT)
        wanted += [(404, word.encode()), (204, b""), (200, b"alive")]
    async with Wire.to(crumby.port) as wire:
        await wire.send(data)
        for status, part in wanted:
            answer = await wire.answer()
            assert answer
            assert answer.status == status
            assert part in answer.body


async def test_what_comes_behind_an_answer_is_the_body_that_was_promised(running: tuple[Crumby, Nginx]) -> None:
    """Of a request that was refused by its head. Seen to fail on a parser that begins anew with each answer."""
    crumby, _ = running
    judge = Judge()
    for path in ("/logout", "/nothing", "/login", "/hit"):
        data = judge.hide(f"POST {path} HTTP/1.1\r\n{HOST}Content-Length: %n%\r\n\r\n%H%")
        head, _, body = data.partition(b"\r\n\r\n")
        async with Wire.to(crumby.port) as wire:
            await wire.send(head + b"\r\n\r\n")
            early = None
            with contextlib.suppress(TimeoutError):
                early = await wire.answer(SILENCE_S)
            await wire.send(body)
            late = await wire.answers(SILENCE_S)
            assert len(late) + bool(early) <= 1, path
    rows = await stored_rows(f"sqlite:///{crumby.home / 'crumby.db'}")
    assert not {row[0] for kept in rows.values() for row in kept} & set(judge.hidden)
