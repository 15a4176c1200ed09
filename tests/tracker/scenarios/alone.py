"""A Chromium that nobody steers: what Playwright switches off, or cannot set, is on in it.

DevTools end rendering ahead, and the choices of a person (no cookies at all) are no words of the command line. Its
pages have to go on by themselves and say what they saw.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import CHROMIUM, require
from tests.tracker.scene import AGENT

WORDS = (*CHROMIUM, "--host-resolver-rules=MAP * 127.0.0.1")


@contextmanager
def chromium_alone(address: str, profile: Path, preferences: dict[str, Any] | None = None) -> Iterator[None]:
    if preferences:
        (profile / "Default").mkdir(parents=True)
        (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    words = ["--headless=new", *WORDS, f"--user-agent={AGENT}", f"--user-data-dir={profile}", address]
    with subprocess.Popen([require("chromium"), *words], stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
