"""deployment/systemd: the unit is one that systemd takes, and lets Crumby do little else than it does."""

import re
import subprocess
from pathlib import Path

import pytest

from crumby.cli.answers import Answers, files
from tests.deployment.places import DEPLOYMENT, text
from tests.servers import require

EXPOSURE = 1.3  # of 10, as `systemd-analyze security` counts it: 1.2 by systemd 252, and 1.1 as it runs


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    # It looks for a manager's folders, of which there need be none.
    program = require("systemd-analyze")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)


def units() -> dict[str, str]:
    socket = Answers(write=("systemd",), proxy="nginx", domain="stats.example.com")
    port = Answers(write=("systemd",), domain="www.example.com/stats")
    return {
        "as it stands": text("systemd/crumby.service"),
        "for a socket": files(socket, "a secret")["crumby.service"],
        "for a port": files(port, "a secret")["crumby.service"],
    }


@pytest.mark.parametrize("which", units())
def test_systemd_takes_the_unit(which: str, tmp_path: Path) -> None:
    """Seen to fail on a mistyped directive and on a section that is none."""
    unit = tmp_path / "crumby.service"
    unit.write_text(units()[which].replace("/opt/crumby/bin/crumby", "/bin/true"))
    done = analyze("verify", "--man=no", unit)
    assert [line for line in done.stderr.splitlines() if "crumby.service" in line] == []
    assert done.returncode == 0, done.stderr


def test_systemd_takes_the_timer_and_finds_what_it_starts(tmp_path: Path) -> None:
    """Seen to fail on a day that is none."""
    service = text("systemd/crumby-backup.service").replace("/opt/crumby/bin/crumby", "/bin/true")
    (tmp_path / "crumby-backup.service").write_text(service)
    (tmp_path / "crumby-backup.timer").write_text(text("systemd/crumby-backup.timer"))
    done = analyze("verify", "--man=no", tmp_path / "crumby-backup.timer")
    assert [line for line in done.stderr.splitlines() if "crumby-backup" in line] == []
    assert done.returncode == 0, done.stderr


def test_the_unit_lets_crumby_do_little_else_than_it_does() -> None:
    """Seen to fail without ProtectSystem, at 1.4."""
    done = analyze("security", "--offline=true", "--no-pager", DEPLOYMENT / "systemd" / "crumby.service")
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze is older than 250, and looks at units that run alone")
    (exposure,) = re.findall(r"Overall exposure level for crumby.service: ([0-9.]+)", done.stdout)
    assert float(exposure) <= EXPOSURE
