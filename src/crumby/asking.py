"""Who asks, what, and in what form the answer is to come: what reports, pages and links want to know of a request."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from crumby.accounts import COOKIE, User
from crumby.errors import CrossSiteRequest, InvalidParameter, InvalidToken, SignInRequired
from crumby.tokens import Tokens, bearer


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may see what is private."""

    user: User | None  # None for a program, which a token lets in


async def signed_in(request: Request) -> User | None:
    user: User | None = await request.state.sessions.user(request.cookies.get(COOKIE))
    return user


async def reader(request: Request) -> Reader | None:
    """Who is signed in, or bears a token of scope `read`; None for a guest.

    Raises InvalidToken for any other token: a program whose token ended is told so, and not given what guests see.
    """
    user = await signed_in(request)
    if user:
        return Reader(user)
    secret = bearer(request.headers.get("authorization"))
    if secret is None:
        return None
    tokens: Tokens = request.state.tokens
    if not await tokens.allows(secret, "read"):
        raise InvalidToken("the token in `Authorization` is not known, is over, or is not one of scope read")
    return Reader(None)


async def member(request: Request) -> User:
    """For what a token does not open: pages, and whatever changes something. Raises SignInRequired."""
    user = await signed_in(request)
    if not user:
        raise SignInRequired("this takes a signed-in user")
    return user


async def body_of(request: Request, most: int) -> bytes:
    """What was posted. Raises InvalidParameter for more than so many bytes, which are not waited for."""
    body = b""
    async for some in request.stream():
        body += some
        if len(body) > most:
            raise InvalidParameter(f"the body is longer than {most} bytes")
    return body


def wants_page(request: Request) -> bool:
    """A browser asks for HTML by name; curl and scripts do not."""
    return "text/html" in request.headers.get("accept", "")


def refuse_other_sites(request: Request) -> None:
    """A browser says which page posts; a client that is no browser has no cookie to abuse. Raises CrossSiteRequest."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site:
        own = site in {"same-origin", "none"}
    else:
        own = not origin or urlsplit(origin).netloc == request.headers.get("host")
    if not own:
        raise CrossSiteRequest("this is posted from Crumby's own pages only")
