"""What is done before a server runs: the configuration read, the database migrated, and a person greeted."""

import asyncio
import logging
import logging.config
from typing import Final

from crumby import logs
from crumby.accounts import Accounts
from crumby.accounts.setup import Setup
from crumby.database import open_database, refuses_us
from crumby.errors import DatabaseUnavailable
from crumby.migrations import migrate
from crumby.settings import Settings, load_settings

log = logging.getLogger(__name__)

ASK_TIMEOUT: Final = 10.0  # seconds that the start waits for a server; a long migration goes on in the worker


def prepare(host: str, port: int, uds: str | None) -> logs.Choice:
    """How to log, from here on."""
    configured = load_settings()
    choice = logs.Choice("debug" if configured.debug else configured.log_level, configured.log_format)
    logging.config.dictConfig(logs.configuration(choice))
    settings = configured.with_secret()
    token = asyncio.run(_setup_token(settings))
    address = uds or f"http://{_reachable(host)}:{port}"
    script = script_host(settings, host, port)
    greeting = _greeting(settings, address, script, token and _setup_link(settings, address, token))
    print(logs.told(choice, __name__, greeting), flush=True)
    return choice


def script_host(settings: Settings, host: str, port: int) -> str:
    return settings.domain or f"{_reachable(host)}:{port}"


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _setup_link(settings: Settings, address: str, token: str) -> str:
    """Where a browser can reach it; behind a socket and without DOMAIN, that is the proxy's to know."""
    if settings.domain:
        return f"{_scheme(settings)}://{settings.domain.rstrip('/')}/setup/{token}"
    return f"{address}/setup/{token}" if address.startswith("http") else f"/setup/{token}"


def _scheme(settings: Settings) -> str:
    return "https" if settings.session_cookie_secure else "http"


def _greeting(settings: Settings, address: str, script: str, setup_link: str | None) -> str:
    scheme = _scheme(settings)
    lines = [
        f"Crumby is at {address}",
        "",
        "Paste this into every page to be counted:",
        f'    <script defer src="{scheme}://{script}{settings.script_path}?engagement" data-engagement></script>',
    ]
    if setup_link:
        lines += [
            "",
            "Nobody can sign in yet, and so see the private reports. This makes the first user, once and within a day:",
            f"    {setup_link}",
        ]
    return "\n".join([*lines, ""])


async def _setup_token(settings: Settings) -> str | None:
    """None where somebody can sign in, and while a database server is away.

    Migrates the database before any worker starts.
    """
    try:
        async with asyncio.timeout(ASK_TIMEOUT), open_database(settings) as database:
            await migrate(database.engine)
            return await Setup(database.engine, Accounts(database.engine)).token()
    except (DatabaseUnavailable, TimeoutError) as error:
        if refuses_us(error.__cause__) or settings.sqlalchemy_database_uri.startswith("sqlite"):
            raise
        log.warning("the database is away, hits will wait for it: %s", error or "no answer")
        return None
