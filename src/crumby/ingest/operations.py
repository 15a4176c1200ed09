"""The tracking endpoints as the OpenAPI document has them. Written by hand: FastAPI does not see these endpoints.

Nothing is promised to be refused that is taken: what a pixel of 0.7.1 may say is looser than what a document may.
"""

from typing import Any, Final

from crumby.ingest.hit import BEARER, EARLIEST, EPOCH, LAST_MS, MAX_AGO, MAX_ENGAGED, MAX_HITS, MAX_TAG, WHOLE
from crumby.ingest.properties import MAX_NAME, MAX_PROPERTIES, MAX_VALUE, MAX_WRITTEN
from crumby.ingest.routes import PIXEL_PATH, Paths
from crumby.ingest.text import MAX_TEXT

Schema = dict[str, Any]

EARLIEST_MS: Final = round((EARLIEST - EPOCH).total_seconds() * 1000)

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
_TAG: Final = f"tag, cut at {MAX_TAG} characters"
_PROPERTIES: Final = (
    f"event properties: names of 1 to {MAX_NAME} printable characters, without quotation marks and backslashes; text, "
    f"which is cut at {MAX_VALUE} characters, numbers, true, false, and null for what is left out; all of it at most "
    f"{MAX_WRITTEN} characters as JSON"
)
_VISITOR: Final = (
    "visitor, by cookie: 1 to 32 letters, digits, dots, dashes or underscores. Without one the server names the "
    "visitor, by a keyed hash that is another one each day"
)
_WHOSE: Final[dict[str, Schema]] = {
    "ip": {"type": ["string", "null"], "description": "with a token: the visitor's address; else the request's"},
    "ua": {"type": ["string", "null"], "description": "with a token: the visitor's User-Agent; else the request's"},
    "at": {
        "anyOf": [
            {"type": "string", "format": "date-time"},
            {"type": "integer", "minimum": EARLIEST_MS, "maximum": LAST_MS},
            {"type": "null"},
        ],
        "description": "with a token: when it happened, RFC 3339 or ms since 1970; 2000 to five minutes ahead",
    },
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
        "required": ["id", "t", *needed],
        "properties": {
            "v": {"description": "wire version, 2; it is passed over, as any key is that is not listed here"},
            "id": _TEXT
            | {
                "pattern": f"^{_ID}$",
                "description": "hit id; the same id is stored once. With a token it may be left out",
            },
            "t": _TEXT | {"const": kind},
            "cid": _TEXT | {"pattern": "^[A-Za-z0-9_.-]{0,32}$", "description": _VISITOR},
            **{key: {"type": ["string", "null"], "description": text} for key, text in _TEXTS.items()},
            **{key: {"type": ["integer", "null"], "description": "an engagement's"} for key in ("es", "sp")},
            "ago": _whole("ms since it happened, written without a point", MAX_AGO),
            "tg": {"type": ["string", "null"], "description": _TAG},
            "ep": {
                "type": ["object", "null"],
                "description": _PROPERTIES,
                "maxProperties": MAX_PROPERTIES,
                "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            },
            **_WHOSE,
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
    _parameter("v", "wire version: 1, as without it, or 2, which knows engagements and the keys of a document"),
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
_AS_QUERY: Final = [
    _parameter("t", "what it is; without it, a visit", _TEXT | {"enum": ["visit", "event", "engagement"]}),
    _parameter("cid", _VISITOR, _TEXT | {"pattern": "^[A-Za-z0-9_.-]{0,32}$"}),
    _parameter(
        "id",
        "hit id; without it each request is another hit. An engagement has its visit's, and needs it",
        _TEXT | {"pattern": f"^({_ID})?$"},
    ),
    _parameter("dl", f"page address, cut at {MAX_TEXT} characters; without it, the request's `Referer`"),
    *(_parameter(key, text) for key, text in _TEXTS.items() if key != "dl"),
    _parameter("tg", _TAG),
    _parameter("ep", f"a JSON object: {_PROPERTIES}"),
    _parameter("es", _SECONDS),
    _parameter("sp", _PERCENT),
    _parameter("ago", "ms since it happened"),
    *(_parameter(key, schema["description"]) for key, schema in _WHOSE.items()),
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
    "403": _failure("Not stored: it is of a crawler, a prefetch or a spammer"),
    "413": _failure("Not stored: it is too long"),
    "429": _failure("Not stored: too many from one address; send the same hit later", Retry_After="Seconds to wait"),
    "503": _failure("Not stored; send the same hit again", Retry_After="Seconds to wait"),
}
_REFUSED: Final = _failure(
    "Not stored: the token is none, or one is missing for what the hit says", WWW_Authenticate="Bearer"
)
_IMAGE: Final = {"description": "Stored", "content": {"image/gif": {}}}
_SENDERS: Final[list[dict[str, list[str]]]] = [{}, {"token": []}]

_POST: Final = {
    "tags": ["tracking"],
    "summary": "Store one hit, or an array of them",
    "description": "Answers 204 once every hit of the body is committed. A known hit id changes nothing. "
    "An engagement is no hit: it tells more of the visit that has its id, which keeps each number's largest. "
    "The body is JSON whatever its type is called: for text/plain a browser asks no leave.\n\n"
    "A server that counts for its visitors sends a token of scope `ingest`: then each document may say whose it is and "
    f"when it happened (`ip`, `ua`, `at`), `id` may be left out, and a body may hold {BEARER.hits:,} documents, in "
    f"{BEARER.body // 1024:,} KiB.",
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _DOCUMENTS}, "text/plain": {"schema": _DOCUMENTS}},
    },
    "responses": {"204": {"description": "Stored"}, "401": _REFUSED, **_FAILURES},
    "security": _SENDERS,
}
_GET: Final = {
    "tags": ["tracking"],
    "summary": "Store one hit, by an image",
    "description": 'For a page without a script: `<noscript><img src="https://stats.example.com/hit" '
    'referrerpolicy="no-referrer-when-downgrade"></noscript>` is a visit of the page that it stands on. Without the '
    "second attribute a browser tells another site no more of the page than its host.",
    "parameters": _AS_QUERY,
    "responses": {"200": _IMAGE, "401": _REFUSED, **_FAILURES},
    "security": _SENDERS,
}
_PIXEL: Final = {
    "tags": ["tracking"],
    "operationId": "store_hit_by_pixel",
    "summary": "Store one hit, by a pixel (the wire of 0.7.1)",
    "parameters": _PARAMETERS,
    "responses": {"200": _IMAGE, "404": _failure("Not stored: the number is none"), **_FAILURES},
}
_SCRIPT: Final = {
    "tags": ["tracking"],
    "summary": "The tracker",
    "responses": {
        "200": {"description": "A script", "content": {"text/javascript": {}}},
        "304": {"description": "The script is the one of `If-None-Match`"},
    },
}


def operations(paths: Paths) -> dict[str, Any]:
    """Where the configuration has them, and where they always are."""
    found: dict[str, Any] = {PIXEL_PATH: {"get": _PIXEL}}
    for usual, path in enumerate(paths.hits):
        found[path] = {"post": _named(_POST, "store_hits", usual), "get": _named(_GET, "store_hit_by_image", usual)}
    for usual, path in enumerate(paths.scripts):
        found[path] = {"get": _named(_SCRIPT, "script", usual)}
    return found


def _named(operation: dict[str, Any], name: str, usual: int) -> dict[str, Any]:
    """The first path's has the name that every installation's has."""
    return {**operation, "operationId": f"{name}_as_ever" if usual else name}
