"""Tables on a terminal: nothing is cut, and names stay whole for as long as there is room."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.table import Table

from crumby.cli.tables import fit


def shown(width: int, *heads: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    table = Table(*heads)
    for row in rows:
        table.add_row(*row)
    screen = io.StringIO()
    console = Console(file=screen, width=width, markup=False, emoji=False, highlight=False)
    fit(table, console.width)
    console.print(table)
    return screen.getvalue().splitlines()


TEXT = "a text that is longer than there is room for it, by far"
ROWS = [("private/live_sources", *[TEXT] * 4)]


def test_one_that_fits_has_its_lines() -> None:
    assert shown(80, "name", "title", rows=[("a", "b")])[0] == "┏━━━━━━┳━━━━━━━┓"


@pytest.mark.parametrize("width", [72, 80, 120])
def test_in_one_that_does_not_the_name_stays_whole_and_the_text_is_folded(width: int) -> None:
    """Fault: rich's own widths, which break the name."""
    lines = shown(width, "name", "one", "two", "three", "four", rows=ROWS)
    assert max(map(len, lines)) <= width
    assert any(line.startswith(" private/live_sources  a text") for line in lines)
    assert "".join(lines).count("room") == 4
    assert not any("…" in line for line in lines)


def test_heads_stay_whole_beside_a_name_that_is_too_long() -> None:
    """Fault: `time_on_p` over `age`."""
    heads = ("page", "visitors", "views", "entries", "bounce_rate", "time_on_page", "scroll")
    lines = shown(72, *heads, rows=[("/" + "x" * 200, *"123456")])
    assert lines[1].split() == list(heads)
    assert sum(line.count("x") for line in lines) == 200
    assert max(map(len, lines)) <= 72


def test_many_more_columns_than_there_is_room_for_are_still_a_table() -> None:
    assert shown(40, *(f"column_{number}" for number in range(20)), rows=[tuple("x" * 20)])


def test_wide_letters_take_two_columns() -> None:
    """Fault: a count of letters."""
    (row,) = [line for line in shown(40, "name", "text", rows=[("日本語" * 3, "x" * 30)]) if "日" in line]
    assert row.startswith(" 日本語日本語日本語 ")
