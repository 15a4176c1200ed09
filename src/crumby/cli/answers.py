"""What `crumby init` is told, and what comes of it: settings, and files for the server around Crumby.

The files are those of `deployment/`. They stand there for stats.example.com, or the path /stats of www.example.com, and
for a Unix socket; here they are given the place that was asked for.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url

from crumby.errors import ConfigurationError
from crumby.settings import KEYS, Settings, shipped

SOCKET: Final = "/run/crumby/crumby.sock"
PORT: Final = "5000"
HOST: Final = "stats.example.com"
SITE: Final = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?P<path>(?:/[A-Za-z0-9._~-]+)*)")
LISTEN: Final = re.compile(r"(?P<port>[1-9][0-9]{0,4})|(?P<socket>(?:/[A-Za-z0-9._-]+)+)")
PASSWORD: Final = re.compile("[A-Za-z0-9_-]+")  # which means the same in an environment file, a URL and a shell
OURS: Final = frozenset({"", "localhost", "127.0.0.1", "::1", "db"})  # hosts of a database that compose brings up

PROXIES: Final = ("none", "nginx", "caddy", "apache")
PRIVACY: Final[Mapping[str, Mapping[str, str]]] = {
    "full": {},
    "masked": {"IP_STORAGE": "masked"},
    "daily": {"VISITOR_ID": "daily", "IP_STORAGE": "none"},
    "none": {"VISITOR_ID": "none", "IP_STORAGE": "none"},
}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Raises ConfigurationError, which names the option, where one does not go with another."""

    database: str = Settings.sqlalchemy_database_uri
    domain: str = ""
    proxy: str = "none"
    listen: str = ""  # a socket's path or a port; empty: what the proxy and the files go with
    privacy: str = "full"
    write: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sites = set(self.write) & set(PROXIES)
        if sites - {self.proxy}:
            raise ConfigurationError(f"--write: with --proxy {self.proxy} there is no site for another one to write")
        if sites and not SITE.fullmatch(self.domain):
            raise ConfigurationError(f"--domain: a site needs its name, such as {HOST}, or {HOST}/path")
        if self.path and sites - {"nginx"}:
            raise ConfigurationError("--write: below a path, there is a site for nginx alone")
        if self.socket and "compose" in self.write:
            raise ConfigurationError("--listen: a container is reached by a port; leave it out")
        if self.socket and self.proxy == "none":
            raise ConfigurationError("--listen: nobody reaches a socket without a proxy; name it, or give a port")

    @property
    def path(self) -> str:
        """The path that Crumby is served below, or none."""
        return "".join(self.domain.partition("/")[1:])

    @property
    def socket(self) -> str:
        behind = self.proxy != "none" and "compose" not in self.write
        listen = self.listen or (SOCKET if behind else PORT)
        return listen if listen.startswith("/") else ""

    @property
    def port(self) -> str:
        return PORT if self.socket else self.listen or PORT

    @property
    def run(self) -> str:
        """What follows `crumby run`."""
        everywhere = "" if self.proxy != "none" else "--host 0.0.0.0 "
        where = f"--uds {self.socket}" if self.socket else f"{everywhere}--port {self.port}"
        return where + (f" --root-path {self.path}" if self.path else "")

    def settings(self) -> dict[str, object]:
        """By their keys, what differs from the defaults."""
        proxied = {"PROXY_COUNT": 1, "SESSION_COOKIE_SECURE": True} if self.proxy != "none" else {}
        said = {"SQLALCHEMY_DATABASE_URI": self.database, "DOMAIN": self.domain, **proxied, **PRIVACY[self.privacy]}
        return {key: value for key, value in said.items() if value != getattr(Settings, key.lower())}


def template(secret: str, said: Mapping[str, object] | None = None) -> str:
    """A crumby.cfg that names each key, what it means and its default; what is `said` takes effect."""
    said = {"SECRET_KEY": secret, **(said or {})}
    parts = [
        "# Crumby's configuration, in Python's syntax: upper-case names are its keys, any code may stand beside them.",
        "# A line without its # takes effect. CRUMBY_<KEY> variables of the environment win over this file.",
    ]
    for name, key in KEYS.items():
        is_said = name.upper() in said
        value = said[name.upper()] if is_said else getattr(Settings, name)
        parts.append(f"# {key.meaning}\n{'' if is_said else '#'}{name.upper()} = {_literal(value)}")
    return "\n\n".join(parts) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    return "'*'" if value == ("*",) else repr(value)


# The files, by their names in the folder where `init` is called.


def files(answers: Answers, secret: str) -> dict[str, str]:
    found = {"crumby.cfg": template(secret, answers.settings())}
    for word in answers.write:
        found |= FILES[word](answers, secret)
    return found


