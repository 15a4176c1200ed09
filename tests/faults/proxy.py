"""A TCP proxy on 127.0.0.1 that stands before a server and has faults at will.

    with Proxy(mariadb.port) as proxy, Crumby(proxy.before(mariadb.database())):
        proxy.delay_s = 0.05        # each way
        proxy.freeze()              # takes connections and bytes, passes nothing on
        proxy.refuse()              # a closed port, and all connections cut
        proxy.resume()              # as if nothing had been
        proxy.cut_replies_to(rb"commit", 20)
        proxy.cut_before(rb"xa commit", 1)

It runs in a thread with a loop of its own, so that a test may block.
"""

import asyncio
import re
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import make_url

from tests.servers import free_port

CHUNK = 1 << 16
CONTROL_S = 10.0


@dataclass(slots=True, eq=False)
class Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    said: bytes = b""  # by the client, since the pattern was last seen
    cut: bool = False  # at the server's next word

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.target = target
        self.host = host  # of the target
        self.port = free_port()
        self.delay_s = 0.0
        self.cuts = 0  # replies that were cut
        self._pattern: re.Pattern[bytes] | None = None
        self._cuts_left = 0
        self._unsaid = False  # what matches is not passed on
        self._links: set[Link] = set()
        self._listener: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def before(self, url: str) -> str:
        """The server's URL, by way of the proxy."""
        return make_url(url).set(port=self.port).render_as_string(hide_password=False)

    def resume(self) -> None:
        self._do(self._resume())

    def freeze(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def refuse(self) -> None:
        self._do(self._refuse())

    def cut_replies_to(self, pattern: bytes, times: int) -> None:
        """Pass on what matches in the stream to the server, wait for the reply, and cut instead of passing it back."""
        self._pattern = re.compile(pattern, re.IGNORECASE | re.DOTALL)
        self._cuts_left = times
        self._unsaid = False

    def cut_before(self, pattern: bytes, times: int) -> None:
        """Cut instead of passing on what matches in the stream to the server."""
        self.cut_replies_to(pattern, times)
        self._unsaid = True

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CONTROL_S)

    async def _resume(self) -> None:
        self._flowing.set()
        if not self._listener:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
        for link in list(self._links):
            link.abort()
        while self._links:  # noqa: ASYNC110 - a few rounds of the loop
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, server_writer)
        self._links.add(link)
        pumps = [asyncio.create_task(self._to_server(reader, link))]
        pumps.append(asyncio.create_task(self._to_client(server_reader, link)))
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        link.abort()
        self._links.discard(link)

    async def _to_server(self, reader: asyncio.StreamReader, link: Link) -> None:
        with suppress(OSError):
            while data := await self._next(reader):
                self._look_for_pattern(link, data)
                if link.cut and self._unsaid:
                    self.cuts += 1
                    return
                link.server.write(data)
                await link.server.drain()

    async def _to_client(self, reader: asyncio.StreamReader, link: Link) -> None:
        with suppress(OSError):
            while data := await self._next(reader):
                if link.cut:
                    self.cuts += 1
                    return
                link.client.write(data)
                await link.client.drain()

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        data = await reader.read(CHUNK)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self._flowing.wait()
        return data

    def _look_for_pattern(self, link: Link, data: bytes) -> None:
        if not self._pattern or not self._cuts_left:
            return
        link.said += data
        if self._pattern.search(link.said):
            link.said = b""
            link.cut = True
            self._cuts_left -= 1
