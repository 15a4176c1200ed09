"""A running Crumby with some crumbs in its database, and a folder for query files of a test's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlalchemy import event
from starlette.types import ASGIApp, Message

from crumby.accounts import COOKIE, Accounts
from crumby.app import create_app
from crumby.database import Database, open_database
from crumby.migrations import migrate
from crumby.reporting.sqlite import Asked
from crumby.rollups import Rollups
from crumby.settings import load_settings
from tests.reporting.crumbs import scatter
from tests.servers import alive

MEMBER = {"username": "ann", "password": "a good password"}
DATABASES = ("sqlite", "mariadb", "postgres")


@dataclass(frozen=True)
class Site:
    app: ASGIApp
    database: Database
    folder: Path  # of the operator's own queries
    guest: httpx.AsyncClient
    member: httpx.AsyncClient  # signed in
    rollups: Rollups

    def write(self, name: str, sql: str, collection: str = "public") -> Path:
        path = self.folder / collection / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql, "utf-8")
        return path

    @contextlib.contextmanager
    def query(self, sql: str, collection: str = "public") -> Iterator[str]:
        """Give the address of a query that is there as long as the context."""
        path = self.write("own", sql, collection)
        try:
            yield f"/api/{collection}/own"
        finally:
            path.unlink()

    async def status(
        self, address: str, parameters: dict[str, str], *, member: bool = False, leaves_after_s: float = 60
    ) -> int:
        """Ask as a server would, without a client between: a tenth of the time, and the asker can leave."""
        cookies = [(b"cookie", f"{COOKIE}={self.member.cookies[COOKIE]}".encode())] if member else []
        statuses: list[int] = []
        done = asyncio.Event()
        request = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            for message in request:
                return message
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), leaves_after_s)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            elif not message.get("more_body"):
                done.set()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": address,
            "raw_path": address.encode(),
            "query_string": urlencode(parameters).encode(),
            "root_path": "",
            "headers": [(b"host", b"crumby.test"), (b"cache-control", b"no-cache"), *cookies],
            "server": ("crumby.test", 80),
            "client": ("127.0.0.1", 50_000),
        }
        await self.app(scope, receive, send)
        return statuses[0]

    async def answer(self, sql: str, **parameters: str) -> httpx.Response:
        """What a client gets for a query file of that text."""
        with self.query(sql) as address:
            return await self.guest.get(address, params=parameters)


@contextlib.asynccontextmanager
async def open_site(url: str, folder: Path, **keys: str) -> AsyncIterator[Site]:
    """Start one on the database of `url`, with settings by their lower-case keys."""
    own = folder / "queries"
    own.mkdir()
    defaults = {
        "sqlalchemy_database_uri": url,
        "geoip2_database_name": str(folder / "none.mmdb"),
        "secret_key": "a secret of the tests, long enough to be taken",
        "queries": str(own),
        "bots": "off",
    }
    settings = load_settings({f"CRUMBY_{key.upper()}": value for key, value in (defaults | keys).items()})
    async with open_database(settings) as database:  # the calendar begins before the first visit
        await migrate(database.engine)
        await scatter(database.engine)
        await Accounts(database.engine).add(MEMBER["username"], MEMBER["password"])
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(alive(create_app(settings)))
        guest = await stack.enter_async_context(client(running.app))
        member = await stack.enter_async_context(client(running.app))
        assert (await member.post("/login", data=MEMBER)).status_code == 303
        await until_checked()  # or a test that counts or disposes of connections would meet the check's
        yield Site(running.app, running._state["database"], own, guest, member, running._state["rollups"])


@contextlib.contextmanager
def statements(site: Site) -> Iterator[list[str]]:
    """Give those that the reports' driver is given meanwhile."""
    given: list[str] = []

    def listener(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement != "start transaction read only":  # which MariaDB is told first
            given.append(statement)

    async def begin(asked: Asked) -> None:
        given.append(asked.statement.text)
        await begun(asked)

    engine, begun = site.database.reports.sync_engine, Asked.begin
    event.listen(engine, "before_cursor_execute", listener)
    Asked.begin = begin  # type: ignore[assignment,method-assign]  # SQLite's are given without SQLAlchemy
    try:
        yield given
    finally:
        Asked.begin = begun  # type: ignore[method-assign]
        event.remove(engine, "before_cursor_execute", listener)


async def until_checked() -> None:
    """Return once the task that looks at the files, at the start, has ended."""
    for task in asyncio.all_tasks():
        if task.get_name() == "crumby-queries":
            await asyncio.wait_for(asyncio.shield(task), 30)


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://crumby.test", timeout=60)
