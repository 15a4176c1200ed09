"""HTTP as uvicorn speaks it, with a door of its own for hits, and a better goodbye."""

import logging
from functools import lru_cache, partial
from typing import Any, Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from crumby.ingest.desk import Answer, Desk
from crumby.ingest.hit import MAX_BODY
from crumby.ingest.routes import Paths

log = logging.getLogger(__name__)

MOST_HEAD: Final = 64 << 10  # bytes of a request's first line and headers; nginx, as it comes, lets half of it through
MOST_READ: Final = 256 << 10  # bytes that uvloop gives at once, of which some may be of the request before
LINGER: Final = 0.5  # seconds; a request that was on its way when the stop came is here by then


class HeadTooLong(Exception):
    """To the parser, and so to uvicorn, a request that is none: 400, and the connection is closed."""


class _Nobody:
    """Who waits for the parts of a hit: there is no task."""

    def set(self) -> None:
        pass


class Coming:
    """A hit under way, in the place of uvicorn's `RequestResponseCycle`: what it asks of one, and no more."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "response_complete")

    message_event: Final = _Nobody()

    def __init__(self, *, keep_alive: bool) -> None:
        self.body = b""
        self.more_body = True
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False


class Protocol(HttpToolsProtocol):
    """A hit goes from its connection to the desk without a task, a scope and the application: two thirds of its cost.

    uvicorn still reads the request, keeps the order of those that come at once, the connection and its time-outs. What
    is out of the ordinary (a client that waits for `100 Continue`, does not read its answers, sends several at once,
    sends too much or leaves early) is left to it and the application, as is every other request.

    The parser has no bound of its own, and puts a header of many pieces together anew with each of them: one of 64 MiB
    would keep everybody waiting. So what it has been given is counted until something comes of it.

    A connection that the stop finds idle may have its next request on the way, and closing would cut it. It stays for
    a moment; what comes in is answered with `Connection: close`.
    """

    leaving = False

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._desk = Desk(self.app_state)
        paths: Paths = self.app_state["paths"]
        self._hit_urls, self._pixel_url = paths.hit_urls, paths.pixel_url
        self._coming: Coming | None = None  # a hit that is not all there
        self._last: dict[bytes, bytes] = {}  # the last header of each name
        self._given = 0  # bytes, of what was received last
        self._head = 0  # bytes since the request began, or since something came of it

    def data_received(self, data: bytes) -> None:
        self._given = len(data)
        self._head += self._given
        super().data_received(data)
        if self._head > MOST_HEAD + MOST_READ and not self.transport.is_closing():
            self.send_400_response(f"The headers are longer than {MOST_HEAD} bytes.")

    def on_message_begin(self) -> None:
        """Without a scope, which a hit has no need of."""
        self._head = self._given
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._head > MOST_HEAD and self._length_of_head() > MOST_HEAD:
            raise HeadTooLong
        self._head = 0
        self._last = dict(self.headers)
        self.expect_100_continue = self._last.get(b"expect", b"").lower() == b"100-continue"
        if self._is_plain_hit():
            keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
            self._coming = self.cycle = Coming(keep_alive=keep_alive)  # type: ignore[assignment]
        else:
            self._leave_to_app()
        if self.leaving:
            self.cycle.keep_alive = False

    def _length_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _is_plain_hit(self) -> bool:
        method = self.parser.get_method()
        return (
            (
                (method == b"POST" and self.url in self._hit_urls)
                or (method == b"GET" and bool(self._pixel_url.fullmatch(self.url)))
            )
            and self._idle()
            and self._desk.is_open
            and not (self.root_path or self.expect_100_continue or self.flow.write_paused)
            and not self.parser.should_upgrade()
        )

    def on_body(self, body: bytes) -> None:
        self._head = 0
        coming = self._coming
        if coming is None:
            super().on_body(body)
            return
        coming.body += body
        if len(coming.body) > MAX_BODY:
            self._leave_to_app()
            super().on_body(b"")  # so that no more is read than is asked for

    def on_message_complete(self) -> None:
        self._head = 0
        coming = self._coming
        if coming is None:
            super().on_message_complete()
            return
        coming.more_body = False
        self._hand_in(coming)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._coming:
            self._leave_to_app()
        super().connection_lost(exc)

    def _leave_to_app(self) -> None:
        """What has come of this request, as if it came by now."""
        coming, self._coming = self._coming, None
        if coming:
            self.cycle = None  # type: ignore[assignment]
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url = url
        self.headers += headers
        self.expect_100_continue = expects
        super().on_headers_complete()
        if coming:
            self.cycle.body += coming.body
            self.cycle.more_body = coming.more_body
            self.cycle.keep_alive = coming.keep_alive
            self.cycle.message_event.set()

    def _hand_in(self, coming: Coming) -> None:
        answer = partial(self._answer, coming)
        try:
            self._at_desk(coming, answer)
        except Exception:  # to the parser it would be a request that is none, and be answered 400
            log.exception("a hit could not be handed in")
            self._leave_to_app()
        self._coming = None

    def _at_desk(self, coming: Coming, answer: Answer) -> None:
        peer = self.client[0] if self.client else None
        if self.parser.get_method() == b"POST":
            self._desk.post(coming.body, self.headers, self._last, peer, answer)
            return
        pixel = self._pixel_url.fullmatch(self.url)
        assert pixel  # noqa: S101 - it was a plain hit
        if pixel[1] is None:
            self._desk.image(pixel[2] or b"", self.headers, self._last, peer, answer)
        else:
            self._desk.pixel(pixel[1].decode(), pixel[2] or b"", self.headers, self._last, peer, answer)

    def _answer(self, coming: Coming, response: Response) -> None:
        """As `RequestResponseCycle.send` would, in one piece."""
        if coming.disconnected:
            return
        self.transport.write(written(response, tuple(self.server_state.default_headers), keep_alive=coming.keep_alive))
        coming.response_complete = True
        if not coming.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def shutdown(self) -> None:
        self.leaving = True
        if self._idle():
            self.loop.call_later(LINGER, self._close_if_idle)
        else:
            super().shutdown()

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._idle():
            self.transport.close()


@lru_cache(maxsize=8)  # what is stored has two answers, and a date that changes once a second
def written(response: Response, default_headers: tuple[tuple[bytes, bytes], ...], *, keep_alive: bool) -> bytes:
    """The response as uvicorn writes it."""
    headers = [*default_headers, *response.raw_headers]
    if not keep_alive:
        headers.append((b"connection", b"close"))
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[response.status_code], head, bytes(response.body))
