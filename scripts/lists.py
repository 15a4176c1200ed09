"""Refresh the lists of src/crumby/ingest/known from the packages that carry them, for a release.

Between releases an installation refreshes its own: `crumby lists --refresh` asks the addresses of the manifest. Here
the lists come from packages, whose versions are known and whose archives have checksums. Run it, look at what changed
(`git diff --stat`, `crumby lists`), and run tests/ingest/test_bots.py.

    crawlers    all patterns of the newest crawler-user-agents (PyPI), MIT
    spammers    the hosts of Matomo's list, public domain, as express-spam-referral-blocker (npm) has them, of 2015: no
                package has a newer one
    hosting     of iporigin (PyPI) the networks that a provider publishes itself, or that come from a list under CC0;
                neither those of its lists without a licence, nor content networks, VPNs and exits of Tor, whose users
                are people

Tests hold the patterns to what they are of, and to the User-Agents of people: both are kept in tests/ingest/known, all
instances of crawler-user-agents, and those of user-agents (npm), BSD-2-Clause.
"""

import gzip
import hashlib
import json
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
KNOWN: Final = ROOT / "src" / "crumby" / "ingest" / "known"
TESTS: Final = ROOT / "tests" / "ingest" / "known"
BROWSERS: Final = "user-agents@2.1.198"
PROVIDERS: Final = frozenset(
    """
    Alibaba Cloud|Amazon AWS|DigitalOcean|GitHub|Google Cloud|Hetzner|Huawei Cloud|IBM Cloud|Leaseweb|Linode|
    Microsoft Azure|OVHcloud|Oracle Cloud|Rackspace|Scaleway|Tencent Cloud|UpCloud|Vultr
    """.replace("\n", "")
    .replace("    ", "")
    .split("|")
)

Found = tuple[list[str], str, str]  # entries, version, day


def wheel(package: str, folder: Path) -> zipfile.ZipFile:
    """The newest one; pip compares it with the index's checksum."""
    command = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), package]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)  # noqa: S603 - the words are ours
    (found,) = folder.glob(f"{package.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(found)


def package(spec: str, folder: Path) -> tarfile.TarFile:
    """An archive of npm's, whose scripts never run; npm compares it with the registry's checksum."""
    command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), spec]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - the words are ours
    (found,) = folder.glob("*.tgz")
    return tarfile.open(found)


def read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.extractfile(f"package/{path}")
    if member is None:
        sys.exit(f"{path} is no file")
    return member.read()


def version(archive: zipfile.ZipFile) -> str:
    return Path(archive.filename or "").name.split("-")[1]


def crawlers(folder: Path) -> Found:
    with wheel("crawler-user-agents", folder) as archive:
        entries = json.loads(archive.read("crawleruseragents/crawler-user-agents.json"))
        keep("crawlers", [instance for entry in entries for instance in entry["instances"]])
        day = max(entry.get("addition_date", "") for entry in entries).replace("/", "-")
        return [entry["pattern"] for entry in entries], version(archive), day


def spammers(folder: Path) -> Found:
    with package("express-spam-referral-blocker@1.2.1", folder) as archive:
        hosts = json.loads(read(archive, "lib/piwik.spam.json"))["spamReferrers"]
    return sorted({host.strip().lower() for host in hosts}), "1.2.1", "2015-09-16"


def hosting(folder: Path) -> Found:
    with wheel("iporigin", folder) as archive:
        data = archive.read("iporigin/data/ranges.bin")
        magic, layout, built, *_ = struct.unpack_from("<8sHQHII", data)
        if (magic, layout) != (b"IPORIGIN", 1):
            sys.exit("iporigin's data has another layout now: read its _data.py")
        return list(networks(data)), version(archive), f"{datetime.fromtimestamp(built, UTC):%Y-%m-%d}"


def networks(data: bytes) -> Iterator[str]:
    """As iporigin's _data.py reads them: a header, the labels, both kinds of ranges with the number of their label."""
    head = struct.Struct("<8sHQHII")
    _, _, _, labels, count_v4, count_v6 = head.unpack_from(data)
    offset = head.size
    wanted = []
    for _ in range(labels):
        (length,) = struct.unpack_from("<H", data, offset)
        provider, _, kind = data[offset + 2 : offset + 2 + length].decode().partition("\t")
        wanted.append(kind == "hosting" and provider in PROVIDERS)
        offset += 2 + length
    v4 = [
        (first, last)
        for first, last, label in struct.iter_unpack("<IIH", data[offset : offset + 10 * count_v4])
        if wanted[label]
    ]
    offset += 10 * count_v4
    rest = struct.iter_unpack("<16s16sH", data[offset : offset + 34 * count_v6])
    v6 = [(int.from_bytes(first), int.from_bytes(last)) for first, last, label in rest if wanted[label]]
    yield from (f"{IPv4Address(first)}-{IPv4Address(last)}" for first, last in joined(v4))
    yield from (f"{IPv6Address(first)}-{IPv6Address(last)}" for first, last in joined(v6))


def joined(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """In their order, and as one where one begins behind another's end."""
    began, ended = -1, -2
    for first, last in sorted(ranges):
        if first > ended + 1:
            if ended >= 0:
                yield began, ended
            began = first
        ended = max(last, ended)
    if ended >= 0:
        yield began, ended


def keep(name: str, user_agents: list[str]) -> None:
    TESTS.mkdir(exist_ok=True)
    (TESTS / f"{name}.txt.gz").write_bytes(packed(sorted(set(user_agents))))


def packed(entries: list[str]) -> bytes:
    return gzip.compress("".join(f"{entry}\n" for entry in entries).encode(), mtime=0)


SOURCES: Final[dict[str, Callable[[Path], Found]]] = {
    "crawlers": crawlers,
    "spammers": spammers,
    "hosting": hosting,
}


def main() -> None:
    path = KNOWN / "manifest.json"
    manifest: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    for name, source in SOURCES.items():
        with tempfile.TemporaryDirectory() as folder:
            entries, release, day = source(Path(folder))
        content = packed(entries)
        (KNOWN / f"{name}.txt.gz").write_bytes(content)
        manifest[name] |= {
            "version": release,
            "of": day,
            "entries": len(entries),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        print(f"{name}: {len(entries)} of {day}, {len(content)} bytes")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder, package(BROWSERS, Path(folder)) as archive:
        keep("browsers", [entry["userAgent"] for entry in json.loads(read(archive, "dist/user-agents.json"))])
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
