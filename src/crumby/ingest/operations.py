"""The tracking endpoints as the OpenAPI document has them. Written by hand: FastAPI does not see these endpoints.

Nothing is promised to be refused that is taken: what a pixel of 0.7.1 may say is looser than what a document may.
"""

from typing import Any, Final

from crumby.ingest.hit import MAX_AGO, MAX_ENGAGED, MAX_HITS, MAX_TEXT, WHOLE
from crumby.ingest.routes import HIT_PATH, PIXEL_PATH, SCRIPT_PATH

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_ID: Final = "[0-9a-f]{32}"
_TEXTS: Final = {
    "dl": f"page address, cut at {MAX_TEXT} characters; a visit needs it",
    "dt": f"page title, cut at {MAX_TEXT} characters",
    "dr": f"referrer, cut at {MAX_TEXT} characters",
    "de": "page encoding",
    "ul": "language",
    "sr": "screen resolution, such as 1920x1080",
    "sd": "screen depth, such as 24-bit",
    "en": f"event name, cut at {MAX_TEXT} characters; an event needs it",
    "ev": f"event value, cut at {MAX_TEXT} characters",
}
_SECONDS: Final = f"seconds in which the page was seen and in focus, at most {MAX_ENGAGED}; an engagement needs it"
_PERCENT: Final = f"percent of the page that was scrolled into view, at most {WHOLE}; an engagement needs it"


# A document


def _whole(description: str, maximum: int) -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": maximum, "description": description}


def _told(key: str) -> Schema:
    """A text that its kind can't do without."""
    return _TEXT | {"minLength": 1, "description": _TEXTS[key]}


def _document(kind: str, description: str, needed: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "required": ["id", "t", "cid", *needed],
        "properties": {
            "v": {"description": "wire version, 2; it is passed over, as any key is that is not listed here"},
            "id": _TEXT | {"pattern": f"^{_ID}$", "description": "hit id; the same id is stored once"},
            "t": _TEXT | {"const": kind},
            "cid": _TEXT | {"pattern": "^[A-Za-z0-9_.-]{1,32}$", "description": "visitor, by cookie"},
            **{key: {"type": ["string", "null"], "description": text} for key, text in _TEXTS.items()},
            **{key: {"type": ["integer", "null"], "description": "an engagement's"} for key in ("es", "sp")},
            "ago": _whole("ms since it happened, written without a point", MAX_AGO),
            **needed,
        },
    }


_DOCUMENT: Final[Schema] = {
    "anyOf": [
        _document("visit", "A visit of a page", {"dl": _told("dl")}),
        _document("event", "An event on a page", {"en": _told("en")}),
        _document(
            "engagement",
            "What more is known of the visit that has this id",
            {"es": _whole(_SECONDS, MAX_ENGAGED), "sp": _whole(_PERCENT, WHOLE)},
        ),
    ]
}
_DOCUMENTS: Final[Schema] = {
    "anyOf": [
        *_DOCUMENT["anyOf"],
        {"type": "array", "items": _DOCUMENT, "minItems": 1, "maxItems": MAX_HITS},
    ]
}


# A pixel


def _parameter(
    name: str, description: str, schema: Schema = _TEXT, *, where: str = "query", required: bool = False
) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


_PARAMETERS: Final = [
    _parameter("number", "any integer", _TEXT | {"pattern": "^[0-9]{1,20}$"}, where="path", required=True),
    _parameter("v", "wire version: 1, as without it, or 2, which an engagement needs"),
    _parameter("t", "what it is", _TEXT | {"enum": ["visit", "event", "engagement"]}, required=True),
    _parameter(
        "cid",
        "visitor, by cookie: 1 to 32 letters, digits, dots, dashes or underscores; of version 1, what is left of it "
        "without any other characters, and of that the last 32",
        _TEXT | {"pattern": "[A-Za-z0-9_.-]"},
        required=True,
    ),
    _parameter(
        "id",
        "hit id; without it, one that is made of the visitor, the number and the day. An engagement has its visit's",
        _TEXT | {"pattern": f"^({_ID})?$"},
    ),
    *(_parameter(key, text) for key, text in _TEXTS.items()),
    _parameter("es", _SECONDS),
    _parameter("sp", _PERCENT),
]


# Answers


def _failure(description: str, **headers: str) -> dict[str, Any]:
    named = {"X-Crumby": "Why", **{name.replace("_", "-"): text for name, text in headers.items()}}
    failure = {"type": "object", "required": ["error", "detail"], "properties": {"error": _TEXT, "detail": _TEXT}}
    return {
        "description": description,
        "headers": {name: {"description": text, "schema": _TEXT} for name, text in named.items()},
        "content": {"application/json": {"schema": failure}},
    }


_FAILURES: Final = {
    "400": _failure("Not stored: it does not fit"),
    "413": _failure("Not stored: it is too long"),
    "503": _failure("Not stored; send the same hit again", Retry_After="Seconds to wait"),
}

OPERATIONS: Final[dict[str, Any]] = {
    HIT_PATH: {
        "post": {
            "tags": ["tracking"],
            "operationId": "store_hits",
            "summary": "Store one hit, or an array of them",
            "description": "Answers 204 once every hit of the body is committed. A known hit id changes nothing. "
            "An engagement is no hit: it tells more of the visit that has its id, which keeps each number's largest. "
            "The body is JSON whatever its type is called: for text/plain a browser asks no leave.",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _DOCUMENTS}, "text/plain": {"schema": _DOCUMENTS}},
            },
            "responses": {"204": {"description": "Stored"}, **_FAILURES},
        }
    },
    PIXEL_PATH: {
        "get": {
            "tags": ["tracking"],
            "operationId": "store_hit_by_pixel",
            "summary": "Store one hit, by a pixel (the wire of 0.7.1)",
            "parameters": _PARAMETERS,
            "responses": {
                "200": {"description": "Stored", "content": {"image/gif": {}}},
                "404": _failure("Not stored: the number is none"),
                **_FAILURES,
            },
        }
    },
    SCRIPT_PATH: {
        "get": {
            "tags": ["tracking"],
            "operationId": "script",
            "summary": "The tracker",
            "responses": {
                "200": {"description": "A script", "content": {"text/javascript": {}}},
                "304": {"description": "The script is the one of `If-None-Match`"},
            },
        }
    },
}
