"""What went wrong, in one line."""

import contextlib
import sys
from collections.abc import Iterator

from crumby.errors import CrumbyError


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Tell what went wrong in one line, and end with exit code 1."""
    try:
        yield
    except Exception as error:
        said = _one_line(error)
        if said is None:
            raise
        print(f"crumby: {said}", file=sys.stderr)
        raise SystemExit(1) from None


def _one_line(error: Exception) -> str | None:
    """None for a fault of Crumby's own, whose traceback is wanted."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, DBAPIError):
        return str(error.orig).partition("\n")[0]  # without the statement, whose values are nobody's business
    return " ".join(str(error).split()) if isinstance(error, (CrumbyError, OSError, SQLAlchemyError)) else None
