"""What `crumby init` asks somebody at a terminal, where no option has said it already."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

import typer
from sqlalchemy import URL

from crumby import values
from crumby.cli.answers import FILES, LISTEN, PORT, PRIVACY, PROXIES, SITE, SOCKET
from crumby.settings import Settings

T = TypeVar("T")

SERVERS: Final = {"mariadb": ("mysql", 3306), "postgresql": ("postgresql", 5432)}
MEANT: Final = {
    "full": "a cookie, whole addresses",
    "masked": "a cookie, addresses without their end",
    "daily": "no cookie, no addresses; visitors are known for a day",
    "none": "no cookie, no addresses; visitors are not known at all",
}


def database() -> str:
    kind = choice("Database", ["sqlite", *SERVERS])
    if kind == "sqlite":
        return Settings.sqlalchemy_database_uri
    scheme, usual = SERVERS[kind]
    host = text("  its host", "localhost", str.strip)
    port = text("  its port", str(usual), values.whole(1, 65_535))
    name = text("  its name", "crumby", str.strip)
    user = text("  its user", "crumby", str.strip)
    password = typer.prompt("  the user's password", default="", hide_input=True, show_default=False)
    url = URL.create(scheme, user, password or None, host, port, name)
    return url.render_as_string(hide_password=False)


def domain() -> str:
    return text("Crumby's host, such as stats.example.com", "", values.host)


def proxy(domain: str) -> str:
    """Without a name there is nothing to be certified for, and Crumby is tried out."""
    return choice("Proxy in front, for TLS", PROXIES, "nginx" if domain else "none")


def listen() -> str:
    return text("Socket or port for the proxy", SOCKET, listening)


def privacy() -> str:
    for word, meaning in MEANT.items():
        typer.echo(f"  {word:7} {meaning}")
    return choice("What is kept of a visitor", list(PRIVACY))


def write(domain: str, proxy: str) -> tuple[str, ...]:
    """Of the files that these answers allow, the ones that are wanted."""
    offered = ["systemd", "compose"]
    if proxy != "none" and SITE.fullmatch(domain) and ("/" not in domain or proxy == "nginx"):
        offered.insert(0, proxy)
    typer.echo(f"Files for the server can be written as well: {', '.join(offered)}.")
    return text("Which of them", "none", lambda said: words(said, offered))


def listening(said: str) -> str:
    if not LISTEN.fullmatch(said) or (said.isdecimal() and int(said) > 65_535):  # noqa: PLR2004 - the last port there is
        raise ValueError(f"give a path, such as {SOCKET}, or a port, such as {PORT}")
    return said


def words(said: str, known: Sequence[str] = tuple(FILES)) -> tuple[str, ...]:
    """`'nginx, systemd'` → both; `'none'` and `''` → none."""
    named = said.replace(",", " ").lower().split()
    named = [] if named == ["none"] else named
    if unknown := sorted(set(named).difference(known)):
        raise ValueError(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(word for word in known if word in named)


def one_of(known: Sequence[str]) -> Callable[[str], str]:
    """A word, or the beginning of one."""

    def taken(said: str) -> str:
        found = [word for word in known if said and word.startswith(said.strip().lower())]
        if len(found) != 1:
            raise ValueError(f"give one of {', '.join(known)}")
        return found[0]

    return taken


def choice(question: str, known: Sequence[str], default: str = "") -> str:
    return text(f"{question} ({', '.join(known)})", default or known[0], one_of(known))


def text(question: str, default: str, taken: Callable[[str], T]) -> T:
    """Ask until the answer can be taken."""

    def tried(said: str) -> T:
        try:
            return taken(said)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return cast("T", typer.prompt(question, default=default, value_proc=tried, show_default=bool(default)))
