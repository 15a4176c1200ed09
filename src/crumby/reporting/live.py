"""Answers that come by themselves: `/live/stream` sends each one at once, and again whenever it has changed.

    event: answer                                      event: failed
    id: 5f0c…                                          data: {"query": "public/live", "error": …, "detail": …}
    data: {"query": "public/live", "columns": …}

However many look at the same question, it is asked once every two seconds, by a task that ends with the last of them. A
question that takes long is asked less often.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from crumby.asking import reader
from crumby.errors import CrumbyError, InvalidParameter, NotFound, SignInRequired, Unavailable
from crumby.reporting.answering import Answering, Wanted
from crumby.reporting.flow import Flow
from crumby.reporting.query import COLLECTIONS, Query, QueryFolders
from crumby.reporting.questions import Question, first_visit, understand
from crumby.reporting.results import encoded
from crumby.reporting.sending import outlasted
from crumby.rollups import Rollups
from crumby.settings import Settings

log = logging.getLogger(__name__)

STREAM_PATH: Final = "/live/stream"
EVERY_S: Final = 2.0  # between two looks at one question
PROPORTION: Final = 10  # times what a look took, if that is more
BEAT_S: Final = 15.0  # between two comments, and two looks at who it is: proxies hang up after a minute of nothing
RETRY_MS: Final = 3000  # after which a browser comes back, when a stream ended
STREAMS: Final = 256  # in each process
QUERIES: Final = 12  # of one stream

Pairs = tuple[tuple[str, str], ...]


class TooManyStreams(Unavailable):
    retry_after = 30


@dataclass(slots=True, eq=False)
class Channel:
    """What is known of one question, and who wants to know of it."""

    event: bytes | None = None
    tag: str = ""
    followers: set["Follower"] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    async def keep_looking(self, look: Callable[[], Awaitable[tuple[str, bytes]]]) -> None:
        while True:
            began = time.monotonic()
            tag, event = await look()
            if tag != self.tag:
                self.tag, self.event = tag, event
                for follower in self.followers:
                    follower.news.set()
            await asyncio.sleep(max(EVERY_S, PROPORTION * (time.monotonic() - began)))


@dataclass(slots=True, eq=False)
class Follower:
    """Somebody who looks; of each channel it is known what they have seen."""

    channels: Sequence[Channel]
    news: asyncio.Event = field(default_factory=asyncio.Event)
    seen: dict[int, str] = field(default_factory=dict)

    def unseen(self) -> Iterator[bytes]:
        self.news.clear()
        for number, channel in enumerate(self.channels):
            if channel.event is not None and self.seen.get(number) != channel.tag:
                self.seen[number] = channel.tag
                yield channel.event


class Streams:
    """All that is looked at in this process."""

    def __init__(
        self, answering: Answering, queries: QueryFolders, rollups: Rollups, settings: Settings, most: int = STREAMS
    ) -> None:
        self._answering = answering
        self._queries = queries
        self._rollups = rollups
        self._settings = settings
        self._most = most
        self._channels: dict[Hashable, Channel] = {}
        self._followers: set[Follower] = set()
        self.ended = False

    def end(self) -> None:
        """Of all streams: the server stops."""
        self.ended = True
        for follower in self._followers:
            follower.news.set()

    def query(self, named: str) -> Query:
        """Raises NotFound, and InvalidParameter for one that does not say how often it is worth a look."""
        collection, _, name = named.partition("/")
        query = self._queries.get(collection, name) if collection in COLLECTIONS else None
        if not query:
            raise NotFound(f"there is no query {named[:80]}; /api lists those there are")
        if not query.header.refresh:
            raise InvalidParameter(
                f"query: {query.shown} does not say `refresh:` in its header, and so is not streamed"
            )
        return query

    def question(self, query: Query, pairs: Pairs, since: datetime | None, *, signed_in: bool) -> Question:
        """What is asked now. Raises what `understand` does."""
        now = datetime.now(UTC).replace(tzinfo=None)
        return understand(
            query, pairs, self._settings, now, signed_in=signed_in, first_visit=since, ready=self._rollups.ready
        )

    @contextlib.contextmanager
    def followed(self, questions: Sequence[Question], pairs: Pairs, since: datetime | None) -> Iterator[Follower]:
        """Raises TooManyStreams."""
        if self.ended or len(self._followers) >= self._most:
            raise TooManyStreams("no more streams are sent at once; ask again later, or without a stream")
        keys = [(_name(question.query), pairs, since) for question in questions]
        follower = Follower([self._channels.setdefault(key, Channel()) for key in keys])
        self._followers.add(follower)
        for (name, *_), channel in zip(keys, follower.channels, strict=True):
            channel.followers.add(follower)
            channel.task = channel.task or self._looking(channel, name, pairs, since)
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            for key, channel in zip(keys, follower.channels, strict=True):
                self._leave(key, channel, follower)

    def _looking(self, channel: Channel, name: str, pairs: Pairs, since: datetime | None) -> asyncio.Task[None]:
        looking = channel.keep_looking(lambda: self._look(name, pairs, since))
        return asyncio.create_task(looking, name=f"crumby-live-{name}")

    def _leave(self, key: Hashable, channel: Channel, follower: Follower) -> None:
        channel.followers.discard(follower)
        if not channel.followers and self._channels.get(key) is channel:
            del self._channels[key]
            if channel.task:
                channel.task.cancel()

    async def _look(self, name: str, pairs: Pairs, since: datetime | None) -> tuple[str, bytes]:
        """The answer's tag and event; a failure is an event, too, and the next look may find it mended."""
        try:
            return await self._answer(name, pairs, since)
        except CrumbyError as error:
            failed: CrumbyError = error
        except Exception as error:  # drivers have odd ones for a server that dies
            log.exception("a live query could not be answered: %s", name)
            failed = Unavailable(f"{name} could not be answered: {type(error).__name__}")
        said = {"query": name, "error": type(failed).__name__, "status": failed.status, "detail": str(failed)}
        return f"failed {failed}", _event("failed", msgspec.json.encode(said))

    async def _answer(self, name: str, pairs: Pairs, since: datetime | None) -> tuple[str, bytes]:
        query = self.query(name)
        if query.header.rollups:
            await self._rollups.catch_up()
        question = self.question(query, pairs, since, signed_in=True)  # that they were was seen when they came
        wanted = Wanted(question, "json", lambda answer: encoded(answer, "json", question))
        told = await self._answering.answer(wanted)
        if isinstance(told, Flow):
            await told.stop()
            raise InvalidParameter(f"{name} has too many rows to be streamed; its `rows:` could say fewer")
        body, _ = told
        tag = body.tag.strip('"')
        return tag, _event("answer", msgspec.json.encode({"query": name})[:-1] + b"," + body.plain[1:], tag)


