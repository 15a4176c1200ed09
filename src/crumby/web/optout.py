"""The page `/opt-out`: what is counted here and what is kept of a visitor, in plain words, and how not to be counted.

A choice is kept by the browser, for the site that it is made on, and so the page leads there: to the site whose page
the visitor came from, as the browser itself says by `Referer`. Nothing in the address can name another one.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crumby.settings import Settings

LONGEST: Final = 300  # characters of an origin
HOST: Final = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
MONTH_DAYS: Final = 30.4


async def page(request: Request) -> Response:
    settings: Settings = request.state.settings
    context = {
        "origin": came_from(request),
        "visitor_id": settings.visitor_id,
        "ip_storage": settings.ip_storage,
        "signals": [NAMES[signal] for signal in settings.privacy_signals],
        "kept": how_long(settings.retention_days),
    }
    answer: Response = request.state.render(request, "opt_out.html", context)
    answer.headers["Vary"] = "Referer"
    return answer


NAMES: Final = {"gpc": "Global Privacy Control", "dnt": "Do Not Track"}


def came_from(request: Request) -> str | None:
    """`https://bakery.example` of a page of another site; None of Crumby's own pages, and of what is no web address."""
    try:
        parts = urlsplit(request.headers.get("referer", ""))
        port = parts.port
    except ValueError:
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not HOST.fullmatch(host) or parts.username is not None:
        return None
    authority = f"{host}:{port}" if port else host
    root = request.scope.get("root_path", "")
    if authority == request.headers.get("host", "").lower() and f"{parts.path}/".startswith(f"{root}/"):
        return None
    origin = f"{parts.scheme}://{authority}"
    return origin if len(origin) <= LONGEST else None


def how_long(days: int) -> str:
    """In words: 0 is for good."""
    if not days:
        return ""
    months = round(days / MONTH_DAYS)
    return f"{days} days" if days < 60 else f"{days} days (about {months} months)"  # noqa: PLR2004 - two months


routes: Final = (Route("/opt-out", page),)
