"""The live view: the last half hour, as it happens."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crumby.asking import signed_in


async def view(request: Request) -> Response:
    user = await signed_in(request)
    name = user.name if user else None
    config = {"root": request.scope.get("root_path", ""), "user": name}
    page: Response = request.state.render(request, "live.html", {"user": name, "config": config})
    return page


routes: Final = (Route("/live", view),)
