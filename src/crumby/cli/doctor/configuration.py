"""Settings that do not go together, secrets that are none, and files that others can read."""

import os
from collections.abc import Iterator
from pathlib import Path

from crumby.cli.doctor.finding import Finding, Patient
from crumby.database import rollups_path
from crumby.settings import Settings
from crumby.values import is_guessable


def look(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    name = os.environ.get("CRUMBY_SETTINGS")
    yield Finding("ok", "configuration", name or "no CRUMBY_SETTINGS: the defaults, and CRUMBY_* variables")
    yield from _secret(settings)
    yield from _proxies(settings)
    files = [Path(name).expanduser()] if name else []
    if patient.database.sqlite_path:
        files += _files(patient.database.sqlite_path)
    readable = " ".join(str(path) for path in files if _is_readable(path))
    if readable:
        yield Finding("warning", "permissions", f"others on this machine can read {readable}", f"chmod 600 {readable}")


def _secret(settings: Settings) -> Iterator[Finding]:
    if settings.secret_key and is_guessable(settings.secret_key):
        said = "SECRET_KEY is short or well known, and so it is not used, but one that Crumby has made"
        yield Finding("warning", "secret", said, "leave SECRET_KEY out, or give 16 random characters")


def _proxies(settings: Settings) -> Iterator[Finding]:
    if (settings.proxy_count or settings.trusted_proxies) and not settings.session_cookie_secure:
        said = "there is a proxy, and cookies go over HTTP as well"
        yield Finding("warning", "sessions", said, "if the proxy speaks HTTPS, set SESSION_COOKIE_SECURE = True")
    for network in settings.trusted_proxies:
        if network.endswith("/0"):
            said = f"TRUSTED_PROXIES has {network}: anybody can say that any address is theirs"
            yield Finding("warning", "proxies", said, "name the networks of your own proxies alone")


def _files(database: Path) -> Iterator[Path]:
    """What the embedded database is made of, and the secret beside it."""
    for path in (database, rollups_path(database)):
        yield from (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    yield database.with_suffix(".secret")


def _is_readable(path: Path) -> bool:
    """By others than its owner."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
