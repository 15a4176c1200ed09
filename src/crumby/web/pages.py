"""The dashboard, the API explorers, and what went wrong."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from crumby.asking import SignedIn, wants_page
from crumby.errors import CrumbyError, SignInRequired, Unavailable

router = APIRouter(include_in_schema=False)

TITLES = {
    401: "Sign in first",
    403: "Not from here",
    404: "There is nothing here",
    405: "Not this way",
    422: "That does not fit",
    500: "Something is broken",
    503: "Not now",
}


@router.get("/")
async def dashboard(request: Request, user: SignedIn) -> Response:
    name = user and user.name
    config = {"root": request.scope.get("root_path", ""), "user": name}
    return _page(request, "index.html", {"user": name, "config": config})


@router.get("/docs")
async def explorer(request: Request, user: SignedIn) -> Response:
    return _page(request, "docs.html", {"user": user and user.name})


@router.get("/redoc")
async def reference(request: Request, user: SignedIn) -> Response:
    return _page(request, "redoc.html", {"user": user and user.name})


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
