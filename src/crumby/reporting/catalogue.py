"""The queries as a client reads them: the list of `/api`, and an operation each in the OpenAPI document."""

from collections.abc import Iterable
from typing import Any, Final, get_args

from crumby.reporting.header import Parameter, Type
from crumby.reporting.query import Query
from crumby.reporting.results import Format, plain

SCHEMAS: Final[dict[Type, dict[str, Any]]] = {
    "text": {"type": "string", "maxLength": 500},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}
_DATE: Final = SCHEMAS["date"]
SHARED_PARAMETERS: Final[list[dict[str, Any]]] = [
    {
        "name": "days",
        "in": "query",
        "description": "Number of consecutive days before today (or before `to`).",
        "schema": {"type": "integer", "minimum": 0, "maximum": 36_525, "default": 30},
    },
    {"name": "from", "in": "query", "description": "First day, YYYY-MM-DD.", "schema": _DATE},
    {"name": "to", "in": "query", "description": "Last day, YYYY-MM-DD; today without it.", "schema": _DATE},
    {"name": "t0", "in": "query", "description": "The same as `from`.", "schema": _DATE, "deprecated": True},
    {"name": "t1", "in": "query", "description": "The same as `to`.", "schema": _DATE, "deprecated": True},
    {
        "name": "tz",
        "in": "query",
        "description": "IANA time zone in which days begin and end; the configured one without it.",
        "schema": {"type": "string", "examples": ["Europe/Berlin"]},
    },
    {
        "name": "format",
        "in": "query",
        "description": "How the answer comes.",
        "schema": {"type": "string", "enum": list(get_args(Format)), "default": "json"},
    },
]


def listing(queries: Iterable[Query]) -> list[dict[str, Any]]:
    return [
        {
            "name": query.name,
            "collection": query.collection,
            "url": f"/api/{query.collection}/{query.name}",
            "title": query.title,
            "description": query.header.description,
            "group": query.header.group,
            "order": query.header.order,
            "chart": {
                "kind": query.header.chart.kind,
                "x": query.header.chart.x,
                "y": list(query.header.chart.y),
            },
            "parameters": [
                {
                    "name": each.name,
                    "type": each.type,
                    "default": plain(each.default),
                    "description": each.description,
                }
                for each in query.header.parameters
            ],
            "columns": [
                {"name": each.name, "type": each.type, "description": each.description} for each in query.header.columns
            ],
            "error": query.error,
        }
        for query in queries
    ]


def operations(queries: Iterable[Query]) -> dict[str, Any]:
    """The paths of an OpenAPI 3.1 document: one GET for each query."""
    return {f"/api/{query.collection}/{query.name}": {"get": _operation(query)} for query in queries}


def _operation(query: Query) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [query.collection],
        "operationId": f"{query.collection}_{query.name}",
        "summary": query.title,
        "description": query.error or query.header.description,
        "parameters": [*SHARED_PARAMETERS, *map(_parameter, query.header.parameters)],
        "responses": {
            "200": {"description": "The answer", "content": _content(query)},
            "422": _failure("A parameter does not fit"),
            "500": _failure("The query file has a fault"),
            "503": _failure("The database can't answer now"),
        },
    }
    if query.private:
        operation["security"] = [{"session": []}]
        operation["responses"]["401"] = _failure("Sign in first")
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(SCHEMAS[parameter.type])
    if parameter.default is not None:
        schema["default"] = plain(parameter.default)
    return {"name": parameter.name, "in": "query", "description": parameter.description, "schema": schema}


def _content(query: Query) -> dict[str, Any]:
    columns = query.header.columns
    row: dict[str, Any] = {"type": "array", "items": {}}
    names: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    fields: dict[str, Any] = {}
    if columns:
        fields = {column.name: _nullable(column.type, column.description) for column in columns}
        row = {
            "type": "array",
            "prefixItems": list(fields.values()),
            "minItems": len(columns),
            "maxItems": len(columns),
        }
        names["examples"] = [[column.name for column in columns]]
    table = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": names,
            "data": {"type": "array", "items": row},
            "truncated": {
                "type": "boolean",
                "description": "there are more rows than the limit lets through",
            },
        },
    }
    records = {"type": "array", "items": {"type": "object", "properties": fields}}
    return {
        "application/json": {"schema": {"anyOf": [table, records]}},
        "application/x-ndjson": {"schema": {"type": "string"}},
        "text/csv": {"schema": {"type": "string"}},
    }


def _nullable(kind: Type, description: str) -> dict[str, Any]:
    schema = dict(SCHEMAS[kind]) | {"type": [SCHEMAS[kind]["type"], "null"]}
    schema.pop("maxLength", None)
    return schema | ({"description": description} if description else {})


def _failure(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Failure"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


COMPONENTS: Final[dict[str, Any]] = {
    "schemas": {
        "Failure": {
            "type": "object",
            "required": ["error", "detail"],
            "properties": {"error": {"type": "string"}, "detail": {"type": "string"}},
        }
    },
    "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "crumby_session"}},
}
