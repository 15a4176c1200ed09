"""What of a page matters to its counting: the script tags and the policies, read as a browser would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

SCRIPT = "/cmb.js"
DATA = "data-"


@dataclass(frozen=True, slots=True)
class Tag:
    address: str
    module: bool  # such a script does not know where it came from
    nonce: str | None
    data: Mapping[str, str]  # {"domains": "a.example"}: its data attributes


@dataclass(slots=True)
class Seen:
    scripts: list[Tag] = field(default_factory=list)  # those of a Crumby
    policies: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, address: str, paths: tuple[str, ...]) -> None:
        super().__init__(convert_charrefs=True)
        self.seen = Seen()
        self._base = address
        self._paths = paths

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in reversed(attrs)}  # the first of each name counts
        if tag == "base" and named.get("href"):
            self._base = urljoin(self._base, named["href"])
        elif tag == "meta" and named.get("http-equiv", "").lower() == "content-security-policy":
            self.seen.policies.append(named.get("content", ""))
        elif tag == "script" and "src" in named:
            self._script(named)

    def _script(self, named: dict[str, str]) -> None:
        try:
            address = urljoin(self._base, named["src"].strip())
            path = urlsplit(address).path
        except ValueError:  # such as an IPv6 address that is none
            return
        if path.endswith(self._paths):
            module = named.get("type", "").strip().lower() == "module"
            data = {name.removeprefix(DATA): value for name, value in named.items() if name.startswith(DATA)}
            self.seen.scripts.append(Tag(address, module, named.get("nonce") or None, data))


def read(html: str, address: str, script_path: str = SCRIPT) -> Seen:
    """Of the page at that address; the script may have its own name, or Crumby's."""
    reader = _Reader(address, (SCRIPT, script_path))
    reader.feed(html)
    reader.close()
    return reader.seen
