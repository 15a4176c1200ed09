"""What the databases spell differently, one class a database.

An instant is a column of UTC, without a zone, or what `shifted` made of one.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from crumby.reporting.clickhouse import Clickhouse


class Dialect(Protocol):
    def shifted(self, instant: str, seconds: str) -> str:
        """So many seconds later."""

    def written(self, instant: str, step: str) -> str:
        """As text: `2026-03-29T02:05` to the minute, `2026-03-29T02:00` the hour, `2026-03-29`, `2026-03`."""

    def monday(self, instant: str) -> str:
        """Of its week, as text."""

    def hour(self, instant: str) -> str: ...

    def weekday(self, instant: str) -> str:
        """1, Monday, to 7."""

    def seconds(self, instant: str) -> str:
        """Since 1970, whole ones."""

    def instant(self, seconds: str) -> str:
        """The other way."""

    def find(self, text: str, piece: str) -> str:
        """Where it begins, from 1; 0 where it is not."""

    def text(self, number: str) -> str:
        """A number as text."""

    def joined(self, *pieces: str) -> str:
        """Texts, one after the other."""

    def property(self, column: str, name: str) -> str:
        """Of a JSON object, as text. The name has no quotation marks and backslashes but single ones, twice each."""

    def property_number(self, column: str, name: str) -> str:
        """The same as a number, where it is one."""

    def dashed(self, number: str) -> str:
        """20261122, a number, as text: 2026-11-22."""

    def dated(self, number: str) -> str:
        """The same as a day."""

    def week_of(self, number: str) -> str:
        """The Monday of its week, as text."""

    def quoted(self, name: str) -> str: ...

    def sorted(self, name: str, falling: bool) -> str:  # noqa: FBT001 - one of two ways
        """A term of `order by`, with nulls below every value."""


class Sqlite:
    """An instant is a text there: `2026-03-29 02:05:00.000000`.

    What is written of it is cut out of it; `strftime`, which reads all of it first, takes twice as long for a report.
    """

    def shifted(self, instant: str, seconds: str) -> str:
        return f"datetime({_whole(instant)}, ({seconds}) || ' seconds')"

    def written(self, instant: str, step: str) -> str:
        if step in {"day", "month"}:
            return f"substr({instant}, 1, {10 if step == 'day' else 7})"
        written = f"replace(substr({instant}, 1, {13 if step == 'hour' else 16}), ' ', 'T')"
        return f"({written} || ':00')" if step == "hour" else written

    def monday(self, instant: str) -> str:
        return f"date({_whole(instant)}, '-6 days', 'weekday 1')"

    def hour(self, instant: str) -> str:
        return f"cast(substr({instant}, 12, 2) as integer)"

    def weekday(self, instant: str) -> str:
        return f"(cast(strftime('%w', {_whole(instant)}) as integer) + 6) % 7 + 1"  # whose week begins with Sunday, 0

    def seconds(self, instant: str) -> str:
        return f"cast(strftime('%s', {_whole(instant)}) as integer)"

    def instant(self, seconds: str) -> str:
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {seconds}, 'unixepoch')"  # as it is stored

    def find(self, text: str, piece: str) -> str:
        return f"instr({text}, {piece})"

    def text(self, number: str) -> str:
        return f"cast({number} as text)"

    def joined(self, *pieces: str) -> str:
        return f"({' || '.join(pieces)})"

    def property(self, column: str, name: str) -> str:
        found = f"{column}, '$.\"{name}\"'"
        named = f"case json_type({found}) when 'true' then 'true' when 'false' then 'false'"
        return f"{named} else cast(json_extract({found}) as text) end"  # which has 1 and 0 for them

    def property_number(self, column: str, name: str) -> str:
        found = f"{column}, '$.\"{name}\"'"
        return f"case when json_type({found}) in ('integer', 'real') then cast(json_extract({found}) as real) end"

    def dashed(self, number: str) -> str:
        day = self.text(number)
        return self.joined(f"substr({day}, 1, 4)", "'-'", f"substr({day}, 5, 2)", "'-'", f"substr({day}, 7, 2)")

    def dated(self, number: str) -> str:
        """In half of the time that `dashed` takes."""
        return f"printf('%d-%02d-%02d', {number} / 10000, {number} / 100 % 100, {number} % 100)"

    def week_of(self, number: str) -> str:
        """By the number of the Julian day, of which 0 is a Monday: in a third of the time that its text takes."""
        return f"date({_julian(number)} / 7 * 7)"

    def quoted(self, name: str) -> str:
        return f'"{name}"'

    def sorted(self, name: str, falling: bool) -> str:  # noqa: FBT001
        return f"{name} desc" if falling else name


def _julian(number: str) -> str:
    """20261122 → 2461367, as Fliegel and Van Flandern have it."""
    day, month, year = f"{number} % 100", f"({number} / 100 % 100)", f"{number} / 10000"
    late = f"({month} - 14) / 12"  # -1 in January and February
    return (
        f"(1461 * ({year} + 4800 + {late}) / 4 + 367 * ({month} - 2 - {late} * 12) / 12"
        f" - 3 * (({year} + 4900 + {late}) / 100) / 4 + {day} - 32075)"
    )


def _whole(instant: str) -> str:
    """Whole seconds alone: SQLite would round 23:59:59.9995 up to the next day."""
    return f"substr({instant}, 1, 19)"


class Mysql(Sqlite):
    def dated(self, number: str) -> str:
        return self.dashed(number)

    def week_of(self, number: str) -> str:
        return self.monday(self.dated(number))

    def shifted(self, instant: str, seconds: str) -> str:
        return f"{instant} + interval ({seconds}) second"

    def written(self, instant: str, step: str) -> str:
        forms = {"minute": "%Y-%m-%dT%H:%i", "hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}
        return f"date_format({instant}, '{forms[step]}')"

    def monday(self, instant: str) -> str:
        return self.written(f"({instant} - interval weekday({instant}) day)", "day")

    def hour(self, instant: str) -> str:
        return f"hour({instant})"

    def weekday(self, instant: str) -> str:
        return f"weekday({instant}) + 1"

    def seconds(self, instant: str) -> str:
        return f"timestampdiff(second, '1970-01-01', {instant})"

    def instant(self, seconds: str) -> str:
        return f"timestamp '1970-01-01 00:00:00' + interval ({seconds}) second"

    def text(self, number: str) -> str:
        return f"cast({number} as char)"

    def property(self, column: str, name: str) -> str:
        return f"json_unquote(json_extract({column}, '$.\"{name}\"'))"

    def property_number(self, column: str, name: str) -> str:
        found = f"json_extract({column}, '$.\"{name}\"')"
        return f"case when json_type({found}) regexp 'INTEGER|DOUBLE|DECIMAL' then {found} + 0e0 end"

    def joined(self, *pieces: str) -> str:
        return f"concat({', '.join(pieces)})"

    def quoted(self, name: str) -> str:
        return f"`{name}`"


class Postgresql(Sqlite):
    def dated(self, number: str) -> str:
        return f"to_date({self.text(number)}, 'YYYYMMDD')"

    def week_of(self, number: str) -> str:
        return self.monday(self.dated(number))

    def shifted(self, instant: str, seconds: str) -> str:
        return f"{instant} + ({seconds}) * interval '1 second'"

    def written(self, instant: str, step: str) -> str:
        forms = {
            "minute": 'YYYY-MM-DD"T"HH24:MI',
            "hour": 'YYYY-MM-DD"T"HH24:00',
            "day": "YYYY-MM-DD",
            "month": "YYYY-MM",
        }
        return f"to_char({instant}, '{forms[step]}')"

    def monday(self, instant: str) -> str:
        return self.written(f"date_trunc('week', {instant})", "day")

    def hour(self, instant: str) -> str:
        return f"cast(extract(hour from {instant}) as integer)"

    def weekday(self, instant: str) -> str:
        return f"cast(extract(isodow from {instant}) as integer)"

    def seconds(self, instant: str) -> str:
        return f"cast(floor(extract(epoch from {instant})) as bigint)"

    def instant(self, seconds: str) -> str:
        return f"timestamp '1970-01-01 00:00:00' + ({seconds}) * interval '1 second'"

    def find(self, text: str, piece: str) -> str:
        return f"strpos({text}, {piece})"

    def property(self, column: str, name: str) -> str:
        return f"(cast({column} as json) ->> '{name}') collate \"C\""

    def property_number(self, column: str, name: str) -> str:
        found = f"cast({column} as json)"
        is_one = f"json_typeof({found} -> '{name}') = 'number'"
        return f"case when {is_one} then cast({found} ->> '{name}' as double precision) end"

    def sorted(self, name: str, falling: bool) -> str:  # noqa: FBT001
        return f"{name} desc nulls last" if falling else f"{name} nulls first"


DIALECTS: Final[Mapping[str, Dialect]] = {
    "sqlite": Sqlite(),
    "mysql": Mysql(),
    "postgresql": Postgresql(),
    "clickhouse": Clickhouse(),
}
