"""Refresh the list of common passwords that no user may choose: `src/crumby/accounts/common-passwords.txt.xz`.

It is taken from the npm package @zxcvbn-ts/language-common, whose passwords stand most common first: from the top, as
many of eight characters or more as MOST, in lower case and in the order of the alphabet, which packs them to a third
less. To have a newer one, change VERSION, empty INTEGRITY, run `make vendor`, and put what it says into INTEGRITY.
"""

import json
import lzma
import sys
import tempfile
from pathlib import Path
from typing import Final

from scripts.vendor import pack, read

NAME: Final = "@zxcvbn-ts/language-common"
VERSION: Final = "4.1.3"
INTEGRITY: Final = "sha512-g2bg4skmlJG9aJqC/nWziZzgYpSe/f3rKeGobrkdFiOrfZVFqqzUgC6BUQWuX54Sua9j0Jxxt+1bf4f/Mal1Kg=="
MOST: Final = 10_000
SHORTEST: Final = 8  # characters, as accounts/passwords.py has it
FOLDER: Final = Path(__file__).resolve().parent.parent / "src" / "crumby" / "accounts"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        archive, integrity = pack({"name": NAME, "version": VERSION}, Path(scratch))
        if INTEGRITY not in {"", integrity}:
            sys.exit(f"{archive.name} is {integrity}, not the {INTEGRITY} on record")
        found = read(archive, ["src/passwords.json", "LICENSE.txt"])
    words = (str(word).lower() for word in json.loads(found["src/passwords.json"]))
    first = list(dict.fromkeys(word for word in words if len(word) >= SHORTEST))[:MOST]
    text = "\n".join(sorted(first)).encode()
    packed = lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)
    (FOLDER / "common-passwords.txt.xz").write_bytes(packed)
    notice = f"common-passwords.txt.xz is made from {NAME} {VERSION}, by scripts/passwords.py. Its licence:\n\n"
    (FOLDER / "NOTICE").write_text(notice + found["LICENSE.txt"].decode(), "utf-8")
    print(f"{len(first):,} common passwords, from {NAME} {VERSION}, {integrity}")  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
