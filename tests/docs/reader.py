"""A reader who types a page's commands one after the other, in a fresh home and beside a real Crumby."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.docs.pages import Command
from tests.servers import free_port

PRELUDE: Final = Path(__file__).with_name("prelude.sh").read_text("utf-8")
PATIENCE_S: Final = 240
EMPTY: Final[Mapping[str, str]] = {}
# Where the pages' Crumby is, the longest name first.
ADDRESSES: Final = ("https://stats.example.com", "https://stats.example", "http://127.0.0.1:5000")
ANYTHING: Final = "…"
NUMBER: Final = r"\d+(?:[.,:-]\d+)*"


class Typed(NamedTuple):
    command: Command
    status: int
    printed: str

    def fault(self, *, exact: bool = False) -> str | None:
        """What a reader would wonder at; a command may fail if the page shows how. `exact`: to each number."""
        shown = self.command.shown
        if shown is not None and not alike(shown, self.printed, exact=exact):
            return f"{self._where()}\nshows:\n{shown}\nprinted:\n{self.printed}"
        if self.status and not shown:
            return f"{self._where()}\nended with {self.status}:\n{self.printed}"
        return None

    def _where(self) -> str:
        return f"{self.command.page}, line {self.command.line}: {self.command.text}"


def types(
    commands: Sequence[Command], home: Path, before: str = "", meanwhile: Mapping[str, str] = EMPTY, typed: str = ""
) -> list[Typed]:
    """Run them in one shell, whose variables and folder they share.

    `before` is shell that makes ready what the page takes for granted, `meanwhile` what happens before the command that
    begins so, and `typed` stands on standard input each time.
    """
    stage = home.with_name("stage")
    stage.mkdir()
    home.mkdir()
    port = free_port()
    (stage / "typed").write_text(typed)
    serves = any(command.text.startswith("crumby run") for command in commands)
    steps = [PRELUDE, before, "" if serves else "serve >/dev/null"]
    for number, command in enumerate(commands):
        steps += [script for begins, script in meanwhile.items() if command.text.startswith(begins)]
        steps.append(
            f"{{\n{command.text}\n}} >$STAGE/{number}.printed 2>&1 <$STAGE/typed; echo $? >$STAGE/{number}.status"
        )
    said = _bash(_here("\n".join(steps), port), home, {"STAGE": str(stage), "PORT": str(port)})
    statuses = [stage / f"{number}.status" for number in range(len(commands))]
    assert all(status.exists() for status in statuses), f"the shell ended early: {said}"
    return [
        Typed(command, int(status.read_text()), _there(status.with_suffix(".printed").read_text("utf-8"), port))
        for command, status in zip(commands, statuses, strict=True)
    ]


def _bash(script: str, home: Path, environ: dict[str, str]) -> str:
    """Run it to its end, and leave nothing behind."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=home,
        env={"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "COLUMNS": "100", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return shell.communicate(timeout=PATIENCE_S)[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def _here(text: str, port: int) -> str:
    for address in ADDRESSES:
        text = text.replace(address, f"http://127.0.0.1:{port}")
    return text


def _there(text: str, port: int) -> str:
    return text.replace(f"127.0.0.1:{port}", "127.0.0.1:5000")


def alike(shown: str, printed: str, *, exact: bool = False) -> bool:
    """Whether what was printed is what the page shows, but for numbers, and for whatever `…` stands for.

    Of JSON it is the keys that count.
    """
    shown = _here(shown, 5000)
    if re.fullmatch(_pattern(shown.strip(), exact=exact), printed.strip(), re.DOTALL):
        return True
    try:
        return not exact and _is_like(json.loads(_without_dots(shown)), json.loads(printed))
    except ValueError:
        return False


def _without_dots(text: str) -> str:
    return re.sub(rf",?\s*{ANYTHING}(?=\s*[\]}}])", "", text)


def _is_like(shown: Any, printed: Any) -> bool:
    if isinstance(shown, dict) and isinstance(printed, dict):
        return not shown or (list(shown) == list(printed) and all(_is_like(shown[key], printed[key]) for key in shown))
    if isinstance(shown, list) and isinstance(printed, list):
        return not shown or not printed or _is_like(shown[0], printed[0])
    return isinstance(printed, type(shown)) or {type(shown), type(printed)} == {int, float}


def _pattern(shown: str, *, exact: bool) -> str:
    wild = rf"({ANYTHING}|{NUMBER}|\s+)" if not exact else rf"({ANYTHING}|\n)"
    return "".join(_piece(piece) for piece in re.split(wild, shown))


def _piece(piece: str) -> str:
    if piece == ANYTHING:
        return ".*"
    if piece.isspace():
        return r"\s+"
    return NUMBER if re.fullmatch(NUMBER, piece) else re.escape(piece)
