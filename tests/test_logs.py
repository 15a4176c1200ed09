"""LOG_LEVEL and LOG_FORMAT: what is logged, in which form, and that no stranger writes a line of it."""

import io
import json
import logging
import logging.config
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crumby import logs
from crumby.logs import Choice, JsonLines, TextLines, configuration, in_the_journal, told
from tests.servers import Crumby

LEVELS = ("debug", "info", "warning", "error")
LOUDEST = "uvicorn.error", "crumby.ingest.geo", "uvicorn"
FORGED = ("a\r\nINFO: b", "a\x1b[2Jb", "a\x00b", "a\x9bb", "a\u2028b", "a\u0085b", "a\x7fb")
TEXT = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<level>[A-Z]+): +(?P<message>.*)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Configure = Callable[..., io.StringIO]


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Give a way to have the log as it would be, and what is written; afterwards all is as it was."""
    root, known = logging.getLogger(), list(configuration(Choice())["loggers"])
    before = [(each, each.level, each.handlers[:], each.propagate) for each in map(logging.getLogger, known)]
    before.append((root, root.level, root.handlers[:], True))

    def configure(level: str = "info", form: str = "text") -> io.StringIO:
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        logging.config.dictConfig(configuration(Choice(level, form)))  # type: ignore[arg-type]
        return written

    yield configure
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers, logger.propagate = handlers, propagate


def fail(message: str) -> Any:
    try:
        raise ValueError(message)  # noqa: TRY301 - to have its traceback
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("level", LEVELS)
def test_what_is_below_the_level_is_not_logged_by_crumby_or_uvicorn(
    level: str, form: str, configured: Configure
) -> None:
    """Planted: uvicorn's loggers at INFO whatever is said."""
    written = configured(level, form)
    for name in LOUDEST:
        for each in LEVELS:
            getattr(logging.getLogger(name), each)("said at %s", each)
    expected = [f"said at {each}" for each in LEVELS[LEVELS.index(level) :]]
    found = re.findall(r"said at \w+", written.getvalue())
    assert found == expected * len(LOUDEST)


def test_libraries_are_heard_when_they_warn_in_the_same_form(configured: Configure) -> None:
    """Planted: no handler for the rest, which Python then prints bare."""
    written = configured("debug", "json")
    logging.getLogger("asyncio").warning("a task was never awaited")
    logging.getLogger("asyncio").info("using selector")
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["logger"] == "asyncio"


def test_a_json_line_has_time_level_logger_and_message(configured: Configure) -> None:
    written = configured("info", "json")
    logging.getLogger("crumby.ingest.geo").warning("no file %s", "/x/Cité.mmdb")
    line = written.getvalue()
    assert line.isascii()
    facts = json.loads(line)
    assert list(facts) == ["time", "level", "logger", "message"]
    assert TIME.fullmatch(facts.pop("time"))
    assert facts == {"level": "warning", "logger": "crumby.ingest.geo", "message": "no file /x/Cité.mmdb"}


def test_a_traceback_is_in_the_line_of_json(configured: Configure) -> None:
    """Planted: it follows the line, as text."""
    written = configured("info", "json")
    logging.getLogger("crumby").error("3f2a: a request failed", exc_info=fail("of\nthree\nlines"))
    (line,) = written.getvalue().splitlines()
    facts = json.loads(line)
    assert facts["message"] == "3f2a: a request failed"
    assert facts["traceback"].startswith("Traceback (most recent call last):\n")
    assert facts["traceback"].endswith("ValueError: of\nthree\nlines")


@pytest.mark.parametrize("form", [TextLines, JsonLines])
@pytest.mark.parametrize("said", FORGED)
def test_what_a_stranger_says_is_one_line(said: str, form: type[logging.Formatter]) -> None:
    """Row 42. Planted: a message that is written as it is."""
    record = logging.LogRecord("crumby", logging.INFO, "", 0, "the database said: %s", (said,), None)
    written = form().format(record)
    assert written.isprintable()
    assert "the database said: a\\" in written


@pytest.mark.parametrize("said", FORGED)
def test_no_line_of_a_traceback_looks_like_one_of_the_log(said: str) -> None:
    """Planted: a traceback as Python prints it, whose last line is the stranger's."""
    record = logging.LogRecord("crumby", logging.ERROR, "", 0, "a request failed", (), fail(f"no {said}"))
    first, *others = TextLines().format(record).split("\n")
    assert TEXT.fullmatch(first)
    assert all(line.startswith("    ") and line.isprintable() for line in others)
    assert others[0] == "    Traceback (most recent call last):"


def test_a_text_has_a_time_but_for_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: no time in a file because there is a journal somewhere."""
    record = logging.LogRecord("crumby", logging.WARNING, "", 0, "a warning", (), None)
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        there = (tmp_path / "log").stat()
        for stream, shown in ((f"{there.st_dev}:{there.st_ino}", True), (f"{there.st_dev}:1", False), ("", False)):
            monkeypatch.setenv("JOURNAL_STREAM", stream)
            assert in_the_journal({"JOURNAL_STREAM": stream}) == shown
            written = TextLines().format(record)
            assert (written == "WARNING:  a warning") == shown
            assert bool(TEXT.fullmatch(written)) != shown


def test_what_the_start_prints_is_in_the_form_of_the_log() -> None:
    greeting = "Crumby is at http://127.0.0.1:5000\n\nPaste this\n"
    assert told(Choice(), "crumby.cli.start", greeting) == greeting
    facts = json.loads(told(Choice(form="json"), "crumby.cli.start", greeting))
    assert (facts["message"], facts["logger"]) == (greeting.strip(), "crumby.cli.start")


def test_a_server_writes_json_alone_from_its_first_line_to_its_last() -> None:
    """With two workers, a weak secret, every statement and every request. Planted: the greeting as text; a warning
    before the log is set up; SQLALCHEMY_ECHO by its own handler.
    """
    words = ["--workers", "2"]
    with Crumby(arguments=words, access_log="all", log_format="json", secret_key="weak", sqlalchemy_echo="1") as server:
        with server.client() as client:
            client.get("/nothing%0a{}", headers={"User-Agent": "\x1b[2J"})
            client.get("/api/public/pages")
        server.stop()
        lines = [json.loads(line) for line in server.log.splitlines()]
    loggers = {line.get("logger") for line in lines}
    assert {None, "crumby.cli.start", "crumby.settings", "uvicorn.error", "sqlalchemy.engine.Engine"} <= loggers
    assert all(TIME.fullmatch(line["time"]) for line in lines)


def test_a_server_that_is_told_to_says_nothing_but_errors() -> None:
    """Planted: the level goes to Crumby's loggers alone."""
    with Crumby(log_level="error", secret_key="weak") as server:
        server.stop()
        assert [line for line in server.log.splitlines() if TEXT.fullmatch(line)] == []
        assert "Crumby is at" in server.log
    assert logs.COLOURS.keys() >= {level.upper() for level in LEVELS}
