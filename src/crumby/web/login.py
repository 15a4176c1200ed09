"""Signing in and out: forms, posted from Crumby's own pages only. Who has a second factor is asked for its code next.

A browser is told in the form what was wrong; a program in JSON, where it guessed too often.
"""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from crumby.accounts import COOKIE, Accounts, Sessions, User
from crumby.accounts.throttle import Guess, Throttle
from crumby.accounts.totp import SecondStep
from crumby.asking import refuse_other_sites, wants_page
from crumby.errors import CrumbyError, SignInRequired, TooManyGuesses
from crumby.web.forms import fields_of, refused, signed_in_as

# A path on this site: one slash, then neither a slash nor a backslash, which browsers take for one.
OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


async def form(request: Request) -> Response:
    context = {"next": safe_next(request.query_params.get("next")), "error": None}
    page: Response = request.state.render(request, "login.html", context)
    return page


async def sign_in(request: Request) -> Response:
    refuse_other_sites(request)
    fields = await fields_of(request)
    onward = safe_next(fields.get("next") or request.query_params.get("next"))
    try:
        user = await _authenticated(request, fields.get("username", ""), fields.get("password", ""))
    except (SignInRequired, TooManyGuesses) as error:
        return _again(request, "login.html", {"next": onward}, error)
    if not user.totp:
        return await signed_in_as(request, user, onward)
    note = _second_step(request).note(user)
    page: Response = request.state.render(request, "code.html", {"next": onward, "note": note, "error": None})
    return page


async def _authenticated(request: Request, name: str, password: str) -> User:
    """Raises SignInRequired, and TooManyGuesses."""
    accounts: Accounts = request.state.accounts
    guess = await _throttle(request).password(name, request.state.address_of(request))
    user = await accounts.authenticate(name, password)
    if not user:
        raise SignInRequired("that name and password do not belong together")
    await _throttle(request).right(guess)
    return user


async def code_form(request: Request) -> Response:
    """Of somebody who went there by the address: the code comes after the password."""
    return RedirectResponse(request.scope.get("root_path", "") + "/login", 303)


async def sign_in_by_code(request: Request) -> Response:
    refuse_other_sites(request)
    fields = await fields_of(request)
    onward, note = safe_next(fields.get("next")), fields.get("note", "")
    user = await _second_step(request).user(note)
    if not user:
        late = SignInRequired("that took too long: give your name and password once more")
        return _again(request, "login.html", {"next": onward}, late)
    try:
        guess = await _throttle(request).code(user.id, request.state.address_of(request))
        await _take(request, user, fields.get("code", ""), guess)
    except (SignInRequired, TooManyGuesses) as error:
        return _again(request, "code.html", {"next": onward, "note": note}, error)
    return await signed_in_as(request, user, onward)


async def _take(request: Request, user: User, code: str, guess: Guess) -> None:
    """Raises SignInRequired."""
    if not await _second_step(request).fits(user, code):
        raise SignInRequired("that is not the code of now; each is taken once")
    await _throttle(request).right(guess)


def _again(request: Request, template: str, context: dict[str, object], error: CrumbyError) -> Response:
    if isinstance(error, TooManyGuesses) and not wants_page(request):
        raise error
    return refused(request, template, context, error, error.status)


async def sign_out(request: Request) -> Response:
    refuse_other_sites(request)
    sessions: Sessions = request.state.sessions
    await sessions.end(request.cookies.get(COOKIE))
    response = RedirectResponse(request.scope.get("root_path", "") + "/login", 303)
    response.delete_cookie(COOKIE, path=request.scope.get("root_path", "") or "/")
    return response


def safe_next(target: str | None) -> str:
    r"""The target if it is a path on this site, else nothing: `//evil.example` and `/\evil.example` are not."""
    return target if target and OWN_PATH.fullmatch(target) else ""


def _throttle(request: Request) -> Throttle:
    throttle: Throttle = request.state.throttle
    return throttle


def _second_step(request: Request) -> SecondStep:
    second_step: SecondStep = request.state.second_step
    return second_step


routes: Final = (
    Route("/login", form),
    Route("/login", sign_in, methods=["POST"]),
    Route("/login/code", code_form),
    Route("/login/code", sign_in_by_code, methods=["POST"]),
    Route("/logout", sign_out, methods=["POST"]),
)
