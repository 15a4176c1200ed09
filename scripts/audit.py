"""Ask whether a version that Crumby runs on has a known fault: pip-audit over requirements/run.txt, by `make audit`.

The advisories are on another machine. Where it is not reached, or does not know our packages, which a mirror of the
package index does not, nothing was audited. That is said aloud, and is no failure: a laptop on a train may go on.
With CRUMBY_AUDIT_MUST=1, as before a release, it is one.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements" / "run.txt"
TIMEOUT_S: Final = 10  # for one answer of the service
PATIENCE_S: Final = 120  # for all of them
LINE: Final = "!" * 100


def asked(lock: Path) -> tuple[list[dict[str, Any]], str]:
    """What is known of each package, and what pip-audit said: only that where it could not ask."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        words = [
            "--requirement",
            str(lock),
            "--require-hashes",
            "--disable-pip",
            "--format",
            "json",
            "--output",
            str(found),
        ]
        words += ["--progress-spinner", "off", "--timeout", str(TIMEOUT_S)]
        try:
            done = subprocess.run(  # noqa: S603 - the words are ours
                [sys.executable, "-m", "pip_audit", *words],
                check=False,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return [], f"no answer in {PATIENCE_S} s"
        known = json.loads(found.read_text("utf-8"))["dependencies"] if found.exists() else []
    return known, done.stderr.strip()


def judged(known: list[dict[str, Any]], said: str) -> tuple[list[str], str]:
    """The faults, a line each; and why it is no audit, or no whole one."""
    faults = [
        f"{package['name']} {package['version']}: {fault['id']} ({', '.join(fault['aliases'])}), "
        f"mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
        for package in known
        for fault in package.get("vulns", [])
    ]
    skipped = [package["name"] for package in known if "skip_reason" in package]
    if not known:
        return faults, f"the service was not reached: {said[-300:]}"
    if skipped:
        return faults, f"the service knows {len(skipped)} of {len(known)} packages not: {', '.join(skipped[:5])} …"
    return faults, ""


def main() -> int:
    known, said = asked(Path(sys.argv[1]) if len(sys.argv) > 1 else LOCK)
    faults, why_not = judged(known, said)
    if why_not:
        print(f"{LINE}\nNOT AUDITED: {why_not}\n{LINE}", file=sys.stderr)  # noqa: T201
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201
    if faults:
        return 1
    if why_not:
        return int(os.environ.get("CRUMBY_AUDIT_MUST") == "1")
    print(f"{len(known)} packages, and no fault of them is known")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
