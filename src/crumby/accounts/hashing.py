"""Passwords as they are kept: argon2id, and the bcrypt of 0.7.1 for as long as nobody came by."""

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from passlib.context import CryptContext

BCRYPT_LENGTH: Final = 72  # bytes that bcrypt looks at; 0.7.1 cut the rest, the library of today refuses it


@cache
def _hashes() -> "CryptContext":
    """argon2id at the figures of OWASP's ASVS 5.0: 19 MiB, two passes, one lane. bcrypt is what 0.7.1 kept.

    Imported with the first password: 2 MiB that a server without visitors to its login does not need.
    """
    from passlib.context import CryptContext

    return CryptContext(
        schemes=["argon2", "bcrypt"],
        deprecated="auto",
        argon2__memory_cost=19456,
        argon2__time_cost=2,
        argon2__parallelism=1,
    )


def hashed(password: str) -> str:
    made: str = _hashes().hash(password)
    return made


@cache
def nobodys_hash() -> str:
    return hashed("a password that nobody has")


def verify(password: str, kept: str) -> tuple[bool, str | None]:
    """Whether it fits, and the hash to keep from now on where the old one is out of date."""
    if not _hashes().identify(kept):
        return False, None
    if not kept.startswith("$2"):
        valid, fresh = _hashes().verify_and_update(password, kept)
        return bool(valid), fresh
    if "\0" in password:  # which bcrypt's library raises for
        return False, None
    valid = _hashes().verify(password.encode()[:BCRYPT_LENGTH], kept)
    return bool(valid), hashed(password) if valid else None
