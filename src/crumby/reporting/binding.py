"""The `:name`s of a statement are bound to their values, and every other colon is left as it is.

Strings, quoted names and comments hold no binds.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
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


def bound(sql: str, dialect: str, values: Mapping[str, Any], types: Mapping[str, Type]) -> TextClause:
    """The statement with each `:name` bound to its value. Raises QueryFileError."""
    names: set[str] = set()

    def keep(token: re.Match[str]) -> str:
        if token["bind"]:
            names.add(token["name"])
            return token["bind"]
        return token[0].replace(":", r"\:")  # SQLAlchemy takes the backslash out again

    escaped = TOKENS[dialect].sub(keep, single(sql, dialect))
    undeclared = names.difference(values)
    if undeclared:
        raise QueryFileError(f"binds undeclared :{min(undeclared)}; declare `parameter {min(undeclared)}: text`")
    return text(escaped).bindparams(
        *(bindparam(name, values[name], type_=_type(name, values[name], types)) for name in names)
    )


def _type(name: str, value: object, types: Mapping[str, Type]) -> TypeEngine[Any] | None:
    return DECLARED[types[name]] if name in types else KINDS.get(type(value))
