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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from crumby import __version__, columnar, durability
from crumby.accesslog import AccessLog
from crumby.accounts import Accounts, Sessions
from crumby.accounts.setup import Setup
from crumby.accounts.throttle import Throttle
from crumby.accounts.tidying import kept_tidy
from crumby.accounts.totp import SecondStep
from crumby.background import beside
from crumby.database import Database, open_database
from crumby.days import kept_calendar, try_to_cover
from crumby.errors import BadRequest, CrumbyError, MethodNotAllowed, NotFound
from crumby.exporting import routes as exporting
from crumby.exporting.routes import Exports
from crumby.georefresh import keep_fresh
from crumby.ingest import health
from crumby.ingest.agent import warm_up
from crumby.ingest.bots import Guard, open_guard
from crumby.ingest.client import Proxies
from crumby.ingest.desk import Answers
from crumby.ingest.geo import Geo
from crumby.ingest.health import Health
from crumby.ingest.limits import Limiter
from crumby.ingest.lists import folder_of
from crumby.ingest.metrics import Metrics
from crumby.ingest.outage import open_store
from crumby.ingest.refusals import Refusals, open_refusals
from crumby.ingest.routes import OPT_OUT_PATH, Paths, opt_out, peer
from crumby.ingest.script import Script
from crumby.ingest.visitor import Visitors, open_visitors
from crumby.ingest.writer import Writer, open_writer
from crumby.leaving import leaving_with_parent, told_to_leave
from crumby.migrations import migrate
from crumby.mishaps import Mishaps, id_for
from crumby.reporting import badge, live
from crumby.reporting import routes as reporting
from crumby.reporting.answering import Answering
from crumby.reporting.checking import warn as check_queries
from crumby.reporting.kept import Kept
from crumby.reporting.live import Streams
from crumby.reporting.packing import Packed
from crumby.reporting.query import QueryFolders
from crumby.retention import keep_pruned
from crumby.rollups import Rollups, open_rollups
from crumby.settings import Settings, load_settings, shipped
from crumby.sharing import managing
from crumby.sharing import routes as sharing
from crumby.sharing.opening import Keys
from crumby.sharing.shares import Shares
from crumby.tokens import Tokens, open_tokens
from crumby.web import checks, login, optout, pages, setup
from crumby.web import live as live_view
from crumby.web.forms import AddressOf
from crumby.web.headers import SecurityHeaders, SharedPaths, of_tracking
from crumby.web.render import Renderer

if TYPE_CHECKING:
    from fastapi import FastAPI

    from crumby.columnar.sending import Sender

log = logging.getLogger(__name__)


class App(Starlette):
    """Starlette with a door of its own for hits: its middleware and router cost thrice what a hit costs."""

    door_is_open = False
    paths = Paths()
    log: AccessLog | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        endpoint = (self.paths.door(scope) if is_http and self.door_is_open else None) or super().__call__
        if self.log and is_http:
            await self.log(endpoint, scope, receive, send)
        else:
            await endpoint(scope, receive, send)


class State(TypedDict):
    """What the lifespan opens and the endpoints ask for."""

    settings: Settings
    database: Database
    accounts: Accounts
    sessions: Sessions
    throttle: Throttle
    second_step: SecondStep
    setup: Setup
    proxies: Proxies
    address_of: AddressOf
    tokens: Tokens
    shares: Shares
    keys: Keys
    queries: QueryFolders
    rollups: Rollups
    answering: Answering
    streams: Streams
    exports: Exports
    writer: Writer
    paths: Paths
    visitors: Visitors
    guard: Guard
    limiter: Limiter
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
    paths = Paths(settings.hit_path, settings.script_path)
    proxies = Proxies(settings.proxy_count, settings.trusted_proxies)
    app = App(
        routes=_routes(settings, queries, paths),
        lifespan=_lifespan(settings, queries, paths, proxies),
        exception_handlers={CrumbyError: _failure, HTTPException: _http_failure, ClientDisconnect: _left},
        middleware=[
            Middleware(
                SecurityHeaders,
                is_tracking=paths.is_tracking,
                origins=settings.crossdomain_origin,
                secure=settings.session_cookie_secure,
            ),
            Middleware(SharedPaths, is_tracking=paths.is_tracking, origins=settings.crossdomain_origin),
            Middleware(Mishaps, pages.failure),
            Middleware(Packed),
        ],
    )
    app.router.redirect_slashes = False  # the redirect would be to whatever Host the request named
    app.paths = paths
    app.door_is_open = "*" in settings.crossdomain_origin  # else the middleware has to see who asks
    if settings.access_log != "off":
        app.log = AccessLog(paths, proxies, settings.ip_storage, hits=settings.access_log == "all")
    return app


