"""Links made, listed and withdrawn, as the OpenAPI document has them. Written by hand: they are no queries."""

from typing import Any, Final

from crumby.sharing.drafts import TITLE_LENGTH, VIEW_LENGTH

_MOMENT: Final = {"type": "string", "format": "date-time"}
_PANELS: Final = {
    "type": "array",
    "items": {"type": "string", "pattern": "^(public|private)/[A-Za-z0-9_-]{1,64}$"},
    "minItems": 1,
    "description": "Queries by their collection and name",
}
_FILTERS: Final = {
    "type": "string",
    "description": "As an address has them: no other visits are shown, whatever a guest asks",
    "examples": ["country=SE&page=~/blog/"],
}
_VIEW: Final = {
    "type": "string",
    "maxLength": VIEW_LENGTH,
    "description": "What it opens with, as the page's address has it",
    "examples": ["period=last_90_days&compare=year"],
}
_TITLE: Final = {"type": "string", "minLength": 1, "maxLength": TITLE_LENGTH}
_DRAFT: Final = {
    "type": "object",
    "required": ["title", "panels"],
    "additionalProperties": False,
    "properties": {
        "title": _TITLE,
        "panels": _PANELS,
        "filters": _FILTERS | {"default": ""},
        "view": _VIEW | {"default": ""},
        "password": {"type": ["string", "null"], "minLength": 1, "maxLength": 1024, "description": "Guests need it"},
        "expires": {
            "type": ["string", "null"],
            "description": "A day, at whose end it is over, or a time; in UTC without an offset",
            "examples": ["2027-01-31", "2027-01-31T12:00:00Z"],
        },
    },
}
_FACTS: Final = {
    "id": {"type": "integer"},
    "token": {"type": "string"},
    "url": {"type": "string", "description": "The link; a path, where DOMAIN is not set"},
    "title": _TITLE,
    "panels": _PANELS,
    "filters": _FILTERS,
    "view": _VIEW,
    "has_password": {"type": "boolean"},
    "expires": {"type": ["string", "null"], "format": "date-time"},
    "created": _MOMENT,
    "creator": {"type": "string"},
}
_SHARE: Final = {"type": "object", "required": list(_FACTS), "properties": _FACTS}
_SHARES: Final = {
    "type": "object",
    "required": ["shares"],
    "properties": {"shares": {"type": "array", "items": _SHARE}},
}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _failure(description: str) -> dict[str, Any]:
    return _json(description, {"$ref": "#/components/schemas/Failure"})


def _operation(name: str, summary: str, **more: Any) -> dict[str, Any]:
    refused = {"401": _failure("Sign in first"), "503": _failure("The database can't answer now")}
    responses = more.pop("responses") | refused
    head = {"tags": ["sharing"], "operationId": name, "summary": summary, "security": [{"session": []}]}
    return {**head, **more, "responses": responses}


OPERATIONS: Final[dict[str, Any]] = {
    "/shares": {
        "get": _operation(
            "list_shares",
            "The links that were made, the newest first",
            description="Those that are over as well.",
            responses={"200": _json("The links", _SHARES)},
        ),
        "post": _operation(
            "make_share",
            "Make a link that shows chosen panels to whoever has it",
            description="With filters, every panel has to take them: `takes` in the list of queries says so.",
            requestBody={"required": True, "content": {"application/json": {"schema": _DRAFT}}},
            responses={
                "201": _json("The link", _SHARE),
                "403": _failure("Posted from another site's page"),
                "422": _failure("Something does not fit; it is named"),
            },
        ),
    },
    "/shares/{id}": {
        "delete": _operation(
            "withdraw_share",
            "Withdraw a link: nobody sees anything by it any more",
            parameters=[{"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}],
            responses={
                "204": {"description": "It works no longer"},
                "403": _failure("Asked for from another site's page"),
                "404": _failure("There is no such link"),
            },
        ),
    },
}
