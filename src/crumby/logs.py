"""How uvicorn's loggers and Crumby's own write: from which level on, as text or as JSON, a line each.

    2026-11-23T09:15:00Z WARNING:  visits are not geolocated by /var/lib/crumby/City.mmdb: …
    {"time":"2026-11-23T09:15:00.123Z","level":"warning","logger":"crumby.ingest.geo","message":"visits are not …"}

Whatever a stranger sent that is told in it, no line of it looks like another one: a text has no control characters, a
traceback is set in, and JSON is ASCII. In the journal a text has no time, for the journal has one beside it.
"""

import json
import logging
import os
import re
import sys
import textwrap
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["text", "json"]

CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
DELETE: Final = "\x7f"  # the one of these that JSON leaves as it is
WIDTH: Final = 9  # of a level and its colon
COLOURS: Final = {"DEBUG": 36, "INFO": 32, "WARNING": 33, "ERROR": 31, "CRITICAL": 91}
SET_IN: Final = "    "  # what begins a line of a traceback


class Choice(NamedTuple):
    """Of LOG_LEVEL and LOG_FORMAT; it goes from one process to another."""

    level: Level = "info"
    form: Form = "text"


def configuration(choice: Choice) -> dict[str, Any]:
    """For `logging.config`. The lines of ACCESS_LOG are JSON in any case, and on standard output, as they are."""
    ours = {"handlers": ["log"], "level": choice.level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "log": {"()": "crumby.logs.JsonLines" if choice.form == "json" else "crumby.logs.TextLines"},
            "bare": {"format": "%(message)s"},
        },
        "handlers": {
            "log": {"class": "logging.StreamHandler", "formatter": "log", "stream": "ext://sys.stderr"},
            "requests": {"class": "logging.StreamHandler", "formatter": "bare", "stream": "ext://sys.stdout"},
        },
        "root": {"handlers": ["log"], "level": "ERROR" if choice.level == "error" else "WARNING"},  # of libraries
        "loggers": {
            "uvicorn": ours,
            "crumby": ours,
            "sqlalchemy.engine.Engine": ours | {"level": "NOTSET"},  # SQLALCHEMY_ECHO sets it
            "crumby.access": {"handlers": ["requests"], "level": "INFO", "propagate": False},
        },
    }


class TextLines(logging.Formatter):
    """`WARNING:  what it is about`, with colours in a terminal."""

    def __init__(self) -> None:
        when = "" if in_the_journal(os.environ) else "%(asctime)s "
        super().__init__(f"{when}%(prefix)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._colours = sys.stderr.isatty()

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name; so are these
        record.message = one_line(record.message)
        name = record.levelname
        shown = f"\x1b[{COLOURS[name]}m{name}\x1b[0m" if self._colours and name in COLOURS else name
        record.prefix = f"{shown}:{' ' * (WIDTH - len(name) - 1)}"
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return set_in(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return set_in(stack_info)


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return line(facts)


def told(choice: Choice, logger: str, message: str) -> str:
    """What the start prints, in the form of the log: a text as it is, of some lines; or all of it in one of JSON."""
    if choice.form == "text":
        return message
    return line({"time": moment(time.time()), "level": "info", "logger": logger, "message": message.strip()})


def line(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, separators=(",", ":")).replace(DELETE, "\\u007f")


def moment(seconds: float) -> str:
    then = datetime.fromtimestamp(seconds, UTC)
    return f"{then:%Y-%m-%dT%H:%M:%S}.{then.microsecond // 1000:03d}Z"


def one_line(said: str) -> str:
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], said)


def set_in(lines: str) -> str:
    return textwrap.indent("\n".join(map(one_line, lines.split("\n"))), SET_IN, lambda _: True)


def in_the_journal(environ: Mapping[str, str]) -> bool:
    """Whether standard error goes to systemd's journal, as it says: device and inode of what it set up."""
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"
