"""What a shell offers after a press of the key: asked of the shells themselves, where they are installed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Ask
from tests.servers import require

BASH = """
source completion
complete -p crumby > /dev/null || exit 1
COMP_WORDS=({words}) COMP_CWORD={last} COMP_LINE="{line}" COMP_POINT={point}
"$(complete -p crumby | sed 's/.* -F \\([^ ]*\\) .*/\\1/')" crumby
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "source completion; complete --do-complete '{line}'"
# zsh shows what it offers to a terminal alone; this is what its function asks.
ZSH = """
autoload -Uz compinit; compinit -u -D; source completion
whence -w _crumby_completion | grep -q function || exit 1
_TYPER_COMPLETE_ARGS='{line}' _CRUMBY_COMPLETE=complete_zsh crumby
"""
SCRIPTS = {"bash": BASH, "fish": FISH, "zsh": ZSH}


@pytest.fixture
def program(home: Path) -> Path:
    """Give a folder in which `crumby` is, as pip puts it there."""
    path = home / "bin" / "crumby"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nfrom crumby.cli import main\nmain()\n")
    path.chmod(0o755)
    return path.parent


def offered(shell: str, line: str, program: Path, home: Path, **environ: str) -> list[str]:
    """Type `line`, and press the key."""
    words = line.split(" ")
    before = {**os.environ, **environ, "PATH": f"{program}:{os.environ['PATH']}"}
    if not (home / "completion").exists():
        source = {**before, "_CRUMBY_COMPLETE": f"source_{shell}"}
        with (home / "completion").open("wb") as file:
            subprocess.run([program / "crumby"], env=source, stdout=file, check=True)
    script = SCRIPTS[shell].format(
        line=line, words=" ".join(f"'{word}'" for word in words), last=len(words) - 1, point=len(line)
    )
    done = subprocess.run(
        [require(shell), "-c", script], env=before, capture_output=True, text=True, check=False, cwd=home
    )
    assert done.stderr == ""
    if shell == "zsh":  # _arguments '*: :(("demo":"Fill an empty database"…))'
        return re.findall(r'"([^"]*)"(?::"[^"]*")?', done.stdout)
    return [each.partition("\t")[0] for each in done.stdout.splitlines() if each]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_knows_the_verbs_their_options_and_what_they_take(
    shell: str, program: Path, home: Path, verb: Ask
) -> None:
    """Faults: a command line that has the verbs alone, or the one that is asked for; a name that has a namesake."""
    verb("adduser", "ada", "a long password")
    expected_of = {
        "crumby de": {"deluser", "demo"},
        "crumby token add x --sc": {"--scope"},
        "crumby query private/": {"private/locations"},
        "crumby passwd a": {"ada"},
    }
    for line, expected in expected_of.items():
        assert expected == set(offered(shell, line, program, home)), line


@pytest.mark.parametrize("shell", ["bash"])
def test_what_is_amiss_is_not_told_while_somebody_types(shell: str, program: Path, home: Path) -> None:
    """Nor is anything made. Faults: a complaint across the line; a database that a key makes."""
    assert offered(shell, "crumby passwd a", program, home) == []
    assert offered(shell, "crumby query visi", program, home, CRUMBY_DOMIAN="x") == []
    away = "postgresql://me:canary@192.0.2.1/x"
    assert offered(shell, "crumby deluser a", program, home, CRUMBY_SQLALCHEMY_DATABASE_URI=away) == []
    assert {path.name for path in home.iterdir()} == {"bin", "completion"}


def test_the_script_for_a_shell_is_shown_and_installed(program: Path, home: Path) -> None:
    """By the shell that asks."""
    environ = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}"}
    script = "crumby --show-completion; crumby --install-completion > installed; cat ~/.bashrc"
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert "complete -o default -F _crumby_completion crumby" in done.stdout
    assert f"source '{home}/.bash_completions/crumby.sh'" in done.stdout
    assert (home / ".bash_completions" / "crumby.sh").read_text() in done.stdout + "\n"
