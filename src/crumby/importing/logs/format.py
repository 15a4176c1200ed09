r"""A web server's format string becomes a regular expression that reads what the server writes by it.

    $remote_addr - [$time_local] "$request" $status        nginx' log_format
    %h %l %u %t \"%r\" %>s %b                              Apache's LogFormat

What is written between the fields separates them. One in quotation marks ends at the next that no backslash stands
before, any other where the text behind it is first found: no line takes longer than its length, whoever wrote it. What
Crumby has no use for is passed over.

    https://nginx.org/en/docs/http/ngx_http_log_module.html
    https://nginx.org/en/docs/varindex.html
    https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from crumby.importing.logs.fields import DIRECTIVES, FIELDS, FORMATS, HEADERS, VARIABLES
from crumby.importing.logs.times import STRFTIME, strftime_pattern
from crumby.importing.source import ImportRefused

QUOTED: Final = r'[^"\\]*+(?>(?:\\.[^"\\]*+)*)'
LISTED: Final = r'[^\s",]++(?>(?:,\ ?[^\s",]++)*)'
METHOD: Final = "[A-Za-z_-]++"
TARGET: Final = r'[^\s"\\]*+(?>(?:\\.[^\s"\\]*+)*)'
PATTERNS: Final = {  # of fields that tell where they end
    "ip": LISTED,
    "forwarded": LISTED,
    "status": r"\d\d\d|-",
    "method": r'[^\s"]*+',
    "target": TARGET,
    "path": r'[^\s"?\\]*+(?>(?:\\.[^\s"?\\]*+)*)',
    "query": TARGET,
    "mark": r"\??",
    "scheme": r"[a-zA-Z]*+|-",
    "host": r'\[[0-9a-fA-F:.]*+\]|[^\s/:"]*+',
    "port": r"\d*+|-",
    "at": r"\d{10,}(?:\.\d+)?|\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\ [+-]\d{4}|\d{4}-\d\d-\d\dT[\d:.]++(?:Z|[+-]\d\d:?\d\d)?",
    "zone": r"[+-]\d{4}",
    "upstream": r'[^\s",]++(?>(?:(?:,\ |\ :\ )[^\s",]++)*)',
}
ENDS: Final = dict.fromkeys(("ip", "forwarded", "method", "target", "query", "upstream"), ' \t"') | {
    "path": ' \t"?',  # what such a field ends at by itself; where other text is behind it, it ends there
    "host": ' \t"/:',
}
IN_QUOTES: Final = frozenset(("", "referrer", "agent", "lang", "purpose", "gpc", "dnt", "forwarded", "upstream"))
NGINX: Final = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<name>\w+))")
APACHE: Final = re.compile(r"%[!\d,]*[<>]?(?:\{(?P<argument>[^}]*)\})?[<>]?(?P<name>%|\^\w\w|\w)")
PIECE: Final = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
CONFIGURED: Final = re.compile(r"\s*(?:log_format\s+\S+(?:\s+escape=\w+)?|LogFormat)\s+(?=['\"])", re.IGNORECASE)
NEEDED: Final = {
    "at": "time: $time_local, $time_iso8601 or $msec, Apache's %t",
    "target": "request: $request, or $request_method and $request_uri, Apache's %r",
    "status": "status: $status, Apache's %>s",
}


class Part(NamedTuple):
    """Of a format: text that stands in each line, or a field."""

    said: str  # as the format has it
    field: str | None = None  # None of text; empty of what is passed over
    strftime: str = ""  # how Apache is told to write a time


class LogFormat:
    """Raises ImportRefused for a string that is none, or that lacks what a visit is made of."""

    def __init__(self, said: str, *, open_end: bool = False) -> None:
        self.said = said
        parts = parts_of(said)
        self.strftime = next((part.strftime for part in parts if part.strftime), "")
        pattern = _pattern(parts) + (r"(?:\s.*)?" if open_end else r"\s*")
        self._whole = re.compile(pattern.encode(), re.VERBOSE | re.DOTALL)
        groups = self._whole.groupindex
        _check(said, parts, groups.keys())
        self.fields = frozenset(groups)
        nothing = self._whole.groups  # the last group never is there
        self.indexes = tuple(groups.get(name, nothing) for name in FIELDS)
        self.match = self._whole.fullmatch

    def stops(self, line: bytes) -> str:
        """The part of the format from which on the line is another."""
        parts = parts_of(self.said)
        for many in range(1, len(parts) + 1):
            if not re.compile(_pattern(parts[:many]).encode(), re.VERBOSE | re.DOTALL).match(line):
                return parts[many - 1].said
        return "its end"


def parts_of(said: str) -> tuple[Part, ...]:
    """Those of nginx' or of Apache's language, whichever it is written in."""
    said = _unwrapped(said).replace('\\"', '"').replace("\\t", "\t")
    if NGINX.search(said):
        return _joined(_split(said, NGINX, _nginx))
    if APACHE.search(said):
        return _joined(_split(said, APACHE, _apache))
    raise ImportRefused(
        f"--format: {said!r} has neither nginx' $variables nor Apache's %directives, "
        f"and is none of {', '.join(FORMATS)}"
    )


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """With texts that stand side by side as one."""
    joined: list[Part] = []
    for part in parts:
        if part.field is None and joined and joined[-1].field is None:
            joined[-1] = Part(joined[-1].said + part.said)
        else:
            joined.append(part)
    return tuple(joined)


def _unwrapped(said: str) -> str:
    """The string of `log_format main '$remote_addr' ' …';`, as it is copied from a configuration."""
    begins = CONFIGURED.match(said)
    pieces = [single or double for single, double in PIECE.findall(said[begins.end() :])] if begins else []
    if not begins or not pieces:
        return said
    return pieces[0] if "logformat" in begins[0].lower() else "".join(pieces)


def _split(said: str, field: re.Pattern[str], part: Callable[[re.Match[str]], Iterator[Part]]) -> Iterator[Part]:
    end = 0
    for each in field.finditer(said):
        if said[end : each.start()]:
            yield Part(said[end : each.start()])
        yield from part(each)
        end = each.end()
    if said[end:]:
        yield Part(said[end:])


def _nginx(found: re.Match[str]) -> Iterator[Part]:
    name = found["braced"] or found["name"]
    yield Part(found[0], VARIABLES.get(name, "upstream" if name.startswith("upstream_") else ""))


def _apache(found: re.Match[str]) -> Iterator[Part]:
    name, argument = found["name"], found["argument"]
    if name == "%":
        yield Part("%")
    elif name == "i":
        yield Part(found[0], HEADERS.get((argument or "").lower().replace("-", "_"), ""))
    elif name == "t":
        yield from _apache_time(found[0], (argument or "").removeprefix("begin:").removeprefix("end:"))
    elif name not in DIRECTIVES:
        raise ImportRefused(f"--format: Apache has no {found[0]}; write a percent sign as %%")
    else:
        yield Part(found[0], DIRECTIVES[name])


def _apache_time(said: str, argument: str) -> Iterator[Part]:
    if not argument:
        yield from (Part("["), Part(said, "at"), Part("]"))
    elif argument in {"sec", "msec", "usec"}:
        yield Part(said, "at")
    elif argument == "%z":
        yield Part(said, "zone")
    elif argument in {"msec_frac", "usec_frac"} or not STRFTIME.search(argument):
        yield Part(said, "")
    else:
        yield Part(said, "at", argument)


def _pattern(parts: tuple[Part, ...]) -> str:
    pattern, seen = "", set[str]()
    for number, part in enumerate(parts):
        if part.field is None:
            pattern += re.escape(part.said)
            continue
        behind = parts[number + 1 : number + 2]
        pattern += _field(part, behind[0].said if behind and behind[0].field is None else "", seen)
    return pattern + r"(\b\B)?"


def _field(part: Part, behind: str, seen: set[str]) -> str:
    """What a field may be, `behind` which this text stands. Of a field that is there twice, the first counts."""
    field = part.field or ""
    quoted = behind.startswith('"')
    if field == "request":
        return _request(_group("method", seen), _group("target", seen), QUOTED if quoted else "-")
    name = _group(field, seen)
    if part.strftime:
        return f"({name}{strftime_pattern(part.strftime)})"
    if quoted and field in IN_QUOTES:
        return f"({name}{QUOTED})"
    if field == "ip" and behind.startswith(":"):
        return f'({name}[^\\s",]+(?=:))'  # its port
    if field in PATTERNS and not (behind and behind[0] not in ENDS.get(field, behind)):
        port = r"(?::\d*+)?" if field == "host" and not behind.startswith(":") else ""
        return f"({name}{PATTERNS[field]}){port}"
    return f"(?>({name}.*?)(?={re.escape(behind)}))" if behind else f"({name}.*+)"


def _group(field: str, seen: set[str]) -> str:
    is_new = field in FIELDS and field not in seen
    seen.add(field)
    return f"?P<{field}>" if is_new else "?:"


def _request(method: str, target: str, nothing: str) -> str:
    """Who sent no request, or no text, has a line all the same."""
    return f"(?:({method}{METHOD})\\ ({target}{TARGET})(?:\\ HTTP/[\\d.]++)?|{nothing})"


def _check(said: str, parts: tuple[Part, ...], fields: Collection[str]) -> None:
    has = {*fields, *(("target",) if "path" in fields else ())}
    missing = [told for field, told in NEEDED.items() if field not in has]
    if missing:
        unknown = [part.said for part in parts if part.field == ""]
        passed = f"; it passes over {', '.join(unknown)}" if unknown else ""
        raise ImportRefused(f"--format: {said!r} has no {', and no '.join(missing)}{passed}")
    for before, after in pairwise(parts):
        if before.field == "" and after.field is not None:
            raise ImportRefused(f"--format: nothing tells where {before.said} ends and {after.said} begins")
