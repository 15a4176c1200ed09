"""Who asks, and in what form the answer is to come: what the reports and the pages both want to know of a request."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from crumby.accounts import COOKIE, User


async def signed_in(request: Request) -> User | None:
    user: User | None = await request.state.sessions.user(request.cookies.get(COOKIE))
    return user


SignedIn = Annotated[User | None, Depends(signed_in)]


def wants_page(request: Request) -> bool:
    """A browser asks for HTML by name; curl and scripts do not."""
    return "text/html" in request.headers.get("accept", "")
