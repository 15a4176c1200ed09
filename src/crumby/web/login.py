"""Signing in and out: two forms, posted from Crumby's own pages only."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from crumby.accounts import COOKIE, SESSION_AGE, Accounts, Sessions
from crumby.asking import refuse_other_sites

# A path on this site: one slash, then neither a slash nor a backslash, which browsers take for one.
OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


async def form(request: Request) -> Response:
    context = {"next": safe_next(request.query_params.get("next")), "error": None}
    page: Response = request.state.render(request, "login.html", context)
    return page


async def sign_in(request: Request) -> Response:
    refuse_other_sites(request)
    accounts: Accounts = request.state.accounts
    sessions: Sessions = request.state.sessions
    fields = await request.form(max_files=0, max_fields=8)
    user = await accounts.authenticate(str(fields.get("username", "")), str(fields.get("password", "")))
    onward = safe_next(str(fields.get("next") or request.query_params.get("next") or ""))
    if not user:
        context = {"next": onward, "error": "That name and password do not belong together."}
        page: Response = request.state.render(request, "login.html", context, 401)
        return page
    response = RedirectResponse(request.scope.get("root_path", "") + (onward or "/"), 303)
    response.set_cookie(
        COOKIE,
        sessions.begin(user),
        max_age=SESSION_AGE,
        path=request.scope.get("root_path", "") or "/",
        secure=request.state.settings.session_cookie_secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def sign_out(request: Request) -> Response:
    refuse_other_sites(request)
    response = RedirectResponse(request.scope.get("root_path", "") + "/login", 303)
    response.delete_cookie(COOKIE, path=request.scope.get("root_path", "") or "/")
    return response


def safe_next(target: str | None) -> str:
    r"""The target if it is a path on this site, else nothing: `//evil.example` and `/\evil.example` are not."""
    return target if target and OWN_PATH.fullmatch(target) else ""


routes: Final = (
    Route("/login", form),
    Route("/login", sign_in, methods=["POST"]),
    Route("/logout", sign_out, methods=["POST"]),
)
