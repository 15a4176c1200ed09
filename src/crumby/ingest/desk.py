"""The desk where hits are handed in, whoever brings them: `routes.py` over ASGI, `cli/protocol.py` off the connection.

    body, headers ──► hit.py, client.py ──► bots.py, limits.py ──► visitor.py ──► writer.py ──► committed: `stored`
                                                              └─► refused: counted, and the reason as the answer

Each request is answered once, by a call: at once where it is refused, or else when its hits are committed. A call costs
a microsecond where a task, a coroutine and a future of its own cost ten. Who sends a token is looked up, in a task.
"""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from crumby.errors import CrumbyError, InvalidToken, MethodNotAllowed, Unavailable
from crumby.ingest.bots import Guard
from crumby.ingest.client import Client, Headers, Proxies, client_of
from crumby.ingest.hit import ANYBODY, BEARER, Hit, Limits, parse_documents, parse_pixel, parse_query
from crumby.ingest.limits import Limiter
from crumby.ingest.metrics import Metrics
from crumby.ingest.refusals import Refusals
from crumby.ingest.text import clean
from crumby.ingest.visitor import Visitors, utc
from crumby.ingest.writer import Writer
from crumby.tokens import Tokens, bearer

GIF: Final = base64.b64decode("R0lGODlhAQABAIAAANvf7wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
AUTHORIZATION: Final = b"authorization"

Answer = Callable[[Response], None]
Last = Mapping[bytes, bytes]  # the last header of each name


class Answers:
    """What a hit is answered with. The page of any site may read it, where any site may send hits."""

    def __init__(self, origins: Sequence[str], headers: Mapping[str, str] | None = None) -> None:
        """`headers` are those of every answer, which the middleware would add."""
        self.are_for_all = "*" in origins  # else the middleware has to see who asks
        self._headers = dict(headers or {})
        if self.are_for_all:
            self._headers |= {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-Crumby"}
        self.stored = Response(status_code=204, headers=self._headers)
        self.pixel = Response(GIF, media_type="image/gif", headers={"Cache-Control": "no-store", **self._headers})

    def refused(self, error: CrumbyError) -> Response:
        """`X-Crumby` says why the hit was not stored, in the words of the body."""
        reason = clean(f"{_kind(error)}: {error}", 300) or ""
        headers = {"X-Crumby": reason.encode("ascii", "replace").decode(), **self._headers}
        if isinstance(error, Unavailable):
            headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, MethodNotAllowed):
            headers["Allow"] = error.allowed
        if isinstance(error, InvalidToken):
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error": type(error).__name__, "detail": str(error)}, error.status, headers)


def _kind(error: CrumbyError) -> str:
    if error.reason:
        return error.reason
    if isinstance(error, Unavailable):
        return "unavailable"
    return "unauthorized" if isinstance(error, InvalidToken) else "invalid"


class Desk:
    """`state` is what the application's lifespan has opened."""

    __slots__ = (
        "_answers",
        "_guard",
        "_is_open",
        "_limiter",
        "_metrics",
        "_proxies",
        "_refusals",
        "_tasks",
        "_tokens",
        "_visitors",
        "_writer",
    )

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._writer: Writer = state["writer"]
        self._refusals: Refusals = state["refusals"]
        self._metrics: Metrics = state["health"].metrics
        self._answers: Answers = state["answers"]
        self._guard: Guard = state["guard"]
        self._limiter: Limiter = state["limiter"]
        self._visitors: Visitors = state["visitors"]
        self._tokens: Tokens = state["tokens"]
        self._tasks: set[asyncio.Task[None]] = set()
        self._proxies: Proxies = state["proxies"]
        self._is_open: bool = self._answers.are_for_all and state["settings"].access_log != "all"

    @property
    def is_open(self) -> bool:
        """Whether its answers need nothing of the application: its middleware, or its log."""
        return self._is_open

    def post(self, body: bytes, headers: Headers, last: Last, peer: str | None, answer: Answer) -> None:
        """The v2 wire."""
        if AUTHORIZATION in last and (secret := bearer_in(last)) is not None:
            self._ask(secret, partial(self._post, body, headers, last, peer, answer, BEARER), answer)
        else:
            self._post(body, headers, last, peer, answer)

    def _post(
        self,
        body: bytes,
        headers: Headers,
        last: Last,
        peer: str | None,
        answer: Answer,
        limits: Limits = ANYBODY,
    ) -> None:
        try:
            hits = parse_documents(body, utc(), limits)
        except CrumbyError as error:
            self.refuse(error, answer)
        else:
            clients = (client_of(headers, peer, self._proxies, last),)
            self._store(hits, clients, last, self._answers.stored, answer, told=limits.trusted)

    def pixel(self, number: str, query: bytes, headers: Headers, last: Last, peer: str | None, answer: Answer) -> None:
        """The v1 wire, and v2's image."""
        try:
            hits = [parse_query(number, query, utc())]
        except CrumbyError as error:
            self.refuse(error, answer)
        else:
            clients = (client_of(headers, peer, self._proxies, last),)
            self._store(hits, clients, last, self._answers.pixel, answer)

    def image(self, query: bytes, headers: Headers, last: Last, peer: str | None, answer: Answer) -> None:
        """The v2 wire as a query, for an image on a page."""
        client = client_of(headers, peer, self._proxies, last)
        secret = bearer_in(last)
        if secret is None:
            self._image(query, client, last, answer)
        else:
            self._ask(secret, partial(self._image, query, client, last, answer, BEARER), answer)

    def _image(self, query: bytes, client: Client, last: Last, answer: Answer, limits: Limits = ANYBODY) -> None:
        try:
            hits = [parse_pixel(query, utc(), client.referrer, limits)]
        except CrumbyError as error:
            self.refuse(error, answer)
        else:
            self._store(hits, (client,), last, self._answers.pixel, answer, told=limits.trusted)

    async def admit(self, secret: str) -> None:
        """Whether hits may be sent with that token. Raises InvalidToken, DatabaseUnavailable."""
        if not await self._tokens.allows(secret, "ingest"):
            raise InvalidToken("the token in `Authorization` is not known, is over, or is not one of scope ingest")

    def _ask(self, secret: str, then: Callable[[], None], answer: Answer) -> None:
        task = asyncio.ensure_future(self._asked(secret, then, answer))
        self._tasks.add(task)  # the loop itself holds no task fast
        task.add_done_callback(self._tasks.discard)

    async def _asked(self, secret: str, then: Callable[[], None], answer: Answer) -> None:
        try:
            await self.admit(secret)
        except CrumbyError as error:
            self.refuse(error, answer)
        else:
            then()

    def refuse(self, error: CrumbyError, answer: Answer, hits: int = 1) -> None:
        """A request that could not be read counts as one hit."""
        self._metrics.not_stored(error, hits)
        self._refusals.count(error, hits)
        answer(self._answers.refused(error))

    def _store(
        self,
        hits: list[Hit],
        clients: Sequence[Client],
        last: Last,
        stored: Response,
        answer: Answer,
        *,
        told: bool = False,
    ) -> None:
        """`told`: hits may say whose they are."""
        try:
            if told:
                self._guard.check_told(hits)
            else:
                self._guard.check(last, clients[0], hits)
                self._limiter.check(clients[0].ip, len(hits))
        except CrumbyError as error:
            self.refuse(error, answer, len(hits))
            return
        if told:
            clients = [_client(hit, clients[0]) for hit in hits]
        hits = self._visitors.named(hits, clients)
        try:
            self._writer.put(hits, clients, partial(self._tell, stored, answer, len(hits)))
        except CrumbyError as error:
            self.refuse(error, answer, len(hits))

    def _tell(self, stored: Response, answer: Answer, hits: int, error: CrumbyError | None) -> None:
        if error is None:
            answer(stored)
        else:
            self.refuse(error, answer, hits)


def bearer_in(last: Last) -> str | None:
    """The token that a request was sent with; None for none, and for what is no token: a password of a site's own."""
    header = last.get(AUTHORIZATION)
    return None if header is None else bearer(header.decode("latin-1"))


def _client(hit: Hit, client: Client) -> Client:
    """Whom a hit of a trusted sender is of; what it does not say is the request's."""
    if hit.ip is None and hit.user_agent is None:
        return client
    ip = client.ip if hit.ip is None else hit.ip
    return Client(ip, client.user_agent if hit.user_agent is None else hit.user_agent, client.referrer, client.lang)
