"""The moment in which a server is told to stop, for those who would otherwise go on without end.

uvicorn waits for the answers that are under way before it closes the application. One that has no end of its own has to
be told: so the signals that stop a server are heard here as well, and passed on to whom they are for.
"""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import parent_process
from types import FrameType
from typing import Final

log = logging.getLogger(__name__)

STOPS: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def told_to_leave(leave: Callable[[], None]) -> Iterator[None]:
    """Within a running loop; `leave` is called in it. Where nobody listens to a signal, it is left to what it does."""
    if threading.current_thread() is not threading.main_thread():  # Python gives no other one a signal
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in STOPS}

    def heard(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(leave)
        listener = before[signal.Signals(number)]
        if callable(listener):
            listener(number, frame)

    ours = [number for number, listener in before.items() if callable(listener)]
    for number in ours:
        signal.signal(number, heard)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is heard:
                signal.signal(number, before[number])


@contextlib.contextmanager
def leaving_with_parent() -> Iterator[None]:
    """Within a running loop. One of several workers whose parent was killed ends as if it were told to.

    It would keep the address, and nobody would be there who replaces it or passes a stop on.
    """
    parent = parent_process()
    if parent is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def is_gone() -> None:
        loop.remove_reader(parent.sentinel)
        log.warning("the parent of the workers is gone, and so this one ends")
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, is_gone)
    try:
        yield
    finally:
        loop.remove_reader(parent.sentinel)
