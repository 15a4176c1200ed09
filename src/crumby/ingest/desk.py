"""The desk where hits are handed in, whoever brings them: `routes.py` over ASGI, `cli/protocol.py` off the connection.

    body, headers ──► hit.py, client.py ──► writer.py ──► committed: `stored`, or the picture
                                        └─► refused: counted, and the reason as the answer

Each request is answered once, by a call: at once where it is refused, or else when its hits are committed. A call costs
a microsecond where a task, a coroutine and a future of its own cost ten.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from crumby.errors import CrumbyError, MethodNotAllowed, Unavailable
from crumby.ingest.client import Headers, client_of
from crumby.ingest.hit import Hit, clean, parse_documents, parse_query
from crumby.ingest.metrics import Metrics
from crumby.ingest.refusals import Refusals
from crumby.ingest.writer import Writer

GIF: Final = base64.b64decode("R0lGODlhAQABAIAAANvf7wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout

Answer = Callable[[Response], None]


class Answers:
    """What a hit is answered with. The page of any site may read it, where any site may send hits."""

    def __init__(self, origins: Sequence[str]) -> None:
        self.are_for_all = "*" in origins  # else the middleware has to see who asks
        self._headers = (
            {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-Crumby"}
            if self.are_for_all
            else {}
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


class Desk:
    """`state` is what the application's lifespan has opened."""

    __slots__ = ("_answers", "_metrics", "_proxy_count", "_refusals", "_writer")

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._writer: Writer = state["writer"]
        self._refusals: Refusals = state["refusals"]
        self._metrics: Metrics = state["health"].metrics
        self._answers: Answers = state["answers"]
        self._proxy_count: int = state["settings"].proxy_count

    @property
    def is_open(self) -> bool:
        """Whether its answers need none of the application's middleware."""
        return self._answers.are_for_all

    def post(self, body: bytes, headers: Headers, peer: str | None, answer: Answer) -> None:
        """The v2 wire."""
        try:
            hits = parse_documents(body, _now())
        except CrumbyError as error:
            self.refuse(error, answer)
        else:
            self._store(hits, headers, peer, self._answers.stored, answer)

    def pixel(self, number: str, query: bytes, headers: Headers, peer: str | None, answer: Answer) -> None:
        """The v1 wire, and v2's image."""
        try:
            hits = [parse_query(number, query, _now())]
        except CrumbyError as error:
            self.refuse(error, answer)
        else:
            self._store(hits, headers, peer, self._answers.pixel, answer)

    def refuse(self, error: CrumbyError, answer: Answer, hits: int = 1) -> None:
        """A request that could not be read counts as one hit."""
        self._metrics.not_stored(error, hits)
        self._refusals.count(error, hits)
        answer(self._answers.refused(error))

    def _store(self, hits: list[Hit], headers: Headers, peer: str | None, stored: Response, answer: Answer) -> None:
        client = client_of(headers, peer, self._proxy_count)
        try:
            self._writer.put(hits, client, partial(self._tell, stored, answer, len(hits)))
        except CrumbyError as error:
            self.refuse(error, answer, len(hits))

    def _tell(self, stored: Response, answer: Answer, hits: int, error: CrumbyError | None) -> None:
        if error is None:
            answer(stored)
        else:
            self.refuse(error, answer, hits)


def _now() -> datetime:
    """In UTC, without a zone; in half the time that `datetime.now(UTC).replace(tzinfo=None)` takes."""
    return EPOCH + timedelta(seconds=time.time())
