"""What Crumby is made of, as CycloneDX writes it down: build/sbom.json, by `make sbom`.

It lists the packages of requirements/run.txt, with the checksum of each file that pip would take for them, and what
browsers get from static/vendor. Licences and who needs whom are read from what is installed in .venv; a package of
another platform, which is not, has neither.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = ROOT / "build" / "sbom.json"
PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)")
CHECKSUM: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
CLASSIFIED: Final = "License :: OSI Approved :: "
LONGEST: Final = 80  # characters of a licence's name; beyond, it is its text

licences: Final = LicenseFactory()


def packages(lock: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and checksums of each package of a lock file."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        pinned = PINNED.match(block)
        if pinned:
            yield canonicalize_name(pinned[1]), pinned[2], CHECKSUM.findall(block)


def licence_of(installed: Distribution) -> License | Any | None:
    """What its author says: the expression, a short name, or the classifiers."""
    said = installed.metadata.json  # the names in it are lower-case, with underscores
    named = str(said.get("license_expression") or said.get("license", ""))
    if not named or len(named) > LONGEST:
        classified = [each.removeprefix(CLASSIFIED) for each in said.get("classifier", []) if CLASSIFIED in each]
        named = " AND ".join(classified)
    return licences.make_from_string(named) if named else None


def of_python(installed: Mapping[str, Distribution]) -> Iterator[Component]:
    for name, version, checksums in packages((ROOT / "requirements" / "run.txt").read_text("utf-8")):
        licence = licence_of(installed[name]) if name in installed else None
        yield Component(
            name=name,
            version=version,
            purl=PackageURL("pypi", name=name, version=version),
            bom_ref=f"pypi:{name}",
            licenses=[licence] if licence else [],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum) for checksum in checksums],
        )


def of_browsers() -> Iterator[Component]:
    for package in json.loads((ROOT / "static" / "vendor" / "manifest.json").read_text("utf-8"))["packages"]:
        algorithm, _, checksum = package["integrity"].partition("-")
        assert algorithm == "sha512"  # noqa: S101 - npm's
        yield Component(
            name=package["name"],
            version=package["version"],
            purl=PackageURL("npm", name=package["name"], version=package["version"]),
            bom_ref=f"npm:{package['name']}",
            description=package["why"],
            licenses=[licences.make_from_string(package["licence"])],
            hashes=[HashType(alg=HashAlgorithm.SHA_512, content=base64.b64decode(checksum).hex())],
        )


def needed_by(installed: Distribution) -> set[str]:
    """Here: what a marker leaves out is not."""
    needs = [Requirement(text) for text in installed.requires or []]
    return {canonicalize_name(need.name) for need in needs if not need.marker or need.marker.evaluate({"extra": ""})}


def written() -> Bom:
    sites = [str(path) for path in ROOT.glob(".venv/lib/python*/site-packages")]
    installed = {str(canonicalize_name(each.metadata["Name"])): each for each in distributions(path=sites)}
    version = re.findall(r'__version__ = "(.+)"', (ROOT / "src" / "crumby" / "__init__.py").read_text("utf-8"))[0]
    crumby = Component(
        name="crumby",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref="crumby",
        licenses=[licences.make_from_string("MIT")],
    )
    python = {component.name: component for component in of_python(installed)}
    browsers = list(of_browsers())
    bom = Bom(components=[*python.values(), *browsers])
    bom.metadata.component = crumby
    own = [python[name] for name in needed_by(installed["crumby"]) if name in python] if "crumby" in installed else []
    bom.register_dependency(crumby, [*own, *browsers])
    for name, component in python.items():
        needs = needed_by(installed[name]) if name in installed else set()
        bom.register_dependency(component, [python[each] for each in needs & python.keys()])
    return bom


def main() -> None:
    TARGET.parent.mkdir(exist_ok=True)
    bom = written()
    outputter = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
    outputter.output_to_file(str(TARGET), allow_overwrite=True, indent=2)
    print(f"{TARGET.relative_to(ROOT)}: {len(bom.components)} components")  # noqa: T201


if __name__ == "__main__":
    main()
