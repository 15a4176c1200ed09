"""What a query file's template can call: small pieces of SQL that the databases spell differently.

    where {{ period("datetime") }}              the period's rows, by an index; exact where the clocks change
    {{ day("datetime") }}                       the day of an instant, in the report's time zone
    {{ strip_scheme("doc_uri") }}               https://example.com/a → example.com/a
    {{ concat("cid", "' '", "lang") }}          text, one piece after the other
    {{ t0 }}, {{ t1[:7] }}                      the first and the last day, 2026-01-31, as 0.7.1's files print them

Whatever they have to say of the request is bound, never printed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import Any, Final, SupportsIndex

from crumby.errors import QueryFileError
from crumby.reporting.period import Period

DAY_SIGNS: Final = ("", "-", ":", " ")


class Sql(str):
    """Text that may be printed into a statement: the macros' own, and dates that were parsed."""

    __slots__ = ()


class Day(Sql):
    """`2026-01-31`, and the pieces of it that a file of 0.7.1 prints: `t0[:7]`, `t0.replace("-", "")`, `t0.split("-")`.

    A piece is made of the day's own digits. What is put between them is a sign that no other text can come in with.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return self  # a filter must not make another text of it

    def __getitem__(self, key: SupportsIndex | slice) -> "Day":
        return Day(super().__getitem__(key))

    def replace(self, old: str, new: str, count: SupportsIndex = -1) -> str:
        text = super().replace(old, new, count)
        return Day(text) if new in DAY_SIGNS and "--" not in text else text

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return [Day(piece) for piece in super().split(sep, maxsplit)]


class Asked:
    """A text of the request, as a template has it: to be compared with others, never to be part of the SQL.

    Text that a template could take apart and hand to a macro would be printed in the end.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __eq__(self, other: object) -> bool:
        return self._text == (other._text if isinstance(other, Asked) else other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __str__(self) -> str:
        raise QueryFileError("a text of the request can't be part of the SQL; compare it with ==, or bind it: :name")

    __repr__ = __str__


def guarded(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Asked(value) if isinstance(value, str) else value for name, value in arguments.items()}


class Macros:
    """The macros for one rendering; `binds` gathers the values that their SQL refers to."""

    def __init__(self, dialect: str, period: Period) -> None:
        self._dialect = dialect
        self._period = period
        self.binds: dict[str, Any] = {
            "t0": datetime.combine(period.t0, time()),
            "t1": datetime.combine(period.t1, time()),
            "start": period.start,
            "end": period.end,
        }

    def names(self) -> Mapping[str, Any]:
        return {
            "dialect": self._dialect,
            "t0": Day(self._period.t0.isoformat()),
            "t1": Day(self._period.t1.isoformat()),
            "period": self.period,
            "day": self.day,
            "strip_scheme": self.strip_scheme,
            "concat": self.concat,
        }

    def period(self, column: str) -> Sql:
        return Sql(f"({column} >= :start and {column} < :end)")

    def day(self, column: str) -> Sql:
        """The date of an instant.

        In UTC it is the database's own `date()`. Elsewhere the zone's offset is added first: one of several, where the
        clocks change within the period.
        """
        offsets = self._period.offsets()
        if all(offset == 0 for _, offset in offsets):
            return Sql(f"date({column})")
        shift = SHIFTS[self._dialect]
        *changes, (_, last) = offsets
        self.binds["_offset"] = last
        cases = ""
        for number, (until, offset) in enumerate(changes):
            self.binds |= {f"_change_{number}": until, f"_offset_{number}": offset}
            cases += f"when {column} < :_change_{number} then :_offset_{number} "
        seconds = f"case {cases}else :_offset end" if cases else ":_offset"
        return Sql(f"date({shift(column, seconds)})")

    def strip_scheme(self, column: str) -> Sql:
        # No `like`: SQLite's does not tell capitals from small letters, the others' do.
        return Sql(
            f"case when lower(substr({column}, 1, 8)) = 'https://' then substr({column}, 9)"
            f" when lower(substr({column}, 1, 7)) = 'http://' then substr({column}, 8) else {column} end"
        )

    def concat(self, *pieces: str) -> Sql:
        if self._dialect == "mysql":
            return Sql(f"concat({', '.join(pieces)})")
        return Sql(f"({' || '.join(pieces)})")


def _shift_sqlite(column: str, seconds: str) -> str:
    """Whole seconds alone: SQLite would round 23:59:59.9995 up to the next day."""
    return f"datetime(substr({column}, 1, 19), ({seconds}) || ' seconds')"


def _shift_mysql(column: str, seconds: str) -> str:
    return f"{column} + interval ({seconds}) second"


def _shift_postgresql(column: str, seconds: str) -> str:
    return f"{column} + ({seconds}) * interval '1 second'"


SHIFTS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "sqlite": _shift_sqlite,
    "mysql": _shift_mysql,
    "postgresql": _shift_postgresql,
}
NAMES: Final = frozenset({"dialect", "t0", "t1", "period", "day", "strip_scheme", "concat"})
