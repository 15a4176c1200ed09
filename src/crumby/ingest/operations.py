"""The tracking endpoints as the OpenAPI document has them. Written by hand: FastAPI does not see these endpoints."""

from typing import Any, Final

from crumby.ingest.routes import HIT_PATH, PIXEL_PATH, SCRIPT_PATH

_TEXT: Final = {"type": "string"}
_DOCUMENT: Final = {
    "type": "object",
    "required": ["id", "t", "cid"],
    "properties": {
        "v": {"type": "integer", "const": 2, "description": "wire version"},
        "id": {
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "hit id; the same id is stored once",
        },
        "t": {"type": "string", "enum": ["visit", "event"]},
        "cid": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,32}$", "description": "visitor, by cookie"},
        "dl": _TEXT | {"description": "page address; a visit needs it"},
        "dt": _TEXT | {"description": "page title"},
        "dr": _TEXT | {"description": "referrer"},
        "de": _TEXT | {"description": "page encoding"},
        "ul": _TEXT | {"description": "language"},
        "sr": _TEXT | {"description": "screen resolution", "examples": ["1920x1080"]},
        "sd": _TEXT | {"description": "screen depth", "examples": ["24-bit"]},
        "en": _TEXT | {"description": "event name; an event needs it"},
        "ev": _TEXT | {"description": "event value"},
        "ago": {
            "type": "integer",
            "minimum": 0,
            "maximum": 86_400_000,
            "description": "ms since it happened",
        },
    },
}
_REFUSED: Final = {
    "description": "Not stored; `X-Crumby` says why",
    "headers": {"X-Crumby": {"schema": _TEXT}},
}
_BUSY: Final = {
    "description": "Not stored; send the same hit again",
    "headers": {"Retry-After": {"schema": _TEXT}},
}


def _parameter(
    name: str, where: str, description: str, schema: dict[str, Any], *, required: bool = False
) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


_QUERY: Final = [
    _parameter("number", "path", "any integer", {"type": "string", "pattern": "^[0-9]{1,20}$"}, required=True),
    *(
        _parameter(name, "query", schema.get("description", "visit or event"), schema, required=name in {"t", "cid"})
        for name, schema in _DOCUMENT["properties"].items()  # type: ignore[attr-defined]
        if name not in {"v", "ago"}
    ),
]

OPERATIONS: Final[dict[str, Any]] = {
    HIT_PATH: {
        "post": {
            "tags": ["tracking"],
            "operationId": "store_hits",
            "summary": "Store one hit, or an array of them",
            "description": "Answers 204 once every hit of the body is committed. A known hit id changes nothing.",
            "requestBody": {
                "required": True,
                "content": {
                    "text/plain": {"schema": {"anyOf": [_DOCUMENT, {"type": "array", "items": _DOCUMENT}]}},
                },
            },
            "responses": {"204": {"description": "Stored"}, "400": _REFUSED, "413": _REFUSED, "503": _BUSY},
        }
    },
    PIXEL_PATH: {
        "get": {
            "tags": ["tracking"],
            "operationId": "store_hit_by_pixel",
            "summary": "Store one hit, by a pixel (the wire of 0.7.1)",
            "parameters": _QUERY,
            "responses": {
                "200": {"description": "Stored", "content": {"image/gif": {}}},
                "400": _REFUSED,
                "413": _REFUSED,
                "503": _BUSY,
            },
        }
    },
    SCRIPT_PATH: {
        "get": {
            "tags": ["tracking"],
            "operationId": "script",
            "summary": "The tracker",
            "responses": {"200": {"description": "A script", "content": {"text/javascript": {}}}},
        }
    },
}
