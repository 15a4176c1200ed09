"""A line for each request, in the server's log: nothing in it opens a door, or says more of a visitor than is stored.

    {"time":"2026-11-23T09:15:00.123Z","ip":"203.0.113.0","method":"GET","path":"/api/public/pages","status":200,
    "ms":3.1,"bytes":5120}

It is JSON, and ASCII: nothing that a stranger sends can end a line, or colour it. What is answered 500 has its `error`
as well, the id that was told.
"""

import json
import logging
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crumby.ingest.addresses import Storage, stored_address
from crumby.ingest.client import Proxies
from crumby.ingest.routes import Paths, peer
from crumby.mishaps import id_of

log = logging.getLogger("crumby.access")

LONGEST: Final = 512  # characters of a path
METHOD: Final = 16
# Whoever has what stands behind these may look, or make the first user; mistyped or misplaced it is as good a guess.
KEYED: Final = re.compile(r"(share|setup)([^a-z0-9]+)[^/]+", re.IGNORECASE)
TOKEN: Final = re.compile(r"crumby_[A-Za-z0-9_%-]+", re.IGNORECASE)
DELETE: Final = "\x7f"  # the one control character that JSON leaves as it is
CLIENT_LEFT: Final = 499  # nginx's word for it
FAILED: Final = 500


class AccessLog:
    """Pure ASGI, around all else. Without `hits` it passes over what other sites' pages ask for: the script, too."""

    def __init__(self, paths: Paths, proxies: Proxies, storage: Storage, *, hits: bool) -> None:
        self._paths = paths
        self._proxies = proxies
        self._storage = storage
        self._hits = hits

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not self._hits and self._paths.is_tracking(path):
            await app(scope, receive, send)
            return
        began, start = datetime.now(UTC), time.perf_counter()
        status, sent = CLIENT_LEFT, 0

        async def count(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            elif scope["method"] != "HEAD":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, count)
        except Exception:
            status = FAILED if status == CLIENT_LEFT else status
            raise
        finally:
            log.info("%s", line(self._facts(scope, path, began) | _end(scope, status, start, sent)))

    def _facts(self, scope: Scope, path: str, began: datetime) -> dict[str, Any]:
        headers = scope["headers"]
        ip = self._proxies.address(headers, peer(scope), dict(headers))
        return {
            "time": f"{began:%Y-%m-%dT%H:%M:%S}.{began.microsecond // 1000:03d}Z",
            "ip": stored_address(ip, self._storage),
            "method": scope["method"][:METHOD],
            "path": shown(path),
        }


def _end(scope: Scope, status: int, start: float, sent: int) -> dict[str, Any]:
    end = {"status": status, "ms": round((time.perf_counter() - start) * 1000, 1), "bytes": sent}
    error = id_of(scope)
    return end if error is None else {**end, "error": error}


def shown(path: str) -> str:
    """`/share/Xb4…/api` → `/share/…/api`. A query that came with its `?` escaped is one all the same."""
    bare = re.split("[?#]|%3f|%23", path, maxsplit=1, flags=re.IGNORECASE)[0]
    return TOKEN.sub("crumby_…", KEYED.sub(r"\1\2…", bare))[:LONGEST]


def line(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, separators=(",", ":")).replace(DELETE, "\\u007f")
