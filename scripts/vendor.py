"""Refresh the browser assets of static/vendor, and those of tests/vendor, from the npm packages that its manifest pins.

A folder's manifest is the one place to edit. To upgrade a package, change its `version`, empty its `integrity` and
run `make vendor`; to keep one more file, name it with an empty checksum. Each package is fetched as a plain
archive, its scripts never run, and only the files that the manifest names are kept, under their base names.
An archive that differs from the `integrity` on record stops the run before a file of it is written.

    manifest.json  {"packages": [{"name", "version", "licence", "why", "files": {path: sha256}, "integrity"}]}
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (ROOT / "static" / "vendor", ROOT / "tests" / "vendor")  # what Crumby serves, and what its tests alone do

Package = dict[str, Any]


def pack(package: Package, folder: Path) -> tuple[Path, str]:
    """Fetch one archive into `folder` → its path and the checksum npm verified it against."""
    spec = f"{package['name']}@{package['version']}"
    done = subprocess.run(  # noqa: S603 - the words are ours, the spec is the manifest's
        ["npm", "pack", "--json", "--silent", "--ignore-scripts", "--pack-destination", str(folder), spec],  # noqa: S607
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    (described,) = json.loads(done.stdout)
    return folder / described["filename"], described["integrity"]


def read(archive: Path, paths: list[str]) -> dict[str, bytes]:
    """Read the named files; npm puts everything in an archive below `package/`."""
    contents = {}
    with tarfile.open(archive) as tar:
        for path in paths:
            member = tar.extractfile(f"package/{path}")
            if member is None:
                sys.exit(f"{archive.name}: {path} is not a file")
            contents[path] = member.read()
    return contents


def refresh(package: Package, vendor: Path, scratch: Path) -> None:
    """Replace one package's folder in `vendor` and write what was found into `package`."""
    archive, integrity = pack(package, scratch)
    if package["integrity"] not in {"", integrity}:
        sys.exit(f"{archive.name} is {integrity}, not the {package['integrity']} of the manifest")
    contents = read(archive, list(package["files"]))
    target = vendor / package["name"]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path, content in contents.items():
        (target / Path(path).name).write_bytes(content)
        package["files"][path] = hashlib.sha256(content).hexdigest()
    package["integrity"] = integrity


def refresh_all(vendor: Path) -> None:
    path = vendor / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        for package in manifest["packages"]:
            refresh(package, vendor, Path(scratch))
    names = {package["name"] for package in manifest["packages"]}
    for leftover in vendor.iterdir():
        if leftover.is_dir() and leftover.name not in names:
            shutil.rmtree(leftover)
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    if shutil.which("npm") is None:
        sys.exit("npm is not installed: apt install npm (it is needed only to refresh what is vendored)")
    for vendor in FOLDERS:
        refresh_all(vendor)


if __name__ == "__main__":
    main()
