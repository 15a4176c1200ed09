"""What is seen in a terminal: colours, and the texts of strangers in cells of a width."""

from typing import Final

from rich.cells import cell_len, set_cell_size

from crumby.cli.query import BLANKS, UNSEEMLY

# Each stands out from white as from black by a contrast of 4 to 1 and more, which few of the sixteen usual ones do.
GREY: Final = "color(243)"
GREEN: Final = "color(28)"
BLUE: Final = "color(31)"
PURPLE: Final = "color(162)"
RED: Final = "color(161)"

LONGEST: Final = 4096  # characters


def seemly(value: object) -> str:
    """On one line, and nothing in it that moves the cursor, colours the screen or turns the line around."""
    text = "" if value is None else str(value)[:LONGEST]
    return UNSEEMLY.sub("\N{REPLACEMENT CHARACTER}", BLANKS.sub(" ", text)).strip()


def fitted(text: str, width: int) -> str:
    """As wide as that on the screen, where a letter may take two columns or none."""
    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"
