"""What is delivered: the wheel, with the checkout out of sight; the vendored assets; the locks."""

import hashlib
import json
import os
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
from packaging.version import Version
from scripts import audit

from tests import servers

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("build", "run", "dev", "clients", "audit")
FAULT = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}


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


@pytest.mark.parametrize("folder", ["queries", "static", "deployment"])
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
    assert package["version"].encode() in b"".join(path.read_bytes() for path in folder.glob("*.js*"))
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
        ("audit", PROJECT["dependency-groups"]["audit"]),
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


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_no_host(lock: str) -> None:
    """Seen to fail on a lock with an `--index-url`, and on one with a `--trusted-host`."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    options = [line for line in text.splitlines() if line.startswith("-")]
    assert options == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_of_a_lock_is_held_to_its_hash(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(blocks) == len(pins(lock))
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


# What is known to be faulty is kept out by pyproject and by the locks, whoever can be asked for advisories.

FAULTY = {  # the last version with the fault
    "asyncmy": ("0.2.11", "CVE-2025-65896, injection by the keys of a dict"),
    "starlette": ("1.3.0", "CVE-2026-48710, a poisoned Host"),
    "jinja2": ("3.1.5", "CVE-2025-27516, out of the sandbox"),
    "h11": ("0.15.0", "smuggled requests"),
    "python-multipart": ("0.0.17", "CVE-2024-53981, a form that takes minutes to read"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_no_version_with_a_known_fault_is_taken(name: str) -> None:
    """Seen to fail on a lower floor, and on an older pin. h11 is httpx's, which serves nobody: the lock holds it."""
    last, fault = FAULTY[name]
    floors = [need for text in PROJECT["project"]["dependencies"] if (need := Requirement(text)).name == name]
    assert floors or name == "h11"
    for need in floors:
        assert last not in need.specifier, fault
        assert "0" not in need.specifier, fault
    for lock in LOCKS:
        pinned = pins(lock).get(name)
        assert pinned is None or Version(pinned) > Version(last), f"{lock}: {fault}"


@pytest.fixture(scope="module")
def auditing() -> Path:
    """Give the Python of `make audit` and `make sbom`."""
    python = Path(sys.prefix) / "audit" / "bin" / "python"
    if not python.exists():
        message = "the tools of `make audit` are not installed: run it once"
        if os.environ.get("CRUMBY_TEST_ALL") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return python


def test_the_sbom_lists_what_is_locked_and_what_browsers_get(auditing: Path) -> None:
    """With licences and checksums. Seen to fail without the vendored ones, and on a package left out."""
    run(auditing, ROOT / "scripts" / "sbom.py")
    bom = json.loads((ROOT / "build" / "sbom.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    listed = {component["purl"]: component for component in bom["components"]}
    vendored = {f"pkg:npm/{package['name']}@{package['version']}": package for package in MANIFEST["packages"]}
    assert listed.keys() == {f"pkg:pypi/{name}@{version}" for name, version in pins("run").items()} | vendored.keys()
    lock = (ROOT / "requirements" / "run.txt").read_text()
    for purl, component in listed.items():
        assert component["hashes"], purl
        assert (
            component.get("licenses") or "sys_platform == 'win32'" in lock.partition(f"{component['name']}==")[2][:60]
        )
        if purl in vendored:
            assert component["licenses"] == [{"license": {"id": vendored[purl]["licence"]}}]
        else:
            assert all(checksum["content"] in lock for checksum in component["hashes"])
    needs = {each["ref"]: set(each.get("dependsOn", [])) for each in bom["dependencies"]}
    assert {"pypi:uvicorn", "pypi:starlette", "npm:uplot"} <= needs["crumby"]


@pytest.mark.parametrize(
    ("known", "status", "said"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 packages, and no fault"),
        ([{"name": "a", "version": "1", "vulns": [FAULT]}], 1, "a 1: PYSEC-1 (CVE-1), mended in 2"),
        ([{"name": "a", "version": "1", "vulns": [FAULT | {"fix_versions": []}]}], 1, "mended in no version yet"),
        ([{"name": "a", "skip_reason": "not found"}], 0, "NOT AUDITED: the service knows 1 of 1 packages not: a"),
        ([], 0, "NOT AUDITED: the service was not reached: no network"),
    ],
)
def test_an_audit_that_was_none_says_so(
    known: list[dict[str, Any]],
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mirror of the index answers, and knows of no fault. Planted: what is skipped is passed over."""
    monkeypatch.setattr(audit, "asked", lambda _lock: (known, "no network"))
    monkeypatch.setattr(sys, "argv", ["audit.py"])
    monkeypatch.delenv("CRUMBY_AUDIT_MUST", raising=False)
    assert audit.main() == status
    heard = "".join(capsys.readouterr())
    assert said in heard
    monkeypatch.setenv("CRUMBY_AUDIT_MUST", "1")
    assert audit.main() == (1 if status or "NOT AUDITED" in heard else 0)
