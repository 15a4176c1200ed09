"""The queries as the OpenAPI 3.1 document has them: an operation each, with its own parameters and its own answer."""

import zoneinfo
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, get_args

from crumby.accounts import COOKIE
from crumby.reporting.filters import DIMENSIONS, described
from crumby.reporting.header import Column
from crumby.reporting.interval import Interval
from crumby.reporting.parameters import Parameter, Type
from crumby.reporting.period import COMPARISONS, DEFAULT_DAYS, MAX_DAYS, PRESETS
from crumby.reporting.query import WHEN_CALLED, Query
from crumby.reporting.results import Format, plain
from crumby.tokens import PREFIX

Schema = dict[str, Any]

WITHOUT_NUL: Final = r"^[^\u0000]*$"
LARGEST: Final = 10**18 - 1  # of a whole number
COUNTED: Final = 10**15 - 1  # of rows
SCHEMAS: Final[dict[Type, Schema]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}
TAKEN: Final[dict[Type, Schema]] = {  # what is taken of them in a request
    "text": {"maxLength": 500, "pattern": WITHOUT_NUL},
    "integer": {"format": "int64", "minimum": -LARGEST, "maximum": LARGEST},
}
DATE: Final = SCHEMAS["date"] | {"pattern": "^(19|[2-8][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$"}
REGIONS: Final = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
)  # fmt: skip
EXAMPLES: Final[dict[str | None, Any]] = {  # by format, or else by type
    "percent": 12.5,
    "duration": 90,
    "moment": "2026-01-31",
    "hour": 13,
    "weekday": 1,
    "week": "2026-01-26",
    "month": "2026-01",
    "url": "https://example.com/",
    "host": "example.com",
    "page": "/blog/a",
    "country": "SE",
    "continent": "EU",
    "language": "en-GB",
    "browser": "firefox",
    "platform": "windows",
    "device": "desktop",
    "text": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:00:00",
}
READERS: Final[list[dict[str, list[str]]]] = [{"session": []}, {"token": []}]  # who may see what is private
ANYBODY: Final[list[dict[str, list[str]]]] = [{}, *READERS]  # what a guest may, but for some of it
SECURITY: Final = {
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of a browser that signed in"},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": f"{PREFIX}…",
        "description": "Made by `crumby token add NAME --scope read`. One that is wrong or over is answered 401",
    },
}
EXAMPLE: Final = "Made of the columns' types, not of anybody's visits"


def paths(queries: Iterable[Query]) -> dict[str, Any]:
    return {f"/api/{query.collection}/{query.name}": {"get": _operation(query)} for query in queries}


def components(queries: Iterable[Query]) -> dict[str, Any]:
    answers: dict[str, Schema] = {}
    for query in queries:
        answers |= {f"{_name(query)}_answer": _answer(query), f"{_name(query)}_record": _record(query)}
    return {
        "schemas": {**_shared_schemas(), **answers},
        "parameters": {each["name"]: each for each in [*_of_every_query(), *map(_of_macro, _names_of_macros())]},
        "headers": HEADERS,
        "securitySchemes": SECURITY,
    }


def _name(query: Query) -> str:
    return f"{query.collection}_{query.name}"


def _operation(query: Query) -> dict[str, Any]:
    own = {parameter.name for parameter in query.header.parameters}
    of_macros = [name for name in _names_of_macros() if name in query.understands and name not in own]
    operation: dict[str, Any] = {
        "tags": [query.collection],
        "operationId": _name(query),
        "summary": query.title,
        "description": query.error or query.header.description,
        "parameters": [
            *(_reference("parameters", each["name"]) for each in _of_every_query()),
            *(_sort(query) if name == "sort" else _reference("parameters", name) for name in of_macros),
            *map(_own, query.header.parameters),
        ],
        "responses": {
            "200": {"description": "The answer", "headers": _headers(), "content": _content(query)},
            "304": {"description": "The answer is the one of `If-None-Match`", "headers": _headers()},
            "422": _failure("A parameter does not fit"),
            "500": _failure("The query file has a fault"),
            "503": _failure("The database can't answer now") | {"headers": _headers("Retry-After")},
        },
    }
    if query.private:
        operation["security"] = READERS
        operation["responses"]["401"] = _failure("Sign in first")
    elif any(DIMENSIONS[name].private for name in of_macros if name in DIMENSIONS):
        operation["security"] = ANYBODY
        operation["responses"]["401"] = _failure("Sign in first, to filter by that")
    return operation


