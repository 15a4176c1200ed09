"""Programs of other people that read the OpenAPI document, in an environment of their own.

One of them wants an older typer than Crumby, and another would come into every run of pytest as a plugin of it. Theirs
is made from `requirements/clients.txt` by whoever asks first, and again when that file has changed.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "clients.txt"
FOLDER = Path(sys.prefix) / "clients"
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


def program(name: str) -> Path:
    """`python`, `schemathesis` or `openapi-python-client`; a test without a network is skipped, or fails, as any is."""
    stamp = FOLDER / hashlib.blake2b(LOCK.read_bytes(), digest_size=8).hexdigest()
    if not stamp.exists():
        _make()
        stamp.touch()
    return FOLDER / "bin" / name


def _make() -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
    words = [
        str(FOLDER / "bin" / "python"),
        *PIP,
        "install",
        "--no-compile",
        "--require-hashes",
        "--requirement",
        str(LOCK),
    ]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        message = f"{LOCK.name} can't be installed: {done.stderr.strip()[-500:]}"
        if os.environ.get("CRUMBY_TEST_ALL") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


def run(name: str, *words: str | Path, folder: Path, timeout_s: float = 100, **environ: str) -> tuple[int, str]:
    """Its exit status and what it said. Nothing of our own environment's Python reaches it."""
    command = [program(name), *words]
    path = f"{FOLDER / 'bin'}:{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        timeout=timeout_s,
        env={"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", **environ},
    )
    return done.returncode, done.stdout
