"""HTTP as uvicorn speaks it, with a door of its own for hits, and a better goodbye."""

import logging
from functools import lru_cache, partial
from typing import Any, Final, cast

from starlette.responses import Response
from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from crumby.ingest.desk import Desk
from crumby.ingest.hit import MAX_BODY
from crumby.ingest.routes import NUMBERED, door, peer

log = logging.getLogger(__name__)

LINGER: Final = 0.5  # seconds; a request that was on its way when the stop came is here by then


class Protocol(HttpToolsProtocol):
    """A hit goes from its connection to the desk without a task and without the application: that is half its cost.

    uvicorn still reads the request, keeps the order of those that come at once, the connection and its time-outs. What
    is out of the ordinary (a client that waits for `100 Continue`, does not read its answers, sends too much or leaves
    early) is left to it and the application, as is every other request.

    A connection that the stop finds idle may have its next request on the way, and closing would cut it. It stays for
    a moment; what comes in is answered with `Connection: close`.
    """

    leaving = False

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._desk = Desk(self.app_state)
        self._coming: RequestResponseCycle | None = None  # a hit whose body is not all there

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if (
            app is not self.app
            or cycle.waiting_for_100_continue
            or not self._desk.is_open
            or not door(cast("Scope", cycle.scope))
        ):
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._coming = cycle
        else:
            self._hand_in(cycle)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._coming and len(self._coming.body) > MAX_BODY:
            self._leave_to_app(self._coming)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._coming and not self._coming.more_body:
            self._hand_in(self._coming)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._coming:
            self._leave_to_app(self._coming)

    def _leave_to_app(self, cycle: RequestResponseCycle) -> None:
        self._coming = None
        super()._start_asgi_task(cycle, self.app)

    def _hand_in(self, cycle: RequestResponseCycle) -> None:
        self._coming = None
        scope = cast("Scope", cycle.scope)
        answer = partial(self._answer, cycle)
        try:
            if number := NUMBERED.fullmatch(scope["path"]):
                self._desk.pixel(number[1], scope["query_string"], scope["headers"], peer(scope), answer)
            else:
                self._desk.post(bytes(cycle.body), scope["headers"], peer(scope), answer)
        except Exception:  # to the parser it would be a request that is none, and be answered 400
            log.exception("a hit could not be handed in")
            super()._start_asgi_task(cycle, self.app)

    def _answer(self, cycle: RequestResponseCycle, response: Response) -> None:
        """As `RequestResponseCycle.send` would, in one piece."""
        if cycle.disconnected:
            return
        if self.flow.write_paused:
            super()._start_asgi_task(cycle, cast("ASGI3Application", response))
            return
        self.transport.write(written(response, tuple(self.server_state.default_headers), keep_alive=cycle.keep_alive))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        cycle.on_response = _nothing  # it held the connection, which holds the cycle

    def shutdown(self) -> None:
        self.leaving = True
        if self._idle():
            self.loop.call_later(LINGER, self._close_if_idle)
        else:
            super().shutdown()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._idle():
            self.transport.close()


def _nothing() -> None:
    pass


@lru_cache(maxsize=8)  # what is stored has two answers, and a date that changes once a second
def written(response: Response, default_headers: tuple[tuple[bytes, bytes], ...], *, keep_alive: bool) -> bytes:
    """The response as uvicorn writes it."""
    headers = [*default_headers, *response.raw_headers]
    if not keep_alive:
        headers.append((b"connection", b"close"))
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[response.status_code], head, bytes(response.body))
