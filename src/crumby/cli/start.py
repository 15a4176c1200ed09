"""What is done before a server runs: the configuration read, the database migrated, and a person greeted."""

import asyncio
import sys
from typing import Final

from crumby.accounts import opened_accounts
from crumby.database import refuses_us
from crumby.errors import DatabaseUnavailable
from crumby.settings import Settings, load_settings

ASK_TIMEOUT: Final = 10.0  # seconds that the start waits for a server; a long migration goes on in the worker


def prepare(host: str, port: int, uds: str | None) -> bool:
    """Whether the log is to be at debug level."""
    settings = load_settings().with_secret()
    names = asyncio.run(_names(settings))
    address = uds or f"http://{_reachable(host)}:{port}"
    script = script_host(settings, host, port)
    print(_greeting(settings, address, script, has_users=names is None or bool(names)), flush=True)
    return settings.debug


def script_host(settings: Settings, host: str, port: int) -> str:
    return settings.domain or f"{_reachable(host)}:{port}"


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _greeting(settings: Settings, address: str, script: str, *, has_users: bool) -> str:
    scheme = "https" if settings.session_cookie_secure else "http"
    lines = [
        f"Crumby is at {address}",
        "",
        "Paste this into every page to be counted:",
        f'    <script src="{scheme}://{script}/cmb.js"></script>',
    ]
    if not has_users:
        lines += [
            "",
            "Nobody can sign in yet, and so see the private reports. Add a user:",
            "    crumby adduser NAME",
        ]
    return "\n".join([*lines, ""])


async def _names(settings: Settings) -> list[str] | None:
    """Who can sign in; None while a database server is away. Migrates the database before any worker starts."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT), opened_accounts(settings) as accounts:
            return await accounts.names()
    except (DatabaseUnavailable, TimeoutError) as error:
        if refuses_us(error.__cause__) or settings.sqlalchemy_database_uri.startswith("sqlite"):
            raise
        print(f"crumby: the database is away, hits will wait for it: {error or 'no answer'}", file=sys.stderr)
        return None
