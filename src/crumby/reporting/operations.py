"""The stream of live answers, and the badge, as the OpenAPI document has them. Written by hand: they are no queries."""

from typing import Any, Final

from crumby.reporting.badge import BADGE_PATH, LONGEST, METRICS, THEMES
from crumby.reporting.filters import DIMENSIONS
from crumby.reporting.live import EVERY_S, QUERIES, STREAM_PATH
from crumby.reporting.openapi import ANYBODY

_SITE: Final = {"type": "string", "maxLength": 300, "pattern": r"^[^\u0000]*$"}
_METRIC: Final = {"type": "string", "enum": list(METRICS), "default": METRICS[0]}
_NAME: Final = {"type": "string", "pattern": "^(public|private)/[^/]+$"}
_EVENTS: Final = (
    'An event `answer` for each query at once, and again whenever its answer has changed: `{"query": "public/live", '
    '"columns": …, "data": …, "meta": …}`, as its own address gives it. An event `failed` where it can\'t be answered: '
    '`{"query": …, "error": …, "status": …, "detail": …}`. Comments between them say that somebody is there.'
)
_EVENT: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["answer", "failed"]},
        "id": {"type": "string", "description": "Of an answer: the same for the same one"},
        "data": {"type": "string", "description": "JSON"},
    },
}


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _failure(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Failure"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


OPERATIONS: Final[dict[str, Any]] = {
    STREAM_PATH: {
        "get": {
            "tags": ["live"],
            "operationId": "live_stream",
            "summary": "Answers that come by themselves, as server-sent events",
            "description": f"Of queries whose header says `refresh:`. Each is looked at every {EVERY_S:g} seconds, "
            "once for all who look, and has to take the filters that are given. A stream of private queries ends "
            "with its session or token; each ends when the server stops, and a browser's `EventSource` comes back by "
            "itself.",
            "security": ANYBODY,
            "parameters": [
                {
                    "name": "query",
                    "in": "query",
                    "required": True,
                    "description": "A query by its collection and name. May be given several times.",
                    "schema": {"type": "array", "items": _NAME, "minItems": 1, "maxItems": QUERIES},
                    "example": ["public/live", "public/live_pages"],
                },
                *({"$ref": f"#/components/parameters/{name}"} for name in DIMENSIONS),
            ],
            "responses": {
                "200": {"description": _EVENTS, "content": {"text/event-stream": {"schema": _EVENT}}},
                "401": _failure("Sign in first: a query is private, or a filter"),
                "404": _failure("There is no such query"),
                "422": _failure("A parameter does not fit, or a query says no `refresh:`"),
                "503": _failure("So many streams are sent already") | {"headers": {
                    "Retry-After": {"$ref": "#/components/headers/Retry-After"},
                }},
            },
        }
    },
    BADGE_PATH: {
        "get": {
            "tags": ["live"],
            "operationId": "badge",
            "summary": "A badge with a count, for any site to show",
            "description": "Of the public summary: visitors or page views of so many days before today.",
            "parameters": [
                _parameter("metric", "What is counted", _METRIC),
                {"$ref": "#/components/parameters/days"},
                _parameter("site", "Of one site alone, by its host", _SITE),
                _parameter("label", "What stands before the count", {"type": "string", "maxLength": LONGEST}),
                _parameter("theme", "Its colours", {"type": "string", "enum": list(THEMES), "default": "light"}),
            ],
            "responses": {
                "200": {"description": "The badge", "content": {"image/svg+xml": {}}},
                "304": {"description": "The badge is the one of `If-None-Match`"},
                "404": _failure("There is no public summary"),
                "422": _failure("A parameter does not fit"),
                "500": _failure("The query file has a fault"),
                "503": _failure("The database can't answer now"),
            },
        }
    },
}  # fmt: skip
