"""`crumby` before somebody who looks on."""

import codecs
import contextlib
import os
import pty
import select
import subprocess
import sys
import termios
import time
from typing import Final, Literal, Self

from tests.servers import READY_S, wait_until

SECRET: Final = ("password", "confirmation")  # what is asked for and not shown


def shown(on: Literal["stdout", "stderr"], *words: str, status: int = 0, **environ: str) -> tuple[str, str]:
    """Run `crumby WORDS…`, one of whose outputs is a terminal → all that this was given, and the other output.

    It is read as it comes: a terminal keeps 4 KB, and then lets the writer wait.
    """
    screen, theirs = pty.openpty()
    out, err = (theirs if on == name else subprocess.PIPE for name in ("stdout", "stderr"))
    command = [sys.executable, "-m", "crumby", *words]
    with subprocess.Popen(command, env={**os.environ, **environ}, stdout=out, stderr=err) as process:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while more := os.read(screen, 4096):
                said += more
        os.close(screen)
        rest = b"".join(filter(None, process.communicate(timeout=60)))
    assert process.returncode == status, rest
    return said.decode(), rest.decode()


class Terminal:
    """`crumby WORDS…` at a terminal of its own, and somebody who waits for a question before they answer it."""

    def __init__(self, *words: str, **environ: str) -> None:
        self.said = ""
        self._decoded = codecs.getincrementaldecoder("utf-8")().decode
        self._answered = 0  # characters of it
        self._screen, far = pty.openpty()
        command = [sys.executable, "-m", "crumby", *words]
        # In a session of its own it has no other terminal to ask at.
        self._process = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, start_new_session=True, env={**os.environ, **environ}
        )
        os.close(far)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def wait(self, words: str) -> None:
        """Until they are said, after all that was answered."""
        deadline = time.monotonic() + READY_S
        while words not in self.said[self._answered :]:
            assert time.monotonic() < deadline, self.said
            ready, _, _ = select.select([self._screen], [], [], 1)
            if ready:
                self.said += self._decoded(os.read(self._screen, 4096))

    def answer(self, question: str, words: str) -> None:
        self.wait(question)
        if question.lower().strip(": ") in SECRET:  # what is typed before that would be thrown away
            wait_until(lambda: not termios.tcgetattr(self._screen)[3] & termios.ECHO, "nothing is shown")
        self._answered = self.said.index(question, self._answered) + len(question)
        os.write(self._screen, f"{words}\n".encode())

    def end(self) -> int:
        """Its status, when it has said all that it has to say."""
        with contextlib.suppress(OSError):  # the other end is closed
            while more := os.read(self._screen, 4096):
                self.said += self._decoded(more)
        return self._process.wait(READY_S)
