"""Every benchmark by its name: `python -m benchmarks reports --visits 1`; without one, a short form of each in turn.

The short forms take some ten minutes together. They run one after the other, each in a process of its own, and what one
of them finds amiss does not stop the next.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
SHORT: Final = {
    "ingest": ["--seconds", "2", "--rounds", "2", "--connections", "1,16,64,256"],
    "durability": ["--rounds", "5"],
    "reports": ["--visits", "0.1", "--filters", "country=SE", "--seconds", "3"],
    "memory": [],
    "start": [],
    "pages": ["--rounds", "2", "--periods", "last_30_days"],
    "importing": ["--lines", "50000", "--times", "1,4"],
    "rivals": ["--seconds", "2", "--rounds", "2"],
}


def main() -> None:
    if len(sys.argv) > 1:
        sys.exit(run(sys.argv[1], sys.argv[2:]))
    amiss = []
    for name in filter(there, SHORT):
        print(f"\n── python -m benchmarks.{' '.join([name, *SHORT[name]])}\n", flush=True)
        if run(name, SHORT[name]):
            amiss.append(name)
    if amiss:
        sys.exit(f"amiss: {', '.join(amiss)}; see above")


def there(name: str) -> bool:
    return name.isidentifier() and (FOLDER / f"{name}.py").exists()


def run(name: str, arguments: list[str]) -> int:
    if not there(name):
        others = "fill, nodes, figures, capacity, plots and tables"
        print(f"there is no benchmark {name!r}, only {', '.join(SHORT)}, {others}", file=sys.stderr)
        return 2
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode


if __name__ == "__main__":
    main()
