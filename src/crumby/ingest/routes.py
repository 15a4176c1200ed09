"""The endpoints that the world writes to.

They are ASGI endpoints: of what FastAPI and Starlette do around a path operation, a hit needs nothing, and it costs
three times what the hit itself does. `door` finds one without the router and the middleware; the router has them for
whatever is left (a wrong method, a preflight request, Crumby below a sub-path).
"""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from crumby.errors import CrumbyError, HitTooLarge, InvalidHit, MethodNotAllowed, NotFound, Unavailable
from crumby.ingest.client import client_of
from crumby.ingest.hit import MAX_BODY, Hit, clean, parse_documents, parse_query

HIT_PATH: Final = "/hit"
SCRIPT_PATH: Final = "/cmb.js"
PIXEL_PATH: Final = "/{number}.gif"

NUMBERED: Final = re.compile(r"/([0-9]{1,20})\.gif\Z")
GIF: Final = base64.b64decode("R0lGODlhAQABAIAAANvf7wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


class Answers:
    """What a hit is answered with. The page of any site may read it, where any site may send hits."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._headers = (
            {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-Crumby"} if "*" in origins else {}
        )
        self.stored = Response(status_code=204, headers=self._headers)
        self.pixel = Response(GIF, media_type="image/gif", headers={"Cache-Control": "no-store", **self._headers})

    def refused(self, error: CrumbyError) -> Response:
        """`X-Crumby` says why the hit was not stored, in the words of the body."""
        reason = clean(f"{'unavailable' if isinstance(error, Unavailable) else 'invalid'}: {error}", 300) or ""
        headers = {"X-Crumby": reason.encode("ascii", "replace").decode(), **self._headers}
        if isinstance(error, Unavailable):
            headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, MethodNotAllowed):
            headers["Allow"] = "GET"
        return JSONResponse({"error": type(error).__name__, "detail": str(error)}, error.status, headers)


def door(scope: Scope) -> ASGIApp | None:
    """The endpoint of a hit; None for any other request, which is the router's."""
    path = scope["path"]
    if path == HIT_PATH and scope["method"] == "POST":
        return hit
    if path.endswith(".gif") and scope["method"] == "GET" and NUMBERED.fullmatch(path):
        return pixel
    return None


async def hit(scope: Scope, receive: Receive, send: Send) -> None:
    hits: list[Hit] = []
    try:
        hits = parse_documents(await _body(receive), _now())
        await _store(scope, hits)
        response = _answers(scope).stored
    except CrumbyError as error:
        response = _refused(scope, error, hits)
    await response(scope, receive, send)


async def pixel(scope: Scope, receive: Receive, send: Send) -> None:
    hits: list[Hit] = []
    number = NUMBERED.search(scope["path"])
    try:
        if not number:
            raise NotFound("a pixel is an integer with .gif behind it")
        if scope["method"] != "GET":  # Starlette takes a HEAD for a GET; a look is no visit
            raise MethodNotAllowed("a pixel is stored by a GET")
        hits = [parse_query(number[1], scope["query_string"], _now())]
        await _store(scope, hits)
        response = _answers(scope).pixel
    except CrumbyError as error:
        response = _refused(scope, error, hits)
    await response(scope, receive, send)


async def script(request: Request) -> Response:
    response: Response = await request.state.script.serve(request)
    return response


async def _store(scope: Scope, hits: list[Hit]) -> None:
    state = scope["state"]
    await state["writer"].write(hits, client_of(scope, state["settings"].proxy_count))
    engagements = sum(hit.kind == "engagement" for hit in hits)
    state["health"].metrics.stored(len(hits) - engagements, engagements)


def _refused(scope: Scope, error: CrumbyError, hits: list[Hit]) -> Response:
    """A body that could not be read counts as one hit."""
    state = scope["state"]
    state["health"].metrics.not_stored(error, len(hits) or 1)
    state["refusals"].count(error, len(hits) or 1)
    return _answers(scope).refused(error)


def _answers(scope: Scope) -> Answers:
    answers: Answers = scope["state"]["answers"]
    return answers


async def _body(receive: Receive) -> bytes:
    """The body, read no further than its bound."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidHit("the body ended early")
        body += cast("bytes", message.get("body", b""))
        if len(body) > MAX_BODY:
            raise HitTooLarge(f"the body is longer than {MAX_BODY} bytes")
        if not message.get("more_body"):
            return body


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class _Endpoint:
    """An ASGI function that Starlette leaves as it is; a bare one it would take for a function of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


router = APIRouter(
    routes=[
        Route(HIT_PATH, _Endpoint(hit), methods=["POST"]),
        Route(PIXEL_PATH, _Endpoint(pixel), methods=["GET"]),
        Route(SCRIPT_PATH, script, methods=["GET"]),
    ]
)
