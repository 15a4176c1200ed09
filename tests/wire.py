"""Bytes to a server as they are, which no client's library would send, and its answers one by one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

PATIENCE_S = 30.0  # for an answer that has to come


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes


class Wire:
    """A connection to a port of 127.0.0.1. A server may end it while we write: it has said why by then."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        async with asyncio.timeout(PATIENCE_S):
            wire = cls(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield wire
        finally:
            wire._writer.transport.abort()  # what is unread would keep it open

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            async with asyncio.timeout(PATIENCE_S):
                await self._writer.drain()

    async def answer(self, timeout_s: float = PATIENCE_S) -> Answer | None:
        """The next one; None where the connection ends before it has come whole. Raises TimeoutError."""
        try:
            async with asyncio.timeout(timeout_s):
                head = await self._reader.readuntil(b"\r\n\r\n")
                _, found, rest = head.lower().partition(b"\r\ncontent-length:")
                body = await self._reader.readexactly(int(rest.partition(b"\r")[0])) if found else b""
        except (ConnectionError, asyncio.IncompleteReadError):
            return None
        return Answer(int(head[9:12]), head, body)

    async def answers(self, silence_s: float) -> list[Answer]:
        """All that come, until the connection ends or nothing comes for so long."""
        found: list[Answer] = []
        with contextlib.suppress(TimeoutError):
            while answer := await self.answer(silence_s):
                found.append(answer)
        return found


async def asked(port: int, data: bytes) -> Answer | None:
    """The answer to one request, on a connection of its own."""
    async with Wire.to(port) as wire:
        await wire.send(data)
        return await wire.answer()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: stats.example.com", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: stats.example.com", *headers]).encode("latin-1") + b"\r\n\r\n"
