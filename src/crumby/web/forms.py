"""What the pages have in common that sign somebody in."""

from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crumby.accounts import COOKIE, Sessions, User
from crumby.accounts.sessions import LONGEST
from crumby.errors import CrumbyError, TooManyGuesses

FIELDS: Final = 8  # of a form, at most

AddressOf = Callable[[Request], str | None]  # who asks: the address behind the proxies


async def fields_of(request: Request) -> Mapping[str, str]:
    posted = await request.form(max_files=0, max_fields=FIELDS)
    return {name: str(value) for name, value in posted.items()}


def refused(request: Request, template: str, context: dict[str, object], error: CrumbyError, status: int) -> Response:
    """The form once more, with what was wrong."""
    said = str(error)
    page: Response = request.state.render(
        request, template, context | {"error": f"{said[0].upper()}{said[1:]}."}, status
    )
    if isinstance(error, TooManyGuesses):
        page.headers["Retry-After"] = str(error.retry_after)
    return page


async def signed_in_as(request: Request, user: User, onward: str) -> Response:
    """On to that path, with a session that has just begun."""
    sessions: Sessions = request.state.sessions
    root = request.scope.get("root_path", "")
    response = RedirectResponse(root + (onward or "/"), 303)
    response.set_cookie(
        COOKIE,
        await sessions.begin(user, request.cookies.get(COOKIE)),
        max_age=int(LONGEST.total_seconds()),
        path=root or "/",
        secure=request.state.settings.session_cookie_secure,
        httponly=True,
        samesite="lax",
    )
    return response
