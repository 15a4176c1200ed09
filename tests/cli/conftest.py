"""The command line, asked in two ways: `crumby` as a process of its own, and `verb` in this one, which is quicker."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from crumby.cli import main
from crumby.logs import Choice, configuration


class Answer(NamedTuple):
    status: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty home folder, which is the working folder as well, and nothing of our own environment."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith(("CRUMBY_", "MAXMIND_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "1000")  # no table is wrapped
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.chdir(folder)
    return folder


def in_this_process(
    patch: pytest.MonkeyPatch, _program: str, _words: Sequence[str], environ: Mapping[str, str]
) -> None:
    """What `run` does with a program of its own."""
    for name in environ.keys() - os.environ.keys():
        patch.setenv(name, environ[name])
    main()


@pytest.fixture
def crumby(home: Path) -> Ask:
    """Run `crumby WORDS…` as a process, with more variables in its environment."""

    def ask(*words: str, stdin: str | bytes = "", **environ: str) -> Answer:
        typed = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "crumby", *words],
            input=typed,
            capture_output=True,
            check=False,
            timeout=60,
            env={**os.environ, **environ},
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    return ask


@contextmanager
def loggers_as_they_were() -> Iterator[None]:
    """`run` and others have the log go elsewhere; here that is what pytest closes after the test."""
    loggers = [logging.getLogger(), *map(logging.getLogger, configuration(Choice())["loggers"])]
    before = [(each.handlers[:], each.level, each.propagate) for each in loggers]
    try:
        yield
    finally:
        for each, (handlers, level, propagate) in zip(loggers, before, strict=True):
            each.handlers[:], each.propagate = handlers, propagate
            each.setLevel(level)


@pytest.fixture
def verb(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run `crumby WORDS…` by its entry point, in this process."""

    def ask(*words: str, stdin: str = "", **environ: str) -> Answer:
        capsys.readouterr()
        with monkeypatch.context() as patch, loggers_as_they_were():
            patch.setattr(sys, "argv", ["crumby", *words])
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in environ.items():
                patch.setenv(name, value)
            patch.setattr(os, "execve", partial(in_this_process, patch))
            with pytest.raises(SystemExit) as ended:
                main()
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return ask
