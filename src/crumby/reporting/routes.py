"""The endpoints that answer questions: the list of queries, and each query's answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crumby.accounts import User
from crumby.asking import signed_in, wants_page
from crumby.errors import InvalidParameter, NotFound, SignInRequired
from crumby.reporting import catalogue
from crumby.reporting.answering import Answering, Told, Wanted
from crumby.reporting.flow import Flow
from crumby.reporting.query import COLLECTIONS, Query, QueryFolders
from crumby.reporting.questions import first_visit, understand
from crumby.reporting.results import Format
from crumby.reporting.sending import CLIENT_LEFT, Streamed, maker, outlasted, seen, tagged, whole
from crumby.rollups import Rollups

LISTED: Final = {"Cache-Control": "private, no-cache", "Vary": "Accept"}  # it hangs on who asks, and in what form


async def every_query(request: Request) -> Response:
    user = await signed_in(request)
    queries = [query for query in _folders(request).all() if user or not query.private]
    return _listed(request, queries, user, None)


async def queries_of(request: Request) -> Response:
    collection = request.path_params["collection"]
    user = await _allowed(request, collection)
    queries = [query for query in _folders(request).all() if query.collection == collection]
    return _listed(request, queries, user, collection)


async def answer(request: Request) -> Response:
    collection, name = request.path_params["collection"], request.path_params["name"]
    user = await _allowed(request, collection)
    query = _folders(request).get(collection, name)
    if not query:
        raise NotFound(f"there is no query {collection}/{name[:64]}; /api lists those there are")
    form = chosen_format(request.query_params)
    since = await first_visit(request.state.database, request.query_params.multi_items())
    answering: Answering = request.state.answering
    wanted = _wanted(request, query, form, user, since)
    known = answering.known(wanted)
    if known:
        body, age_s = known
        return whole(request, body, form, wanted.question, age_s)

    async def told() -> tuple[Wanted, Told | Flow]:
        await request.state.rollups.catch_up()
        now = _wanted(request, query, form, user, since)  # of the rollups that are ready by now
        return now, await answering.answer(now)

    found = await outlasted(request.receive, told())
    if found is None:
        return Response(status_code=CLIENT_LEFT)
    wanted, answered = found
    if isinstance(answered, Flow):
        return Streamed(answered, form, wanted.question)
    body, age_s = answered
    return whole(request, body, form, wanted.question, age_s)


def _wanted(request: Request, query: Query, form: Format, user: User | None, since: datetime | None) -> Wanted:
    rollups: Rollups = request.state.rollups
    question = understand(
        query,
        request.query_params.multi_items(),
        request.state.settings,
        datetime.now(UTC).replace(tzinfo=None),
        more=("format", "_"),
        signed_in=user is not None,
        first_visit=since,
        ready=rollups.ready,
    )
    anew = "no-cache" in request.headers.get("cache-control", "").lower()  # a page that is reloaded with Shift
    return Wanted(question, form, maker(request, form, question, user), seen(request, form, user), anew)


def _listed(request: Request, queries: list[Query], user: User | None, collection: str | None) -> Response:
    """A page for a browser, JSON for a client."""
    listing = catalogue.listing(queries)
    if wants_page(request):
        context = {"queries": listing, "collection": collection, "user": user and user.name}
        page: Response = request.state.render(request, "queries.html", context)
        return page
    return tagged(request, JSONResponse({"queries": listing}, headers=LISTED))


async def _allowed(request: Request, collection: str) -> User | None:
    """Who asks. Raises NotFound and SignInRequired."""
    if collection not in COLLECTIONS:
        raise NotFound(f"there is no collection {collection[:64]!r}, only {' and '.join(COLLECTIONS)}")
    user = await signed_in(request)
    if collection == "private" and not user:
        raise SignInRequired("this takes a signed-in user")
    return user


def _folders(request: Request) -> QueryFolders:
    folders: QueryFolders = request.state.queries
    return folders


def chosen_format(asked: Mapping[str, str]) -> Format:
    """Raises InvalidParameter."""
    form: Any = asked.get("format", "json")
    if form not in get_args(Format):
        raise InvalidParameter(f"format: {form[:60]!r} is not one of {', '.join(get_args(Format))}")
    chosen: Format = form
    return chosen


# Starlette's own routes: around a path operation FastAPI does as much as around the whole rest of a known answer.
routes: Final = tuple(
    Route(f"{path}{end}", endpoint)
    for path, endpoint in (
        ("/api", every_query),
        ("/api/{collection}", queries_of),
        ("/api/{collection}/{name}", answer),
    )
    for end in ("", "/")
)
