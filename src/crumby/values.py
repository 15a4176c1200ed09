"""What a key of the configuration takes: text of the environment or a value of Python → the value that is meant.

Each of these raises ValueError, which says what to give. It repeats no text, for that may be a secret.
"""

import math
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

T = TypeVar("T")

TOKEN_LENGTH: Final = 16  # characters; a shorter one can be guessed
SECRET_LENGTH: Final = 16  # characters, as well
DIFFERENT: Final = 5  # characters of it, at least
EXAMPLES: Final = frozenset(  # of other programs' documents and defaults, where many a secret was left
    """
    123456789 changeme changethis insecure mysecret nondevsecret randomstring replaceme replacewith secretkey
    supersecret thisisasecret topsecret verysecret yourownsecret yoursecret
    """.split()  # noqa: SIM905 - words, not punctuation
)
PLACE: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
NUMBERED: Final = re.compile(r"/[^/]*\.gif")
# The beginnings of all other addresses: a test holds them to the routes.
TAKEN: Final = frozenset(
    """
    api badge.svg checks docs embed healthz live login logout metrics openapi.json opt-out opt-out.js query readyz redoc
    setup share shares static
    """.split()  # noqa: SIM905 - words, not punctuation
)
EXTRAS: Final = ("engagement", "outbound", "downloads", "forms", "404", "vitals", "elements")
SIGNALS: Final = ("gpc", "dnt")
ON: Final = frozenset({"1", "true", "yes", "on", "t", "y"})
OFF: Final = frozenset({"0", "false", "no", "off", "f", "n", "none"})


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"give a text in quotes, not {type(value).__name__}")  # noqa: TRY004 - one error for all
    return value


def number_or_text(value: object) -> str:
    """An account's number may stand without quotes."""
    return str(value) if type(value) is int else text(value)


def switch(value: object) -> bool:
    """`'yes'`, `'1'`, 1 and True are on; `'off'`, 0, None and False are off."""
    word = str(value).strip().lower()
    if word not in ON | OFF:
        raise ValueError("give True or False (in the environment 1 or 0, on or off)")
    return word in ON


def one_of(*words: str) -> Callable[[object], str]:
    def taken(value: object) -> str:
        said = "off" if value is False else str(value).strip().lower()
        if said not in words:
            raise ValueError(f"give one of {', '.join(words)}")
        return said

    return taken


def rate(most: float) -> Callable[[object], float]:
    def taken(value: object) -> float:
        number = _number(value)
        if not 0 <= number <= most:
            raise ValueError(f"give a number from 0, which is no limit, to {most:,g}")
        return number

    return taken


def whole(least: int, most: int) -> Callable[[object], int]:
    def taken(value: object) -> int:
        number = _number(value)
        if not (number.is_integer() and least <= number <= most):
            raise ValueError(f"give a whole number from {least} to {most:,}")
        return int(number)

    return taken


def seconds(most: float) -> Callable[[object], float]:
    def taken(value: object) -> float:
        number = _number(value)
        if not 0 < number <= most:
            raise ValueError(f"give a number of seconds above 0, {most:g} at most")
        return number

    return taken


