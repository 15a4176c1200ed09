"""What a share shows, and the panels in other sites' frames.

Whoever asks here is a guest, signed in or not: what a share does not show is not there.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from crumby.accounts import Accounts
from crumby.accounts.throttle import Throttle
from crumby.asking import wants_page
from crumby.errors import Forbidden, NotFound, TooManyGuesses
from crumby.reporting import catalogue
from crumby.reporting.filters import DIMENSIONS
from crumby.reporting.query import Query, QueryFolders
from crumby.reporting.routes import LISTED, answered, chosen_format
from crumby.reporting.sending import tagged
from crumby.sharing.opening import COOKIE, COOKIE_AGE, Keys, found, is_open, opened
from crumby.sharing.shares import Share


async def page(request: Request) -> Response:
    share = await found(request)
    if not is_open(request, share):
        return _asking(request, share)
    root = _root(request)
    path = root + share.path
    shared = {
        "title": share.title,
        "filters": share.fixed,
        "view": share.view,
        "path": path,
        "has_password": share.password is not None,
    }
    config = {"root": root, "user": None, "api": f"{path}/api", "share": shared}
    return _page(request, "index.html", {"config": config})


async def enter(request: Request) -> Response:
    """Posted from anywhere: who knows the password may, and who does not is told no more than the page tells."""
    share = await found(request)
    accounts: Accounts = request.state.accounts
    path = _root(request) + share.path
    response = RedirectResponse(path, 303)
    if share.password is None:
        return response
    throttle: Throttle = request.state.throttle
    fields = await request.form(max_files=0, max_fields=8)
    try:
        guess = await throttle.share(share.token, request.state.address_of(request))
    except TooManyGuesses as error:
        return _told_to_wait(request, share, error)
    if not await accounts.fits(str(fields.get("password", "")), share.password):
        return _asking(request, share, "That is not the password.")
    await throttle.right(guess)
    keys: Keys = request.state.keys
    response.set_cookie(
        COOKIE,
        keys.cut(share),
        max_age=COOKIE_AGE,
        path=path,
        secure=request.state.settings.session_cookie_secure,
        httponly=True,
        samesite="lax",
    )
    return response


def _asking(request: Request, share: Share, error: str | None = None, status: int = 401) -> Response:
    """It does not say what is shared."""
    return _page(request, "share_password.html", {"path": share.path, "error": error}, status)


def _told_to_wait(request: Request, share: Share, error: TooManyGuesses) -> Response:
    if not wants_page(request):
        raise error
    page = _asking(request, share, f"{str(error).capitalize()}.", error.status)
    page.headers["Retry-After"] = str(error.retry_after)
    return page


async def panels(request: Request) -> Response:
    share = await opened(request)
    shown = [query for query in _folders(request).all() if share.shows(query)]
    fixed = dict(share.fixed)
    dimensions = [each for each in catalogue.dimensions() if not each["private"] and each["name"] not in fixed]
    body = {"queries": catalogue.listing(shown, f"{share.path}/api"), "dimensions": dimensions}
    return tagged(request, JSONResponse(body, headers=LISTED))


async def answer(request: Request) -> Response:
    share = await opened(request)
    query = _shown(request, share)
    form = chosen_format(request.query_params)
    if form == "html":
        raise NotFound("there are no pages of a share's answers; take csv, or another format")
    _refuse_private(request, query)
    response = await answered(request, query, form, None, share.fixed)
    if "no-store" not in response.headers.get("Cache-Control", ""):
        response.headers["Cache-Control"] = "private, no-cache"  # a link can be withdrawn
    return response


def _refuse_private(request: Request, query: Query) -> None:
    own = {parameter.name for parameter in query.header.parameters}
    for name in request.query_params:
        if name in DIMENSIONS and DIMENSIONS[name].private and name not in own:
            raise Forbidden(f"{name}: only signed-in people may filter by it, on their own page")


async def embed_of_share(request: Request) -> Response:
    """Another site's frame has no cookie, and nowhere to type a password."""
    share = await found(request)
    if share.password is not None:
        raise Forbidden("a panel of a link with a password can't be shown in a page; share it without one")
    query = _shown(request, share)
    return _embed(request, query, share.path, f"{share.path}/api", share.fixed)


async def embed(request: Request) -> Response:
    query = _query(request)
    if not query or query.private:
        raise NotFound(f"there is no public panel {_asked_for(request)}")
    return _embed(request, query, "/", "/api", [])


def _embed(request: Request, query: Query, home: str, api: str, fixed: Any) -> Response:
    root = _root(request)
    panel = catalogue.listed(query, api)
    config = {"root": root, "api": root + api, "panel": panel, "home": root + home, "fixed": fixed}
    return _page(request, "embed.html", {"config": config})


def _shown(request: Request, share: Share) -> Query:
    """Raises NotFound for what the share does not name, and Forbidden for what takes its filters no more."""
    query = _query(request)
    if not query or _asked_for(request) not in share.panels:
        raise NotFound(f"this link shows no panel {_asked_for(request)}")
    if not share.shows(query):
        raise Forbidden(f"{_asked_for(request)} takes no filters any more, and this link shows what they leave")
    return query


def _query(request: Request) -> Query | None:
    return _folders(request).get(request.path_params["collection"], request.path_params["name"])


def _asked_for(request: Request) -> str:
    return f"{request.path_params['collection'][:64]}/{request.path_params['name'][:64]}"


def _folders(request: Request) -> QueryFolders:
    folders: QueryFolders = request.state.queries
    return folders


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root


def _page(request: Request, template: str, context: dict[str, object], status: int = 200) -> Response:
    rendered: Response = request.state.render(request, template, context, status)
    return rendered


routes: Final = (
    Route("/share/{token}", page),
    Route("/share/{token}", enter, methods=["POST"]),
    Route("/share/{token}/api", panels),
    Route("/share/{token}/api/{collection}/{name}", answer),
    Route("/share/{token}/embed/{collection}/{name}", embed_of_share),
    Route("/embed/{collection}/{name}", embed),
)