# Parameters


def _of_every_query() -> list[dict[str, Any]]:
    return [
        _parameter("period", "Days by name; without any, the last 30.", _reference("schemas", "Preset")),
        _parameter(
            "days",
            "Number of consecutive days before today (or before `to`).",
            {"type": "integer", "minimum": 0, "maximum": MAX_DAYS, "default": DEFAULT_DAYS},
        ),
        _parameter("from", "First day, YYYY-MM-DD.", DATE),
        _parameter("to", "Last day, YYYY-MM-DD; today without it.", DATE),
        _parameter("t0", "The same as `from`.", DATE) | {"deprecated": True},
        _parameter("t1", "The same as `to`.", DATE) | {"deprecated": True},
        _parameter(
            "tz",
            "IANA time zone in which days begin and end; the configured one without it.",
            _reference("schemas", "TimeZone"),
        ),
        _parameter("compare", "Another period, whose rows come beside.", _reference("schemas", "Comparison")),
        _parameter("format", "How the answer comes.", _reference("schemas", "Format")),
    ]


def _names_of_macros() -> list[str]:
    """In an order that serves for reading."""
    named = frozenset().union(*WHEN_CALLED.values())
    return [name for name in ("interval", "sort", "limit", "offset", *DIMENSIONS) if name in named]


def _of_macro(name: str) -> dict[str, Any]:
    if name in DIMENSIONS:
        filtering = described(name)
        items = filtering["schema"]["items"] | {"pattern": WITHOUT_NUL}
        return filtering | {"schema": filtering["schema"] | {"items": items}}
    if name == "interval":
        return _parameter(
            name, "Steps of the time; by the period's length without it.", _reference("schemas", "Interval")
        )
    if name == "sort":
        return _parameter(name, "Column to sort by; `-` before it: from the largest down.", SCHEMAS["text"])
    least = 1 if name == "limit" else 0
    meaning = "Rows at most." if name == "limit" else "Rows to leave out before."
    return _parameter(name, meaning, {"type": "integer", "minimum": least, "maximum": COUNTED})


def _sort(query: Query) -> dict[str, Any]:
    """By its own columns. Several are taken as well, parted by commas."""
    names = [column.name for column in query.header.columns]
    parameter = _of_macro("sort")
    return parameter | {"schema": {"type": "string", "enum": [*names, *(f"-{name}" for name in names)]}}


def _own(parameter: Parameter) -> dict[str, Any]:
    schema = SCHEMAS[parameter.type] | TAKEN.get(parameter.type, {})
    if parameter.choices:
        schema = SCHEMAS[parameter.type] | {"enum": [plain(choice) for choice in parameter.choices]}
    if parameter.minimum is not None and parameter.type in {"integer", "number"}:
        schema |= {"minimum": parameter.minimum, "maximum": parameter.maximum}
    if parameter.default is not None:
        schema = schema | {"default": plain(parameter.default)}
    return _parameter(parameter.name, parameter.description, schema)


def _parameter(name: str, description: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _reference(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}


# Answers


def _headers(*more: str) -> dict[str, Any]:
    names = more or ("ETag", "Cache-Control", "X-Crumby-Truncated", "X-Crumby-Imported")
    return {name: _reference("headers", name) for name in names}


HEADERS: Final[dict[str, Any]] = {
    "ETag": {"description": "Of a short answer: send it as `If-None-Match`.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "Who may keep the answer.", "schema": {"type": "string"}},
    "X-Crumby-Truncated": {
        "description": "`true` of a short answer with fewer rows than there are. A long one is broken off.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "X-Crumby-Imported": {
        "description": (
            "Of a period with days that another program had counted: whether the answer has their totals, which of "
            "its days these are, and why not. `included; 2024-01-01/2024-05-31`, "
            "`left-out; 2024-01-01/2024-05-31; filter=country`."
        ),
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}},
}


def _content(query: Query) -> dict[str, Any]:
    answer, record = (_reference("schemas", f"{_name(query)}_{kind}") for kind in ("answer", "record"))
    content: dict[str, Any] = {
        "application/json": {"schema": {"anyOf": [answer, {"type": "array", "items": record}]}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "A record a line"}},
        "text/csv": {"schema": {"type": "string"}},
        "text/html": {"schema": {"type": "string"}},
    }
    if query.header.columns:
        content["application/json"]["examples"] = {"example": {"summary": EXAMPLE, "value": _example(query)}}
    return content


