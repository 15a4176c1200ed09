"""The page that the link leads to which `crumby run` prints: it makes the first user, and signs them in."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crumby.accounts.passwords import SHORTEST
from crumby.accounts.setup import Setup
from crumby.asking import refuse_other_sites
from crumby.errors import AccountError
from crumby.web.forms import fields_of, refused, signed_in_as

UNFIT: Final = 422


async def form(request: Request) -> Response:
    """Raises NotFound for a link that is over."""
    await _setup(request).check(_token(request))
    page: Response = request.state.render(request, "setup.html", _context(request) | {"error": None})
    return page


async def make(request: Request) -> Response:
    """Raises NotFound for a link that is over, which it is for the later of two."""
    refuse_other_sites(request)
    fields = await fields_of(request)
    name, password = fields.get("username", ""), fields.get("password", "")
    await _setup(request).check(_token(request))
    if password != fields.get("again", ""):
        return _again(request, name, AccountError("the two passwords differ"))
    try:
        user = await _setup(request).first(_token(request), name, password)
    except AccountError as error:
        return _again(request, name, error)
    return await signed_in_as(request, user, "/")


def _again(request: Request, name: str, error: AccountError) -> Response:
    return refused(request, "setup.html", _context(request, name), error, UNFIT)


def _context(request: Request, name: str = "") -> dict[str, object]:
    return {"path": f"/setup/{_token(request)}", "name": name, "shortest": SHORTEST}


def _token(request: Request) -> str:
    token: str = request.path_params["token"]
    return token


def _setup(request: Request) -> Setup:
    setup: Setup = request.state.setup
    return setup


routes: Final = (
    Route("/setup/{token}", form),
    Route("/setup/{token}", make, methods=["POST"]),
)