def _number(value: object) -> float:
    """Not a number, where it is none."""
    try:
        return float(value) if isinstance(value, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def path(value: object) -> Path:
    if not isinstance(value, (str, Path)):
        raise ValueError(f"give a path in quotes, not {type(value).__name__}")  # noqa: TRY004 - one error for all
    return expanded(Path(value))


def expanded(there: Path) -> Path:
    """Raises ValueError where an account has no home folder, or a name has no account."""
    try:
        return there.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for the ~ of {there}; write the whole path") from None


def unset_or(taken: Callable[[object], T]) -> Callable[[object], T | None]:
    """`CRUMBY_QUERIES=` is no folder, above all not the one that the server was started in."""
    return lambda value: taken(value) if value else None


def secret(value: object) -> str:
    """`os.urandom(24)`, as many a crumby.cfg of 0.7.1 has it, is rarely UTF-8."""
    return value.decode("latin-1") if isinstance(value, bytes) else text(value)


def is_guessable(secret: str) -> bool:
    """Whether it is shorter than a random one would be, says the same over and over, or is out of an example."""
    letters = "".join(filter(str.isalnum, secret.lower()))
    known = any(word in letters for word in EXAMPLES)
    return len(secret) < SECRET_LENGTH or len(set(secret)) < DIFFERENT or known


def token(value: object) -> str:
    said = text(value)
    if len(said) < TOKEN_LENGTH:
        raise ValueError(f"give at least {TOKEN_LENGTH} characters")
    return said


def host(value: object) -> str:
    """`https://stats.example.com/` → `stats.example.com`."""
    bare = text(value).strip().removeprefix("https://").removeprefix("http://").strip("/")
    if any(character in bare for character in " \"'\\<>?#@"):
        raise ValueError("give a host such as 'stats.example.com', with a port where it needs one")
    return bare


def place(value: object) -> str:
    """A path of this host: `x/collect` → `/x/collect`."""
    said = f"/{text(value).strip().removeprefix('/')}"
    if not PLACE.fullmatch(said) or not all(part.strip(".") for part in said[1:].split("/")):
        raise ValueError("give a path of letters, digits and . _ ~ - /, such as '/x/collect'")
    if said.split("/")[1] in TAKEN or NUMBERED.fullmatch(said):
        raise ValueError(f"{said} is Crumby's own, for something else; choose another path, such as '/x/collect'")
    return said


def extras(value: object) -> tuple[str, ...]:
    """`'vitals outbound'`, `'vitals, outbound'` and `['vitals', 'outbound']` → both, each once, in their order."""
    return _some_of(EXTRAS, "extra", value)


def signals(value: object) -> tuple[str, ...]:
    """As extras are; `'none'` and `'off'` are none of them."""
    return _some_of(SIGNALS, "signal", () if str(value).strip().lower() in OFF else value)


def _some_of(words: tuple[str, ...], kind: str, value: object) -> tuple[str, ...]:
    several = value.replace(",", " ").split() if isinstance(value, str) else value or ()
    if isinstance(several, bytes) or not isinstance(several, Iterable):
        raise ValueError(f"give words: {', '.join(words)}")  # noqa: TRY004 - one error for all
    named = {str(word).strip().lower() for word in several}
    if unknown := sorted(named.difference(words)):
        raise ValueError(f"there is no {kind} {unknown[0][:40]!r}; there are {', '.join(words)}")
    return tuple(word for word in words if word in named)


def networks(value: object) -> tuple[str, ...]:
    """`'10.0.0.0/8, ::1 unix'` and a list of the same → `('10.0.0.0/8', '::1/128', 'unix')`."""
    several = value.replace(",", " ").split() if isinstance(value, str) else value or ()
    if isinstance(several, bytes) or not isinstance(several, Iterable):
        raise ValueError("give networks such as '10.0.0.0/8', or 'unix'")  # noqa: TRY004 - one error for all
    return tuple(dict.fromkeys(_network(str(each).strip()) for each in several))


def _network(said: str) -> str:
    if said.lower() == "unix":
        return "unix"
    try:
        return str(ip_network(said))
    except ValueError as error:
        raise ValueError(f"{error}; a network is '10.0.0.0/8' or '2001:db8::/32', and 'unix' a Unix socket") from None


def without_keys(address: str) -> str:
    """The address without what opens an account: its query (`?license_key=…`), its `user:password@`."""
    return re.sub("//[^/]*@", "//", address.partition("?")[0])


def database_url(value: object) -> str:
    said = text(value)
    try:
        url = make_url(said)
    except (ArgumentError, ValueError):  # the latter: a port that is no number
        raise ValueError("not a database URL; one looks like 'sqlite:////var/lib/crumby/crumby.db'") from None
    if url.get_backend_name() == "sqlite" and url.database:
        expanded(Path(url.database))
    return said


def origins(value: object) -> tuple[str, ...]:
    """`'a.com, b.com'`, `['a.com', 'b.com']` and `''` → `('a.com', 'b.com')`, the same, and `()`."""
    several = value.split(",") if isinstance(value, str) else value or ()
    if isinstance(several, bytes) or not isinstance(several, Iterable):
        raise ValueError("give a site or several, such as 'https://www.example.com'")  # noqa: TRY004 - one error for all
    return tuple(str(origin).strip().rstrip("/") for origin in several if str(origin).strip())


def time_zone(value: object) -> str:
    said = text(value)
    try:
        ZoneInfo(said)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone {said!r}; one is 'Europe/Berlin'") from None
    return said
