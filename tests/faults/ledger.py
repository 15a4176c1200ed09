"""What the clients sent and were told, held against what the database has: the judge of every fault.

the client saw                   must hold in the end
ok       (2xx, read whole)       exactly one row, its fields as sent
refused  (any other 4xx)         no row
busy     (503 + Retry-After)     sent again under the same id until it is ok
unknown  (reset, cut, time-out)  sent again under the same id until it is ok
"""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

ANSWER_TIMEOUT_S = 10.0
PAUSE_S = 0.1  # before what failed is sent again; shorter ones would keep the CPU from the server that starts
AGAIN = 10  # one hit in so many is sent once more after it was acknowledged, as a nervous client would


Document = dict[str, str | int]
PAGE_KEYS = ("cid", "dl", "dt")
KEYS = {  # in the order of the columns that a test reads, behind the hit's id
    "visit": (*PAGE_KEYS, "ul", "sr", "sd", "de", "dr"),
    "event": (*PAGE_KEYS, "en", "ev"),
}


def new_hit() -> Document:
    """One of three is an event."""
    number = secrets.randbelow(10_000)
    kind = "event" if number % 3 == 0 else "visit"
    document: Document = {
        "v": 2,
        "id": f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}",
        "t": kind,
        "cid": secrets.token_hex(8),
        "dl": f"https://example.com/{number}",
        "dt": f"Page {number}: „Ünïcode“ 🍪",
    }
    if kind == "event":
        return document | {"en": "bite", "ev": str(number)}
    return document | {
        "ul": "en-GB",
        "sr": "1920x1080",
        "sd": "24-bit",
        "de": "UTF-8",
        "dr": "https://example.org/",
    }


def expected_row(kind: str, document: Document) -> tuple[object, ...]:
    return (bytes.fromhex(str(document["id"])), *(document[key] for key in KEYS[kind]))


@dataclass(slots=True)
class Ledger:
    sent: dict[bytes, Document] = field(default_factory=dict)
    ok: set[bytes] = field(default_factory=set)
    refused: dict[bytes, int] = field(default_factory=dict)  # with what status
    outcomes: Counter[str] = field(default_factory=Counter)  # of attempts

    def lost(self, stored: Iterable[bytes]) -> set[bytes]:
        return self.ok.difference(stored)

    def phantoms(self, stored: Iterable[bytes]) -> set[bytes]:
        """Rows of hits that nobody sent, or that were refused."""
        return set(stored).difference(self.sent) | self.refused.keys() & set(stored)

    async def next_ok(self) -> None:
        """Return when another hit has been acknowledged."""
        seen = self.outcomes["ok"]
        async with asyncio.timeout(3 * ANSWER_TIMEOUT_S):
            while self.outcomes["ok"] == seen:  # noqa: ASYNC110 - an event a hit would cost more
                await asyncio.sleep(0.01)


def duplicates(stored: Iterable[bytes]) -> set[bytes]:
    return {hit_id for hit_id, count in Counter(stored).items() if count > 1}


class Client:
    """One browser that never gives a hit up: it connects anew and sends the same id again until it is ok."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        self.port = port
        self.ledger = ledger
        self.stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                hit = new_hit()
                await self.deliver(hit)
                if secrets.randbelow(AGAIN) == 0:
                    await self.deliver(hit)
        finally:
            self._disconnect()

    async def deliver(self, hit: Document) -> None:
        hit_id = bytes.fromhex(str(hit["id"]))
        self.ledger.sent[hit_id] = hit
        while True:
            status = await self._attempt(json.dumps(hit, ensure_ascii=False).encode())
            if status is not None and 200 <= status < 300:
                self.ledger.outcomes["ok"] += 1
                self.ledger.ok.add(hit_id)
                return
            if status is not None and status < 500:
                self.ledger.outcomes["refused"] += 1
                self.ledger.refused[hit_id] = status
                return
            self.ledger.outcomes["unknown" if status is None else f"busy {status}"] += 1
            await asyncio.sleep(PAUSE_S)

    async def _attempt(self, body: bytes) -> int | None:
        """The status of the answer; None when it did not come, or not whole."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = self.stream or await self._connect()
                writer.write(
                    b"POST /hit HTTP/1.1\r\nHost: stats.example.com\r\nContent-Type: text/plain\r\n"
                    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                return await self._status(reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self._disconnect()
            return None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.stream = await asyncio.open_connection("127.0.0.1", self.port)
        return self.stream

    async def _status(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if found:
            await reader.readexactly(int(rest.partition(b"\r")[0]))
        if b"\r\nconnection: close" in head:
            self._disconnect()
        return int(head[9:12])

    def _disconnect(self) -> None:
        if self.stream:
            self.stream[1].close()
            self.stream = None
