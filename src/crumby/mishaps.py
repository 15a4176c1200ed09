"""What nobody thought of: answered 500 as other errors are, with an id by which the log tells what it was."""

import logging
import secrets
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crumby.errors import CrumbyError

log = logging.getLogger(__name__)

KEY: Final = "crumby.error"  # of a scope
OCTETS: Final = 6


def id_for(scope: Scope) -> str:
    """The id of what went wrong with this request: a new one, or the one that it has."""
    made: str = scope.setdefault(KEY, secrets.token_hex(OCTETS))
    return made


def id_of(scope: Scope) -> str | None:
    return scope.get(KEY)


class Mishaps:
    """Pure ASGI. An answer that has begun is broken off, by the server."""

    def __init__(self, app: ASGIApp, answer: Callable[[Request, CrumbyError], Response]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http" or begun:
                raise
            log.exception("%s: a request failed", id_for(scope))
            error = CrumbyError("that should not have happened; the log says what it was")
            await self._answer(Request(scope, receive), error)(scope, receive, send)
