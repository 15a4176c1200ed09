"""The queries as the list of `/api` has them: all that their headers say, for the page and for who writes a client."""

from collections.abc import Iterable
from typing import Any

from crumby.reporting.filters import DIMENSIONS
from crumby.reporting.header import Click, Column
from crumby.reporting.parameters import Parameter
from crumby.reporting.query import Query
from crumby.reporting.results import plain


def listing(queries: Iterable[Query], below: str = "/api") -> list[dict[str, Any]]:
    """`below` is the path that their answers are at."""
    return [listed(query, below) for query in queries]


def dimensions() -> list[dict[str, Any]]:
    """What can be filtered by; what is `private`, by people who signed in."""
    return [
        {"name": name, "description": dimension.description, "private": dimension.private}
        for name, dimension in DIMENSIONS.items()
    ]


def listed(query: Query, below: str = "/api") -> dict[str, Any]:
    header = query.header
    return {
        "name": query.name,
        "collection": query.collection,
        "url": f"{below}/{query.collection}/{query.name}",
        "title": query.title,
        "description": header.description,
        "group": header.group,
        "order": header.order,
        "chart": {
            "kind": header.chart.kind,
            "x": header.chart.x,
            "y": list(header.chart.y),
            "by": list(header.chart.by),
        },
        "click": _click(header.click) if header.click else None,
        "refresh": header.refresh,
        "closed": header.closed,
        "tab": header.tab,
        "takes": sorted(query.takes),
        "parameters": [_parameter(each) for each in header.parameters],
        "columns": [_column(each) for each in header.columns],
        "error": query.error,
    }


def _click(click: Click) -> dict[str, Any]:
    return {"dimension": click.dimension, "column": click.column}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": parameter.type,
        "default": plain(parameter.default),
        "choices": [plain(choice) for choice in parameter.choices] or None,
        "minimum": plain(parameter.minimum),
        "maximum": plain(parameter.maximum),
        "description": parameter.description,
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
    }