def _answer(query: Query) -> Schema:
    columns = query.header.columns
    row: Schema = {"type": "array", "items": {}}
    names: Schema = {"type": "array", "items": {"type": "string"}}
    if columns:
        cells = [_cell(column) for column in columns]
        row = {"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)}
        names["examples"] = [[column.name for column in columns]]
    like = row | {"type": ["array", "null"], "description": "The same of the other period, if it has it."}
    compared = {
        "type": "object",
        "required": ["period", "data"],
        "properties": {"period": _reference("schemas", "Period"), "data": {"type": "array", "items": like}},
    }
    return {
        "type": "object",
        "required": ["columns", "data", "meta"],
        "properties": {
            "columns": names,
            "data": {"type": "array", "items": row},
            "meta": _reference("schemas", "Meta"),
            "compared": compared,
            "truncated": {"type": "boolean", "description": "There are more rows than the limit lets through."},
        },
    }


def _record(query: Query) -> Schema:
    columns = query.header.columns
    fields = {column.name: _cell(column) for column in columns}
    return {"type": "object", "properties": fields} | ({"required": list(fields)} if fields else {})


def _cell(column: Column) -> Schema:
    schema = SCHEMAS[column.type]
    return (
        schema
        | {"type": [schema["type"], "null"]}
        | ({"description": column.description} if column.description else {})
    )


def _example(query: Query) -> dict[str, Any]:
    columns = query.header.columns
    described_ = [
        {"name": each.name, "type": each.type, "format": each.format, "description": each.description}
        for each in columns
    ]
    period = {"from": "2026-01-01", "to": "2026-01-31", "tz": "UTC"}
    interval = "day" if "bucket" in query.takes else None
    return {
        "columns": [column.name for column in columns],
        "data": [[EXAMPLES.get(column.format, EXAMPLES[column.type]) for column in columns]],
        "meta": {"columns": described_, "period": period | {"interval": interval}},
    }


def _failure(description: str) -> dict[str, Any]:
    schema = _reference("schemas", "Failure")
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _shared_schemas() -> dict[str, Schema]:
    text = SCHEMAS["text"]
    days = {"from": SCHEMAS["date"], "to": SCHEMAS["date"], "tz": text}
    interval = {"anyOf": [_reference("schemas", "Interval"), {"type": "null"}]}
    formats = {"type": ["string", "null"], "description": "How people read it: count, percent, duration, country …"}
    column = {"name": text, "type": {"type": ["string", "null"]}, "format": formats, "description": text}
    return {
        "Failure": _object({"error": text, "detail": text}),
        "Format": {"type": "string", "enum": list(get_args(Format)), "default": "json"},
        "Preset": {"type": "string", "enum": [*PRESETS, "all"]},
        "Comparison": {"type": "string", "enum": list(COMPARISONS)},
        "Interval": {"type": "string", "enum": list(get_args(Interval))},
        "TimeZone": {"type": "string", "enum": _zones()},
        "Column": _object(column),
        "Period": _object(days),
        "Meta": _object(
            {
                "columns": {"type": "array", "items": _reference("schemas", "Column")},
                "period": _object({**days, "interval": interval}),
            }
        ),
    }


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


@cache
def _zones() -> list[str]:
    """Those of regions: IANA's other names are taken as well, but are no help to choose from."""
    return ["UTC", *sorted(name for name in zoneinfo.available_timezones() if name.split("/")[0] in REGIONS)]
