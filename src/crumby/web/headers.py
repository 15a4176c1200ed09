"""Headers that every answer carries, and who may read it from another site. Pure ASGI: a hit passes through here."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNFRAMED: Final = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'"
# Our scripts make elements, never HTML of text (`static/dom.js`): a browser that knows of it refuses them the rest.
TEXT_IS_TEXT: Final = "require-trusted-types-for 'script'; trusted-types 'none'"
# The API explorers write HTML of text, style their own elements, and Redoc searches in a worker that it makes.
EXPLORING: Final = "style-src 'self' 'unsafe-inline'; worker-src 'self' blob:"
NOBODY: Final = "'none'"
EXPLORERS: Final = ("/docs", "/redoc")
EMBEDS: Final = re.compile(r"(?:/share/[^/]+)?/embed/.*")
SHARED: Final = re.compile(r"/(share|embed)/.*")
ORIGIN: Final = re.compile(r"(https?://)?([A-Za-z0-9_.-]+)(:[0-9]+)?")
PUBLIC_API: Final = re.compile(r"/api/?|/api/public(?:/.*)?")
BADGE: Final = "/badge.svg"
REVALIDATED: Final = "private, no-cache"  # as lists have it, of which some name what is private
HSTS: Final = {"Strict-Transport-Security": "max-age=31536000"}  # a year; the domain's other names are not ours to bind
# On every answer but hits and the script. X-Frame-Options is not among them: browsers that run the page's modules know
# `frame-ancestors`, which can name the sites that may show an embed, and pass over the older word beside it.
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

IsTracking = Callable[[str], bool]  # whether a path is one that other sites' pages ask for: a hit, or the script


class SecurityHeaders:
    """`secure`: browsers reach Crumby over HTTPS, and are told to do so for good."""

    def __init__(
        self, app: ASGIApp, is_tracking: IsTracking, origins: Sequence[str] = (), *, secure: bool = False
    ) -> None:
        self._app = app
        self._is_tracking = is_tracking
        self._framing = framing(origins)
        self._always = {**ALWAYS, **(HSTS if secure else {})}
        self._tracking = of_tracking(secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = _path(scope)  # now: a mounted application moves the root

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), path, hashed=scope["query_string"].startswith(b"v="))
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, path: str, *, hashed: bool) -> None:
        if self._is_tracking(path):  # an image, a script, an empty answer: nothing there for a browser to misread
            headers.update(self._tracking)
            return
        headers.update(self._always)
        headers["Content-Security-Policy"] = self._policy(path)
        headers["Cross-Origin-Resource-Policy"] = "cross-origin" if _is_for_pages(path) else "same-origin"
        shared = SHARED.fullmatch(path)
        if shared:
            headers["X-Robots-Tag"] = "noindex"
            if shared[1] == "share":
                headers["Referrer-Policy"] = "no-referrer"  # the address is all that it takes
        _keep(headers, path, hashed=hashed)

    def _policy(self, path: str) -> str:
        directives = [UNFRAMED, EXPLORING if path in EXPLORERS else TEXT_IS_TEXT]
        return "; ".join([*directives, f"frame-ancestors {self._framing if EMBEDS.fullmatch(path) else NOBODY}"])


def _is_for_pages(path: str) -> bool:
    """Whether other sites' pages show it: in a frame, or as a picture."""
    return path == BADGE or bool(EMBEDS.fullmatch(path))


def _keep(headers: MutableHeaders, path: str, *, hashed: bool) -> None:
    """How long it may be kept, and where. What says nothing of it is not: a page, an error, who is signed in."""
    if path.startswith("/static/"):
        # A module imports another one without its hash: ask again, or old and new ones meet after an upgrade.
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
    elif path.startswith("/api/private") and headers.get("Cache-Control") == REVALIDATED:
        headers["Cache-Control"] = "private, no-store"
    else:
        headers.setdefault("Cache-Control", "no-store")


def of_tracking(*, secure: bool) -> dict[str, str]:
    """Of the script and of hits' answers. A page that is isolated (COEP) takes no image or script without the first."""
    return {"Cross-Origin-Resource-Policy": "cross-origin", **(HSTS if secure else {})}


def framing(origins: Sequence[str]) -> str:
    """Who may show an embed in a frame, as CORS has it: those who may read its answers. Crumby itself previews them."""
    if "*" in origins:
        return "*"
    found = [ORIGIN.fullmatch(origin) for origin in origins]
    return " ".join(["'self'", *(source for each in found if each for source in _sources(*each.groups()))])


def _sources(scheme: str | None, host: str, port: str | None) -> list[str]:
    if scheme:
        return [f"{scheme}{host}{port or ''}"]
    return [f"{each}://{host}{port or ':*'}" for each in ("http", "https")]


def _path(scope: Scope) -> str:
    """The path below the one that Crumby is mounted at."""
    path: str = scope.get("path", "")
    return path.removeprefix(scope.get("root_path", ""))


class SharedPaths:
    """CORS for ingest and the public API; none at all, and so the browser's own refusal, for the rest."""

    def __init__(self, app: ASGIApp, is_tracking: IsTracking, origins: Sequence[str]) -> None:
        self._app = app
        self._is_tracking = is_tracking
        self._cors = CORSMiddleware(
            app,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
            expose_headers=["ETag", "X-Crumby", "X-Crumby-Truncated", "X-Crumby-Imported"],
            max_age=21_600,
            **_allowed(origins),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        shared = self._is_tracking(path) or PUBLIC_API.fullmatch(path)
        await (self._cors if shared else self._app)(scope, receive, send)


def _allowed(origins: Sequence[str]) -> dict[str, Any]:
    """`mywebsite.com`, as 0.7.1's example has it, allows http and https, on any port; a whole origin just itself."""
    if "*" in origins:
        return {"allow_origins": ["*"]}
    hosts = [re.escape(origin) for origin in origins if "//" not in origin]
    pattern = rf"https?://(?:{'|'.join(hosts)})(?::[0-9]+)?" if hosts else None
    return {"allow_origins": [origin for origin in origins if "//" in origin], "allow_origin_regex": pattern}
