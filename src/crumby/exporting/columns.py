"""What an archive has of each table: its columns, of five types, as every form of an archive writes them.

    integer    to 64 bits; in JSON a number with all its digits
    float      the shortest text that reads as the same number; `nan`, `inf` and `-inf` where there is no number for it
    text       as it is stored; octets of it that are no UTF-8 are lone surrogates here (PEP 383)
    bytes      in hexadecimal
    datetime   UTC, 2026-01-31T10:15:00.123456Z

Of a column that an embedded database holds something else in, such as a moment that is none, the text stays.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal, get_args

from sqlalchemy import Table

from crumby.tables import events, refusals, totals, visitors, visits

Type = Literal["integer", "float", "text", "bytes", "datetime"]

TYPES: Final[dict[type, Type]] = {int: "integer", float: "float", str: "text", bytes: "bytes", datetime: "datetime"}
KNOWN: Final = frozenset(get_args(Type))
STORED: Final = len("2026-01-31 10:15:00.123456")  # as SQLite has it of Crumby

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Shape:
    table: str
    columns: tuple[tuple[str, Type], ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    def places(self, *types: Type) -> list[int]:
        """Of the columns of these types."""
        return [place for place, (_, kind) in enumerate(self.columns) if kind in types]


def _shape(table: Table) -> Shape:
    """Names are plain text here, which those of SQLAlchemy only look like."""
    return Shape(f"{table.name}", tuple((f"{column.name}", TYPES[column.type.python_type]) for column in table.columns))


SHAPES: Final = tuple(map(_shape, (visits, events, visitors, refusals, totals)))  # in the order of an archive


def instants(shape: Shape) -> Callable[[Rows], Rows]:
    """Rows of the embedded database, which has moments as text, with moments in their place."""
    places = shape.places("datetime")

    def read(rows: Rows) -> Rows:
        found = list(map(list, rows))
        for row in found:
            for place in places:
                if row[place] is not None:
                    row[place] = _instant(row[place])
        return found

    return read if places else lambda rows: rows


def _instant(stored: Any) -> Any:
    """A text in any other form than Crumby's stays: nothing of it is to be lost."""
    if isinstance(stored, str) and len(stored) == STORED:
        try:
            return datetime.fromisoformat(stored)
        except ValueError:
            pass
    return stored


def written(shape: Shape) -> Callable[[Rows], Rows]:
    """Rows as text has them: numbers and texts stay, and of the rest there is what stands above."""
    forms = [(place, FORMS[kind]) for place, (_, kind) in enumerate(shape.columns) if kind in FORMS]

    def write(rows: Rows) -> Rows:
        found = list(map(list, rows))
        for row in found:
            for place, form in forms:
                if row[place] is not None:
                    row[place] = form(row[place])
        return found

    return write


def _moment(value: Any) -> Any:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value


def _octets(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes | bytearray | memoryview) else value


def _number(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else repr(value)


FORMS: Final[dict[Type, Callable[[Any], Any]]] = {"datetime": _moment, "bytes": _octets, "float": _number}


def read(kind: Type, text: str) -> Any:
    """What was written, where the form has it as text. Raises ValueError for what is none of its type."""
    if kind == "text":
        return text
    if kind == "datetime":
        return datetime.fromisoformat(text).replace(tzinfo=None)
    return READ[kind](text)


READ: Final[dict[Type, Callable[[str], Any]]] = {"bytes": bytes.fromhex, "integer": int, "float": float}
