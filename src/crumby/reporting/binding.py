"""The `:name`s of a statement are bound to their values, and every other colon is left as it is.

Strings, quoted names and comments hold no binds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Double, String, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from crumby.errors import QueryFileError
from crumby.reporting.parameters import Type
from crumby.reporting.statement import TOKENS, single

# Typed, because PostgreSQL wants to know what a placeholder stands for.
KINDS: Final[Mapping[type, TypeEngine[Any]]] = {
    bool: Boolean(),
    int: BigInteger(),
    float: Double(),
    str: String(),
    datetime: DateTime(),
    date: Date(),
}
DECLARED: Final[Mapping[Type, TypeEngine[Any]]] = {
    "text": String(),
    "integer": BigInteger(),
    "number": Double(),
    "boolean": Boolean(),
    "date": Date(),
    "datetime": DateTime(),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """What is asked, in the words of a database, with a `:name` where each value belongs."""

    text: str
    dialect: str
    values: Mapping[str, Any]
    types: Mapping[str, Type]  # of those that a file declares
    near: tuple[datetime, datetime] | None = None  # whose visits' first and last ids are to be looked up: `innodb.py`

    @property
    def clause(self) -> TextClause:
        """For SQLAlchemy, which would bind behind other colons as well."""
        escaped = TOKENS[self.dialect].sub(_escaped, self.text)
        return text(escaped).bindparams(
            *(bindparam(name, value, type_=self._type(name, value)) for name, value in self.values.items())
        )

    def _type(self, name: str, value: object) -> TypeEngine[Any] | None:
        return DECLARED[self.types[name]] if name in self.types else KINDS.get(type(value))

    @property
    def of_sqlite(self) -> dict[str, Any]:
        """The values as SQLite's own driver takes them: instants in the form in which SQLAlchemy stores them."""
        return {name: _plain(value) for name, value in self.values.items()}


def bound(sql: str, dialect: str, values: Mapping[str, Any], types: Mapping[str, Type]) -> Statement:
    """The statement with those of the values that it names. Raises QueryFileError."""
    statement = single(sql, dialect)
    names = _names(statement, dialect)
    undeclared = names.difference(values)
    if undeclared:
        raise QueryFileError(f"binds undeclared :{min(undeclared)}; declare `parameter {min(undeclared)}: text`")
    near = (values["_before"], values["_after"]) if "_first_id" in names else None
    return Statement(statement, dialect, {name: values[name] for name in names}, types, near)


@lru_cache(maxsize=256)  # 0.1 ms
def _names(statement: str, dialect: str) -> frozenset[str]:
    return frozenset(token["name"] for token in TOKENS[dialect].finditer(statement) if token["bind"])


def _escaped(token: re.Match[str]) -> str:
    """SQLAlchemy takes the backslash out again."""
    return token[0] if token["bind"] else token[0].replace(":", r"\:")


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat(" ", "microseconds")
        case date():
            return value.isoformat()
    return value
