"""deployment/linux, and the scripts that try it: sound by shellcheck, in words that dash knows, and careful.

What they do is seen by `chroot.sh`, the long form, which takes root and debootstrap.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment.places import DEPLOYMENT
from tests.servers import find, require

HERE = Path(__file__).parent
LINUX = sorted((DEPLOYMENT / "linux").glob("*.sh"))
SCRIPTS = [*LINUX, *sorted(HERE.glob("*.sh"))]
ROOT = os.geteuid() == 0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    done = subprocess.run([require("shellcheck"), script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_in_words_that_each_shell_knows(script: Path) -> None:
    """Amazon's sh is bash, Debian's dash."""
    assert os.access(script, os.X_OK)
    for shell in ("dash", "bash"):
        subprocess.run([require(shell), "-n", script], check=True)


def asked(script: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", DEPLOYMENT / "linux" / script, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], **variables},
        user=None if not ROOT else "nobody",
    )


@pytest.fixture
def readable() -> None:
    """Skip where nobody else may read the checkout."""
    if ROOT and subprocess.run(["test", "-r", str(LINUX[0])], user="nobody", check=False).returncode:
        pytest.skip("the checkout is not for others to read")


@pytest.mark.usefixtures("readable")
@pytest.mark.parametrize("script", LINUX, ids=lambda script: script.name)
def test_a_script_that_is_not_run_by_root_says_so_and_does_nothing(script: Path) -> None:
    done = asked(script.name, *(["stats.example.com"] if "nginx" in script.name else []))
    assert (done.returncode, done.stdout) == (1, "")
    assert "run it as root" in done.stderr


@pytest.mark.skipif(not ROOT, reason="only root gets past the first line")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nginx_mysql.sh"], "by which name"),
        (["nginx_mysql.sh", "a;b"], "by which name"),
        (["nginx_mysql.sh", "-a.example"], "there is no -a.example"),
        (["nginx_mysql.sh", "a.example", "--from"], "--from names a file"),
        (["create_swap.sh", "much"], "much is no number"),
    ],
)
def test_words_that_mean_nothing_are_refused_before_anything_is_done(words: list[str], said: str) -> None:
    name, *rest = words
    done = subprocess.run(["sh", DEPLOYMENT / "linux" / name, *rest], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.skipif(not ROOT, reason="only root makes swap files")
def test_a_file_that_is_no_swap_file_is_left_as_it_is(tmp_path: Path) -> None:
    """Seen to fail without the look at what it is."""
    (tmp_path / "mine").write_text("recipes")
    done = subprocess.run(
        ["sh", DEPLOYMENT / "linux" / "create_swap.sh", "1"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "SWAPFILE": str(tmp_path / "mine")},
    )
    assert done.returncode == 1
    assert "is no swap file; name another one" in done.stderr
    assert (tmp_path / "mine").read_text() == "recipes"


@pytest.mark.long
@pytest.mark.timeout(0)
def test_a_fresh_debian_becomes_a_crumby_and_stays_one_the_second_time(tmp_path: Path) -> None:
    """The two commands within a minute, the three scripts, a hit by nginx and MariaDB, and all of it again.

    CRUMBY_TEST_CHROOT names a folder that keeps what is downloaded from one time to the next.
    """
    if not ROOT or not find("debootstrap"):
        pytest.skip("it takes root, and debootstrap")
    root = HERE.parents[1]
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run(build, check=True, cwd=root)
    (wheel,) = tmp_path.glob("*.whl")
    folder = Path(os.environ.get("CRUMBY_TEST_CHROOT") or tmp_path)
    subprocess.run([HERE / "chroot.sh", wheel, folder], check=True, env={**os.environ, "PYTHON": sys.executable})
