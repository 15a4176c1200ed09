"""Answers are packed with gzip for those who take it, as they go out; so are the page's files. Pure ASGI."""

import asyncio
import re
import zlib
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS: Final = re.compile(r"(?:/share/[^/]+)?/api(?:/.*)?|/openapi\.json|/static/.*\.(?:js|css|svg)")
SMALLEST: Final = 1024  # bytes
LEVEL: Final = 5  # 9 takes four times as long, for a hundredth less
LARGE: Final = 1 << 17  # bytes, some 3 ms of work: more is done in a thread
GZIP: Final = 31  # zlib's word for gzip's own head and tail
NEITHER: Final = frozenset({204, 206, 304})  # have no body, or a part of one
ZIP: Final = "application/zip"  # an export
ENCODING: Final = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


class Packed:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or not PATHS.fullmatch(path):
            await self._app(scope, receive, send)
            return
        taken = takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
        await self._app(scope, receive, _Packing(send, taken=taken))


class _Packing:
    """What the application sends. Its first words wait for its first bytes, which tell whether it is worth it."""

    def __init__(self, send: Send, *, taken: bool) -> None:
        self._send = send
        self._taken = taken
        self._start: Message | None = None
        self._gzip: zlib._Compress | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
            self._start = message
            return
        if self._start:
            start, self._start = self._start, None
            if self._taken and _worth(start, message):
                self._gzip = zlib.compressobj(LEVEL, wbits=GZIP)
            if self._gzip:
                message = await self._first(start, message)
            await self._send(start)
        elif self._gzip:
            message = {**message, "body": await self._pack(message)}
        await self._send(message)

    async def _first(self, start: Message, message: Message) -> Message:
        body = await self._pack(message)
        headers = MutableHeaders(scope=start)
        headers["Content-Encoding"] = "gzip"
        del headers["Content-Length"]
        if not message.get("more_body"):
            headers["Content-Length"] = str(len(body))
        return {**message, "body": body}

    async def _pack(self, message: Message) -> bytes:
        body = message.get("body", b"")
        if len(body) > LARGE:
            return await asyncio.to_thread(self._packed, body, more=message.get("more_body", False))
        return self._packed(body, more=message.get("more_body", False))

    def _packed(self, body: bytes, *, more: bool) -> bytes:
        """All of it that was given so far: what waits in the packing does not reach the client."""
        assert self._gzip  # noqa: S101 - or there is nothing to be packed
        return self._gzip.compress(body) + self._gzip.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)


def _worth(start: Message, message: Message) -> bool:
    headers = Headers(scope=start)
    packed = "content-encoding" in headers or headers.get("content-type") == ZIP
    plain = start["status"] not in NEITHER and not packed
    return plain and (message.get("more_body", False) or len(message.get("body", b"")) >= SMALLEST)


def takes_gzip(accepted: str) -> bool:
    """`gzip, br`, `*` → True; nothing, `gzip;q=0`, `br` → False."""
    weights = {}
    for part in accepted.lower().split(","):
        found = ENCODING.fullmatch(part)
        if found:
            weights[found[1]] = found[2] is None or float(found[2]) > 0
    return weights.get("gzip", weights.get("*", False))
