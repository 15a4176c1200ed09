"""The `:name`s of a statement are bound to their values, and every other colon is left as it is.

Strings, quoted names and comments hold no binds; each database has its own way to write them.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Double, String, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from crumby.errors import QueryFileError
from crumby.reporting.header import Type

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


def _tokens(strings: str, comments: str) -> re.Pattern[str]:
    """What a statement is made of, as far as binds go."""
    return re.compile(
        rf"""(?P<quoted> {strings} | `[^`]*` )
           | (?P<comment> --[^\n]* | /\*.*?\*/ {comments} )
           | (?P<bind> (?<![:\w\\]):(?P<name>[A-Za-z_]\w*) )
           | (?P<colon> : )
           | (?P<end> ; )""",
        re.VERBOSE | re.DOTALL,
    )


# A backslash escapes a quote in MySQL alone. PostgreSQL has e'…' for that, and $tag$…$tag$.
_STANDARD: Final = _tokens(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | (?<!\w)[eE]'(?:[^'\\]|''|\\.)*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$""", ""
)
_MYSQL: Final = _tokens(r"""'(?:[^'\\]|''|\\.)*' | "(?:[^"\\]|""|\\.)*" """, r"| \#[^\n]*")


def bound(sql: str, dialect: str, values: Mapping[str, Any], types: Mapping[str, Type]) -> TextClause:
    """The statement with each `:name` bound to its value. Raises QueryFileError."""
    names: set[str] = set()
    tokens = _MYSQL if dialect == "mysql" else _STANDARD

    def keep(token: re.Match[str]) -> str:
        if token["bind"]:
            names.add(token["name"])
            return token["bind"]
        return token[0].replace(":", r"\:")  # SQLAlchemy takes the backslash out again

    escaped = tokens.sub(keep, _single(sql, tokens))
    undeclared = names.difference(values)
    if undeclared:
        raise QueryFileError(f"binds undeclared :{min(undeclared)}; declare `parameter {min(undeclared)}: text`")
    return text(escaped).bindparams(
        *(bindparam(name, values[name], type_=_type(name, values[name], types)) for name in names)
    )


def _type(name: str, value: object, types: Mapping[str, Type]) -> TypeEngine[Any] | None:
    return DECLARED[types[name]] if name in types else KINDS.get(type(value))


def _single(sql: str, tokens: re.Pattern[str]) -> str:
    """The one statement, without the semicolon that may end it: MySQL's driver would run what follows as well."""
    end = next((token.start() for token in tokens.finditer(sql) if token["end"]), len(sql))
    statement, rest = sql[:end].strip(), sql[end:]
    if _blank(statement, tokens):
        raise QueryFileError("holds no statement")
    if not _blank(rest, tokens):
        raise QueryFileError("a query file holds one statement, and this one goes on behind a semicolon")
    return statement


def _blank(sql: str, tokens: re.Pattern[str]) -> bool:
    return not tokens.sub(lambda token: "" if token["comment"] or token["end"] else token[0], sql).strip()
