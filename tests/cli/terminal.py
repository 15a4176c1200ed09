"""`crumby` before somebody who looks on."""

import contextlib
import os
import pty
import subprocess
import sys
from typing import Literal


def shown(on: Literal["stdout", "stderr"], *words: str, **environ: str) -> tuple[str, str]:
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
    assert process.returncode == 0, rest
    return said.decode(), rest.decode()
