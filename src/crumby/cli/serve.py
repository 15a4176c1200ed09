"""What `crumby run` runs: uvicorn, in this process or in several."""

import socket
from pathlib import Path
from typing import Any

import uvicorn

from crumby import logs
from crumby.cli.workers import prepared_by_a_child, run_workers

DRAIN = 7  # seconds that a stop waits for requests under way; Docker kills what has not ended after ten


def serve(host: str, port: int, uds: str | None, workers: int, root_path: str, reload: bool) -> None:
    several = workers > 1 and not reload
    if uds:
        clear_stale_socket(Path(uds))
    choice = _prepare(host, port, uds, apart=several)
    options: dict[str, Any] = {
        "app": "crumby.app:create_app",
        "factory": True,
        "host": host,
        "port": port,
        "uds": uds,
        "workers": workers,
        "root_path": root_path.rstrip("/"),
        "reload": reload,
        "http": "crumby.cli.protocol:Protocol",
        "access_log": False,  # ACCESS_LOG writes one without queries, and with no more of an address than is stored
        "proxy_headers": False,  # PROXY_COUNT and TRUSTED_PROXIES read them, from the right
        "server_header": False,
        "timeout_graceful_shutdown": DRAIN,
        "timeout_worker_healthcheck": 30,  # a worker that starts on a busy machine is not dead after five
        "lifespan": "on",
        "log_config": logs.configuration(choice),
    }
    if several:
        run_workers(uvicorn.Config(**options))
    else:
        uvicorn.run(**options)


def _prepare(host: str, port: int, uds: str | None, *, apart: bool) -> logs.Choice:
    """How to log.

    What it takes, 60 MiB, a process that serves needs as well; one that looks after those that do would keep it.
    """
    if apart:
        return prepared_by_a_child(host, port, uds)
    from crumby.cli.start import prepare

    return prepare(host, port, uds)


def clear_stale_socket(path: Path) -> None:
    """A server that was killed leaves its socket behind, and the next one could not bind over it."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
