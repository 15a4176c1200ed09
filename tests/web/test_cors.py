"""Row 26 of the card: which origins may read what, of each route there is. None ever with credentials."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from crumby.app import App, create_app
from crumby.ingest.desk import Answers
from tests.conftest import MakeSettings

OWN = "https://a.example"
ORIGINS = (
    OWN, "http://a.example", "https://a.example:8443", "https://A.example", "https://b.a.example", "https://a-example",
    "https://a.example.stranger.example", "https://stranger.example", "ftp://a.example", "null", "", "file://",
)  # fmt: skip
ALLOWED = {
    "*": dict.fromkeys(ORIGINS, "*"),
    OWN: {OWN: OWN},
    "a.example": {origin: origin for origin in ORIGINS[:3]},
    "": {},
}
FOR_OTHERS = {
    "/hit", "/cmb.js", "/opt-out.js", "/1.gif", "/api", "/api/", "/api/public", "/api/public/", "/api/public/x",
    "/api/public/x/", "/api/public/x/source", "/api/public/x/source/",
}  # fmt: skip


def paths(app: App) -> set[str]:
    found = set()
    for route in app.routes:
        assert isinstance(route, Route | Mount)
        path = route.path + ("/page.js" if isinstance(route, Mount) else "")
        path = path.replace("{token}", "A" * 22).replace("{name}", "x").replace("{number}", "1").replace("{id}", "1")
        found |= {path.replace("{collection}", collection) for collection in ("public", "private")}
    return found


async def asked(app: App, path: str, origin: str, *, ahead: bool) -> dict[str, str]:
    """Give what the answer says of other origins. `ahead`: whether it is the question before the request."""
    headers = [(b"origin", origin.encode()), (b"cookie", b"crumby_session=x")]
    if ahead:
        headers += [(b"access-control-request-method", b"GET"), (b"access-control-request-headers", b"content-type")]
    scope = {
        "type": "http",
        "method": "OPTIONS" if ahead else "GET",
        "path": path,
        "query_string": b"",
        "headers": headers,
    }
    said: list[tuple[bytes, bytes]] = []

    async def send(message: dict[str, list[tuple[bytes, bytes]]]) -> None:
        said.extend(message.get("headers", []))

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    await app(scope, receive, send)  # type: ignore[arg-type]
    return {name.decode(): value.decode() for name, value in said if name.startswith(b"access-control-")}


@pytest.mark.parametrize("configured", ALLOWED)
async def test_other_origins_read_hits_and_what_is_public_as_configured_and_nothing_else(
    settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    """Seen to fail on credentials, on any origin that is said back, and on shares among what is public."""
    app = create_app(settings(crossdomain_origin=configured, sql_editor="1"))
    app.door_is_open = False  # whose answers are below
    for route in app.routes:
        monkeypatch.setattr(route, "app", PlainTextResponse("bread"))
    wrong = {}
    for path in paths(app):
        for origin in ORIGINS:
            allowed = ALLOWED[configured].get(origin) if path in FOR_OTHERS else None
            for ahead in (False, True):
                said = await asked(app, path, origin, ahead=ahead)
                if said.get("access-control-allow-origin") != allowed or "access-control-allow-credentials" in said:
                    wrong[path, origin, ahead] = said
                if path not in FOR_OTHERS and said:
                    wrong[path, origin, ahead] = said
    assert wrong == {}
    assert paths(app) >= FOR_OTHERS


@pytest.mark.parametrize(("configured", "allowed"), [(("*",), "*"), ((OWN,), None), ((), None)])
def test_a_hits_answer_may_be_read_where_any_origin_may(configured: tuple[str, ...], allowed: str | None) -> None:
    answers = Answers(configured)
    for answer in (answers.stored, answers.pixel):
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in answer.headers
