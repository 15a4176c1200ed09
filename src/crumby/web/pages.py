"""The dashboard, the API explorers, and what went wrong."""

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from crumby.asking import signed_in, wants_page
from crumby.errors import CrumbyError, SignInRequired, Unavailable

TITLES = {
    401: "Sign in first",
    403: "Not from here",
    404: "There is nothing here",
    405: "Not this way",
    422: "That does not fit",
    500: "Something is broken",
    503: "Not now",
}


async def dashboard(request: Request) -> Response:
    name = await _name(request)
    config = {"root": request.scope.get("root_path", ""), "user": name}
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
    if wants_page(request):
        if isinstance(error, SignInRequired):
            return RedirectResponse(f"{root}/login?next={request.url.path.removeprefix(root)}", 303)
        context = {"status": error.status, "title": TITLES.get(error.status, "Sorry"), "detail": str(error)}
        page: Response = request.state.render(request, "error.html", context, error.status)
        return page
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else None
    return JSONResponse({"error": type(error).__name__, "detail": str(error)}, error.status, headers)


routes = (
    Route("/", dashboard),
    Route("/docs", explorer),
    Route("/redoc", reference),
)
