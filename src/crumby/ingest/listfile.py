"""A newer list is got, checked and put in its place, while the server reads the old one.

What comes is the publisher's own form: crawler-user-agents.json, hosts or networks a line each, gzipped or not. It is
read, held to bounds, to what it may not say (that Firefox is a crawler, or a search engine a spammer) and to the list
before it, and then takes that one's place in one step.
"""

import gzip
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import re2

from crumby.errors import BotListError
from crumby.ingest.bots import Crawlers, Spammers
from crumby.ingest.lists import MAX_BYTES, MOST, BotList, ends, in_use, path_in, read, unpacked

TIMEOUT: Final = httpx.Timeout(30.0)
STRANGE: Final = 0.02  # of the lines may be something else
LEAST: Final = 0.5  # of the entries that there were
PATTERN_LENGTH: Final = 200  # characters
HOST: Final = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
WIDEST: Final = {4: 8, 6: 16}  # bits that the mask of a network has at least

# Who has to get through a list, whatever it says.
WEBKIT: Final = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) {}Chrome/142.0.0.0 {}Safari/537.36{}"
SAFARI: Final = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 {}Safari/604.1"
BROWSERS: Final = (
    WEBKIT.format("Windows NT 10.0; Win64; x64", "", "", ""),
    WEBKIT.format("Windows NT 10.0; Win64; x64", "", "", " Edg/142.0.0.0"),
    WEBKIT.format("X11; Linux x86_64", "", "", " OPR/125.0.0.0"),
    WEBKIT.format("Linux; Android 10; K", "SamsungBrowser/29.0 ", "Mobile ", ""),
    SAFARI.format("Macintosh; Intel Mac OS X 10_15_7", ""),
    SAFARI.format("iPhone; CPU iPhone OS 18_7 like Mac OS X", "Mobile/15E148 "),
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
)
SITES: Final = ("www.google.com", "www.bing.com", "duckduckgo.com", "www.facebook.com", "t.co", "www.linkedin.com")


def refresh(name: str, sources: Sequence[str], folder: Path, *, shrink: bool = False) -> BotList:
    """The list that is now in the folder. Raises BotListError, and then the old one stays."""
    text = "\n".join(_text(source) for source in sources)
    entries = entries_of(name, text)
    if not shrink:
        _hold_against(_before(name, folder), entries)
    return put(name, entries, sources[0] if len(sources) == 1 else f"{sources[0]} and {len(sources) - 1} more", folder)


def _before(name: str, folder: Path) -> BotList:
    try:
        return in_use(name, folder)
    except BotListError:
        return in_use(name, None)


def _hold_against(old: BotList, entries: Sequence[str]) -> None:
    """Where so much is missing it is rather a fault of the source."""
    if len(entries) < LEAST * len(old.entries):
        raise BotListError(
            f"{old.name}: {len(entries)} entries came, and there were {len(old.entries)}; "
            "if that is as it should be, say --shrink"
        )


def _text(source: str) -> str:
    if not re.match("https?://", source):
        path = Path(source).expanduser()
        try:
            return unpacked(path.read_bytes(), source)
        except OSError as error:
            raise BotListError(f"{path}: {error.strerror}") from None
    try:
        return unpacked(_fetched(source), source)
    except httpx.HTTPStatusError as error:
        raise BotListError(f"{source} answers {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BotListError(f"{source}: {str(error) or type(error).__name__}") from None


def _fetched(url: str) -> bytes:
    content = bytearray()
    headers = {"accept-encoding": "identity"}  # or a small answer could be a very large one
    with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
        response.raise_for_status()
        for chunk in response.iter_raw(64 * 1024):
            content += chunk
            if len(content) > MAX_BYTES:
                raise BotListError(f"{url} sends more than {MAX_BYTES} bytes")
    return bytes(content)


def entries_of(name: str, text: str) -> list[str]:
    """What a publisher's text has of a list, each once. Raises BotListError."""
    raw = _patterns(text) if name == "crawlers" else [line.partition("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in raw if line]
    found = [entry for line in lines if (entry := READ[name](line))]
    if not found or len(lines) - len(found) > STRANGE * len(lines):
        raise BotListError(f"{name}: what came is no list of them: {len(found)} of {len(lines)} lines are")
    entries = list(dict.fromkeys(found))
    if len(entries) > MOST[name]:
        raise BotListError(f"{name}: {len(entries)} entries came, and a list has {MOST[name]} at most")
    _try_out(name, entries)
    return entries


def _patterns(text: str) -> list[str]:
    """Those of crawler-user-agents.json, or one a line."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return [line for line in text.splitlines() if not line.startswith("#")]
    if not isinstance(told, list):
        return []
    return [str(entry.get("pattern", "")) if isinstance(entry, dict) else str(entry) for entry in told]


def _pattern(line: str) -> str | None:
    """It may stand for much, but not for nothing at all, which is in every User-Agent."""
    if len(line) > PATTERN_LENGTH or not line.isprintable():
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return None if re2.compile(line, options).search("") else line
    except re2.error:
        return None


def _host(line: str) -> str | None:
    try:
        host = line.lower() if line.isascii() else line.lower().encode("idna").decode()
    except UnicodeError:
        return None
    return host if HOST.fullmatch(host) else None


def _network(line: str) -> str | None:
    try:
        first, last = ends(line)
    except ValueError:
        return None
    shared = first.max_prefixlen - (int(first) ^ int(last)).bit_length()
    return line if shared >= WIDEST[first.version] and first.is_global else None


READ: Final[dict[str, Callable[[str], str | None]]] = {"crawlers": _pattern, "spammers": _host, "hosting": _network}


def _try_out(name: str, entries: Iterable[str]) -> None:
    refused = None
    if name == "crawlers":
        refused = next(filter(Crawlers(entries), BROWSERS), None)
    elif name == "spammers":
        refused = next(filter(Spammers(entries), SITES), None)
    if refused:
        raise BotListError(f"{name}: what came would refuse {refused}")


def put(name: str, entries: Iterable[str], source: str, folder: Path) -> BotList:
    """Write the list into the folder, in the place of the one there: whole, or not at all."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    text = f"# from: {source}\n# of: {today}\n" + "".join(f"{entry}\n" for entry in entries)
    target = path_in(folder, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(target, gzip.compress(text.encode()))
    except OSError as error:
        raise BotListError(f"{target} can't be written: {error.strerror}") from None
    return read(name, target)


def _replace(target: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself is durable once its folder is
    finally:
        os.close(folder)
