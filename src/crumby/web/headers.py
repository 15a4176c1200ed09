"""Headers that every answer carries, and who may read it from another site. Pure ASGI: a hit passes through here."""

import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# The API explorers style their own elements; Redoc searches in a worker that it makes.
EXPLORER_POLICY: Final = f"{POLICY}; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:"
EXPLORERS: Final = ("/docs", "/redoc")
TRACKING: Final = re.compile(r"/(?:hit|cmb\.js|[0-9]+\.gif)")
PUBLIC_API: Final = re.compile(r"/api/?|/api/public(?:/.*)?")


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)  # now: a mounted application moves the root
        # An image, a script, an empty answer: nothing there for a browser to misread.
        if scope["type"] != "http" or TRACKING.fullmatch(path):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), path, hashed=scope["query_string"].startswith(b"v="))
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _add(headers: MutableHeaders, path: str, *, hashed: bool) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Content-Security-Policy"] = EXPLORER_POLICY if path in EXPLORERS else POLICY
    if path.startswith("/api/private"):
        headers.setdefault("Cache-Control", "no-store")
    if path.startswith("/static/"):
        # A module imports another one without its hash: ask again, or old and new ones meet after an upgrade.
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"


def _path(scope: Scope) -> str:
    """The path below the one that Crumby is mounted at."""
    path: str = scope.get("path", "")
    return path.removeprefix(scope.get("root_path", ""))


class SharedPaths:
    """CORS for ingest and the public API; none at all, and so the browser's own refusal, for the rest."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
            expose_headers=["ETag", "X-Crumby", "X-Crumby-Truncated"],
            max_age=21_600,
            **_allowed(origins),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        shared = TRACKING.fullmatch(path) or PUBLIC_API.fullmatch(path)
        await (self._cors if shared else self._app)(scope, receive, send)


def _allowed(origins: Sequence[str]) -> dict[str, Any]:
    """`mywebsite.com`, as 0.7.1's example has it, allows http and https, on any port; a whole origin just itself."""
    if "*" in origins:
        return {"allow_origins": ["*"]}
    hosts = [re.escape(origin) for origin in origins if "//" not in origin]
    pattern = rf"https?://(?:{'|'.join(hosts)})(?::[0-9]+)?" if hosts else None
    return {"allow_origins": [origin for origin in origins if "//" in origin], "allow_origin_regex": pattern}
