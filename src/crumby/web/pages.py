"""The dashboard, the API explorers, and what went wrong."""

from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from crumby.asking import signed_in, wants_page
from crumby.errors import CrumbyError, InvalidToken, SignInRequired, TooManyGuesses, Unavailable
from crumby.mishaps import id_for
from crumby.settings import Settings

ERROR: Final = "X-Crumby-Error"  # the id that the log has, too

TITLES = {
    401: "Not without a password",
    403: "Not from here",
    404: "There is nothing here",
    405: "Not this way",
    422: "That does not fit",
    429: "Not so often",
    500: "Something is broken",
    503: "Not now",
}


async def dashboard(request: Request) -> Response:
    name = await _name(request)
    root = request.scope.get("root_path", "")
    settings: Settings = request.state.settings
    paths = {"script": root + settings.script_path, "hits": root + settings.hit_path}
    config = {"root": root, "user": name, "api": f"{root}/api", "share": None, **paths}
    return _page(request, "index.html", {"user": name, "config": config})


async def explorer(request: Request) -> Response:
    return _page(request, "docs.html", {"user": await _name(request)})


async def reference(request: Request) -> Response:
    return _page(request, "redoc.html", {"user": await _name(request)})


async def _name(request: Request) -> str | None:
    user = await signed_in(request)
    return user.name if user else None


def _page(request: Request, template: str, context: dict[str, object]) -> Response:
    page: Response = request.state.render(request, template, context)
    return page


def failure(request: Request, error: CrumbyError) -> Response:
    """Any error as JSON for a client, as a page (or the login) for a browser."""
    root = request.scope.get("root_path", "")
    path = request.url.path.removeprefix(root)
    headers = _headers(request, error)
    if wants_page(request):
        if isinstance(error, SignInRequired):
            return RedirectResponse(f"{root}/login?next={path}", 303)
        context = {
            "status": error.status,
            "title": TITLES.get(error.status, "Sorry"),
            "detail": str(error),
            "guest": path.startswith(("/share/", "/embed/")),  # who has a link is shown no way to the rest
            "id": headers.get(ERROR),
        }
        page: Response = request.state.render(request, "error.html", context, error.status)
        page.headers.update(headers)
        return page
    return JSONResponse({"error": type(error).__name__, "detail": str(error)}, error.status, headers)


def _headers(request: Request, error: CrumbyError) -> dict[str, str]:
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return {ERROR: id_for(request.scope)}
    return _remedies(error)


def _remedies(error: CrumbyError) -> dict[str, str]:
    """When to try again, or with what: RFC 6750 says how a token that was no help is told from none."""
    if isinstance(error, Unavailable | TooManyGuesses):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, InvalidToken):
        return {"WWW-Authenticate": 'Bearer error="invalid_token"', "Cache-Control": "no-store"}
    if isinstance(error, SignInRequired):
        return {"WWW-Authenticate": "Bearer"}
    return {}


routes = (
    Route("/", dashboard),
    Route("/docs", explorer),
    Route("/redoc", reference),
)
