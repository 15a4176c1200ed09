"""What went wrong, in one line."""

import contextlib
import logging
import re
import sys
from collections.abc import Iterator
from typing import Final

from crumby.errors import CrumbyError

CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


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


class OneLine(logging.Filter):
    """What is logged is one line, whatever a stranger sent that is told in it. A traceback has lines of its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if CONTROL.search(said):
            record.msg, record.args = CONTROL.sub(lambda found: repr(found[0])[1:-1], said), ()
        return True
