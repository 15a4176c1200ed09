"""Shares made, listed and withdrawn, by whoever is signed in: `/shares`, for the page's dialog."""

from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crumby.asking import body_of, member, refuse_other_sites
from crumby.errors import AccountError, InvalidParameter, NotFound
from crumby.settings import Settings
from crumby.sharing.drafts import Draft, check
from crumby.sharing.shares import Share, Shares

LARGEST: Final = 64 << 10  # bytes of a request
UNKEPT: Final = {"Cache-Control": "no-store"}


async def every_share(request: Request) -> Response:
    await member(request)
    listed = [_facts(request, share) for share in await _shares(request).all()]
    return JSONResponse({"shares": listed}, headers=UNKEPT)


async def make(request: Request) -> Response:
    refuse_other_sites(request)
    user = await member(request)
    draft = await _draft(request)
    now = datetime.now(UTC).replace(tzinfo=None)
    checked = check(draft, request.state.queries.all(), request.state.settings, now)
    try:
        made = await _shares(request).add(checked, user.name)
    except AccountError as error:
        raise InvalidParameter(f"password: {error}") from None
    return JSONResponse(_facts(request, made), 201, headers=UNKEPT)


async def withdraw(request: Request) -> Response:
    refuse_other_sites(request)
    await member(request)
    if not await _shares(request).withdraw(request.path_params["id"]):
        raise NotFound(f"there is no share {request.path_params['id'][:60]}; /shares lists those there are")
    return Response(status_code=204)


async def _draft(request: Request) -> Draft:
    body = await body_of(request, LARGEST)
    try:
        return msgspec.json.decode(body, type=Draft)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter(f'the body is no {{"title": …, "panels": ["public/pages"], …}}: {error}') from None


def _facts(request: Request, share: Share) -> dict[str, object]:
    settings: Settings = request.state.settings
    secure = settings.session_cookie_secure or request.url.scheme == "https"
    return share.facts(address(share, settings, request.scope.get("root_path", ""), secure=secure))


def address(share: Share, settings: Settings, root: str, *, secure: bool) -> str:
    """Whole where DOMAIN is set, which has the path that Crumby is mounted at; else a path."""
    if not settings.domain:
        return root + share.path
    return f"{'https' if secure else 'http'}://{settings.domain.rstrip('/')}{share.path}"


def _shares(request: Request) -> Shares:
    shares: Shares = request.state.shares
    return shares


routes: Final = (
    Route("/shares", every_share),
    Route("/shares", make, methods=["POST"]),
    Route("/shares/{id}", withdraw, methods=["DELETE"]),
)
