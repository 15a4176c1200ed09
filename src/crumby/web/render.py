"""Templates, with what every page needs: the path it is mounted at, the site, and addresses of static files."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from crumby.settings import Settings, shipped

TEMPLATES: Final = Path(__file__).parent / "templates"


class Renderer:
    """`credit` says whom pages that show places have to name: `words` and a `link`, or nobody."""

    def __init__(self, settings: Settings, credit: Callable[[], object] = lambda: None) -> None:
        self._credit = credit
        self._shared = {"domain": settings.domain, "editor": settings.sql_editor}
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=settings.debug,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = static_path

    def __call__(self, request: Request, template: str, context: dict[str, Any], status: int = 200) -> HTMLResponse:
        shared = {**self._shared, "root": request.scope.get("root_path", ""), "user": None, "credit": self._credit()}
        page = self._environment.get_template(template).render({**shared, **context})
        return HTMLResponse(page, status, {"Cache-Control": "no-store"})


@cache
def static_path(name: str) -> str:
    """`crumby.css` → `/static/crumby.css?v=1f0e…`, which a browser may keep for as long as it likes."""
    content = (shipped("static") / name).read_bytes()
    return f"/static/{name}?v={hashlib.blake2b(content, digest_size=6).hexdigest()}"
