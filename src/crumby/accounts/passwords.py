"""Which new passwords are taken. One that was taken before goes on fitting.

As OWASP's ASVS 5.0 has it (6.2): eight characters or more, of any kind, none cut off, and none of those that a guesser
tries first. These are in `common-passwords.txt.xz`, beside this file: the 10,000 most common ones of that length, in
lower case. `scripts/passwords.py` makes it, from a package of the MIT licence that NOTICE names.
"""

from pathlib import Path
from typing import Final

from crumby.errors import AccountError

SHORTEST: Final = 8  # characters
LONGEST: Final = 1024  # characters; longer ones would only cost time
COMMON: Final = Path(__file__).with_name("common-passwords.txt.xz")


def check(password: str, name: str) -> None:
    """Raises AccountError for a password that the user of that name is not to have. It reads a file."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"a password has {SHORTEST} to {LONGEST} characters")
    if _bare(password) == _bare(name):
        raise AccountError("that password is the user's own name; choose one that others can't tell")
    if password.lower() in _common():
        raise AccountError("that password is one of the 10,000 most common ones; choose one that others don't")


def _bare(text: str) -> str:
    """`Ann_2026!` → `ann`: what is put around a name hides it from nobody. A text of no letters stays whole."""
    letters = [place for place, each in enumerate(text) if each.isalpha()]
    return text[letters[0] : letters[-1] + 1].casefold() if letters else text


def _common() -> frozenset[str]:
    """Read for each new password, and kept for none: 10 ms, in the place of 1 MiB for good."""
    import lzma

    return frozenset(lzma.decompress(COMMON.read_bytes()).decode().split("\n"))
