"""What ClickHouse spells differently from the other databases.

An instant is a DateTime64 in UTC there. Texts are counted in bytes, by `substr` and `position` alike, so that what one
of them finds the other cuts.

Between `select` and `having` a name is a column's, as elsewhere (`prefer_column_name_to_alias`, without which
`sum(views) as views` would be added up twice); but then it is one behind `order by` too, where elsewhere it is the
answer's. So the order stands around the answer: `ordered`.
"""

import re
from collections.abc import Collection
from typing import Final

WRITTEN: Final = {"minute": "%Y-%m-%dT%H:%i", "hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}
NUMBERS: Final = "('Int64', 'UInt64', 'Double')"
ORDER: Final = "\1"  # stands where `order_by` wrote the order
NAMES: Final = re.compile(r"[`\"]?(\w+)[`\"]?(?:\s+desc)?\s+nulls\s+\w+", re.IGNORECASE)
LITERALS: Final = re.compile(r"""'(?:[^'\\]|''|\\.)*'|--[^\n]*""", re.DOTALL)


class Clickhouse:
    def shifted(self, instant: str, seconds: str) -> str:
        return f"addSeconds({instant}, {seconds})"

    def written(self, instant: str, step: str) -> str:
        return f"formatDateTime({instant}, '{WRITTEN[step]}')"

    def monday(self, instant: str) -> str:
        return f"toString(toMonday({instant}))"

    def hour(self, instant: str) -> str:
        return f"toHour({instant})"

    def weekday(self, instant: str) -> str:
        return f"toDayOfWeek({instant})"

    def seconds(self, instant: str) -> str:
        return f"toInt64(toUnixTimestamp({instant}))"

    def instant(self, seconds: str) -> str:
        return f"toDateTime64({seconds}, 6, 'UTC')"

    def find(self, text: str, piece: str) -> str:
        return f"position({text}, {piece})"

    def text(self, number: str) -> str:
        return f"toString({number})"

    def joined(self, *pieces: str) -> str:
        return f"concat({', '.join(pieces)})"

    def property(self, column: str, name: str) -> str:
        found = f"{column}, '{name}'"
        text = f"case when JSONType({found}) = 'String' then JSONExtractString({found})"
        return f"{text} when JSONType({found}) <> 'Null' then JSONExtractRaw({found}) end"

    def property_number(self, column: str, name: str) -> str:
        found = f"{column}, '{name}'"
        return f"case when JSONType({found}) in {NUMBERS} then JSONExtractFloat({found}) end"

    def dashed(self, number: str) -> str:
        return f"toString({self.dated(number)})"

    def dated(self, number: str) -> str:
        return f"YYYYMMDDToDate32({number})"

    def week_of(self, number: str) -> str:
        return self.monday(self.dated(number))

    def quoted(self, name: str) -> str:
        return f"`{name}`"

    def sorted(self, name: str, falling: bool) -> str:  # noqa: FBT001 - one of two ways
        return f"{name} desc nulls last" if falling else f"{name} nulls first"


def ordered(sql: str, columns: Collection[str]) -> str:
    """The statement with its order where it belongs.

    select a, sum(b) as b from c group by a order by b nulls first limit 2
    → select * from (select a, sum(b) as b from c group by a) as crumby_answer order by b nulls first limit 2

    An order within parentheses stays there, and one by something that is no column of the answer; `columns` are those
    that the file declares.
    """
    body, mark, order = sql.rpartition(ORDER)
    body = body.replace(ORDER, "")
    if not mark:
        return sql
    told = LITERALS.sub("", body)
    of_answer = not columns or {name for name in NAMES.findall(order) if not name.isdecimal()} <= set(columns)
    if told.count("(") != told.count(")") or not of_answer:
        return body + order
    return f"select * from (\n{body}\n) as crumby_answer\n{order}"  # noqa: S608 - a file's own text; values are bound
