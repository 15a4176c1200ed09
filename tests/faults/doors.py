"""A Crumby of this process, with two doors for an nginx: a port and a Unix socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn

from crumby.app import create_app
from crumby.cli.protocol import Protocol
from tests.conftest import settings_in
from tests.servers import until


@contextlib.contextmanager
def listening(path: Path) -> Iterator[list[socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        yield [tcp, unix]


@contextlib.asynccontextmanager
async def serving(folder: Path, **keys: str) -> AsyncIterator[tuple[str, str]]:
    """Start a Crumby at two doors of this process → its addresses, as nginx writes them."""
    folder.mkdir()
    app = create_app(settings_in(folder, **keys))
    words = {"http": Protocol, "lifespan": "on", "proxy_headers": False, "log_config": None, "access_log": False}
    server = uvicorn.Server(uvicorn.Config(app, **words))  # type: ignore[arg-type]
    with listening(folder / "door") as doors:
        port = doors[0].getsockname()[1]
        task = asyncio.create_task(server.serve(doors))
        await until(lambda: server.started or task.done())
        try:
            yield f"127.0.0.1:{port}", f"unix:{folder / 'door'}"
        finally:
            server.should_exit = True
            await task
