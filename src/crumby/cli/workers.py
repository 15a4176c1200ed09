"""uvicorn's parent of several workers, with a better goodbye."""

import signal
import socket
from pathlib import Path
from types import FrameType

from uvicorn import Config
from uvicorn.supervisors import Multiprocess


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
        Parent(config, [config.bind_socket()]).run()
    finally:
        if config.uds:
            Path(config.uds).unlink(missing_ok=True)
