"""Ctrl-C: work ends at once, with exit code 130 and one line that says how it left things.

    with on_ctrl_c(lambda: "the database is as it was"):
        asyncio.run(…)

What asyncio cancels puts things back by itself. Whoever works in a thread, or in the middle of SQLite's code, hears
nothing of it: after GRACE_S the process ends all the same. To the database that is a kill, which undoes what was not
committed.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final

from crumby.cli.telling import INTERRUPTED, Interrupted, tell

GRACE_S: Final = 5.0
SIGINT: Final = bytes([signal.SIGINT])
CURSOR: Final = "\x1b[?25h"  # shows it; a progress bar had it hidden

Left = Callable[[], str]  # how things were left


class CtrlC:
    """`signals` has the numbers of those that came, a byte each; SIGINT's stays in it."""

    def __init__(self, signals: socket.socket) -> None:
        self._signals = signals

    @property
    def came(self) -> bool:
        try:
            return self._signals.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == SIGINT
        except BlockingIOError:
            return False

    def watch(self, over: threading.Event, left: Left) -> None:
        """In a thread of its own, until there are no more signals."""
        while number := self._signals.recv(1, socket.MSG_PEEK):
            if number == SIGINT:
                if not over.wait(GRACE_S):
                    _leave(left())
                return
            self._signals.recv(1)


@contextlib.contextmanager
def on_ctrl_c(left: Left) -> Iterator[CtrlC]:
    """Raises Interrupted, within which `left` says how things are by then. Of one in another the inner one tells."""
    with watched(left) as ctrl_c:
        try:
            yield ctrl_c
        except KeyboardInterrupt:
            raise Interrupted(left()) from None
        except Exception as error:
            if ctrl_c.came and not isinstance(error, Interrupted):  # such as SQLite's, that it was broken off
                raise Interrupted(left()) from None
            raise


@contextlib.contextmanager
def watched(left: Left) -> Iterator[CtrlC]:
    """See to it that the process ends. Python hands on the number of a signal whatever the main thread is at."""
    over = threading.Event()
    here, there = socket.socketpair()
    here.setblocking(False)
    ctrl_c = CtrlC(there)
    watching = threading.Thread(target=ctrl_c.watch, args=(over, left), daemon=True, name="crumby-ctrl-c")
    watching.start()
    before = signal.set_wakeup_fd(here.fileno(), warn_on_full_buffer=False)
    try:
        yield ctrl_c
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        here.close()
        watching.join()
        there.close()


def _leave(how: str) -> None:
    if sys.stderr.isatty():
        print(CURSOR, file=sys.stderr)
    tell(Interrupted.__name__, how)
    os._exit(INTERRUPTED)
