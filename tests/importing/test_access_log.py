"""Access logs, line by line: what becomes of each, in every format there is, and of lines that nobody meant."""

import gzip
import json
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.logs.lines import TOO_LONG, lines_of
from crumby.importing.source import ImportRefused, Wanted
from crumby.importing.sources import accesslog
from crumby.settings import Settings

FOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
SECRET = "kT8zq0Vd7m2Lw9RxYb4N"
AT = datetime(2026, 11, 23, 14, 41, 21)  # noqa: DTZ001 - UTC
MAIN = (
    "log_format main '$remote_addr - $remote_user [$time_local] \"$request\" '\n"
    "                '$status $body_bytes_sent \"$http_referer\" '\n"
    '                \'"$http_user_agent" "$http_x_forwarded_for"\';'
)


def line(
    request: str = "GET /tea HTTP/1.1",
    status: int | str = 200,
    *,
    ip: str = "203.0.113.7",
    user: str = "-",
    at: str = "23/Nov/2026:15:41:21 +0100",
    referrer: str = "-",
    agent: str = FOX,
    behind: str = "",
) -> str:
    return f'{ip} - {user} [{at}] "{request}" {status} 5120 "{referrer}" "{agent}"{behind}'


def wanted(**said: Any) -> Wanted:
    chosen = said.pop("settings", {})
    chosen = Settings(secret_key=SECRET, sqlalchemy_database_uri="sqlite:////nowhere/crumby.db", **chosen)
    return Wanted(chosen, ZoneInfo("Europe/Berlin"), **({"site": "example.com"} | said))


