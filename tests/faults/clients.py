"""Browsers that never give a hit up, and write into the ledger what they were told."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.ledger import Document, Ledger, new_hit

CLIENTS = 64
ANSWER_TIMEOUT_S = 10.0
PAUSE_S = 0.1  # before what failed is sent again; shorter ones would keep the CPU from the server that starts
AGAIN = 10  # one hit in so many is sent once more after it was acknowledged, as a nervous client would


@asynccontextmanager
async def load(port: int, ledger: Ledger, pace_s: float = 0.0, clients: int = CLIENTS) -> AsyncIterator[None]:
    """Clients at work; at the end each of them brings its last hit home."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(Client(port, ledger, pace_s).run(stop))
        try:
            yield
        finally:
            stop.set()


class Client:
    """One browser: it connects anew and sends the same id again until it is ok."""

    def __init__(self, port: int, ledger: Ledger, pace_s: float = 0.0) -> None:
        self.port = port
        self.ledger = ledger
        self.pace_s = pace_s  # between one hit and the next
        self.stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.answers = 0  # on this connection

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                hit = new_hit()
                await self.deliver(hit)
                if secrets.randbelow(AGAIN) == 0:
                    await self.deliver(hit)
                await asyncio.sleep(self.pace_s)
        finally:
            self.disconnect()

    async def deliver(self, *hits: Document) -> None:
        while await self.attempt(*hits) not in {"ok", "refused"}:  # noqa: ASYNC110 - it waits for nobody
            await asyncio.sleep(PAUSE_S)

    async def attempt(self, *hits: Document) -> str:
        """Send it once, or several of them in one array → what became of them, a word of the ledger's table."""
        ids = [bytes.fromhex(str(hit["id"])) for hit in hits]
        self.ledger.sent.update(zip(ids, hits, strict=True))
        attempt = object()
        self.ledger.under_way.add(attempt)
        outcome = await self._ask(json.dumps(hits if len(hits) > 1 else hits[0], ensure_ascii=False).encode())
        self.ledger.under_way.remove(attempt)
        self.ledger.outcomes[outcome] += 1
        word, _, status = outcome.partition(" ")
        if word == "ok":
            self.ledger.ok.update(ids)
        elif word == "refused":
            self.ledger.refused.update(dict.fromkeys(ids, int(status)))
        return word

    async def _ask(self, body: bytes) -> str:
        try:
            reader, writer = self.stream or await self._connect()
        except (OSError, TimeoutError):
            return "closed"
        started = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                writer.write(
                    b"POST /hit HTTP/1.1\r\nHost: stats.example.com\r\nContent-Type: text/plain\r\n"
                    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                outcome = await self._outcome(reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.ledger.raced += self._raced(reader, error)
            self.disconnect()
            return "unknown"
        self.answers += 1
        self.ledger.seconds.append(time.monotonic() - started)
        return outcome

    def _raced(self, reader: asyncio.StreamReader, error: Exception) -> bool:
        """Whether it looks like HTTP's keep-alive race: a used connection ends before any byte of an answer.

        RFC 9112, 9.3.1: a client that reuses a connection has to reckon with it. A first request may not end so.
        """
        said = error.partial if isinstance(error, asyncio.IncompleteReadError) else bytes(reader._buffer)  # type: ignore[attr-defined]
        return self.answers > 0 and not said and not isinstance(error, TimeoutError)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            self.stream = await asyncio.open_connection("127.0.0.1", self.port)
        self.answers = 0
        return self.stream

    async def _outcome(self, reader: asyncio.StreamReader) -> str:
        """The answer's word. Raises when it did not come whole."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if found:
            await reader.readexactly(int(rest.partition(b"\r")[0]))
        if b"\r\nconnection: close" in head:
            self.disconnect()
        status = int(head[9:12])
        if 200 <= status < 300:
            return "ok"
        if status < 500:
            return f"refused {status}"
        return "busy" if status == 503 and b"\r\nretry-after:" in head else f"error {status}"

    def disconnect(self) -> None:
        if self.stream:
            self.stream[1].close()
            self.stream = None
