r"""A web server's access log: nginx, Apache, Caddy, or any that writes lines as they do, with or without a script.

    203.0.113.7 - - [23/Nov/2026:15:41:21 +0100] "GET /tea HTTP/2.0" 200 5120 "https://example.org/" "Mozilla/5.0 …"
    example.com:443 203.0.113.7 - - [23/Nov/2026:15:41:21 +0100] "GET /tea HTTP/1.1" 200 5120 "-" "Mozilla/5.0 …"
    {"time_iso8601": "2026-11-23T15:41:21+01:00", "remote_addr": "203.0.113.7", "request": "GET /tea HTTP/2.0", …}

These are known by how they look. Any other is said by --format, in nginx' or Apache's own words (`logs/format.py`);
JSON by its names (`logs/jsonformat.py`). What becomes of a line, `logs/logged.py` says.

**What is lost.** What only a script sees: titles, screens, events, time on a page, and who comes again on another day.
Pages that a browser or a cache had kept are in no log.

**A line is known by itself**: by its second, its text, its site and its number among equal lines of that second. So
rotated, compressed, renamed or read twice it is stored once. Of two servers' logs of one site equal lines would be one.

**Followed** (`logs/lines.py`), a log that is rotated is read to its end before the new one is begun, whatever moves it.
A mark is a place in the file that was read last; whoever starts again where another one stands meanwhile finds nothing
known of that, and reads it from its beginning, of which nothing is stored twice. What was written between a kill and a
rotation is in `access.log.1`: importing that as well loses nothing. Lost is only what a server writes to a renamed file
after two looks without a line, and what is written between a look and a `copytruncate`; both are in that file too.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from crumby.dimensions.session import EPOCH
from crumby.importing.ids import Names
from crumby.importing.input import COMPRESSED, HEAD, Input
from crumby.importing.item import Item, Skipped, Waiting
from crumby.importing.logs.fields import FIELDS, FORMATS
from crumby.importing.logs.format import LogFormat
from crumby.importing.logs.jsonformat import JsonFormat, JsonLine
from crumby.importing.logs.lines import BOM, TOO_LONG, Line, followed, lines_of
from crumby.importing.logs.logged import NO_NAME, NOTHING, Asked, Logged
from crumby.importing.logs.seconds import Seconds
from crumby.importing.logs.times import Clock
from crumby.importing.source import ImportRefused, Wanted

NAME: Final = "access-log"
SAMPLE: Final = 200  # lines by which a format is known
HALF: Final = 0.5  # of them, that have to be as it says
REMEMBERED: Final = 1024  # times
SHOWN: Final = 100  # characters of a line
REST: Final = len(FIELDS) - 7  # of them, that are asked for of what may be a page
SECOND: Final = timedelta(seconds=1)
FIRST: Final = 5  # of FIELDS, that are asked for of each line
LONG: Final = Skipped("a line longer than 64 KiB")
WAITING: Final = Waiting()

Format = LogFormat | JsonFormat


class AccessLog:
    NAME = NAME
    ordered = True

    def __init__(self, given: Input, wanted: Wanted, format_: Format | None, member: str | None) -> None:
        """Without a format, that of the first line that is one of those that are known."""
        self._given = given
        self._wanted = wanted
        self._format = format_
        self._member = member
        self.origin = f"access-log {wanted.site or given.name}"
        self.size = given.size(member) if given.path.exists() or not wanted.follow else 0
        self.mark = 0

    def items(self, mark: int) -> Iterator[Item]:
        self.mark = mark
        seconds = Seconds(mark)
        reader = Reader(self._wanted, self._wanted.names(NAME), seconds, self._format)
        before, is_first = -1, True
        for line in self._lines(mark):
            if line is None:
                yield WAITING
                continue
            begin, said = line
            if begin <= before:  # of another file, to which the mark does not lead
                is_first = False
                seconds.restart()
            before = begin
            item = reader.item(begin, said)
            if is_first:
                self.mark = seconds.mark
            yield item

    def _lines(self, mark: int) -> Iterator[Line | None]:
        if self._wanted.follow:
            yield from followed(self._given.path, mark)
            return
        with self._given.open(self._member) as file:
            yield from lines_of(file, mark)


class Reader:
    """Lines of one format → items."""

    def __init__(self, wanted: Wanted, names: Names, seconds: Seconds, format_: Format | None) -> None:
        self._wanted = wanted
        self._seconds = seconds
        self._logged = Logged(wanted, names, seconds.number)
        self._match: Callable[[bytes], re.Match[bytes] | JsonLine | None] | None = None
        if format_:
            self._read(format_)

    def _know(self, line: bytes) -> None:
        """A log that was empty: its first line that is of a known format tells which."""
        format_ = known_format([line])
        if format_:
            needs_host(format_, [line], self._wanted, "the log")
            self._read(format_)

    def _read(self, format_: Format) -> None:
        clock = Clock(self._wanted.zone, format_.strftime)

        @lru_cache(maxsize=REMEMBERED)
        def at(said: bytes, zone: bytes | None) -> tuple[datetime, int] | None:
            found = clock(said, zone)
            return None if found is None else (found, (found - EPOCH) // SECOND)

        self._at = at
        self._match = format_.match
        self._first, self._rest = format_.indexes[:FIRST], format_.indexes[-REST:]
        self._parts = format_.indexes[FIRST:-REST]

    def item(self, begin: int, line: bytes) -> Item:
        if line == TOO_LONG:
            return LONG
        if self._match is None:
            self._know(line)
        told = self._match(line) if self._match else None
        if told is None:
            return Skipped("no such line", shown(line))
        said, zone, method, target, status = told.group(*self._first)
        moment = self._at(said or b"", zone)
        if moment is None:
            return Skipped("no such time", shown(line))
        at, second = moment
        self._seconds.saw(second, begin)
        if target is None:
            target = self._put_together(*told.group(*self._parts))
        return self._logged.item(Asked(at, method, target, status or b""), lambda: told.group(*self._rest), line)

    def _put_together(self, path: bytes | None, query: bytes | None) -> bytes:
        return (path or b"") + (b"" if query is None or query in NOTHING else b"?" + query.removeprefix(b"?"))


def recognises(given: Input) -> bool:
    try:
        lines = sample(given, member_of(given))
    except (ImportRefused, OSError):
        return False
    found = known_format(lines)
    return found is not None and fitting(found, lines) >= HALF * len(lines)


def opened(given: Input, wanted: Wanted) -> AccessLog:
    if wanted.follow and not is_written(given):
        raise ImportRefused(f"{given.name}: --follow needs a log that is written to, a file that is not compressed")
    member = member_of(given)
    lines = sample(given, member)
    format_ = said_format(wanted.format) if wanted.format else known_format(lines)
    if lines and (format_ is None or not fitting(format_, lines)):
        raise ImportRefused(f"{given.name}, line 1: {misfit(format_, lines[0])}")
    if format_:
        needs_host(format_, lines, wanted, given.name)
    return AccessLog(given, wanted, format_, member)


def is_written(given: Input) -> bool:
    """Or will be: it need not be there yet."""
    if given.is_stdin or given.is_folder:
        return False
    if not given.path.exists():
        return True
    with given.path.open("rb") as file:
        return not file.read(8).startswith(tuple(COMPRESSED))


def member_of(given: Input) -> str | None:
    """Of a zip its only file. Raises ImportRefused for a folder: its files may be of several logs."""
    if not given.is_folder:
        return None
    members = given.members()
    if len(members) != 1:
        raise ImportRefused(f"{given.name} holds {len(members)} files: name the logs themselves, {given.name}/*.log*")
    return members[0]


def sample(given: Input, member: str | None) -> list[bytes]:
    head = given.head(member)
    lines = head.removeprefix(BOM).split(b"\n")
    if len(head) == HEAD:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines if line.strip()][:SAMPLE]


def known_format(lines: list[bytes]) -> Format | None:
    """The one of those that are known by which most of the lines are written; None if not one of them is."""
    formats: list[Format] = [JsonFormat()] if any(line.startswith(b"{") for line in lines) else []
    formats += [LogFormat(said, open_end=True) for said in FORMATS.values()]
    best = max(formats, key=lambda each: fitting(each, lines))
    return best if fitting(best, lines) else None


def said_format(said: str) -> Format:
    if said.strip().lower() in {"json", "caddy"}:
        return JsonFormat()
    return LogFormat(FORMATS.get(said.strip(), said), open_end=said.strip() in FORMATS)


def fitting(format_: Format, lines: list[bytes]) -> int:
    return sum(format_.match(line) is not None for line in lines)


def misfit(format_: Format | None, line: bytes) -> str:
    if format_ is None:
        return f"neither nginx nor Apache writes such a line by itself; say its log_format by --format: {shown(line)}"
    if isinstance(format_, JsonFormat):
        return f"it is no JSON that tells a time, a request and a status: {shown(line)}"
    return f"it is not as --format says, from {format_.stops(line)!r} on: {shown(line)}"


def needs_host(format_: Format, lines: list[bytes], wanted: Wanted, name: str) -> None:
    """Raises ImportRefused where neither the log nor the command line names the site."""
    if wanted.site:
        return
    index = format_.indexes[FIELDS.index("host")]
    told = [found.group(index, index)[0] for line in lines if (found := format_.match(line))]
    if not all(host in NO_NAME for host in told) or (not told and "host" in format_.fields):
        return
    raise ImportRefused(f"{name}: the log has no host; give --site example.com")


def shown(line: bytes) -> str:
    return line[:SHOWN].decode(errors="backslashreplace")
