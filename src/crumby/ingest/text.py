"""Text as every database takes it and gives it back."""

import re
from typing import Final

MAX_TEXT: Final = 2048  # characters of a title, an address or a value; the rest is cut

CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\ud800-\udfff]+")


def clean(text: str | None, length: int = MAX_TEXT) -> str | None:
    """The text without control characters and outer space, at most `length` characters.

    What databases disagree on (NUL, lone surrogates, trailing blanks) never reaches one.
    """
    if not text:
        return text
    if not text.isprintable():
        text = CONTROLS.sub(" ", text)
    text = text.strip()
    return text if len(text) <= length else text[:length].rstrip()


def is_well_formed(text: str) -> bool:
    """Whether it has no half of a character that is made of two surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
