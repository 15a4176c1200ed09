"""Who asks, and in what form the answer is to come: what the reports and the pages both want to know of a request."""

from urllib.parse import urlsplit

from starlette.requests import Request

from crumby.accounts import COOKIE, User
from crumby.errors import CrossSiteRequest


async def signed_in(request: Request) -> User | None:
    user: User | None = await request.state.sessions.user(request.cookies.get(COOKIE))
    return user


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
