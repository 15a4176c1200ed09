"""The application: `create_app` puts the halves together, its lifespan opens and closes everything.

Nothing happens at import. A server answers with Starlette, on which FastAPI stands: its endpoints read their requests
by themselves, and what FastAPI is here for is the OpenAPI document. With pydantic it takes 13 MiB of 81, and so it is
imported when somebody asks for that document.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypedDict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from crumby import __version__, durability
from crumby.accounts import Accounts, Sessions
from crumby.background import beside
from crumby.database import Database, open_database
from crumby.days import kept_calendar, try_to_cover
from crumby.errors import BadRequest, CrumbyError, MethodNotAllowed, NotFound
from crumby.ingest import health
from crumby.ingest import routes as ingest
from crumby.ingest.agent import warm_up
from crumby.ingest.desk import Answers
from crumby.ingest.geo import Geo
from crumby.ingest.health import Health
from crumby.ingest.metrics import Metrics
from crumby.ingest.outage import open_store
from crumby.ingest.refusals import Refusals, open_refusals
from crumby.ingest.script import Script
from crumby.ingest.writer import Writer, open_writer
from crumby.migrations import migrate
from crumby.reporting import routes as reporting
from crumby.reporting.answering import Answering
from crumby.reporting.checking import warn as check_queries
from crumby.reporting.packing import Packed
from crumby.reporting.query import QueryFolders
from crumby.rollups import Rollups, open_rollups
from crumby.settings import Settings, load_settings, shipped
from crumby.web import login, pages
from crumby.web.headers import SecurityHeaders, SharedPaths
from crumby.web.render import Renderer

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)


class App(Starlette):
    """Starlette with a door of its own for hits: its middleware and router cost thrice what a hit costs."""

    door_is_open = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = ingest.door(scope) if scope["type"] == "http" and self.door_is_open else None
        await (endpoint or super().__call__)(scope, receive, send)


class State(TypedDict):
    """What the lifespan opens and the endpoints ask for."""

    settings: Settings
    database: Database
    accounts: Accounts
    sessions: Sessions
    queries: QueryFolders
    rollups: Rollups
    answering: Answering
    writer: Writer
    refusals: Refusals
    health: Health
    answers: Answers
    script: Script
    render: Renderer


def create_app(settings: Settings | None = None) -> App:
    """The ASGI application. Without `settings` they are read from the environment.

    Raises ConfigurationError.
    """
    settings = (settings or load_settings()).with_secret()
    queries = QueryFolders.laid_over(settings.queries)
    app = App(
        routes=_routes(settings, queries),
        lifespan=_lifespan(settings, queries),
        exception_handlers={CrumbyError: _failure, HTTPException: _http_failure},
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(SharedPaths, origins=settings.crossdomain_origin),
            Middleware(Packed),
        ],
    )
    app.router.redirect_slashes = False  # the redirect would be to whatever Host the request named
    app.door_is_open = "*" in settings.crossdomain_origin  # else the middleware has to see who asks
    return app


def _routes(settings: Settings, queries: QueryFolders) -> list[BaseRoute]:
    routes: list[BaseRoute] = [*ingest.routes, *health.routes, *reporting.routes, *login.routes, *pages.routes]
    if settings.sql_editor:
        from crumby.reporting import adhoc

        routes += adhoc.routes
    static = StaticFiles(directory=shipped("static"))
    return [
        *routes,
        Route("/openapi.json", Document(queries), methods=["GET"]),
        Mount("/static", static, name="static"),
    ]


def _lifespan(settings: Settings, queries: QueryFolders) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[State]:
        async with contextlib.AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(settings))
            prepared = asyncio.Event()

            async def prepare() -> None:
                await migrate(database.engine)
                await durability.warn(database)
                await try_to_cover(database.engine)
                prepared.set()

            store = await stack.enter_async_context(open_store(database, settings, prepare))
            await stack.enter_async_context(kept_calendar(database.engine))
            checking = check_queries(database, queries, settings.zone, prepared)
            await stack.enter_async_context(beside(checking, "crumby-queries"))
            rollups = await stack.enter_async_context(open_rollups(database, settings))
            await stack.enter_async_context(beside(_kept_up(rollups, prepared), "crumby-rollups"))
            geo = Geo(settings.geoip2_database_name, settings.spool.parent)
            await geo.locate([])  # opens the file, or says that there is none
            warm_up()
            metrics = Metrics()
            refusals = await stack.enter_async_context(open_refusals(database.engine))
            writer = await stack.enter_async_context(open_writer(geo, store, metrics))
            accounts = Accounts(database.engine)
            yield State(
                settings=settings,
                database=database,
                accounts=accounts,
                sessions=Sessions(settings.secret_key or "", accounts),
                queries=queries,
                rollups=rollups,
                answering=Answering(database, settings, lambda: rollups.version),
                writer=writer,
                refusals=refusals,
                health=Health(writer, store, geo, metrics),
                answers=Answers(settings.crossdomain_origin),
                script=Script(settings.domain),
                render=Renderer(settings),
            )

    return lifespan


async def _kept_up(rollups: Rollups, prepared: asyncio.Event) -> None:
    await prepared.wait()
    await rollups.keep_up()


class Document:
    """The OpenAPI document, by FastAPI, made at each question: a query that was dropped in is an operation at once."""

    def __init__(self, queries: QueryFolders) -> None:
        self._queries = queries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        api = await asyncio.to_thread(lambda: self._api)  # its import takes half a second, for which hits would wait
        await api(scope, receive, send)

    @cached_property
    def _api(self) -> "FastAPI":
        from fastapi import FastAPI

        api = FastAPI(
            title="Crumby",
            summary="Self-hosted web analytics whose reports are SQL files",
            version=__version__,
            docs_url=None,  # served from the package, not from a CDN
            redoc_url=None,
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        generated = api.openapi
        api.openapi = lambda: self._extended(generated())  # type: ignore[method-assign]  # FastAPI's own way
        return api

    def _extended(self, document: dict[str, Any]) -> dict[str, Any]:
        from crumby.ingest.operations import OPERATIONS
        from crumby.reporting.openapi import components, paths

        found = self._queries.all()
        return {**document, "paths": {**paths(found), **OPERATIONS}, "components": components(found)}


async def _failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, CrumbyError)  # noqa: S101 - registered for it
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s", error)
    return pages.failure(request, error)


async def _http_failure(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses (no such path, no such method), in the same form as our own errors."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    failed: CrumbyError
    if error.status_code == HTTPStatus.NOT_FOUND:
        failed = NotFound(f"there is nothing at {request.url.path[:200]}")
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        failed = MethodNotAllowed(f"{request.method} is not for {request.url.path[:200]}")
    else:
        failed = BadRequest(error.detail)
        failed.status = error.status_code
    response = pages.failure(request, failed)
    response.headers.update(error.headers or {})
    return response
