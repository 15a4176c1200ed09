"""What went wrong, in one line: for people, or after `--json` for programs."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Final, NoReturn

from crumby.errors import CrumbyError

NO: Final = 1  # Crumby says no
USAGE: Final = 2  # so the words are not to be understood
INTERRUPTED: Final = 130  # as shells have it for Ctrl-C


class Interrupted(CrumbyError):
    """By Ctrl-C. The message says how things were left."""


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Tell what went wrong in one line, and end with its exit code."""
    try:
        yield
    except Exception as error:
        said = _one_line(error)
        if said is None:
            raise
        tell(type(error).__name__, said)
        end(error)


def tell(name: str, said: str) -> None:
    """A line on standard error: `crumby: …`, or `{"error": …, "detail": …}` as the API has it."""
    line = json.dumps({"error": name, "detail": said}, ensure_ascii=False) if wants_json() else f"crumby: {said}"
    print(line, file=sys.stderr, flush=True)


def wants_json() -> bool:
    """Whether it was said on the command line; what stands after `--` is no option."""
    words = sys.argv[1:]
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def end(error: Exception) -> NoReturn:
    code = INTERRUPTED if isinstance(error, Interrupted) else getattr(error, "exit_code", NO)  # typer's errors have one
    raise SystemExit(code) from None


def _one_line(error: Exception) -> str | None:
    """None for a fault of Crumby's own, whose traceback is wanted."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    if hasattr(error, "format_message"):  # typer's
        return " ".join(str(error.format_message()).split())
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, DBAPIError):
        return str(error.orig).partition("\n")[0]  # without the statement, whose values are nobody's business
    return " ".join(str(error).split()) if isinstance(error, (CrumbyError, OSError, SQLAlchemyError)) else None
