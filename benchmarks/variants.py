"""Crumby with a promise taken out, so that the promise can be priced.

    python -m benchmarks.variants early --port 5000

None of it is a switch of the product. The words behind the variant's name go to `crumby run`, so that everything else
is as it serves: the same application, the same uvicorn with the same options. In one process, for a worker of its
own would import Crumby anew.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from crumby import cli
from crumby.database import PRAGMAS
from crumby.errors import CrumbyError
from crumby.ingest import store, writer
from crumby.ingest.client import Client
from crumby.ingest.hit import Hit

AHEAD: Final = 512  # hits acknowledged and not yet committed: eight batches, a hundredth of a round


class EarlyWriter(writer.Writer):
    """Acknowledges when a hit is queued. What a crash loses then is what waits, here no more than `AHEAD` hits.

    Beyond them a request waits for its commit as ever: the rate is then one that the database keeps up with, and no
    request is answered 503, which would cost without counting.
    """

    def put(self, hits: Sequence[Hit], clients: Sequence[Client], tell: writer.Tell) -> None:
        late = self.waiting >= AHEAD
        super().put(hits, clients, tell if late else _nobody)
        if not late:
            tell(None)


def _nobody(_error: CrumbyError | None) -> None:
    """Whoever asked has had an answer."""


def durable() -> None:
    """Crumby as it is."""


def early() -> None:
    """Acknowledge before the commit."""
    writer.Writer = EarlyWriter  # type: ignore[misc]


def normal() -> None:
    """`synchronous = normal`: SQLite syncs at checkpoints alone, and a power loss takes what was committed since."""
    pragmas = tuple(pragma.replace("synchronous = full", "synchronous = normal") for pragma in PRAGMAS)
    if pragmas == PRAGMAS:
        raise SystemExit("nobody asks for `synchronous = full` any more; this variant would measure nothing")
    vars(store)["PRAGMAS"] = pragmas  # for the writer alone; nobody else writes meanwhile


VARIANTS: Final[Mapping[str, Callable[[], None]]] = {"durable": durable, "early": early, "normal": normal}


def main() -> None:
    name = sys.argv.pop(1)
    VARIANTS[name]()
    sys.argv.insert(1, "run")
    cli.main()


if __name__ == "__main__":
    main()
