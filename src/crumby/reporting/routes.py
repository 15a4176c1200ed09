"""The endpoints that answer questions: the list of queries, and each query's answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crumby.accounts import User
from crumby.asking import SignedIn, wants_page
from crumby.errors import InvalidParameter, NotFound, SignInRequired
from crumby.reporting import catalogue
from crumby.reporting.answering import Answering
from crumby.reporting.flow import Flow
from crumby.reporting.query import COLLECTIONS, Query, QueryFolders
from crumby.reporting.questions import Question, first_visit, understand
from crumby.reporting.results import WRITERS, Format
from crumby.reporting.sending import CLIENT_LEFT, Streamed, outlasted, tagged, whole

READ: Final = ["GET", "HEAD"]
LISTED: Final = {"Cache-Control": "private, no-cache", "Vary": "Accept"}  # it hangs on who asks, and in what form
router = APIRouter(prefix="/api", include_in_schema=False)


def _folders(request: Request) -> QueryFolders:
    folders: QueryFolders = request.state.queries
    return folders


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
async def answer(request: Request, collection: str, name: str, folders: Folders, user: SignedIn) -> Response:
    _allow(collection, user)
    query = folders.get(collection, name)
    if not query:
        raise NotFound(f"there is no query {collection}/{name[:64]}; /api lists those there are")
    form = chosen_format(request.query_params)
    question = await _question(request, query, user)
    answering: Answering = request.state.answering
    asking = answering.flow if form in WRITERS else answering.answer
    found = await outlasted(request.receive, asking(question))
    if found is None:
        return Response(status_code=CLIENT_LEFT)
    answered, age_s = found
    if isinstance(answered, Flow):
        return Streamed(answered, form, question)
    return await whole(request, answered, form, question, user, age_s)


async def _question(request: Request, query: Query, user: User | None) -> Question:
    asked = request.query_params.multi_items()
    return understand(
        query,
        asked,
        request.state.settings,
        datetime.now(UTC).replace(tzinfo=None),
        more=("format", "_"),
        signed_in=user is not None,
        first_visit=await first_visit(request.state.database, asked),
    )


def _listed(request: Request, queries: list[Query], user: User | None, collection: str | None) -> Response:
    """A page for a browser, JSON for a client."""
    listing = catalogue.listing(queries)
    if wants_page(request):
        context = {"queries": listing, "collection": collection, "user": user and user.name}
        page: Response = request.state.render(request, "queries.html", context)
        return page
    return tagged(request, JSONResponse({"queries": listing}, headers=LISTED))


def _allow(collection: str, user: User | None) -> None:
    if collection not in COLLECTIONS:
        raise NotFound(f"there is no collection {collection[:64]!r}, only {' and '.join(COLLECTIONS)}")
    if collection == "private" and not user:
        raise SignInRequired("this takes a signed-in user")


def chosen_format(asked: Mapping[str, str]) -> Format:
    """Raises InvalidParameter."""
    form: Any = asked.get("format", "json")
    if form not in get_args(Format):
        raise InvalidParameter(f"format: {form[:60]!r} is not one of {', '.join(get_args(Format))}")
    chosen: Format = form
    return chosen
