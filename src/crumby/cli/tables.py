"""A table on a terminal that has not enough room for it: lines go first, then words are folded; no name is cut."""

from typing import Final

from rich import box
from rich.cells import cell_len
from rich.table import Column, Table

LINES: Final = 3  # columns of the terminal that a column takes for its lines and blanks
BLANKS: Final = 2  # or for blanks alone


def fit(table: Table, width: int) -> None:
    """Change nothing where there is room. Else the heads stay whole, and the first column, by which rows are told."""
    for column in table.columns:
        column.overflow = "fold"
    wanted = [_longest(column) for column in table.columns]
    if _room(wanted, LINES) <= width:
        return
    table.box, table.pad_edge, table.padding = box.SIMPLE_HEAD, False, (0, 1, 0, 0)
    heads = [max([column.min_width or 1, *map(cell_len, str(column.header).split())]) for column in table.columns]
    for most in (width // 2, width // 3, 0):
        least = [max(heads[0], min(wanted[0], most)), *heads[1:]]
        if _room(least, BLANKS) <= width:
            for column, each in zip(table.columns, _shared(least, wanted, width), strict=True):
                column.width = each
            return


def _shared(least: list[int], wanted: list[int], width: int) -> list[int]:
    """What is left of the width goes to the narrowest one that wants more, bit by bit."""
    widths = list(least)
    for _ in range(width - _room(least, BLANKS)):
        wanting = [number for number, each in enumerate(widths) if each < wanted[number]]
        if wanting:
            widths[min(wanting, key=widths.__getitem__)] += 1
    return widths


def _longest(column: Column) -> int:
    lines = [line for cell in (column.header, *column.cells) for line in str(cell).splitlines()]
    return max(map(cell_len, lines), default=0)


def _room(widths: list[int], more: int) -> int:
    return sum(widths) + more * len(widths) + 1
