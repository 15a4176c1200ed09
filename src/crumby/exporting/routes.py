"""The endpoint from which a program takes an archive, as it is written.

One at a time in each process: it reads all there is, and takes a thread while it does. Whoever leaves ends it, and so
does whoever stops taking it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from crumby.asking import reader
from crumby.errors import CrumbyError, InvalidParameter, SignInRequired, Unavailable
from crumby.exporting.manifest import Format
from crumby.reporting.sending import outlasted

if TYPE_CHECKING:
    from crumby.exporting.export import Export

log = logging.getLogger(__name__)

EXPORT_PATH: Final = "/api/export"
FORMS: Final = tuple(form for form in get_args(Format) if form != "parquet")
STALLED_S: Final = 120.0  # that a client may take nothing


class AnotherExport(Unavailable):
    retry_after = 60


class Exports:
    """Whether one is under way."""

    def __init__(self) -> None:
        self._busy = False

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Raises AnotherExport."""
        if self._busy:
            raise AnotherExport("another export is under way; try again when it has ended")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False


async def export(request: Request) -> Response:
    """Raises SignInRequired, InvalidToken, InvalidParameter and NobodyInParticular."""
    if not await reader(request):
        raise SignInRequired("this takes a signed-in user, or a token of scope read: `Authorization: Bearer crumby_…`")
    from crumby.exporting.export import Export
    from crumby.exporting.selection import NAMES, Selection

    state, asked = request.state, dict(request.query_params)
    form: Any = asked.pop("format", FORMS[0])
    if form == "parquet":
        raise InvalidParameter("format: parquet takes more memory than a server has; `crumby export` writes it")
    if form not in FORMS:
        raise InvalidParameter(f"format: {form[:60]!r} is not one of {', '.join(FORMS)}")
    if unknown := sorted(asked.keys() - set(NAMES)):
        raise InvalidParameter(f"there is no parameter {unknown[0][:60]!r}; there are format, {', '.join(NAMES)}")
    selection = Selection.of(asked, state.settings.zone)
    return Sent(state.exports, Export(state.database, state.rollups, selection, form))


class Sent(Response):
    """An archive on its way. The connection is broken off if not all of it is: by a fault, or a client that rests."""

    def __init__(self, exports: Exports, export: "Export") -> None:
        name = f"crumby-{datetime.now(UTC):%Y-%m-%d}-{export.form}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
        super().__init__(media_type="application/zip", headers=headers)
        del self.headers["Content-Length"]
        self._exports = exports
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        with self._exports.turn():
            async with aclosing(self._export.octets()) as octets:
                if await outlasted(receive, self._sent(send, start, octets)):
                    await send({"type": "http.response.body", "body": b""})

    async def _sent(self, send: Send, start: Any, octets: AsyncGenerator[bytes, None]) -> bool:
        """Whether all of it is. What goes wrong before its first octet has a status of its own."""
        first = await anext(octets)
        await send(start)
        try:
            await _taken(send, first)
            async for piece in octets:
                await _taken(send, piece)
        except CrumbyError as error:
            log.warning("an export was broken off: %s", error)
            return False
        except TimeoutError:
            log.warning("an export was broken off: nobody took any of it for %g s", STALLED_S)
            return False
        return True


async def _taken(send: Send, piece: bytes) -> None:
    async with asyncio.timeout(STALLED_S):
        await send({"type": "http.response.body", "body": piece, "more_body": True})


routes: Final = tuple(Route(f"{EXPORT_PATH}{end}", export) for end in ("", "/"))