def _name(query: Query) -> str:
    return f"{query.collection}/{query.name}"


def _event(kind: str, data: bytes, tag: str = "") -> bytes:
    """A line's end within JSON is a blank."""
    head = f"event: {kind}\n" + (f"id: {tag}\n" if tag else "")
    return head.encode() + b"data: " + data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"


async def stream(request: Request) -> Response:
    streams: Streams = request.state.streams
    asked = request.query_params.multi_items()
    pairs = tuple(pair for pair in asked if pair[0] != "query")
    named = list(dict.fromkeys(value for name, value in asked if name == "query"))
    if not 1 <= len(named) <= QUERIES:
        raise InvalidParameter(f"query: name 1 to {QUERIES} queries, such as query=public/live")
    queries = [streams.query(name) for name in named]
    whom = await reader(request)
    if not whom and any(query.private for query in queries):
        raise SignInRequired("this takes a signed-in user, or a token of scope read")
    since = await first_visit(request.state.database, pairs)
    questions = [streams.question(query, pairs, since, signed_in=whom is not None) for query in queries]
    private = any(each.query.private or each.view.filters.private for each in questions)
    return Streamed(request, streams.followed(questions, pairs, since), streams, private=private)


class Streamed(Response):
    """Events until the client leaves, the server stops or, where it takes one, the session or the token has ended."""

    media_type = "text/event-stream"

    def __init__(
        self,
        request: Request,
        followed: contextlib.AbstractContextManager[Follower],
        streams: Streams,
        *,
        private: bool,
    ) -> None:
        # A proxy may gather what comes; nginx is asked not to.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._request = request
        self._followed = followed
        self._streams = streams
        self._private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.ExitStack() as stack:
            follower = stack.enter_context(self._followed) if scope["method"] != "HEAD" else None
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if follower and await outlasted(receive, self._sent(follower, send)) is None:
                return
            await send({"type": "http.response.body", "body": b""})

    async def _sent(self, follower: Follower, send: Send) -> bool:
        await _send(send, f"retry: {RETRY_MS}\n\n".encode())
        beat = time.monotonic() + BEAT_S
        while not self._streams.ended:
            for event in follower.unseen():
                await _send(send, event)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0, beat - time.monotonic())):
                    await follower.news.wait()
            if time.monotonic() >= beat:
                if self._private and not await self._may_go_on():
                    break
                beat = time.monotonic() + BEAT_S
                await _send(send, b": still here\n\n")
        return True

    async def _may_go_on(self) -> bool:
        """Who is not known any more, be it that the database is away, comes again and is told why."""
        try:
            return await reader(self._request) is not None
        except CrumbyError:
            return False


async def _send(send: Any, some: bytes) -> None:
    await send({"type": "http.response.body", "body": some, "more_body": True})


routes: Final = (Route(STREAM_PATH, stream),)
