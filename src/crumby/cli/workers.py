"""uvicorn's parent of several workers, with a better goodbye."""

import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Final

from uvicorn import Config
from uvicorn.supervisors import Multiprocess

from crumby.logs import Choice

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"  # as in `ingest/metrics.py`, whose library takes 3 MiB of the parent


class Parent(Multiprocess):
    """A stop closes the door at once; the workers, who have the same one, close it for good as they leave.

    uvicorn's own parent keeps it open until the last worker has ended. Who knocks meanwhile is let in by nobody, waits
    for an answer as long as the others take to leave, and is reset at the end. A closed door sends them elsewhere, or
    lets them come back when there is somebody.
    """

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._leave)

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        for door in self.sockets:
            door.close()
        self.sockets = []  # a worker that is replaced in this moment gets none
        self.signal_queue.append(number)


def run_workers(config: Config) -> None:
    """Serve until a signal ends it; several processes, one address."""
    try:
        with _counting_together():
            Parent(config, [config.bind_socket()]).run()
    finally:
        if config.uds:
            Path(config.uds).unlink(missing_ok=True)


@contextlib.contextmanager
def _counting_together() -> Iterator[None]:
    """Let the workers that are started in this context share their numbers."""
    if SHARED in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="crumby-metrics-") as folder:
        os.environ[SHARED] = folder
        yield


def prepared_by_a_child(host: str, port: int, uds: str | None) -> Choice:
    """What `start.prepare` says, called in a process that ends; SystemExit where it failed, and has told why."""
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_prepare, args=(sending, host, port, uds))
    child.start()
    sending.close()  # so that the end of the child's is an end
    try:
        return Choice(*receiving.recv())
    except EOFError:
        raise SystemExit(1) from None
    finally:
        child.join()


def _prepare(sending: Connection, host: str, port: int, uds: str | None) -> None:
    from crumby.cli.start import prepare
    from crumby.cli.telling import in_one_line

    with in_one_line():
        sending.send(prepare(host, port, uds))
