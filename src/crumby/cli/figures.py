"""Numbers and their names as a person reads them: `48.1 %`, `3 min 2 s`, `▲ 12 %`."""

from typing import Any, Final

from rich.text import Text

from crumby.cli.screen import GREEN, GREY, RED, seemly

MINUTE, HOUR = 60, 3600
FEW: Final = 10  # percent, below which a tenth counts
NOTHING: Final = "-"
SHORT: Final = {"views_per_session": "Per session"}
LESS_IS_MORE: Final = frozenset({"bounce_rate"})


def named(column: str) -> str:
    return SHORT.get(column) or seemly(column).replace("_", " ").capitalize()


def amount(value: Any, form: str | None) -> str:
    """A value of a column of that format."""
    if not isinstance(value, int | float):
        return NOTHING if value is None else seemly(value)
    if form == "percent":
        return f"{_tenths(value)} %"
    if form == "duration":
        return _span(round(value))
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"


def change(column: str, value: Any, before: Any) -> Text:
    """By how much it differs. Nothing where there was nothing to be compared with."""
    if not isinstance(value, int | float) or not isinstance(before, int | float) or not before:
        return Text(NOTHING, GREY)
    percent = abs(value - before) / abs(before) * 100
    shown = _tenths(percent) if percent < FEW else f"{percent:,.0f}"
    if shown == "0":
        return Text("=", GREY)
    better = (value > before) != (column in LESS_IS_MORE)
    return Text(f"{'▲' if value > before else '▼'} {shown} %", GREEN if better else RED)


def _tenths(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _span(seconds: int) -> str:
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE} s"
    return f"{seconds // HOUR:,} h {seconds % HOUR // MINUTE} min"
