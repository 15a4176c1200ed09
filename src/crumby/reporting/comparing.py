"""What is done to an answer's rows: the days of nothing are put in, and each row finds its like in another period."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import Any, Final

from crumby.reporting.header import Column, Header
from crumby.reporting.interval import buckets
from crumby.reporting.run import Result, Rows
from crumby.reporting.view import View

Row = Sequence[Any]
NAMES: Final = frozenset({"weekday", "hour"})  # numbers that name a row
MEASURES: Final = frozenset({"integer", "number"})


def filled(header: Header, result: Result, view: View) -> Result:
    """With a row for each bucket of the period, where the file wants it and the request has them all in order.

    Counts of nothing are 0; what is an average or a share of nothing is null.
    """
    if not header.fill or header.fill not in result.columns or view.sort or view.limit is not None or view.offset:
        return result
    place = list(result.columns).index(header.fill)
    known = {str(row[place]): row for row in result.rows}
    formats = {column.name: column.format for column in header.columns}
    nothing = [0 if formats.get(name) == "count" else None for name in result.columns]
    moments = dict.fromkeys(chain(buckets(view.period, view.interval), known))
    rows = [known.get(moment) or [*nothing[:place], moment, *nothing[place + 1 :]] for moment in sorted(moments)]
    return replace(result, rows=rows)


def aligned(header: Header, result: Result, other: Result) -> list[Row | None]:
    """For each row of the answer its like in the other: by what names it, or in a timeseries by its place."""
    if result.columns != other.columns:
        return [None for _ in result.rows]
    declared = {column.name: column for column in header.columns}
    keys = [place for place, name in enumerate(result.columns) if not _measures(declared.get(name), result.rows, place)]
    if header.fill or header.chart.kind == "timeseries" or not keys:
        return [row for row, _ in zip(chain(other.rows, repeat(None)), result.rows, strict=False)]
    known = {_key(row, keys): row for row in other.rows}
    return [known.get(_key(row, keys)) for row in result.rows]


def beside(header: Header, columns: Sequence[str], rows: Rows, others: Sequence[Row | None]) -> tuple[list[str], Rows]:
    """What the other period counted, in columns of its own: `views, views_before`. For forms that have rows alone."""
    declared = {column.name: column for column in header.columns}
    places = [place for place, name in enumerate(columns) if _measures(declared.get(name), rows, place)]
    wide = [
        [*row, *(other[place] if other else None for place in places)] for row, other in zip(rows, others, strict=True)
    ]
    return [*columns, *(f"{columns[place]}_before" for place in places)], wide


def _measures(column: Column | None, rows: Sequence[Row], place: int) -> bool:
    """Whether a column counts something, and does not name it."""
    if column:
        return column.type in MEASURES and column.format not in NAMES
    return any(isinstance(row[place], int | float) for row in rows)


def _key(row: Row, places: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(row[place]) for place in places)
