"""Minify static/tracker into static/tracker/min, remake the package in npm/, and print the sizes.

The manifest beside the minified files pins the minifier, as static/vendor's pins its packages: to upgrade it, change
its `version`, empty its `integrity` and run `make tracker`. It is fetched with npm as a plain archive, and run by node.
Crumby itself, its tests and whoever installs it need neither: what is made is committed.

    manifest.json  {"minifier": {"name", "version", "licence", "why", "files", "integrity", "options"},
                    "pieces": {name: {"source": sha256, "minified": sha256}}}
"""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import brotli
from scripts.vendor import pack, read

from crumby.ingest.script import EXTRAS, OTHERS, PIECES, Script

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "static" / "tracker"
MINIFIED = SOURCES / "min"
MANIFEST = MINIFIED / "manifest.json"

NAMES = ("core", *PIECES, *OTHERS)
MODULE = """\
// Made by `make tracker` from static/tracker, which is the one to read.

// Nothing is fetched later: what would be is an empty script.
const ITSELF = { src: "data:text/javascript,//" };

// As a tag's attributes are: text. A function stays one.
const given = (options) => {
  const on = {};
  for (const [name, value] of Object.entries(options)) {
    if (value != null) on[name] = value.call ? value : value === true ? "" : `${value}`;
  }
  on.api = new URL(on.api || "/hit", location).href;
  return on;
};

export const start = (options = {}) => {
  if (window.cmb && window.cmb.hit) return;
%s
  cmb.start();
};

export const event = (...words) => {
  window.cmb = window.cmb || { event() { (this.q = this.q || []).push(arguments); } };
  window.cmb.event(...words);
};

export const visit = (keys) => window.cmb.visit(keys);
"""
TITLES = {
    "core": "",
    **{f"core, {name}": name for name in EXTRAS},
    "core, all extras": "&".join(EXTRAS),
    "core, options": "options",
    "all of it": "all",
    "what a core asks for": "only",
}


def fetch(minifier: dict[str, Any], folder: Path) -> Path:
    """The minifier's bundle, in `folder`; the run stops where it is not the one on record."""
    archive, integrity = pack(minifier, folder)
    if minifier["integrity"] not in {"", integrity}:
        sys.exit(f"{archive.name} is {integrity}, not the {minifier['integrity']} of the manifest")
    minifier["integrity"] = integrity
    bundle = folder / "minifier.js"
    [content] = read(archive, minifier["files"]).values()
    bundle.write_bytes(content)
    return bundle


def minify(text: str, bundle: Path, options: dict[str, Any]) -> str:
    words = ["node", str(ROOT / "scripts" / "minify.js"), str(bundle), json.dumps(options)]
    done = subprocess.run(words, input=text, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return done.stdout


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def module(texts: dict[str, str]) -> str:
    """The npm package: everything in one function, which a page's options start."""
    core = texts["core"].replace("__DEFAULTS__", "given(options)").replace("document.currentScript", "ITSELF")
    return MODULE % (core + "".join(texts[name] for name in PIECES))


def sizes() -> str:
    """Bytes of what is served: the core, one piece with it, all extras, and the whole."""
    script = Script("")
    lines = [f"{'':22} {'raw':>6} {'gzip':>6} {'brotli':>6}"]
    for title, query in TITLES.items():
        text = script.packed(query).bodies["identity"]
        lines.append(f"{title:22} {len(text):6} {len(gzip.compress(text, 9)):6} {len(brotli.compress(text)):6}")
    return "\n".join(lines)


def main() -> None:
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        sys.exit(f"{' and '.join(missing)} are not installed: they are needed only to remake static/tracker/min")
    manifest = json.loads(MANIFEST.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        bundle = fetch(manifest["minifier"], Path(folder))
        manifest["pieces"] = {}
        for name in NAMES:
            source = (SOURCES / f"{name}.js").read_text("utf-8")
            minified = minify(source, bundle, manifest["minifier"]["options"])
            (MINIFIED / f"{name}.js").write_text(minified, "utf-8")
            manifest["pieces"][name] = {"source": checksum(source), "minified": checksum(minified)}
    texts = {name: (MINIFIED / f"{name}.js").read_text("utf-8") for name in NAMES}
    (ROOT / "npm" / "index.js").write_text(module(texts), "utf-8")
    MANIFEST.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(sizes())  # noqa: T201


if __name__ == "__main__":
    main()
