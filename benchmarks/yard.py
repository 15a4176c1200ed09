"""The yard: the least that uvicorn can do with a hit, the measure of everything above it."""

from typing import Any

HEADERS = [(b"content-length", b"0")]


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """204 to everything, unread."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b""})
