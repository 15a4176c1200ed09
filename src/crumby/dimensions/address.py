"""What a page's address says: its site, its page, and how its link was tagged.

    https://www.Example.com:8443/shop/tea?utm_source=fb&gclid=x#top    site example.com    page /shop/tea
    https://app.example/#/orders/7?tab=all                             site app.example    page /#/orders/7
    /shop/tea                                                          no site             page /shop/tea

An address is read as it is stored (`ingest/hit.py`): what is reserved may be escaped in it, all else is readable.
No text makes an exception. A new address costs 3 µs, a tagged one 6, one that came by lately 0.3.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

SITE: Final = 255  # characters, as the columns have room for
PAGE: Final = 512
TAG: Final = 150
SHORT: Final = 256  # characters of an address that is remembered
REMEMBERED: Final = 2048  # addresses; 3 MiB if each were of full length

SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\ud800-\udfff]+")

TAGS: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "source", "ref")
CLICKS: Final = (  # what advertisers' networks add to a link that is clicked
    "gclid",
    "gbraid",
    "wbraid",
    "msclkid",
    "yclid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "dclid",
    "fbclid",
)
WANTED: Final = frozenset(TAGS + CLICKS)


class Address(NamedTuple):
    site: str | None = None  # host, in lower case, without its port and "www."
    page: str | None = None  # path, and the route that a fragment may hold
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    tag: str | None = None  # utm_source, or else `source`, or else `ref`
    click: str | None = None  # the name of the first of CLICKS that is there; its value names a person, and is left out


NOWHERE: Final = Address()


def parse_address(uri: str | None) -> Address:
    """The parts of an address, cut to the columns' lengths; None where it has no such part, as `about:blank` has."""
    if not uri:
        return NOWHERE
    return _remembered(uri) if len(uri) <= SHORT else _parse(uri)


def _parse(uri: str) -> Address:
    before, _, fragment = uri.partition("#")
    before, _, query = before.partition("?")
    authority, path = _split(before)
    site, page = host(authority), _page(path, fragment)
    if "=" not in query:
        return Address(site, page)
    found = _parameters(query)
    return Address(
        site=site,
        page=page,
        utm_source=found.get("utm_source"),
        utm_medium=found.get("utm_medium"),
        utm_campaign=found.get("utm_campaign"),
        utm_term=found.get("utm_term"),
        utm_content=found.get("utm_content"),
        tag=found.get("utm_source") or found.get("source") or found.get("ref"),
        click=next((name for name in CLICKS if name in found), None),
    )


_remembered: Final = lru_cache(maxsize=REMEMBERED)(_parse)


def host(authority: str) -> str | None:
    """`user@WWW.Example.com:80` → `example.com`; `[::1]:80` → `[::1]`, as an address has it."""
    name = authority.rpartition("@")[2]
    name = f"{name.partition(']')[0]}]" if name.startswith("[") else name.partition(":")[0]
    return _cut(name.lower().rstrip(".").removeprefix("www."), SITE)


def _split(address: str) -> tuple[str, str]:
    """Authority and path. What has a scheme and no slashes, as `mailto:` has, has neither."""
    scheme = SCHEME.match(address)
    rest = address[scheme.end() :] if scheme else address
    if rest.startswith("//"):
        authority, _, path = rest[2:].partition("/")
        return authority, f"/{path}"
    if scheme:
        return "", ""
    return "", rest if rest.startswith("/") else f"/{rest}"


def _page(path: str, fragment: str) -> str | None:
    if path and fragment.startswith(("/", "!/")):
        path = f"{path}#{fragment.partition('?')[0]}"
    return _cut(path, PAGE)


def _parameters(query: str) -> dict[str, str]:
    """Those of WANTED that say something. Of one that is given twice, the first counts."""
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = name.lower()
        if name in WANTED and name not in found and (text := _text(value)):
            found[name] = text
    return found


def _text(value: str) -> str | None:
    if "+" in value:
        value = value.replace("+", " ")
    if "%" in value:
        value = unquote(value)
    if not value.isprintable():
        value = CONTROLS.sub(" ", value)
    return _cut(value, TAG)


def _cut(text: str, length: int) -> str | None:
    return text.strip()[:length].rstrip() or None
