"""The endpoints that answer questions: the list of queries, and each query's answer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from crumby.asking import Reader, reader, wants_page
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
    whom = await reader(request)
    queries = [query for query in _folders(request).all() if whom or not query.private]
    return _listed(request, queries, whom, None)


async def queries_of(request: Request) -> Response:
    collection = request.path_params["collection"]
    whom = await _allowed(request, collection)
    queries = [query for query in _folders(request).all() if query.collection == collection]
    return _listed(request, queries, whom, collection)


async def source(request: Request) -> Response:
    """The file itself, as it is read."""
    await _allowed(request, request.path_params["collection"])
    return PlainTextResponse(_found(request).source, headers=LISTED)


async def answer(request: Request) -> Response:
    whom = await _allowed(request, request.path_params["collection"])
    return await answered(request, _found(request), chosen_format(request.query_params), whom)


async def answered(
    request: Request, query: Query, form: Format, whom: Reader | None, fixed: Sequence[tuple[str, str]] = ()
) -> Response:
    """The answer to what the request says. `fixed` are filters that it can't change: `understand` says how."""
    since = await first_visit(request.state.database, request.query_params.multi_items())
    answering: Answering = request.state.answering
    wanted = _wanted(request, query, form, whom, since, fixed)
    known = answering.known(wanted)
    if known:
        body, age_s = known
        return whole(request, body, form, wanted.question, age_s)

    async def told() -> tuple[Wanted, Told | Flow]:
        rollups: Rollups = request.state.rollups
        before = rollups.ready, rollups.imported
        await rollups.catch_up()
        is_same = (rollups.ready, rollups.imported) == before
        now = wanted if is_same else _wanted(request, query, form, whom, since, fixed)
        return now, await answering.answer(now)

    found = await outlasted(request.receive, told())
    if found is None:
        return Response(status_code=CLIENT_LEFT)
    wanted, given = found
    if isinstance(given, Flow):
        return Streamed(given, form, wanted.question)
    body, age_s = given
    return whole(request, body, form, wanted.question, age_s)


def _wanted(
    request: Request,
    query: Query,
    form: Format,
    whom: Reader | None,
    since: datetime | None,
    fixed: Sequence[tuple[str, str]],
) -> Wanted:
    rollups: Rollups = request.state.rollups
    question = understand(
        query,
        request.query_params.multi_items(),
        request.state.settings,
        datetime.now(UTC).replace(tzinfo=None),
        more=("format", "_"),
        fixed=fixed,
        signed_in=whom is not None,
        first_visit=since,
        ready=rollups.ready,
        imported=rollups.imported,
    )
    user = whom.user if whom else None
    anew = "no-cache" in request.headers.get("cache-control", "").lower()  # a page that is reloaded with Shift
    return Wanted(question, form, maker(request, form, question, user), seen(request, form, user), anew)


def _listed(request: Request, queries: list[Query], whom: Reader | None, collection: str | None) -> Response:
    """A page for a browser, JSON for a client."""
    listing = catalogue.listing(queries)
    if wants_page(request):
        context = {"queries": listing, "collection": collection, "user": whom and whom.user and whom.user.name}
        page: Response = request.state.render(request, "queries.html", context)
        return page
    body = {"queries": listing, "dimensions": catalogue.dimensions()}
    return tagged(request, JSONResponse(body, headers=LISTED))


async def _allowed(request: Request, collection: str) -> Reader | None:
    """Who asks. Raises NotFound, SignInRequired and InvalidToken."""
    if collection not in COLLECTIONS:
        raise NotFound(f"there is no collection {collection[:64]!r}, only {' and '.join(COLLECTIONS)}")
    whom = await reader(request)
    if collection == "private" and not whom:
        raise SignInRequired("this takes a signed-in user, or a token of scope read: `Authorization: Bearer crumby_…`")
    return whom


def _found(request: Request) -> Query:
    """Raises NotFound."""
    collection, name = request.path_params["collection"], request.path_params["name"]
    query = _folders(request).get(collection, name)
    if not query:
        raise NotFound(f"there is no query {collection}/{name[:64]}; /api lists those there are")
    return query


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
        ("/api/{collection}/{name}/source", source),
    )
    for end in ("", "/")
)
