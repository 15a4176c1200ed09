"""What other programs call a browser, a system, a device, a country or a language, in Crumby's own words.

So rows from before and after the move count together:

    browser     Chrome Mobile iOS, crios, Chrome 120.0           chrome       those of `ingest/agent.py`; what that does
                Microsoft Edge, edge-chromium                    edge         not list keeps its name, in lower case
    platform    Mac, Macintosh, Mac OS X 10.15, macOS            macos
                iOS; of a tablet                                 iphone; ipad
    device      Laptop, Smartphone, phablet, smart tv            desktop, mobile, mobile, none: `dimensions/device.py`
    country     gb, GB-ENG, United Kingdom, Türkiye, Turkey      GB, GB, GB, TR, TR
    region      GB-ENG, US-CA                                    England, California: as a City database says, mostly
    language    en-us, English, pt_BR                            en-US, en, pt-BR

None where a name says nothing: "", (not set), Unknown, Other. Whoever needs them for many rows has them remembered.
"""

import lzma
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from crumby.dimensions.device import Device
from crumby.ingest.agent import BROWSERS, COLUMN, PLATFORMS
from crumby.ingest.text import clean

REMEMBERED: Final = 1024  # names of each kind
TABLE: Final = Path(__file__).with_name("names.tsv.xz")  # of Unicode's CLDR: see NOTICE
TWO: Final = 2  # letters of a country

NOTHING: Final = frozenset(
    {"", "-", "(not set)", "(not provided)", "(none)", "(other)", "(data deleted)", "not set", "unknown", "unk"}
    | {"other", "others", "undefined", "null", "none", "n/a"}
)
MORE_BROWSERS: Final = {  # beside those that ua-parser names: detect-browser, device-detector, UAInspector, Google
    "android browser": "android",
    "android runtime": "android",
    "android webview": "chrome",
    "beaker": "beaker",
    "chrome": "chrome",
    "chromium-webview": "chrome",
    "crios": "chrome",
    "duckduckgo privacy browser": "duckduckgo",
    "edge-chromium": "edge",
    "edge-ios": "edge",
    "fxios": "firefox",
    "google chrome": "chrome",
    "headless chrome": "chrome",
    "internet explorer": "msie",
    "ios": "safari",
    "ios-webview": "safari",
    "microsoft edge": "edge",
    "miui": "miuibrowser",
    "miui browser": "miuibrowser",
    "mozilla firefox": "firefox",
    "opera-mini": "opera",
    "samsung": "samsung",
    "samsung browser": "samsung",
    "silk": "amazon silk",
    "silk-accelerated": "amazon silk",
    "ucbrowser": "uc",
    "yabrowser": "yandex",
    "yandexbrowser": "yandex",
    "yandex": "yandex",
}
MORE_PLATFORMS: Final = {
    "amazon os": "android",
    "android os": "android",
    "blackberry os": "blackberry",
    "chromium os": "chromeos",
    "chromeos": "chromeos",
    "cros": "chromeos",
    "fire os": "android",
    "gnu/linux": "linux",
    "ipados": "ipad",
    "ipad": "ipad",
    "iphone": "iphone",
    "iphone os": "iphone",
    "mac": "macos",
    "macintosh": "macos",
    "macos": "macos",
    "open bsd": "openbsd",
    "os x": "macos",
    "sun os": "solaris",
}
DEVICES: Final[Mapping[str, Device]] = {
    "computer": "desktop",
    "desktop": "desktop",
    "laptop": "desktop",
    "desktop / laptop": "desktop",
    "feature phone": "mobile",
    "mobile": "mobile",
    "mobile phone": "mobile",
    "phablet": "mobile",
    "phone": "mobile",
    "smartphone": "mobile",
    "tablet": "tablet",
}
MORE_COUNTRIES: Final = {  # what they are called as well, in ISO 3166's words, former ones and Google's
    "bolivia plurinational state of": "BO",
    "brunei darussalam": "BN",
    "burma": "MM",
    "cabo verde": "CV",
    "congo": "CG",
    "congo drc": "CD",
    "congo democratic republic of": "CD",
    "congo republic": "CG",
    "czech republic": "CZ",
    "democratic republic of congo": "CD",
    "dr congo": "CD",
    "east timor": "TL",
    "falkland islands malvinas": "FK",
    "great britain": "GB",
    "holland": "NL",
    "hong kong": "HK",
    "iran islamic republic of": "IR",
    "ivory coast": "CI",
    "korea": "KR",
    "korea democratic peoples republic of": "KP",
    "korea republic of": "KR",
    "lao peoples democratic republic": "LA",
    "macao": "MO",
    "macau": "MO",
    "macedonia": "MK",
    "macedonia fyrom": "MK",
    "micronesia federated states of": "FM",
    "moldova republic of": "MD",
    "myanmar": "MM",
    "palestine": "PS",
    "palestine state of": "PS",
    "republic of congo": "CG",
    "republic of korea": "KR",
    "reunion": "RE",
    "russian federation": "RU",
    "saint martin french part": "MF",
    "sint maarten dutch part": "SX",
    "slovak republic": "SK",
    "swaziland": "SZ",
    "syrian arab republic": "SY",
    "taiwan province of china": "TW",
    "tanzania united republic of": "TZ",
    "turkey": "TR",
    "uk": "GB",
    "united states of america": "US",
    "usa": "US",
    "vatican": "VA",
    "holy see": "VA",
    "venezuela bolivarian republic of": "VE",
    "viet nam": "VN",
}

