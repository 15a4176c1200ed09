"""A load generator that asks for one core and leaves most of it unused.

One request in flight on each connection, nothing parsed but the status and the length. Connections are kept alive, or
each is closed when its answer is there and the next one opened: the time to open it counts then.
"""

import asyncio
import itertools
import secrets
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self, cast

CONNECT_TIMEOUT_S = 10.0
DRAIN_TIMEOUT_S = 10.0


def hit_ids() -> Iterator[bytes]:
    """As cmb.js makes them: 12 digits of the time in ms, then 20 random ones (drawn once and counted on)."""
    start = secrets.randbits(79)
    for number in itertools.count(start):
        yield b"%012x%020x" % (time.time_ns() // 1_000_000, number)


@dataclass(slots=True)
class Round:
    """What one run of the load saw."""

    seconds: float = 0.0
    cpu: float = 0.0  # share of its core that the generator itself used, 0…1
    latencies: "array[float]" = field(default_factory=lambda: array("d"))  # seconds, of each answer
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0

    @property
    def acknowledged(self) -> int:
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def refused(self) -> int:
        """Answers that were no 2xx, and requests without any."""
        return self.statuses.total() - self.acknowledged + self.unanswered

    @property
    def rate(self) -> float:
        """Acknowledged hits a second."""
        return self.acknowledged / self.seconds

    def percentile_ms(self, percent: float) -> float:
        ordered = sorted(self.latencies)
        return 1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


class Client(asyncio.Protocol):
    """One connection, or one after the other: sends a request, waits for the whole answer, until time is up."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.done = asyncio.get_running_loop().create_future()
        self.pending = b""
        self.sent_at = 0.0
        self.answered = False  # so that the connection's end is no surprise
        self.opening: asyncio.Task[None] | None = None  # the next connection, when this one did what it was for

    @classmethod
    async def open(cls, load: "Load") -> Self:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, client = await loop.create_connection(lambda: cls(load), load.host, load.port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        now = time.perf_counter()
        self.sent_at = now if self.opening is None else self.sent_at
        if now >= self.load.deadline:
            self.finish()
            return
        before, after = next(self.load.requests)
        self.transport.write(b"".join((before, next(self.load.ids), after)))

    def data_received(self, data: bytes) -> None:
        if self.pending:
            data = self.pending + data
        if not is_whole(data):
            self.pending = data
            return
        self.pending = b""
        self.load.round.latencies.append(time.perf_counter() - self.sent_at)
        self.load.round.statuses[int(data[9:12])] += 1
        if not self.load.keep_alive:
            self.answered = True
            self.transport.abort()  # and no port waits for what may still come
            self.opening = asyncio.ensure_future(self.reopen())
        elif self.transport.is_closing():
            self.finish()
        else:
            self.send()

    async def reopen(self) -> None:
        self.sent_at = time.perf_counter()
        if self.sent_at >= self.load.deadline:
            self.finish()
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(lambda: self, self.load.host, self.load.port)
        except OSError:  # a time-out is one
            self.load.round.unanswered += 1
            self.finish()

    def connection_lost(self, _exc: Exception | None) -> None:
        if self.answered:
            self.answered = False
        elif not self.done.done():
            self.load.round.unanswered += 1
            self.finish()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self.transport.close()


def is_whole(data: bytes) -> bool:
    """An answer without a body is, once its head is; with one, when `Content-Length` bytes have come."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    start = data.lower().find(b"\r\ncontent-length:", 0, head)
    if start < 0:
        return True
    start += len(b"\r\ncontent-length:")
    length = int(data[start : data.index(b"\r", start)])
    return len(data) >= head + 4 + length


class Load:
    """`connections` clients before `host:port` for `seconds`; requests are taken in turn from `requests`.

    Without `keep_alive` the requests have to say so themselves: `traffic.requests(close=True)`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        requests: Iterator[tuple[bytes, bytes]],
        ids: Iterator[bytes],
        *,
        keep_alive: bool = True,
    ) -> None:
        self.host = host
        self.port = port
        self.requests = requests
        self.ids = ids
        self.keep_alive = keep_alive
        self.deadline = 0.0
        self.round = Round()

    async def run(self, connections: int, seconds: float) -> Round:
        """Every request sent is waited for, so that what was acknowledged can be counted in the database."""
        self.round = Round()
        begin, cpu = time.perf_counter(), time.process_time()
        self.deadline = begin + seconds
        clients = await asyncio.gather(*(Client.open(self) for _ in range(connections)))
        await asyncio.wait([client.done for client in clients], timeout=seconds + DRAIN_TIMEOUT_S)
        self.round.seconds = time.perf_counter() - begin
        self.round.cpu = (time.process_time() - cpu) / self.round.seconds
        for client in clients:
            client.finish()
        return self.round
