"""What a script tag's own attributes keep from being counted, and where they send the rest, as static/tracker does."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from crumby.settings import Settings
from crumby.spelling import nearest

KNOWN: Final = frozenset(
    """
    api cid auto exclude-search exclude-hash hash include exclude canonical tag before-send domains dnt local
    engagement outbound downloads forms 404 vitals elements
    """.split()  # noqa: SIM905 - words, not punctuation
)
LOCAL: Final = re.compile(r"(?:.+\.)?localhost|127\..+|::1")
ALIKE: Final = 0.8  # of difflib's 1: `outbond` is meant for `outbound`, and `turbo-track` for nothing here

Data = Mapping[str, str]  # `{"domains": "a.example"}`: the tag's data attributes


class Refusal(NamedTuple):
    words: str
    remedy: str


def refusal(data: Data, page: str) -> Refusal | None:
    """Why the script counts nothing on the page of that address; None where it does."""
    parts = urlsplit(page)
    host, path = parts.hostname or "", parts.path or "/"
    if LOCAL.fullmatch(host) and not on(data, "local"):
        return Refusal(f"The page is on {host}, and the script counts nothing there.", "To try it out, say data-local.")
    if on(data, "domains") and not fits(data["domains"], host):
        words = f'The tag says data-domains="{data["domains"]}", and the page is on {host}: it is not counted.'
        return Refusal(words, f"Add {host}, or leave data-domains out.")
    if on(data, "exclude") and fits(data["exclude"], path):
        return Refusal(
            f'The tag says data-exclude="{data["exclude"]}", and {path} fits: it is not counted.',
            "Name less, if it is to be.",
        )
    if on(data, "include") and not fits(data["include"], path):
        words = f'The tag says data-include="{data["include"]}", and {path} does not fit: it is not counted.'
        return Refusal(words, f"Add {path}, if it is to be.")
    if data.get("auto") == "false":
        words = 'The tag says data-auto="false": a page is counted when cmb.visit() is called.'
        return Refusal(words, "Leave it out to have each page counted as it loads.")
    return None


def on(data: Data, name: str) -> bool:
    return data.get(name, "false") != "false"


def fits(globs: str, text: str) -> bool:
    """`/blog/*,/shop/**` fits `/blog/a` and `/shop/a/b`: `*` stops at a slash, `**` does not."""
    return any(_glob("".join(each.split())).fullmatch(text) for each in globs.split(","))


def _glob(glob: str) -> re.Pattern[str]:
    pieces = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(pieces.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*?)", glob)))


def mistyped(data: Data) -> list[tuple[str, str]]:
    """Each attribute that the script does not know, and the one that it looks like: `[("outbond", "outbound")]`."""
    near = ((name, nearest(name, KNOWN, ALIKE)) for name in data if name not in KNOWN)
    return [(name, found) for name, found in near if found]


def endpoint(data: Data, script: str, settings: Settings) -> str:
    """The address that the script, loaded from `script`, sends its hits to."""
    if on(data, "api"):
        asked = urljoin(script, data["api"])
        return f"{asked}hit" if asked.endswith("/") else asked
    if settings.domain:
        return f"{urlsplit(script).scheme}://{settings.domain}{settings.hit_path}"
    renamed = urlsplit(script).path.endswith(settings.script_path)
    folders = settings.script_path.count("/") - 1 if renamed else 0
    return urljoin(script, "../" * folders + settings.hit_path.removeprefix("/"))
