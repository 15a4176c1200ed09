"""Whether a page's Content-Security-Policy lets the script in, and its hits out. As browsers read it, where it matters.

https://www.w3.org/TR/CSP3/#match-url-to-source-list
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

PORTS: Final = {"http": 80, "https": 443}
SOURCE: Final = re.compile(
    r"(?:([a-z][a-z0-9+.-]*)://)?(\*|(?:\*\.)?[\w.-]+|\[[0-9a-f:.]+\])(?::(\*|[0-9]+))?(/[^?#]*)?", re.IGNORECASE
)
SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
FALLBACKS: Final = {
    "script-src-elem": ("script-src-elem", "script-src", "default-src"),
    "connect-src": ("connect-src", "default-src"),
    "img-src": ("img-src", "default-src"),
}


class Forbidden(NamedTuple):
    directive: str
    sources: str  # as the policy has them


def forbidden(
    policies: Iterable[str], kind: str, address: str, page: str, nonce: str | None = None
) -> Forbidden | None:
    """The first directive that does not let the address through; each policy has to.

    `kind` is a key of FALLBACKS, `nonce` the script tag's own.
    """
    for policy in policies:
        directives = parsed(policy)
        name = next((name for name in FALLBACKS[kind] if name in directives), None)
        if name and not _lets(directives[name], urlsplit(address), urlsplit(page), nonce):
            return Forbidden(name, " ".join(directives[name]))
    return None


def parsed(policy: str) -> dict[str, list[str]]:
    """The first of each name counts."""
    directives: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        name, *sources = directive.split() or [""]
        if name:
            directives.setdefault(name.lower(), sources)
    return directives


def _lets(sources: Sequence[str], address: SplitResult, page: SplitResult, nonce: str | None) -> bool:
    if nonce and f"'nonce-{nonce}'" in sources:
        return True
    if "'strict-dynamic'" in [source.lower() for source in sources]:  # then no host counts
        return False
    return any(_matches(source, address, page) for source in sources)


def _matches(source: str, address: SplitResult, page: SplitResult) -> bool:
    if source.lower() == "'self'":
        same_host = (address.hostname, _port(address)) == (page.hostname, _port(page))
        upgraded = address.hostname == page.hostname and address.scheme == "https" and _port(page) == PORTS["http"]
        return (same_host and _scheme(page.scheme, address)) or upgraded
    if source == "*":
        return address.scheme in PORTS
    scheme = SCHEME.fullmatch(source)
    if scheme:
        return _scheme(scheme[1], address)
    found = SOURCE.fullmatch(source)
    return bool(found) and _host(found, address, page)  # type: ignore[arg-type]  # None is false


def _host(found: re.Match[str], address: SplitResult, page: SplitResult) -> bool:
    scheme, host, port, path = found.groups()
    own = address.hostname or ""
    same = host == "*" or (own.endswith(host[1:].lower()) if host.startswith("*.") else own == host.lower())
    ports = port == "*" or _port(address) == (int(port) if port else PORTS.get(address.scheme))
    paths = not path or path == "/" or (address.path.startswith(path) if path.endswith("/") else address.path == path)
    return same and ports and paths and _scheme(scheme or page.scheme, address)


def _scheme(wanted: str, address: SplitResult) -> bool:
    return wanted.lower() == address.scheme or (wanted.lower() == "http" and address.scheme == "https")


def _port(address: SplitResult) -> int | None:
    return address.port or PORTS.get(address.scheme)