def source(path: Path, content: str | bytes | Sequence[str], **said: Any) -> accesslog.AccessLog:
    if not isinstance(content, (str, bytes)):
        content = "".join(f"{each}\n" for each in content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return accesslog.opened(Input(path), wanted(**said))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def items(log: Path, *lines: str, **said: Any) -> list[Item]:
    return list(source(log, lines, **said).items(0))


def found(log: Path, *lines: str, **said: Any) -> Found:
    (only,) = items(log, *lines, **said)
    assert isinstance(only, Found), only
    return only


def why(log: Path, *lines: str, **said: Any) -> list[str]:
    return [each.why if isinstance(each, Skipped) else type(each).__name__ for each in items(log, *lines, **said)]


def caddy(**request: Any) -> str:
    headers = {"User-Agent": [FOX], "Referer": ["https://news.example/"], "Accept-Language": ["de-DE,de;q=0.9"]}
    asked = {
        "remote_ip": "10.0.0.2",
        "remote_port": "41342",
        "client_ip": "203.0.113.7",
        "proto": "HTTP/3.0",
        "method": "GET",
        "host": "tea.example",
        "uri": "/tea?x=1",
        "headers": headers | request.pop("headers", {}),
        "tls": {"version": 772, "proto": "h3", "server_name": "tea.example"},
    }
    told = {"level": "info", "ts": 1795444881.25, "logger": "http.log.access.log0", "msg": "handled request"}
    return json.dumps(told | {"request": asked | request, "user_id": "", "size": 10900, "status": 200})


# Formats that are known by how they look

COMBINED = line("GET /tea?x=1 HTTP/1.1", referrer="https://news.example/")
LOOKS = {
    "common": COMBINED.partition(' "https://news')[0],
    "combined": COMBINED,
    "nginx' main": f'{COMBINED} "-"',
    "combined, and more": f"{COMBINED} 0.003 192.0.2.1:8080 TLSv1.3",
    "vhost_combined": f"tea.example:443 {COMBINED}",
    "HTTP/2": COMBINED.replace("HTTP/1.1", "HTTP/2.0"),
    "HTTP/3": COMBINED.replace("HTTP/1.1", "HTTP/3.0"),
    "HTTP/0.9": COMBINED.replace(" HTTP/1.1", ""),
    "nginx, JSON": json.dumps(
        {
            "time_iso8601": "2026-11-23T15:41:21+01:00",
            "remote_addr": "203.0.113.7",
            "host": "tea.example",
            "request": "GET /tea?x=1 HTTP/2.0",
            "status": "200",
            "http_referer": "https://news.example/",
            "http_user_agent": FOX,
        }
    ),
    "JSON by other names": json.dumps(
        {
            "@timestamp": "2026-11-23T14:41:21Z",
            "clientip": "203.0.113.7",
            "vhost": "tea.example",
            "method": "GET",
            "path": "/tea",
            "args": "x=1",
            "status": 200,
            "referrer": "https://news.example/",
            "user_agent": FOX,
        }
    ),
    "Caddy": caddy(),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_format_is_known_by_how_it_looks(log: Path, name: str) -> None:
    """Planted: `NAMES["target"]` without `path`, `_caddy` without `tls`."""
    told = found(log, LOOKS[name], site=None if "tea.example" in LOOKS[name] else "tea.example")
    assert accesslog.recognises(Input(log))
    assert (told.hit.kind, told.hit.uri) == ("visit", "https://tea.example/tea?x=1")
    assert told.hit.datetime.replace(microsecond=0) == AT
    assert told.client.ip == "203.0.113.7"
    if name != "common":
        assert told.hit.referrer == "https://news.example/"
        assert told.client.user_agent == FOX


def test_what_is_no_log_is_not_taken_for_one(log: Path) -> None:
    for other in (
        '{"visits": 1}',
        "date,visitors\n2026-01-01,4",
        "",
        "2026/11/23 15:41:21 [error] 7#7: *1 open() failed",
    ):
        log.write_text(other)
        assert not accesslog.recognises(Input(log)), other


def test_of_an_empty_log_nothing_comes(log: Path) -> None:
    assert items(log, site=None) == []


def test_of_a_folder_the_logs_are_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(COMBINED)
    (tmp_path / "error.log").write_text("")
    with pytest.raises(ImportRefused, match="holds 2 files: name the logs themselves"):
        accesslog.opened(Input(tmp_path), wanted())


def test_caddy_tells_a_language_and_parts_of_a_second(log: Path) -> None:
    told = found(log, caddy(), site=None)
    assert (told.hit.lang, told.client.lang, told.hit.datetime.microsecond) == ("de-DE", "de-DE", 250_000)


# Formats that somebody has to say

SAID = {
    "nginx": (
        (
            '$remote_addr - $remote_user [$time_local] $host "$request" $status $request_time $upstream_response_time '
            '"$http_referer" "$http_user_agent" $request_id'
        ),
        (
            '203.0.113.7 - - [23/Nov/2026:15:41:21 +0100] tea.example "GET /tea?x=1 HTTP/2.0" 200 0.003 0.001, 0.002 '
            f'"https://news.example/" "{FOX}" 8f14e45fceea167a'
        ),
    ),
    "nginx, as its file has it": (MAIN, f'{COMBINED} "-"'),
    "nginx, in parts": (
        "$msec|$remote_addr|$request_method|$scheme://$http_host$request_uri|$status|$http_referer|${http_user_agent}",
        f"1795444881.123|203.0.113.7|GET|https://tea.example/tea?x=1|200|https://news.example/|{FOX}",
    ),
    "nginx, without $request_uri": (
        '[$time_iso8601] $status $request_method $uri$is_args$args "$http_user_agent" $http_referer $remote_addr',
        f'[2026-11-23T15:41:21+01:00] 200 GET /tea?x=1 "{FOX}" https://news.example/ 203.0.113.7',
    ),
    "nginx, with all of it twice": (
        (
            '$remote_addr:$remote_port $request_uri $status $request_method $status "$request" [$time_local] $msec '
            '"$http_referer" "$http_user_agent" $uri|$args|$host|'
        ),
        (
            '203.0.113.7:4711 /tea?x=1 200 GET 200 "GET /tea?x=1 HTTP/1.1" [23/Nov/2026:15:41:21 +0100] 1795444881.001 '
            f'"https://news.example/" "{FOX}" /tea|x=1|tea.example|'
        ),
    ),
    "nginx, in double quotes": (
        (
            r'log_format combined "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "'
            "\n"
            r'    "\"$http_referer\" \"$http_user_agent\"";'
        ),
        COMBINED,
    ),
    "nginx, behind a proxy": (
        '$http_x_forwarded_for - $remote_user [$time_local] "$request" $status "$http_referer" "$http_user_agent"',
        (
            '203.0.113.7, 198.51.100.2, 10.0.0.1 - - [23/Nov/2026:15:41:21 +0100] "GET /tea?x=1 HTTP/1.1" 200 '
            f'"https://news.example/" "{FOX}"'
        ),
    ),
    "nginx, a log of its own in JSON": (
        '{"t":$msec,"a":"$remote_addr","r":"$request","s":$status,"f":"$http_referer","u":"$http_user_agent"}',
        (
            '{"t":1795444881.123,"a":"203.0.113.7","r":"GET /tea?x=1 HTTP/2.0","s":200,'
            f'"f":"https://news.example/","u":"{FOX}"}}'
        ),
    ),
    "Apache": (r"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D", f"{COMBINED} 31337"),
    "Apache, as its file has it": (
        r'LogFormat "%v:%p %a %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" vhosts',
        f"tea.example:443 {COMBINED}",
    ),
    "Apache, in parts": (
        "%{%Y-%m-%d %T}t.%{msec_frac}t %{%z}t %a %m %U%q %>s %{Referer}i\t%{User-agent}i",
        f"2026-11-23 09:41:21.123 -0500 203.0.113.7 GET /tea?x=1 200 https://news.example/\t{FOX}",
    ),
    "Apache, a time without a zone": (
        '%{%d.%m.%y %H:%M:%S}t %h "%r" %s "%{Referer}i" "%{User-Agent}i"',
        f'23.11.26 15:41:21 203.0.113.7 "GET /tea?x=1 HTTP/1.1" 200 "https://news.example/" "{FOX}"',
    ),
    "by its name": ("combined", COMBINED),
}


@pytest.mark.parametrize("name", SAID)
def test_a_format_is_said_in_the_servers_own_words(log: Path, name: str) -> None:
    """Planted: `_unwrapped` with the first piece alone, `zone` not asked for, a field named twice."""
    said, written = SAID[name]
    told = found(log, written, format=said, site="tea.example")
    assert told.hit.uri == "https://tea.example/tea?x=1"
    assert (told.hit.datetime.replace(microsecond=0), told.client.ip) == (AT, "203.0.113.7")
    assert (told.hit.referrer, told.client.user_agent) == ("https://news.example/", FOX)


@pytest.mark.parametrize(
    ("said", "culprit"),
    [
        ('%h %Q "%r" %>s %t', "%Q"),
        ("$remote_addr $reqest $status [$time_local]", "$reqest"),
        ('$remote_addr "$request" $status', "$time_local"),
        ('$remote_addr [$time_local] "$request"', "$status"),
        ('[$time_local] "$request" $status $pipe$connection ', "$pipe"),
        ("combine", "vhost_combined"),
    ],
)
def test_what_is_unknown_or_missing_in_a_format_is_named(log: Path, said: str, culprit: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        source(log, [COMBINED], format=said)
    assert culprit in str(refused.value)


def test_a_line_that_is_not_as_the_format_says_is_shown_with_the_place(log: Path) -> None:
    with pytest.raises(ImportRefused) as refused:
        source(log, [COMBINED], format='$remote_addr $remote_user [$time_iso8601] $status "$request"')
    assert str(refused.value).startswith("access.log, line 1: it is not as --format says, from '$status' on: 203.")
    with pytest.raises(ImportRefused, match="say its log_format by --format: what is this"):
        source(log, ["what is this"])


def test_a_log_without_a_host_needs_a_site(log: Path) -> None:
    with pytest.raises(ImportRefused, match=r"access\.log: the log has no host; give --site example\.com"):
        source(log, [COMBINED], site=None)
    assert found(log, f"tea.example:80 {COMBINED}", site=None).hit.uri == "http://tea.example/tea?x=1"


def test_of_several_sites_one_is_taken(log: Path) -> None:
    lines = [f"{host}:443 {COMBINED}" for host in ("tea.example", "www.tea.example", "coffee.example")]
    assert why(log, *lines, site="tea.example") == ["Found", "Found", "another site"]


# What becomes of a line

REQUESTS = [
    (line("POST /tea HTTP/1.1"), "not GET"),
    (line("HEAD /tea HTTP/1.1"), "not GET"),
    (line(status=301), "status 301"),
    (line(status=500), "status 500"),
    (line(status=206), "part of a file"),
    (line(status=304), "Found"),
    (line("-", 408, agent="-"), "status 408"),
    (line("", 400), "status 400"),
    (line(r"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", 400, agent="-"), "status 400"),
    (line(r"\x16\x03\x01", 200), "no such request"),
    (line("GET tea HTTP/1.1"), "no such request"),
    (line("CONNECT example.org:443 HTTP/1.1"), "not GET"),
    (line("GET /app.css?v=3 HTTP/1.1"), "an asset"),
    (line("GET /a/photo.JPEG HTTP/1.1"), "an asset"),
    (line("GET /favicon.ico HTTP/1.1", 404), "an asset"),
    (line("GET /robots.txt HTTP/1.1"), "an asset"),
    (line("GET /blog/feed/ HTTP/1.1"), "a feed"),
    (line("GET /wp-json/wp/v2/posts HTTP/1.1"), "no page"),
    (line("GET /cmb.js HTTP/1.1"), "an asset"),
    (line("GET /hit?t=visit HTTP/1.1"), "Crumby's own"),
    (line("GET /12345.gif?v=1 HTTP/1.1"), "an asset"),
    (line("GET /index.php HTTP/1.1"), "Found"),
    (line("GET /release/v1.2 HTTP/1.1"), "Found"),
    (line("GET /~user/john.doe HTTP/1.1"), "Found"),
    (line("GET /css HTTP/1.1"), "Found"),
    (line("GET / HTTP/1.1"), "Found"),
    (line(agent=GOOGLE), "a crawler"),
    (line(agent="-"), "a crawler"),
    (line(agent="curl/8.9.1"), "a crawler"),
    (line(referrer="https://semalt.com/x"), "a spammer"),
    (line("GET http://example.com/tea HTTP/1.1"), "Found"),
    (line("GET http://proxy.example/tea HTTP/1.1"), "another site"),
    (line(at="31/Feb/2026:15:41:21 +0100"), "no such time"),
    (line(at="23/Foo/2026:15:41:21 +0100"), "no such time"),
    ("\x16\x03\x01 what is this", "no such line"),
    (line()[:60], "no such line"),
]


@pytest.mark.parametrize(("written", "expected"), REQUESTS)
def test_what_is_no_page_is_left_out_for_a_reason(log: Path, written: str, expected: str) -> None:
    """Planted: a set emptied each time: ASSETS, PROGRAMS, FEEDS, VIEWED; the test for `another site` left out."""
    assert why(log, line(), written)[1] == expected


def test_crawlers_come_where_they_are_wanted(log: Path) -> None:
    lines = [line(agent=GOOGLE), line(agent="-"), line(referrer="https://semalt.com/")]
    assert why(log, *lines, bots=True) == ["Found"] * 3
    assert why(log, *lines, settings={"bots": "off"}) == ["Found"] * 3


def test_a_hosting_provider_is_left_out_where_that_is_strict(log: Path) -> None:
    lines = [line(ip="3.5.140.10"), line(ip="81.2.69.160")]
    assert why(log, *lines, settings={"bots": "strict"}) == ["of a hosting provider", "Found"]
    assert why(log, *lines) == ["Found", "Found"]


def test_in_a_log_without_user_agents_nobody_is_a_crawler_by_it(log: Path) -> None:
    assert why(log, LOOKS["common"]) == ["Found"]


def test_a_browser_that_fetches_ahead_or_asks_not_to_be_counted_is_heeded(log: Path) -> None:
    lines = [
        caddy(headers={name: [value]}) for name, value in (("Sec-Purpose", "prefetch;prerender"), ("Sec-Gpc", "1"))
    ]
    assert why(log, *lines, site=None) == ["fetched ahead", "Global Privacy Control"]
    assert why(log, lines[1], site=None, settings={"privacy_signals": ()}) == ["Found"]


def test_a_page_that_is_not_there_is_an_event_with_its_path(log: Path) -> None:
    """As static/tracker/404.js sends it."""
    told = found(log, line("GET /nowhere%20else?x=1 HTTP/1.1", 404))
    assert (told.hit.kind, told.hit.name, told.hit.value) == ("event", "404", "/nowhere%20else")
    assert told.hit.uri == "https://example.com/nowhere else?x=1"


def test_a_file_that_is_fetched_is_a_download_on_the_page_that_links_to_it(log: Path) -> None:
    """As static/tracker/downloads.js sends it. Planted: the referrer of another site taken as well."""
    told, elsewhere = items(
        log,
        line("GET /Guide.PDF?v=2 HTTP/1.1", referrer="https://www.example.com/docs"),
        line("GET /guide.pdf HTTP/1.1", referrer="https://news.example/"),
    )
    assert isinstance(told, Found)
    assert isinstance(elsewhere, Found)
    assert (told.hit.kind, told.hit.name) == ("event", "Download")
    assert told.hit.value == "https://example.com/Guide.PDF?v=2"
    assert told.hit.uri == "https://www.example.com/docs"
    assert elsewhere.hit.uri == "https://example.com/guide.pdf"


# Fields

FIELDS = [
    ({"agent": r"Mozilla/5.0 \"quoted\" \\ Firefox/143.0"}, "agent", 'Mozilla/5.0 "quoted" \\ Firefox/143.0'),
    ({"agent": r"Mozilla/5.0 \x22quoted\x22 Firefox/143.0"}, "agent", 'Mozilla/5.0 "quoted" Firefox/143.0'),
    ({"referrer": r"https://news.example/\xC3\xA4?q=\x22a\x22"}, "referrer", 'https://news.example/ä?q="a"'),
    ({"request": r"GET /caf\xC3\xA9 HTTP/1.1"}, "uri", "https://example.com/café"),
    ({"request": "GET /caf%C3%A9%2Fau HTTP/1.1"}, "uri", "https://example.com/café%2Fau"),
    ({"request": r"GET /caf\xE9 HTTP/1.1"}, "uri", "https://example.com/café"),
    ({"user": "frank von und zu"}, "uri", "https://example.com/tea"),
    ({"user": "-", "ip": "2001:DB8::1"}, "ip", "2001:db8::1"),
    ({"ip": "::ffff:203.0.113.9"}, "ip", "203.0.113.9"),
    ({"ip": "dsl-7.provider.example"}, "ip", None),
    ({"ip": "203.0.113.7, 10.0.0.1"}, "ip", "203.0.113.7"),
    ({"ip": "10.1.1.1, 203.0.113.8,198.51.100.1"}, "ip", "203.0.113.8"),
    ({"ip": "10.0.0.1", "behind": ' "6.6.6.6, 203.0.113.9, 10.0.0.3"'}, "ip", "203.0.113.9"),
    ({"ip": "203.0.113.7", "behind": ' "6.6.6.6"'}, "ip", "203.0.113.7"),
    ({"at": "23/Nov/2026:23:59:60 +0000"}, "datetime", datetime(2026, 11, 23, 23, 59, 59)),  # noqa: DTZ001
    ({"at": "01/Jan/2026:00:30:00 +0530"}, "datetime", datetime(2025, 12, 31, 19, 0)),  # noqa: DTZ001
    ({"at": "31/Dec/2025:20:00:00 -0800"}, "datetime", datetime(2026, 1, 1, 4, 0)),  # noqa: DTZ001
]


@pytest.mark.parametrize(("said", "field", "expected"), FIELDS)
def test_a_field_is_what_was_sent_and_not_how_it_was_written(
    log: Path, said: dict[str, Any], field: str, expected: Any
) -> None:
    """Planted: `_joined` left out, escapes left as they are, `main` tried after `combined`."""
    told = found(log, line(**said))
    of = {
        "agent": told.client.user_agent,
        "ip": told.client.ip,
        "uri": told.hit.uri,
        "referrer": told.hit.referrer,
        "datetime": told.hit.datetime,
    }
    assert of[field] == expected


def test_json_that_holds_what_is_no_text_is_read_all_the_same(log: Path) -> None:
    """Nginx writes octets as they came."""
    told = LOOKS["nginx, JSON"].encode().replace(b"/tea", b"/te\xff")
    content = b"\n".join((told, b'{"broken": ', b'{"a":' + b"[" * 9000, b'{"time": 1}', b"[]"))
    only, *others = source(log, content, site="tea.example").items(0)
    assert isinstance(only, Found)
    assert (only.hit.uri or "").startswith("https://tea.example/te")
    assert [getattr(each, "why", None) for each in others] == ["no such line"] * 4


def test_a_line_of_any_length_and_kind_is_one_line_that_is_left_out(log: Path) -> None:
    """Planted: `_cut` not set has its end be a line."""
    long = line("GET /" + "x" * 300_000 + " HTTP/1.1")
    content = f"{line()}\n{long}\n{line(user='b')}\n".encode() + bytes(range(11, 256)) + b"\n" + line(user="c").encode()
    told = list(source(log, content).items(0))
    reasons = [each.why if isinstance(each, Skipped) else "" for each in told]
    assert reasons == ["", "a line longer than 64 KiB", "", "no such line", ""]


def test_a_line_without_an_end_is_not_kept(log: Path) -> None:
    """Planted: `_keep` without its bound."""
    log.write_bytes(b"x" * 8_000_000)
    with log.open("rb") as file:
        tracemalloc.start()
        told = list(lines_of(file, 0))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert told == [(8_000_000, TOO_LONG)]
    assert most < 2_000_000


def test_no_line_takes_longer_than_its_length(log: Path) -> None:
    """Planted: a quoted field as `(?:[^"\\\\]|\\\\.)*?`, one before a blank as `.*?` without an atomic group."""
    log.write_text(line() + "\n")
    for said in ("combined", '$host $a $b $c $d $e [$time_local] "$request" $status', MAIN):
        match = accesslog.said_format(said).match
        for hostile in (b" " * 60_000, b'"' * 60_000, b"\\" * 60_000, b"a " * 30_000, b'a "\\ [' * 10_000):
            for begins in (b"", b"1.2.3.4 ", b'1.2.3.4 - - [23/Nov/2026:15:41:21 +0100] "GET / HTTP/1.1" 200 1 "'):
                start = time.process_time()
                match(begins + hostile)
                assert time.process_time() - start < 0.5


# Who


def people(log: Path, *lines: str, **said: Any) -> list[str]:
    return [each.hit.cid for each in items(log, *lines, **said) if isinstance(each, Found)]


def test_a_visitor_is_one_of_a_day_an_address_a_browser_and_a_site(log: Path) -> None:
    """Planted: each of the four left out of the name."""
    first, again, address, browser, day = people(
        log,
        line(),
        line("GET /other HTTP/1.1", at="23/Nov/2026:23:10:00 +0100"),
        line(ip="203.0.113.8"),
        line(agent=FOX.replace("143", "142")),
        line(at="25/Nov/2026:15:41:21 +0100"),
    )
    assert first == again
    assert len({first, address, browser, day}) == 4
    assert first not in people(log, line(), site="other.example")
    assert people(log, line(), site="www.example.com") == [first]
    assert people(log, line(), settings={"visitor_id": "none"}) == [""]


def test_who_has_no_address_is_nobody(log: Path) -> None:
    assert people(log, line(ip="-")) == [""]


# The same line is the same hit


def ids(source: accesslog.AccessLog, mark: int = 0) -> list[bytes]:
    return [each.hit.id for each in source.items(mark) if isinstance(each, Found)]


def test_the_same_log_has_the_same_ids_whatever_it_is_called_and_however_it_is_packed(tmp_path: Path) -> None:
    """Planted: the end of a line left in what is hashed."""
    content = "".join(f"{line(user=str(number // 2))}\n" for number in range(20)).encode()
    plain = ids(source(tmp_path / "access.log", content))
    assert len(set(plain)) == 20
    assert ids(source(tmp_path / "access.log.1", content)) == plain
    assert ids(source(tmp_path / "access.log.2.gz", gzip.compress(content))) == plain
    assert ids(source(tmp_path / "crlf.log", content.replace(b"\n", b"\r\n"))) == plain
    assert ids(source(tmp_path / "bom.log", b"\xef\xbb\xbf" + content)) == plain
    assert ids(source(tmp_path / "unended.log", content.rstrip(b"\n"))) == plain


def test_two_equal_lines_of_a_second_are_two_views(log: Path) -> None:
    """Planted: `number` always 0. A line of another second between them changes nothing."""
    other = line(at="23/Nov/2026:15:41:22 +0100")
    told = ids(source(log, [line(), line(), other, line()]))
    assert len(set(told)) == 4


def test_a_site_that_is_said_is_part_of_a_line(tmp_path: Path) -> None:
    assert ids(source(tmp_path / "a.log", [line()])) != ids(source(tmp_path / "a.log", [line()], site="b.example"))


def jumbled(dice: random.Random, count: int) -> list[str]:
    """Lines of some seconds that come late, equal ones among them, and now and then a log from before."""
    lines, second = [], 40_000
    for _ in range(count):
        second += dice.choice((0, 0, 0, 0, 0, 1, 1, 5, 40))
        second -= 20_000 if dice.random() < 0.004 else 0
        late = max(second - dice.choice((0, 0, 0, 0, 1, 3, 9, 12, 25)), 0)
        at = f"{1 + late // 86_400:02}/Nov/2026:{late // 3600 % 24:02}:{late // 60 % 60:02}:{late % 60:02} +0000"
        lines.append(
            line(
                dice.choice(("GET /tea HTTP/1.1", "GET /tea HTTP/1.1", "GET / HTTP/2.0", "GET /a.css HTTP/1.1")), at=at
            )
        )
    return lines


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_whoever_goes_on_at_any_mark_finds_the_same(log: Path, seed: int, packed: bool) -> None:  # noqa: FBT001
    """Planted: the mark at the line itself."""
    dice = random.Random(seed)  # noqa: S311
    content = "".join(f"{each}\n" for each in jumbled(dice, 600)).encode()
    read = source(log, gzip.compress(content) if packed else content)
    whole, marks = [], []
    for item in read.items(0):
        whole.append(item.hit.id if isinstance(item, Found) else b"")
        marks.append(read.mark)
    for cut in dice.sample(range(len(whole)), 12):
        again = ids(read, marks[cut])
        rest = [each for each in whole[cut + 1 :] if each]
        assert again[len(again) - len(rest) :] == rest
        assert not Counter(again) - Counter(each for each in whole if each)


def test_the_mark_moves_on(log: Path) -> None:
    """Planted: `_let_go` that lets nothing go; seconds kept where the log goes back by hours."""
    lines = [line(at=f"23/Nov/2026:{hour}:{minute:02}:00 +0100") for hour in (15, 10) for minute in range(60)]
    read = source(log, lines)
    assert read.size == log.stat().st_size
    for number, _ in enumerate(read.items(0)):
        assert read.mark >= max(number - 1, 0) * (len(lines[0]) + 1)
