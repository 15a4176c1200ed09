"""The export, as the OpenAPI document has it. Written by hand: it is no query."""

from typing import Any, Final

from crumby.exporting.routes import EXPORT_PATH, FORMS
from crumby.reporting.openapi import DATE, READERS, WITHOUT_NUL

_FORM: Final = {"type": "string", "enum": list(FORMS), "default": FORMS[0]}
_ZONE: Final = {"$ref": "#/components/schemas/TimeZone"}
_SITE: Final = {"type": "string", "maxLength": 300, "pattern": WITHOUT_NUL}
_VISITOR: Final = {"type": "string", "maxLength": 39, "pattern": "^[0-9A-Za-z_.:-]+$"}


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _failure(description: str, **more: Any) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Failure"}
    return {"description": description, "content": {"application/json": {"schema": schema}}, **more}


OPERATIONS: Final[dict[str, Any]] = {
    EXPORT_PATH: {
        "get": {
            "tags": ["export"],
            "operationId": "export",
            "summary": "All that was recorded and counted, in one zip archive",
            "description": "Of all days, sites and visitors, unless some are named. It comes as it is written: one "
            "that is broken off has no end, and its manifest, the last file of it, is missing. Parquet is for "
            "`crumby export` on the server's machine.",
            "security": READERS,
            "parameters": [
                _parameter("format", "Form of its tables.", _FORM),
                _parameter("from", "First day, YYYY-MM-DD.", DATE),
                _parameter("to", "Last day.", DATE),
                _parameter("tz", "Of these days; the configured one without it.", _ZONE),
                _parameter("site", "Of one site alone, by its host.", _SITE),
                _parameter("visitor", "Of a visitor alone, by cid, or of those who came from an address.", _VISITOR),
            ],
            "responses": {
                "200": {"description": "The archive", "content": {"application/zip": {"schema": {"type": "string"}}}},
                "401": _failure("Sign in first"),
                "422": _failure("A parameter does not fit"),
                "503": _failure(
                    "Another export is under way, or the database can't answer now",
                    headers={"Retry-After": {"$ref": "#/components/headers/Retry-After"}},
                ),
            },
        }
    }
}  # fmt: skip