def _routes(settings: Settings, queries: QueryFolders, paths: Paths) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        *paths.routes(),
        Route(OPT_OUT_PATH, opt_out),
        *health.routes,
        *exporting.routes,  # before the queries, of which none is called so
        *reporting.routes,
        *live.routes,
        *badge.routes,
        *login.routes,
        *setup.routes,
        *optout.routes,
        *pages.routes,
        *live_view.routes,
        *checks.routes,
        *sharing.routes,
        *managing.routes,
    ]
    if settings.sql_editor:
        from crumby.reporting import adhoc

        routes += adhoc.routes
    static = StaticFiles(directory=shipped("static"))
    return [
        *routes,
        Route("/openapi.json", Document(queries, paths), methods=["GET"]),
        Mount("/static", static, name="static"),
    ]


def _lifespan(settings: Settings, queries: QueryFolders, paths: Paths, proxies: Proxies) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[State]:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(leaving_with_parent())
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
            sender = columnar.sender_of(settings, rollups)
            if sender:
                await stack.enter_async_context(beside(_sent(sender, prepared), "crumby-clickhouse"))
            pruning = keep_pruned(rollups, settings.retention_days, prepared)
            await stack.enter_async_context(beside(pruning, "crumby-retention"))
            geo = Geo(settings.geoip2_database_name, settings.spool.parent)
            refreshing = keep_fresh(settings.geoip2_database_name, settings.geoip2_refresh_days)
            await stack.enter_async_context(beside(refreshing, "crumby-places"))
            await geo.locate([])  # opens the file, or says that there is none
            warm_up()
            metrics = Metrics()
            refusals = await stack.enter_async_context(open_refusals(database.engine))
            written = open_writer(geo, store, metrics, database.traffic, settings.ip_storage)
            writer = await stack.enter_async_context(written)
            accounts, secret = Accounts(database.engine), settings.secret_key or ""
            sessions, throttle = Sessions(database.engine), Throttle(database.engine, secret)
            await stack.enter_async_context(kept_tidy(sessions, throttle))
            answering = Answering(database, settings, lambda: rollups.version, Kept(sight=rollups.sight))
            streams = Streams(answering, queries, rollups, settings)
            stack.enter_context(told_to_leave(streams.end))
            yield State(
                settings=settings,
                database=database,
                accounts=accounts,
                sessions=sessions,
                throttle=throttle,
                second_step=SecondStep(secret, accounts),
                setup=Setup(database.engine, accounts),
                proxies=proxies,
                address_of=_addresses(proxies),
                tokens=await stack.enter_async_context(open_tokens(database.engine)),
                shares=Shares(database.engine, accounts),
                keys=Keys(secret),
                queries=queries,
                rollups=rollups,
                answering=answering,
                streams=streams,
                exports=Exports(),
                writer=writer,
                paths=paths,
                visitors=await stack.enter_async_context(open_visitors(database.engine, known_by=settings.visitor_id)),
                guard=await stack.enter_async_context(
                    open_guard(settings.bots, folder_of(settings), settings.privacy_signals)
                ),
                limiter=Limiter(settings.rate_limit, settings.daily_limit),
                refusals=refusals,
                health=Health(writer, store, geo, metrics),
                answers=Answers(settings.crossdomain_origin, of_tracking(secure=settings.session_cookie_secure)),
                script=Script(
                    settings.domain,
                    settings.hit_path,
                    settings.tracker_extras,
                    signals=settings.privacy_signals,
                    cookies=settings.visitor_id == "cookie",
                ),
                render=Renderer(settings, lambda: geo.credit),
            )

    return lifespan


def _addresses(proxies: Proxies) -> AddressOf:
    """Who asks, as hits have it."""

    def of(request: Request) -> str | None:
        headers = request.scope["headers"]
        return proxies.address(headers, peer(request.scope), dict(headers))

    return of


async def _kept_up(rollups: Rollups, prepared: asyncio.Event) -> None:
    await prepared.wait()
    await rollups.keep_up()


async def _sent(sender: "Sender", prepared: asyncio.Event) -> None:
    await prepared.wait()
    await sender.keep_up()


class Document:
    """The OpenAPI document, by FastAPI, made at each question: a query that was dropped in is an operation at once."""

    def __init__(self, queries: QueryFolders, paths: Paths) -> None:
        self._queries = queries
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        api = await asyncio.to_thread(lambda: self._api)  # its import takes half a second, for which hits would wait
        await api(scope, receive, send)

    def written(self) -> dict[str, Any]:
        """The document itself, as it is by now."""
        return self._api.openapi()

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
        from crumby.exporting.operations import OPERATIONS as OF_EXPORTS
        from crumby.ingest.operations import operations as of_hits
        from crumby.reporting.openapi import components, paths
        from crumby.reporting.operations import OPERATIONS as OF_STREAMS
        from crumby.sharing.operations import OPERATIONS as OF_SHARES

        found = self._queries.all()
        operations = {**paths(found), **OF_STREAMS, **OF_EXPORTS, **OF_SHARES, **of_hits(self._paths)}
        return {**document, "paths": operations, "components": components(found)}


async def _failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, CrumbyError)  # noqa: S101 - registered for it
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s: %s", id_for(request.scope), error)
    return pages.failure(request, error)


async def _left(_request: Request, _error: Exception) -> Response:
    """Whoever left in the middle of a form hears no answer; it is no fault of ours, which the log would tell as one."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


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
