"""The lists of crawlers, of spammers' sites and of hosting networks: the package's own, or newer ones beside the data.

    known/<list>.txt.gz      what is shipped; known/manifest.json tells from where, of when and under which licence
    <database>.lists/        what `crumby lists --refresh` got since, which counts for as long as it can be read

A list is text, an entry a line; lines that begin with a number sign tell of the list itself.
"""

import json
import os
import re
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy.engine import make_url

from crumby.errors import BotListError
from crumby.settings import Settings

KNOWN: Final = Path(__file__).parent / "known"
MAX_BYTES: Final = 16 * 1024 * 1024  # of a list, unpacked; the largest in use has 2
MOST: Final = {"crawlers": 10_000, "spammers": 100_000, "hosting": 250_000}  # entries
TOLD: Final = re.compile(r"# (from|of): (.*)")
HEAD: Final = 2  # lines that tell of a refreshed list

Address = IPv4Address | IPv6Address


class Known(NamedTuple):
    """A list that is shipped, as the manifest tells of it."""

    what: str
    home: str
    licence: str
    of: str  # day
    urls: tuple[str, ...]  # where newer ones are, one after the other


@dataclass(frozen=True, slots=True)
class BotList:
    name: str
    entries: tuple[str, ...]
    source: str  # where it came from
    of: str  # day
    packed: int  # bytes


def manifest() -> dict[str, Known]:
    told: dict[str, dict[str, Any]] = json.loads((KNOWN / "manifest.json").read_text("utf-8"))
    return {
        name: Known(each["what"], each["home"], each["licence"], each["of"], tuple(each["urls"]))
        for name, each in told.items()
    }


def folder_of(settings: Settings) -> Path:
    """Beside an SQLite database, else in the home folder, as the secret."""
    url = make_url(settings.sqlalchemy_database_uri)
    if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
        return Path(str(url.database)).expanduser().with_suffix(".lists")
    return Path(os.path.expanduser("~/crumby.lists"))  # noqa: PTH111 - Path's raises where there is no home


def path_in(folder: Path, name: str) -> Path:
    return folder / f"{name}.txt.gz"


def in_use(name: str, folder: Path | None) -> BotList:
    """The one in the folder, or else the shipped one. Raises BotListError for one in the folder that can't be read."""
    if folder and path_in(folder, name).exists():
        return read(name, path_in(folder, name))
    return read(name, path_in(KNOWN, name))


def read(name: str, path: Path) -> BotList:
    """Raises BotListError."""
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise BotListError(f"{path}: {error.strerror}") from None
    lines = unpacked(packed, str(path)).splitlines()
    told = {found[1]: found[2] for line in lines[:HEAD] if (found := TOLD.fullmatch(line))}
    entries = tuple(line for line in lines if line and not line.startswith("#"))
    if not 1 <= len(entries) <= MOST[name]:
        raise BotListError(f"{path}: it has {len(entries)} entries, and a list has 1 to {MOST[name]}")
    of = told.get("of") or (manifest()[name].of if path.parent == KNOWN else "")
    return BotList(name, entries, told.get("from", "Crumby's own"), of, len(packed))


def unpacked(content: bytes, culprit: str) -> str:
    """The text, which may be gzipped. Raises BotListError for what is damaged, too long or no UTF-8."""
    if content.startswith(b"\x1f\x8b"):
        inflating = zlib.decompressobj(wbits=31)
        try:
            content = inflating.decompress(content, MAX_BYTES + 1)
        except zlib.error as error:
            raise BotListError(f"{culprit}: it can't be unpacked: {error}") from None
        if not inflating.eof and len(content) <= MAX_BYTES:
            raise BotListError(f"{culprit}: it ends early")
    if len(content) > MAX_BYTES:
        raise BotListError(f"{culprit}: it is longer than {MAX_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BotListError(f"{culprit}: it is no text in UTF-8") from None


def ends(network: str) -> tuple[Address, Address]:
    """The first and the last address of `192.0.2.0/24` or `192.0.2.0-192.0.3.255`. Raises ValueError."""
    if "-" not in network:
        whole = ip_network(network, strict=False)
        return whole[0], whole[-1]
    first, last = (ip_address(end.strip()) for end in network.split("-"))
    if first.version != last.version or int(first) > int(last):
        raise ValueError(f"{network} ends before it begins")
    return first, last
