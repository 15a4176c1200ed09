"""What is delivered: the wheel, with the checkout out of sight; the vendored assets; the locks."""

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement

from tests import servers

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of an environment with the wheel in it, and our dependencies but not our checkout.

    A folder named in a .pth file is searched for modules and not for .pth files of its own, and it is such a
    file that makes the editable install visible.
    """
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    site.joinpath("dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--no-index", "--no-deps", "--ignore-installed", wheel)
    return python


@pytest.fixture(scope="module")
def delivered(python: Path) -> Iterator[httpx.Client]:
    with servers.Crumby(python=python) as crumby, crumby.client() as client:
        yield client


def test_the_installed_package_is_the_one_that_runs(python: Path, tmp_path: Path) -> None:
    printed = run(python, "-c", "import crumby; print(crumby.__file__)", cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(python.parent.parent)


@pytest.mark.parametrize("folder", ["queries", "static"])
def test_the_wheel_ships_every_file_of(folder: str, wheel: Path) -> None:
    prefix = f"crumby/_shipped/{folder}/"
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(prefix)}
    assert names == {prefix + name for name in files(ROOT / folder)}


def test_the_wheel_ships_the_package_and_nothing_beside_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"crumby"}
    assert "crumby/py.typed" in names


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/login", "/api"])
def test_an_installed_page_finds_every_file_it_names(path: str, delivered: httpx.Client) -> None:
    page = delivered.get(path, headers={"Accept": "text/html"})
    assert page.is_success
    named = set(re.findall(r"""(?:src|href)="([^"]*/static/[^"]+)\"""", page.text))
    assert named
    for address in named:
        answer = delivered.get(address)
        assert answer.is_success, address
        assert answer.content, address


def test_an_installed_crumby_serves_the_tracker_and_the_reports(delivered: httpx.Client) -> None:
    assert "cmb" in delivered.get("/cmb.js").text
    assert delivered.get("/api/public/visits").json()["columns"]
    shipped = {path.removesuffix(".sql") for path in files(ROOT / "queries" / "public")}
    assert {query["name"] for query in delivered.get("/api/public").json()["queries"]} == shipped


@pytest.mark.parametrize("package", MANIFEST["packages"], ids=lambda package: package["name"])
def test_the_vendored_files_are_those_of_the_manifest(package: dict[str, Any]) -> None:
    folder = VENDOR / package["name"]
    held = {Path(path).name: checksum for path, checksum in package["files"].items()}
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)} == held
    assert any(name.startswith("LICENSE") for name in held)
    assert package["version"].encode() in b"".join(path.read_bytes() for path in folder.glob("*.js"))
    assert package["why"]


def test_every_vendored_folder_is_in_the_manifest() -> None:
    folders = {path.name for path in VENDOR.iterdir() if path.is_dir()}
    assert folders == {package["name"] for package in MANIFEST["packages"]}


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([^ ;]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("build", PROJECT["build-system"]["requires"]),
        ("run", PROJECT["project"]["dependencies"]),
        ("dev", [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]),
        ("clients", PROJECT["dependency-groups"]["clients"]),
    ],
)
def test_a_lock_pins_what_pyproject_asks_for(lock: str, wanted: list[str]) -> None:
    pinned = pins(lock)
    unmet = [
        text for text in wanted if (need := Requirement(text)) and pinned.get(need.name, "0") not in need.specifier
    ]
    assert unmet == []


@pytest.mark.parametrize("lock", ["build", "run"])
def test_a_package_has_one_version_in_all_locks(lock: str) -> None:
    assert pins(lock).items() <= pins("dev").items()


@pytest.mark.parametrize("lock", ["build", "run", "dev", "clients"])
def test_a_lock_names_no_address(lock: str) -> None:
    assert "://" not in (ROOT / "requirements" / f"{lock}.txt").read_text()
