"""An answer as a plain page: what `answer.html` shows. It is escaped there, and its links lead to the web alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crumby.reporting.header import Column
from crumby.reporting.period import Period
from crumby.reporting.questions import Answer, Question
from crumby.reporting.results import compared_rows, plain_rows

WEB: Final = re.compile(r"https?://[^\s/\\@]+(?:[/?#]\S*)?", re.IGNORECASE)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBERS: Final = frozenset({"integer", "number"})
MINUTE: Final = 60  # seconds
FORMS: Final = {"json": "JSON", "records": "Records", "csv": "CSV", "ndjson": "NDJSON"}


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    link: str | None = None
    before: str | None = None  # in the other period, where the answer is compared


@dataclass(frozen=True, slots=True)
class Head:
    name: str
    description: str
    numeric: bool


def context(answer: Answer, question: Question) -> dict[str, Any]:
    columns, rows = answer.result.columns, plain_rows(answer.result, question.query)
    declared = {column.name: column for column in question.query.header.columns}
    kinds = [declared.get(name) for name in columns]
    others = compared_rows(answer, question.query) if question.compared else []
    heads = [
        Head(name, kind.description if kind else "", _is_numeric(kind, [row[place] for row in rows]))
        for place, (name, kind) in enumerate(zip(columns, kinds, strict=True))
    ]
    return {
        "query": question.query,
        "period": _period(question.view.period),
        "compared": _period(question.compared) if question.compared else None,
        "heads": heads,
        "rows": [_cells(row, kinds, heads, others[place] if others else None) for place, row in enumerate(rows)],
        "truncated": answer.result.truncated,
        "imported": question.imported and question.imported.words,
    }


def _cells(
    row: Sequence[Any], kinds: Sequence[Column | None], heads: Sequence[Head], other: Sequence[Any] | None
) -> list[Cell]:
    cells = []
    for place, (value, kind) in enumerate(zip(row, kinds, strict=True)):
        form = kind.format if kind else None
        link = value if form == "url" and isinstance(value, str) and WEB.fullmatch(value) else None
        before = shown(other[place], form) if other and heads[place].numeric and value != other[place] else None
        cells.append(Cell(shown(value, form), link, before))
    return cells


def _is_numeric(kind: Column | None, values: Sequence[Any]) -> bool:
    if kind:
        return kind.type in NUMBERS and kind.format != "weekday"
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and value is not True for value in known)


def shown(value: Any, form: str | None) -> str:
    """A value as people read it: `12.5%`, `3m 20s`, `Monday`, `1,234`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and form in FORMATTED:
        return FORMATTED[form](value)
    return str(value)


def _duration(seconds: int) -> str:
    """`45s`, `3m 20s`, `2h 05m`."""
    if seconds < MINUTE:
        return f"{seconds}s"
    minutes, rest = divmod(seconds, MINUTE)
    return f"{minutes}m {rest:02}s" if minutes < MINUTE else f"{minutes // MINUTE}h {minutes % MINUTE:02}m"


def _weekday(number: float) -> str:
    return WEEKDAYS[int(number) - 1] if 1 <= number <= len(WEEKDAYS) else str(number)


FORMATTED: Final[Mapping[str | None, Callable[[Any], str]]] = {
    "count": "{:,}".format,
    "percent": "{}%".format,
    "duration": _duration,
    "weekday": _weekday,
}


def _period(period: Period) -> str:
    days = f"{period.t0}" if period.t0 == period.t1 else f"{period.t0} to {period.t1}"
    return f"{days}, {period.zone.key}"
