"""The endpoints that answer questions: the list of queries, and each query's answer."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crumby.accounts import User
from crumby.asking import SignedIn, wants_page
from crumby.database import Database
from crumby.errors import InvalidParameter, NotFound, SignInRequired
from crumby.reporting import catalogue
from crumby.reporting.query import COLLECTIONS, Query, QueryFolders
from crumby.reporting.questions import understand
from crumby.reporting.results import Format, respond
from crumby.settings import Settings

READ: Final = ["GET", "HEAD"]
CLIENT_LEFT: Final = 499  # nginx's word for it; nobody reads it
router = APIRouter(prefix="/api", include_in_schema=False)


def _folders(request: Request) -> QueryFolders:
    folders: QueryFolders = request.state.queries
    return folders


def _database(request: Request) -> Database:
    database: Database = request.state.database
    return database


def _settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


Folders = Annotated[QueryFolders, Depends(_folders)]


@router.api_route("", methods=READ)
@router.api_route("/", methods=READ)
async def every_query(request: Request, folders: Folders, user: SignedIn) -> Response:
    queries = [query for query in folders.all() if user or not query.private]
    return _listed(request, queries, user, None)


@router.api_route("/{collection}", methods=READ)
@router.api_route("/{collection}/", methods=READ)
async def queries_of(request: Request, collection: str, folders: Folders, user: SignedIn) -> Response:
    _allow(collection, user)
    queries = [query for query in folders.all() if query.collection == collection]
    return _listed(request, queries, user, collection)


@router.api_route("/{collection}/{name}", methods=READ)
@router.api_route("/{collection}/{name}/", methods=READ)
async def answer(
    request: Request,
    collection: str,
    name: str,
    folders: Folders,
    user: SignedIn,
    database: Annotated[Database, Depends(_database)],
    settings: Annotated[Settings, Depends(_settings)],
) -> Response:
    _allow(collection, user)
    query = folders.get(collection, name)
    if not query:
        raise NotFound(f"there is no query {collection}/{name[:64]}; /api lists those there are")
    asked = dict(request.query_params)
    form = _format(asked)
    question = understand(query, asked, settings, datetime.now(UTC).replace(tzinfo=None), more=("format", "_"))
    running = asyncio.ensure_future(question.answer(database, settings))
    if not await _outlasted(request, running):
        return Response(status_code=CLIENT_LEFT)
    return respond(running.result(), form, query)


async def _outlasted(request: Request, running: asyncio.Future[Any]) -> bool:
    """Whether the client waits until it is done. A client that leaves cancels it, and so stops the statement."""
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return running.done()
    finally:
        leaving.cancel()
        if running.cancel():  # it was not done
            await asyncio.wait({running})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _listed(request: Request, queries: list[Query], user: User | None, collection: str | None) -> Response:
    """A page for a browser, JSON for a client."""
    listing = catalogue.listing(queries)
    if wants_page(request):
        context = {"queries": listing, "collection": collection, "user": user and user.name}
        page: Response = request.state.render(request, "queries.html", context)
        return page
    return JSONResponse({"queries": listing})


def _allow(collection: str, user: User | None) -> None:
    if collection not in COLLECTIONS:
        raise NotFound(f"there is no collection {collection[:64]!r}, only {' and '.join(COLLECTIONS)}")
    if collection == "private" and not user:
        raise SignInRequired("this takes a signed-in user")


def _format(asked: dict[str, str]) -> Format:
    form: Any = asked.get("format", "json")
    if form not in get_args(Format):
        raise InvalidParameter(f"format: {form[:60]!r} is not one of {', '.join(get_args(Format))}")
    chosen: Format = form
    return chosen
