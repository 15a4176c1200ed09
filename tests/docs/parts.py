"""What can be seen of a command without running it: that bash can read it, and that what it names is there."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from crumby.cli.verbs import VERBS
from crumby.cli.verbs import command as command_line
from tests.docs.pages import ROOT

BETWEEN: Final = re.compile(r"[;|&<>()]+")
BEFORE: Final = frozenset({"sudo", "env", "exec", "time"})
OURS: Final = re.compile(r"(?:deployment|tests|benchmarks|scripts|docs|queries)/[\w./-]+")


def fault(command: str) -> str | None:
    """Say what is wrong with it; nothing where all of it that is Crumby's is there."""
    read = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
    if read.returncode:
        return read.stderr
    return next(filter(None, map(_fault, _simple(command))), None)


def _simple(command: str) -> Iterator[list[str]]:
    """Give the words of each program that it calls."""
    typed = command.partition("\n")[0] if "<<" in command else command  # without what a here-document holds
    lexer = shlex.shlex(typed.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if BETWEEN.fullmatch(word):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _fault(words: Sequence[str]) -> str | None:
    while words and (words[0] in BEFORE or re.match(r"\w+=", words[0])):
        words = words[1:]
    named = [name for word in words for name in word.removeprefix("ARGS=").split() if OURS.fullmatch(name)]
    if missing := [name for name in named if not (ROOT / name).exists()]:
        return f"there is no {missing[0]}"
    match words:
        case ["crumby", *rest]:
            return _of_crumby(rest)
        case ["make", *rest]:
            return _of_make(rest)
        case ["python", "-m", module, *rest] if module.startswith("benchmarks"):
            return _of_bench([module.removeprefix("benchmarks").removeprefix("."), *rest])
    return None


def _of_crumby(words: Sequence[str]) -> str | None:
    """Read its verb and options as Click does, down to the command; values and names may be anything."""
    command = _crumby(next((word for word in words if word in VERBS), None))
    said = "crumby"
    for word in words:
        if word.startswith("-"):
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if word.partition("=")[0] not in known | {"-h", "--help"}:
                return f"{said} has no {word}"
        elif verbs := getattr(command, "commands", None):
            if word not in verbs:
                return f"{said} has no {word}"
            command = verbs[word]
            said += f" {word}"
    return None


@cache
def _crumby(verb: str | None) -> Any:
    return command_line(verb)


def _of_make(words: Sequence[str]) -> str | None:
    targets = [word for word in words if "=" not in word]
    for target in targets:
        if not re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE):
            return f"the Makefile has no {target}"
    asked = shlex.split(next((word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")), ""))
    if "bench" in targets and asked:
        return _of_bench(asked)
    if "-k" in asked:
        return _of_names(asked[asked.index("-k") + 1])
    return None


def _of_bench(words: Sequence[str]) -> str | None:
    module = ROOT / "benchmarks" / f"{words[0] or '__main__'}.py"
    if not module.exists():
        return f"there is no benchmark {words[0]}"
    text = module.read_text("utf-8")
    options = [word for word in words[1:] if word.startswith("--") and word != "--help"]
    missing = [word for word in options if word not in text and 'f"--{' not in text]
    return f"{module.name} has no {missing[0]}" if missing else None


def _of_names(wanted: str) -> str | None:
    """Whether each word that picks tests picks some."""
    words = set(re.findall(r"\w+", wanted)) - {"and", "or", "not"}
    missing = [word for word in words if not any(word in name for name in _names_of_tests())]
    return f"no test has {missing[0]} in its name" if missing else None


@cache
def _names_of_tests() -> frozenset[str]:
    files = [path for path in (ROOT / "tests").rglob("*.py") if "vendor" not in path.parts]
    functions = [name for path in files for name in re.findall(r"def (\w+)\(", path.read_text("utf-8"))]
    return frozenset([*functions, *(path.stem for path in files)])
