"""The endpoints that the world writes to.

They are ASGI endpoints: of what FastAPI and Starlette do around a path operation, a hit needs nothing, and it costs
three times what the hit itself does. `Paths.door` finds one without the router and the middleware; the router has them
for whatever is left (a wrong method, a preflight request, Crumby below a sub-path).
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from crumby.errors import CrumbyError, HitTooLarge, InvalidHit, MethodNotAllowed, NotFound
from crumby.ingest.desk import Answer, Desk, bearer_in
from crumby.ingest.hit import ANYBODY, BEARER

HIT_PATH: Final = "/hit"
SCRIPT_PATH: Final = "/cmb.js"
OPT_OUT_PATH: Final = "/opt-out.js"
PIXEL_PATH: Final = "/{number}.gif"

NUMBERED: Final = re.compile(r"/([0-9]{1,20})\.gif\Z")


class Paths:
    """Where hits come in and the script is: where the configuration says, and where they always are."""

    def __init__(self, hit: str = HIT_PATH, script: str = SCRIPT_PATH) -> None:
        self.hits = tuple(dict.fromkeys((hit, HIT_PATH)))
        self.scripts = tuple(dict.fromkeys((script, SCRIPT_PATH)))
        self._files = frozenset((*self.hits, *self.scripts, OPT_OUT_PATH))
        # As they stand in the first line of a request. A pixel's has its number, or none, and its query.
        self.hit_urls = frozenset(path.encode() for path in self.hits)
        images = "|".join(map(re.escape, self.hits))
        self.pixel_url = re.compile(rf"(?:/([0-9]{{1,20}})\.gif|{images})(?:\?([^#]*))?".encode())

    def door(self, scope: Scope) -> ASGIApp | None:
        """The endpoint of a hit; None for any other request, which is the router's."""
        path, method = scope["path"], scope["method"]
        if path in self.hits and method in {"POST", "GET"}:
            return hit
        if path.endswith(".gif") and method == "GET" and NUMBERED.fullmatch(path):
            return pixel
        return None

    def is_tracking(self, path: str) -> bool:
        return path in self._files or (path.endswith(".gif") and bool(NUMBERED.fullmatch(path)))

    def routes(self) -> Sequence[Route]:
        return (
            *(Route(path, _Endpoint(hit), methods=["POST", "GET"]) for path in self.hits),
            Route(PIXEL_PATH, _Endpoint(pixel), methods=["GET"]),
            *(Route(path, script) for path in self.scripts),
        )


async def hit(scope: Scope, receive: Receive, send: Send) -> None:
    desk, headers = Desk(scope["state"]), scope["headers"]
    handed_in: Callable[[Answer], None]
    if scope["method"] == "POST":
        try:
            body = await _body(receive, await _bound(desk, scope))
        except CrumbyError as error:
            handed_in = partial(desk.refuse, error.with_traceback(None))  # which would hold this frame, and so the body
        else:
            handed_in = partial(desk.post, body, headers, dict(headers), peer(scope))
    elif scope["method"] == "GET":
        handed_in = partial(desk.image, scope["query_string"], headers, dict(headers), peer(scope))
    else:  # Starlette takes a HEAD for a GET; a look is no visit
        not_so = MethodNotAllowed("a hit is stored by a POST, or by a GET as an image")
        not_so.allowed = "GET, POST"
        handed_in = partial(desk.refuse, not_so)
    response = await _answered(handed_in)
    await response(scope, receive, send)


async def _bound(desk: Desk, scope: Scope) -> int:
    """How much of a body is read: of a token's bearer more, and nothing where the token is none."""
    secret = bearer_in(dict(scope["headers"]))
    if secret is None:
        return ANYBODY.body
    await desk.admit(secret)
    return BEARER.body


async def pixel(scope: Scope, receive: Receive, send: Send) -> None:
    desk = Desk(scope["state"])
    number = NUMBERED.search(scope["path"])
    if not number:
        handed_in = partial(desk.refuse, NotFound("a pixel is an integer with .gif behind it"))
    elif scope["method"] != "GET":
        handed_in = partial(desk.refuse, MethodNotAllowed("a pixel is stored by a GET"))
    else:
        headers = scope["headers"]
        handed_in = partial(desk.pixel, number[1], scope["query_string"], headers, dict(headers), peer(scope))
    response = await _answered(handed_in)
    await response(scope, receive, send)


async def script(request: Request) -> Response:
    response: Response = await request.state.script.serve(request)
    return response


async def opt_out(request: Request) -> Response:
    response: Response = await request.state.script.serve_opt_out(request)
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


async def _body(receive: Receive, bound: int) -> bytes:
    """The body, read no further than its bound."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidHit("the body ended early")
        body += cast("bytes", message.get("body", b""))
        if len(body) > bound:
            raise HitTooLarge(f"the body is longer than {bound} bytes")
        if not message.get("more_body"):
            return bytes(body)


class _Endpoint:
    """An ASGI function that Starlette leaves as it is; a bare one it would take for a function of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
