"""How an answer goes out: its headers, or word that the client has it already; all of it at once, or as it comes."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from crumby.accounts import User
from crumby.errors import CrumbyError
from crumby.reporting import page
from crumby.reporting.body import Body, tag_of
from crumby.reporting.flow import Flow
from crumby.reporting.imported import HEADER
from crumby.reporting.packing import takes_gzip
from crumby.reporting.questions import Answer, Question
from crumby.reporting.results import MEDIA_TYPES, WRITERS, Format, Plain, encoded
from crumby.reporting.run import Rows

log = logging.getLogger(__name__)

CLIENT_LEFT: Final = 499  # nginx's word for it; nobody reads it
TAG: Final = re.compile(r'(?:W/)?("[^"]*")')

T = TypeVar("T")


def maker(request: Request, form: Format, question: Question, user: User | None) -> Callable[[Answer], bytes]:
    """What makes the form of an answer."""
    if form != "html":
        return lambda answer: encoded(answer, form, question)

    def page_of(answer: Answer) -> bytes:
        context = page.context(answer, question)
        context |= {"user": user and user.name, "links": _links(request)}
        response: Response = request.state.render(request, "answer.html", context)
        return bytes(response.body)

    return page_of


def seen(request: Request, form: Format, user: User | None) -> Hashable:
    """What else a page hangs on."""
    return (request.url.query, request.scope.get("root_path", ""), user and user.name) if form == "html" else None


def _links(request: Request) -> list[tuple[str, str]]:
    """The same question in the other formats; what was posted has no address."""
    if request.method == "POST":
        return []
    asked = [pair for pair in request.query_params.multi_items() if pair[0] != "format"]
    return [(name, f"?{urlencode([*asked, ('format', form)])}") for form, name in page.FORMS.items()]


def whole(request: Request, body: Body, form: Format, question: Question, age_s: int = 0) -> Response:
    """A cut one says `truncated` in JSON, and `X-Crumby-Truncated` in every format."""
    headers = _headers(form, question) | _freshness(form, question, age_s) | {"ETag": f"W/{body.tag}"}
    if body.truncated:
        headers["X-Crumby-Truncated"] = "true"
    if _has(request, body.tag):
        return _unchanged(headers)
    content = body.content
    if body.packed and takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
    else:
        content = body.plain
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


def tagged(request: Request, response: Response) -> Response:
    """The response with an ETag; without its body, if the client has just that. The tag is weak: of what is packed."""
    tag = tag_of(bytes(response.body))
    response.headers["ETag"] = f"W/{tag}"
    return _unchanged(response.headers) if _has(request, tag) else response


def _has(request: Request, tag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or tag in TAG.findall(known)


def _unchanged(headers: Mapping[str, str]) -> Response:
    kept = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
    return Response(status_code=304, headers=kept)


def _headers(form: Format, question: Question) -> dict[str, str]:
    headers = {HEADER: str(question.imported)} if question.imported else {}
    if form == "csv":
        headers["Content-Disposition"] = f'attachment; filename="{question.query.name}.csv"'
    return headers


def _freshness(form: Format, question: Question, age_s: int) -> dict[str, str]:
    """Who may keep it, and for how long without asking again. A page names who is signed in."""
    if question.query.private or question.view.filters.private:
        return {"Cache-Control": "private, no-store"}
    if form == "html":
        return {"Cache-Control": "private, no-cache"}
    lasts_s = question.query.header.cache
    if not lasts_s:
        return {"Cache-Control": "no-cache"}
    return {"Cache-Control": f"public, max-age={lasts_s}", "Age": str(age_s)}


class Streamed(Response):
    """Rows as they come. The connection is broken off if not all of them do: by a fault, or by either limit."""

    def __init__(self, flow: Flow, form: Format, question: Question) -> None:
        headers = _headers(form, question) | _freshness(form, question, 0)
        super().__init__(media_type=MEDIA_TYPES[form], headers=headers)
        del self.headers["Content-Length"]
        self._flow = flow
        self._question = question
        self._head, self._some = WRITERS[form]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._head(self._flow.columns), "more_body": True})
            if scope["method"] == "HEAD" or await outlasted(receive, self._sent(send)):
                await send({"type": "http.response.body", "body": b""})
        finally:
            await self._flow.stop()

    async def _sent(self, send: Send) -> bool:
        """Whether all of it is."""
        plain = Plain(self._flow.columns, self._question.query.header)
        try:
            while (rows := await self._flow.piece()) is not None:
                await send({"type": "http.response.body", "body": self._encoded(plain(rows)), "more_body": True})
        except CrumbyError as error:
            log.warning("an answer was broken off: %s", error)
            return False
        if self._flow.truncated:
            log.warning("an answer was broken off: %s has more rows than its limit", self._question.query.shown)
        return not self._flow.truncated

    def _encoded(self, rows: Rows) -> bytes:
        return self._some(self._flow.columns, rows)


async def outlasted(receive: Receive, work: Awaitable[T]) -> T | None:
    """What it gives, if the client waits for it. A client that leaves cancels it, and so stops the statement."""
    waiting = asyncio.current_task()
    assert waiting  # noqa: S101 - nothing else awaits
    leaving = asyncio.ensure_future(_left(receive, waiting))
    try:
        return await work
    except asyncio.CancelledError:
        if leaving.done() and waiting.uncancel() == 0:  # nobody else has cancelled it
            return None
        raise
    finally:
        leaving.cancel()


async def _left(receive: Receive, waiting: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    waiting.cancel()
