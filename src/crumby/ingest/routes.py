"""The endpoints that the world writes to.

They are ASGI endpoints: of what FastAPI and Starlette do around a path operation, a hit needs nothing, and it costs
three times what the hit itself does. `door` finds one without the router and the middleware; the router has them for
whatever is left (a wrong method, a preflight request, Crumby below a sub-path).
"""

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from crumby.errors import CrumbyError, HitTooLarge, InvalidHit, MethodNotAllowed, NotFound
from crumby.ingest.desk import Answer, Desk
from crumby.ingest.hit import MAX_BODY

HIT_PATH: Final = "/hit"
SCRIPT_PATH: Final = "/cmb.js"
PIXEL_PATH: Final = "/{number}.gif"

NUMBERED: Final = re.compile(r"/([0-9]{1,20})\.gif\Z")

HIT_URL: Final = HIT_PATH.encode()  # as they stand in the first line of a request
PIXEL_URL: Final = re.compile(rb"/([0-9]{1,20})\.gif(?:\?([^#]*))?")


def door(scope: Scope) -> ASGIApp | None:
    """The endpoint of a hit; None for any other request, which is the router's."""
    path = scope["path"]
    if path == HIT_PATH and scope["method"] == "POST":
        return hit
    if path.endswith(".gif") and scope["method"] == "GET" and NUMBERED.fullmatch(path):
        return pixel
    return None


async def hit(scope: Scope, receive: Receive, send: Send) -> None:
    desk = Desk(scope["state"])
    try:
        body = await _body(receive)
    except CrumbyError as error:
        response = await _answered(partial(desk.refuse, error))
    else:
        response = await _answered(partial(desk.post, body, scope["headers"], peer(scope)))
    await response(scope, receive, send)


async def pixel(scope: Scope, receive: Receive, send: Send) -> None:
    desk = Desk(scope["state"])
    number = NUMBERED.search(scope["path"])
    if not number:
        handed_in = partial(desk.refuse, NotFound("a pixel is an integer with .gif behind it"))
    elif scope["method"] != "GET":  # Starlette takes a HEAD for a GET; a look is no visit
        handed_in = partial(desk.refuse, MethodNotAllowed("a pixel is stored by a GET"))
    else:
        handed_in = partial(desk.pixel, number[1], scope["query_string"], scope["headers"], peer(scope))
    response = await _answered(handed_in)
    await response(scope, receive, send)


async def script(request: Request) -> Response:
    response: Response = await request.state.script.serve(request)
    return response


def peer(scope: Scope) -> str | None:
    """The address at the other end; None at a Unix socket."""
    client = scope["client"]
    return client[0] if client else None


async def _answered(hand_in: Callable[[Answer], None]) -> Response:
    answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def answer(response: Response) -> None:
        if not answered.done():  # its client may have gone
            answered.set_result(response)

    hand_in(answer)
    return await answered


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


class _Endpoint:
    """An ASGI function that Starlette leaves as it is; a bare one it would take for a function of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


routes: Final = (
    Route(HIT_PATH, _Endpoint(hit), methods=["POST"]),
    Route(PIXEL_PATH, _Endpoint(pixel), methods=["GET"]),
    Route(SCRIPT_PATH, script),
)
