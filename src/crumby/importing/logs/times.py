"""When a line of a log says that it was, in UTC.

23/Nov/2026:15:41:21 +0100          nginx' $time_local, Apache's %t
2026-11-23T15:41:21+01:00           $time_iso8601
1795444881.123, 1795444881123       $msec, Caddy's `ts`; seconds, or thousandths and so on of them
23.11.26 15:41                      what Apache's %{%d.%m.%y %H:%M}t writes
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from crumby.dimensions.session import EPOCH

MONTHS: Final = {
    name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)
}
NUMBER: Final = re.compile(rb"-?\d+(?:\.\d+)?(?:e[+]?\d+)?", re.IGNORECASE)
CLF: Final = re.compile(rb"(\d\d)/(\w\w\w)/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
SECONDS: Final = 1e11  # the year 5138; more than that are thousandths
STRFTIME: Final = re.compile("%[%a-zA-Z]")
WHOLE: Final = {
    "%T": "%H:%M:%S",
    "%F": "%Y-%m-%d",
    "%R": "%H:%M",
    "%D": "%m/%d/%y",
    "%e": "%d",
    "%h": "%b",
    "%n": " ",
    "%t": " ",
}
CODES: Final = {"%Y": r"\d{4}", "%z": r"[+-]\d\d:?\d\d", "%Z": r"\w++", "%s": r"\d++", "%j": r"\d{3}", "%%": "%"}
WORDS: Final = dict.fromkeys(("%a", "%A", "%b", "%B", "%p"), r"\w++\.?")
TWO_DIGITS: Final = r"[\d\ ]\d"


def spelled_out(strftime: str) -> str:
    """`%d/%b/%Y:%T` → `%d/%b/%Y:%H:%M:%S`, as `strptime` knows it."""
    return STRFTIME.sub(lambda code: WHOLE.get(code[0], code[0]), strftime)


def strftime_pattern(strftime: str) -> str:
    """What it writes, as a regular expression of the verbose kind."""
    pattern, end = "", 0
    strftime = spelled_out(strftime)
    for code in STRFTIME.finditer(strftime):
        pattern += re.escape(strftime[end : code.start()]) + (CODES | WORDS).get(code[0], TWO_DIGITS)
        end = code.end()
    return pattern + re.escape(strftime[end:])


class Clock:
    """Reads times that say no zone as of this one."""

    def __init__(self, zone: tzinfo, strftime: str = "") -> None:
        self._zone = zone
        self._strftime = spelled_out(strftime)

    def __call__(self, said: bytes, zone: bytes | None = None) -> datetime | None:
        """In UTC, without a zone; None for what is no time."""
        try:
            return self._read(said, zone)
        except (ValueError, OverflowError):
            return None

    def _read(self, said: bytes, zone: bytes | None) -> datetime | None:
        if self._strftime and self._strftime != "%s":
            at = datetime.strptime(said.decode(), self._strftime)  # noqa: DTZ007 - it may say none
        elif found := CLF.fullmatch(said):
            return _clf(found)
        elif NUMBER.fullmatch(said):
            number = float(said)
            while number > SECONDS:
                number /= 1000
            return EPOCH + timedelta(milliseconds=round(number * 1000))
        else:
            at = datetime.fromisoformat(said.decode())
        if zone and at.tzinfo is None:
            at = at.replace(tzinfo=datetime.strptime(zone.decode(), "%z").tzinfo)
        return (at if at.tzinfo else at.replace(tzinfo=self._zone)).astimezone(UTC).replace(tzinfo=None)


def _clf(found: re.Match[bytes]) -> datetime | None:
    day, name, year, hour, minute, second, sign, ahead, minutes = found.groups()
    month = MONTHS.get(name)
    if month is None:
        return None
    offset = timedelta(hours=int(ahead), minutes=int(minutes))
    # A leap second is the last one of its minute.
    at = datetime(int(year), month, int(day), int(hour), int(minute), min(int(second), 59))  # noqa: DTZ001 - below
    return at - offset if sign == b"+" else at + offset