VERSION: Final = re.compile(r" v?\d[\w.\-]*$")
LOCALE: Final = re.compile(r"([a-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?", re.IGNORECASE)
CHARACTERS: Final = re.compile(r"[^a-z0-9]+")


def is_nothing(name: str | None) -> bool:
    return name is None or name.strip().lower() in NOTHING


@lru_cache(maxsize=REMEMBERED)
def browser(name: str | None) -> str | None:
    return None if name is None or is_nothing(name) else _named(name, _browsers())


@lru_cache(maxsize=REMEMBERED)
def platform(name: str | None, on: Device | None = None) -> str | None:
    """`on` tells an iPad of an iPhone, where a system is "iOS" on both."""
    if name is None or is_nothing(name):
        return None
    found = _named(name, _platforms())
    return "ipad" if found == "iphone" and on == "tablet" else found


@lru_cache(maxsize=REMEMBERED)
def device(name: str | None) -> Device | None:
    return None if name is None else DEVICES.get(name.strip().lower())


@lru_cache(maxsize=REMEMBERED)
def country(name: str | None) -> str | None:
    """Of its ISO 3166-1 code, that of a subdivision of it ("GB-ENG"), or its English name."""
    if name is None:
        return None
    code = name.strip().upper().partition("-")[0]
    if len(code) == TWO and code in _codes():
        return code
    return _countries().get(_plain(name))


@lru_cache(maxsize=REMEMBERED)
def region(code: str | None) -> str | None:
    """Of an ISO 3166-2 code its English name; of another text itself."""
    return None if code is None or is_nothing(code) else _regions().get(code.strip().upper(), clean(code))


@lru_cache(maxsize=REMEMBERED)
def language(name: str | None) -> str | None:
    """As a browser says it: a tag of BCP 47. Of that, its script at the most, and its country."""
    if name is None or is_nothing(name):
        return None
    if found := _languages().get(_plain(name)):
        return found
    tag = LOCALE.fullmatch(name.strip())
    if not tag:
        return None
    written, script, place = tag.groups()
    return "-".join(part for part in (written.lower(), script and script.title(), place and place.upper()) if part)


def version(number: str | None) -> str | None:
    """A browser's, as far as its column takes it."""
    return None if number is None or is_nothing(number) else clean(number, COLUMN)


def _named(name: str, names: Mapping[str, str]) -> str | None:
    """`Firefox Mobile` → `firefox`, by its first words; what is not listed without its version: `whale`."""
    low = (clean(name) or "").lower()
    words = low.split(" ")
    for count in range(len(words), 0, -1):
        if found := names.get(" ".join(words[:count])):
            return found
    return VERSION.sub("", low)[:COLUMN].rstrip() or None


@cache
def _browsers() -> Mapping[str, str]:
    return {name.lower(): own for name, own in BROWSERS.items()} | MORE_BROWSERS


@cache
def _platforms() -> Mapping[str, str]:
    return {name.lower(): own for name, own in PLATFORMS.items()} | MORE_PLATFORMS


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for code, _ in _listed("country"))


@cache
def _countries() -> Mapping[str, str]:
    return {_plain(name): code for code, name in _listed("country")} | MORE_COUNTRIES


@cache
def _regions() -> Mapping[str, str]:
    return dict(_listed("region"))


@cache
def _languages() -> Mapping[str, str]:
    return {_plain(name): code for code, name in _listed("language")}


def _listed(kind: str) -> Iterator[tuple[str, str]]:
    for line in lzma.decompress(TABLE.read_bytes()).decode().splitlines():
        of, code, name = line.split("\t")
        if of == kind:
            yield code, name


def _plain(name: str) -> str:
    """`St. Kitts & Nevis` and `Saint Kitts and Nevis` → `saint kitts nevis`; `Côte d'Ivoire` → `cote divoire`."""
    letters = unicodedata.normalize("NFKD", name.lower().replace("'", "").replace("\u2019", ""))
    words = CHARACTERS.sub(" ", "".join(each for each in letters if not unicodedata.combining(each))).split()
    return " ".join("saint" if word == "st" else word for word in words if word not in {"and", "the"})
