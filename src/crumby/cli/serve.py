"""`crumby run`: uvicorn, and what a person wants to know when it starts."""

import asyncio
import copy
import socket
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvicorn
from uvicorn.config import LOGGING_CONFIG

from crumby.cli.people import opened_accounts
from crumby.cli.protocol import Protocol
from crumby.cli.workers import run_workers
from crumby.database import refuses_us
from crumby.errors import DatabaseUnavailable
from crumby.ingest.metrics import shared_by
from crumby.settings import Settings, load_settings

ASK_TIMEOUT: Final = 10.0  # seconds that the start waits for a server; a long migration goes on in the worker
DRAIN = 7  # seconds that a stop waits for requests under way; Docker kills what has not ended after ten


def run(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=0, max=65535)] = 5000,
    uds: Annotated[str | None, typer.Option(help="Listen at a Unix socket instead, for a proxy.")] = None,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1, max=64)] = 1,
    root_path: Annotated[str, typer.Option(help="Path that a proxy serves Crumby below, such as /stats.")] = "",
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes.")] = False,
) -> None:
    settings = load_settings().with_secret()
    names = asyncio.run(_names())
    address = uds or f"http://{_reachable(host)}:{port}"
    if uds:
        clear_stale_socket(Path(uds))
    print(
        _greeting(settings, address, script_host(settings, host, port), has_users=names is None or bool(names)),
        flush=True,
    )
    options: dict[str, Any] = {
        "app": "crumby.app:create_app",
        "factory": True,
        "host": host,
        "port": port,
        "uds": uds,
        "workers": workers,
        "root_path": root_path.rstrip("/"),
        "reload": reload,
        "http": Protocol,
        "access_log": False,  # a line a hit would cost a third of the throughput, and keep addresses
        "proxy_headers": False,  # PROXY_COUNT reads them, from the right
        "server_header": False,
        "timeout_graceful_shutdown": DRAIN,
        "timeout_worker_healthcheck": 30,  # a worker that starts on a busy machine is not dead after five
        "lifespan": "on",
        "log_config": _logging(settings),
    }
    with shared_by(workers):
        if workers > 1 and not reload:
            run_workers(uvicorn.Config(**options))
        else:
            uvicorn.run(**options)


def clear_stale_socket(path: Path) -> None:
    """A server that was killed leaves its socket behind, and the next one could not bind over it."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


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


def _logging(settings: Settings) -> dict[str, Any]:
    """uvicorn's, and the same for Crumby's own loggers."""
    config = copy.deepcopy(LOGGING_CONFIG)
    level = "DEBUG" if settings.debug else "INFO"
    config["loggers"]["crumby"] = {"handlers": ["default"], "level": level, "propagate": False}
    return config


async def _names() -> list[str] | None:
    """Who can sign in; None while a database server is away. Migrates the database before any worker starts."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT), opened_accounts() as accounts:
            return await accounts.names()
    except (DatabaseUnavailable, TimeoutError) as error:
        if refuses_us(error.__cause__) or load_settings().sqlalchemy_database_uri.startswith("sqlite"):
            raise
        print(f"crumby: the database is away, hits will wait for it: {error or 'no answer'}", file=sys.stderr)
        return None