def _nginx(answers: Answers, _secret: str) -> dict[str, str]:
    server = f"unix:{answers.socket}" if answers.socket else f"127.0.0.1:{answers.port}"
    upstream = _deployed("nginx/crumby-upstream.conf").replace(f"unix:{SOCKET}", server)
    if answers.path:
        site = _deployed("nginx/crumby-path.conf").replace("www.example.com/stats", answers.domain)
        return {"crumby-upstream.conf": upstream, "crumby-path.conf": site.replace("/stats", answers.path)}
    site = _deployed("nginx/crumby.conf").replace(HOST, answers.domain)
    return {"crumby-upstream.conf": upstream, "crumby.conf": site}


def _caddy(answers: Answers, _secret: str) -> dict[str, str]:
    server = f"unix/{answers.socket}" if answers.socket else f"127.0.0.1:{answers.port}"
    text = _deployed("caddy/Caddyfile").replace(f"unix/{SOCKET}", server)
    return {"Caddyfile": text.replace(HOST, answers.domain)}


def _apache(answers: Answers, _secret: str) -> dict[str, str]:
    text = _deployed("apache/crumby.conf").replace(HOST, answers.domain)
    if answers.socket:
        return {"crumby-apache.conf": text.replace(SOCKET, answers.socket)}
    server = f"http://127.0.0.1:{answers.port}/"
    return {"crumby-apache.conf": text.replace(f"unix:{SOCKET}|http://crumby/", server)}


def _systemd(answers: Answers, _secret: str) -> dict[str, str]:
    return {"crumby.service": _deployed("systemd/crumby.service").replace(f"--uds {SOCKET}", answers.run)}


def _compose(answers: Answers, secret: str) -> dict[str, str]:
    url = make_url(answers.database)
    kind = _composed(url)
    below = f" --root-path {answers.path}" if answers.path else ""
    text = _deployed(f"docker/compose{kind}.yaml").replace("--host 0.0.0.0", f"--host 0.0.0.0{below}")
    outside = "" if answers.proxy == "none" else "127.0.0.1:"
    text = text.replace("127.0.0.1:5000:5000", f"{outside}{answers.port}:5000")
    said = {"SECRET_KEY": secret, **answers.settings()}
    said.pop("SQLALCHEMY_DATABASE_URI", None)  # of SQLite, the image's own
    made: dict[str, str] = {}
    if kind:
        url = _inside(url)
        made["db.env"] = f"{'MARIADB' if kind == '.mariadb' else 'POSTGRES'}_PASSWORD={url.password}\n"
    if url.get_backend_name() != "sqlite":
        said["SQLALCHEMY_DATABASE_URI"] = url.render_as_string(hide_password=False)
    lines = "".join(f"CRUMBY_{key}={value}\n" for key, value in said.items())
    return {"compose.yaml": text, "crumby.env": lines, **made}


def _composed(url: URL) -> str:
    """Which compose file: the one with a database of its own, unless the database is elsewhere."""
    if url.get_backend_name() == "sqlite" or url.host not in OURS | {None}:
        return ""
    return ".postgresql" if url.get_backend_name() == "postgresql" else ".mariadb"


def _inside(url: URL) -> URL:
    """The same in the network of the containers, with what their images are told."""
    password = str(url.password or secrets.token_urlsafe(24))
    if not PASSWORD.fullmatch(password):
        raise ConfigurationError(
            "--database: for compose, a password of letters, digits, - and _, or none, and one is made"
        )
    return URL.create(url.drivername, "crumby", password, "db", None, "crumby")


def _deployed(name: str) -> str:
    return (shipped("deployment") / name).read_text("utf-8")


FILES: Final[Mapping[str, Callable[[Answers, str], dict[str, str]]]] = {
    "nginx": _nginx,
    "caddy": _caddy,
    "apache": _apache,
    "systemd": _systemd,
    "compose": _compose,
}
# Where they belong on the server, and who else than their owner may read them.
PLACES: Final = {
    "crumby.cfg": "/var/lib/crumby/",
    "crumby-upstream.conf": "/etc/nginx/conf.d/",
    "crumby.conf": "/etc/nginx/conf.d/",
    "crumby-path.conf": "/etc/nginx/snippets/, and included in the site's server block",
    "Caddyfile": "/etc/caddy/",
    "crumby-apache.conf": "/etc/apache2/sites-available/",
    "crumby.service": "/etc/systemd/system/",
    "compose.yaml": "any folder",
    "crumby.env": "beside compose.yaml, in place of crumby.cfg",
    "db.env": "beside compose.yaml",
}
OPEN: Final = frozenset(PLACES) - {"crumby.cfg", "crumby.env", "db.env"}
