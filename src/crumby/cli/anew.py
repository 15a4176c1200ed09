"""The server begins anew: the process that has read the command line becomes one that never did.

A server would keep what typer takes, 8 MiB, or 17 where it asks pydantic, for as long as it lives. The command, the
options of the interpreter and the number of the process stay the same; what was read goes over in a variable of the
environment.
"""

import json
import os
import sys
from typing import Any, Final

SERVES: Final = "_CRUMBY_SERVES"
# One heap for all threads: with one each they take 1 MiB more once reports have been asked for. And glibc's own bounds,
# which it raises where they are not said: what a large answer took would stay in the middle of the heap, 3 MiB.
HEAPS: Final = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}


def become_server(options: dict[str, Any]) -> None:
    """Does not come back: `main` is called in a new program, which finds the options with `asked`."""
    sys.stdout.flush()
    environ = {**HEAPS, **os.environ, SERVES: json.dumps(options)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)  # noqa: S606 - itself, as it was called


def asked() -> dict[str, Any] | None:
    """The options of the server that this process is to be, told once; None where it is to read its command line."""
    told = os.environ.pop(SERVES, None)
    return None if told is None else dict(json.loads(told))
