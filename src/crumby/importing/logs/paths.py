"""What a request asked for: a page, a file to be kept, or what pages are made of.

By its path alone, for a log tells no content type: a path without an ending, or with one that nobody knows, is a page.
"""

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from crumby.importing.item import Skipped
from crumby.ingest.text import MAX_TEXT

ASSETS: Final = frozenset(
    b"css js mjs cjs map json jsonld wasm webmanifest manifest appcache ts "
    b"png jpg jpeg jpe gif webp avif svg svgz ico bmp tif tiff heic jxl cur apng "
    b"woff woff2 ttf otf eot "
    b"mp3 mp4 m4a m4v m4s m3u8 mpd ogg oga ogv opus webm wav flac aac mov avi mkv wmv vtt srt swf "
    b"xml rss atom rdf txt xsl xslt yml yaml".split()
)
DOWNLOADS: Final = frozenset(  # of the tracker's (static/tracker/downloads.js) those that no page shows
    b"pdf doc docx xls xlsx ppt pptx odt ods odp csv epub zip rar 7z gz tar dmg exe msi pkg deb apk iso "
    b"tgz bz2 xz zst rpm jar mobi".split()
)
PROGRAMS: Final = (  # what a page's script or another program asks for
    b"/wp-json",
    b"/wp-admin",
    b"/wp-includes/",
    b"/wp-cron.php",
    b"/wp-login.php",
    b"/xmlrpc.php",
    b"/.well-known/",
    b"/cdn-cgi/",
    b"/server-status",
    b"/nginx_status",
)
FEEDS: Final = (b"/feed", b"/rss", b"/atom")
OWN: Final = frozenset((b"/hit", b"/healthz", b"/readyz", b"/metrics"))

ASSET: Final = Skipped("an asset")
FEED: Final = Skipped("a feed")
NO_PAGE: Final = Skipped("no page")
CRUMBYS: Final = Skipped("Crumby's own")

ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
ESCAPES: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
SIGNS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


class Target(NamedTuple):
    """Of a request."""

    left_out: Skipped | None = None
    text: str = ""  # from the first slash on
    path: str = ""  # of it, without a query
    host: bytes = b""  # of one that has it, as `GET http://example.com/ HTTP/1.1`
    is_download: bool = False


class Targets:
    """Says what was asked for; `own` are further paths of Crumby's."""

    def __init__(self, own: Collection[str] = ()) -> None:
        self._own = OWN | {path.encode() for path in own}

    def __call__(self, said: bytes) -> Target:
        host = b""
        if not said.startswith(b"/"):
            absolute = ABSOLUTE.match(said)
            if not absolute:
                return Target(Skipped("no such request", text_of(said)))
            host, said = absolute[1], said[absolute.end() :]
            said = said if said.startswith(b"/") else b"/" + said
        path = said.partition(b"?")[0].partition(b"#")[0]
        _, dot, ending = path.rpartition(b"/")[2].lower().rpartition(b".")
        if dot and ending in ASSETS:
            return Target(ASSET)
        if left_out := self._left_out(path):
            return Target(left_out)
        return Target(None, text_of(said), text_of(path), host, bool(dot) and ending in DOWNLOADS)

    def _left_out(self, path: bytes) -> Skipped | None:
        if path in self._own:
            return CRUMBYS
        if path.startswith(PROGRAMS):
            return NO_PAGE
        return FEED if path.rstrip(b"/").lower().endswith(FEEDS) else None


def text_of(said: bytes) -> str:
    r"""What stood there before the server wrote it: `caf\xC3\xA9 \"x\"` → `café "x"`."""
    if b"\\" in said:
        said = ESCAPES.sub(_unescaped, said)
    said = said[: 4 * MAX_TEXT]  # bytes, of at most four a character
    try:
        return said.decode()
    except UnicodeDecodeError:
        return said.decode("latin-1")


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode())
    if escape[2]:
        return chr(int(escape[2], 16)).encode(errors="replace")
    return SIGNS.get(escape[3], escape[3])
