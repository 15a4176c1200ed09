"""What a word that nobody knows was probably meant to be."""

from collections.abc import Iterable
from typing import Final

ALIKE: Final = 0.6  # of difflib's 1


def nearest(word: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """The known word that is most like it; None where none is by so much."""
    from difflib import get_close_matches  # a server that nobody mistypes to never needs it

    return next(iter(get_close_matches(word, known, 1, alike)), None)
