"""Lines of a log that are JSON: an object whose names are nginx' variables, or near to them; or Caddy's own.

    {"time_iso8601": "2026-11-23T15:41:21+01:00", "remote_addr": "203.0.113.7", "request": "GET / HTTP/2.0", …}
    {"ts": 1795444881.123, "request": {"client_ip": "203.0.113.7", "method": "GET", "host": "example.com",
     "uri": "/", "headers": {"User-Agent": ["…"]}}, "status": 200, …}

nginx has no names of its own: whoever writes `log_format … escape=json` gives them. Those in use are known here, the
name of the variable first.

    https://nginx.org/en/docs/http/ngx_http_log_module.html
    https://caddyserver.com/docs/logging
    https://caddyserver.com/docs/caddyfile/directives/log
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from crumby.importing.logs.fields import FIELDS, HEADERS

NAMES: Final = {
    "at": "time_iso8601 @timestamp timestamp time_local msec ts time datetime date",
    "request": "request request_line",
    "method": "request_method method verb http_method",
    "target": "request_uri request_url uri url request_path path",
    "query": "args query_string query",
    "status": "status status_code response_status response http_status",
    "ip": "remote_addr client_ip clientip remote_ip ip client remote_address addr remote_host",
    "forwarded": "http_x_forwarded_for x_forwarded_for xff proxy_add_x_forwarded_for forwarded_for http_x_real_ip",
    "scheme": "scheme http_scheme",
    "host": "host http_host server_name vhost virtual_host domain site",
    "port": "server_port",
    "referrer": "http_referer http_referrer referer referrer",
    "agent": "http_user_agent user_agent useragent agent ua",
    "lang": "http_accept_language accept_language",
    "purpose": "http_sec_purpose sec_purpose http_purpose purpose http_x_moz",
    "gpc": "http_sec_gpc sec_gpc",
    "dnt": "http_dnt dnt",
}
NEEDED: Final = (("at",), ("status",), ("request", "method"), ("request", "target"))  # one of each
REQUEST: Final = re.compile(r"([A-Za-z_-]+) (\S+)(?: HTTP/[\d.]+)?")

Keys = tuple[tuple[int, str], ...]  # of a field's place in FIELDS the name that it goes by


class JsonLine(tuple[bytes | None, ...]):
    """What a `re.Match` is to a line of text."""

    __slots__ = ()

    def group(self, *indexes: int) -> tuple[bytes | None, ...]:
        return tuple([self[index] for index in indexes])


class JsonFormat:
    """As `LogFormat`, of lines that are JSON."""

    strftime = ""
    indexes = tuple(range(len(FIELDS)))
    fields = frozenset(FIELDS)

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    def match(self, line: bytes) -> JsonLine | None:
        said = self._decoded(line)
        if said is None:
            return None
        request = said.get("request")
        told = _caddy(said, request) if isinstance(request, dict) else _nginx(said)
        if not told or not told.get("at") or not told.get("status"):
            return None
        return JsonLine([told.get(name) for name in FIELDS])

    def _decoded(self, line: bytes) -> dict[str, Any] | None:
        try:
            return self._decode(line)
        except (msgspec.MsgspecError, RecursionError):
            pass
        except UnicodeDecodeError:  # nginx writes what somebody sent as it came
            line = line.decode(errors="replace").encode()
        try:
            return self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


@lru_cache(maxsize=64)
def _keys(names: tuple[str, ...]) -> Mapping[str, str]:
    """By the names that an object has: which of them each field goes by."""
    lower = {name.lower().replace("-", "_"): name for name in reversed(names)}
    found = {field: lower[each] for field, known in NAMES.items() for each in reversed(known.split()) if each in lower}
    return found if all(any(each in found for each in either) for either in NEEDED) else {}


def _nginx(said: Mapping[str, Any]) -> dict[str, bytes | None]:
    told = {field: _bytes(said[name]) for field, name in _keys(tuple(said)).items()}
    request = told.pop("request", None)
    if request and (found := REQUEST.match(request.decode(errors="replace"))):
        told["method"], told["target"] = found[1].encode(), found[2].encode()
    elif (target := told.get("target")) and b"?" not in target and (query := told.get("query")):
        told["target"] = target + b"?" + query.removeprefix(b"?")
    return told


def _caddy(said: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, bytes | None]:
    headers = request.get("headers")
    told = {
        "at": _bytes(said.get("ts")),
        "status": _bytes(said.get("status")),
        "method": _bytes(request.get("method")),
        "target": _bytes(request.get("uri")),
        # Caddy before 2.5 has an address with its port; before 2.7 it knew none behind its proxies.
        "ip": _bytes(request.get("client_ip") or request.get("remote_ip") or request.get("remote_addr")),
        "scheme": b"https" if request.get("tls") else b"http",
    }
    for name, values in headers.items() if isinstance(headers, dict) else ():
        field = HEADERS.get(name.lower().replace("-", "_"))
        if field and field not in {"host", "forwarded"}:  # it has believed those that it was told to
            told[field] = _bytes(_first(values))
    told["host"] = _bytes(request.get("host"))
    return told


def _first(values: Any) -> Any:
    return next(iter(values), None) if isinstance(values, Iterable) and not isinstance(values, str) else values


def _bytes(value: Any) -> bytes | None:
    """A backslash as the other formats write it, so that it is none of an escape."""
    if value is None or isinstance(value, (dict, list, bool)):
        return None
    said = (value if isinstance(value, str) else str(value)).encode(errors="replace")
    return said.replace(b"\\", b"\\\\") if b"\\" in said else said
