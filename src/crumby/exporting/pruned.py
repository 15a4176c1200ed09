"""What was counted of days whose visits are deleted: nothing stands behind it any more, so it goes as totals.

A pruning while we read would take visits that nobody has read yet, or put those into the totals that somebody has: then
the export ends, and has to be begun again.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from crumby.errors import Unavailable
from crumby.exporting.columns import Rows
from crumby.exporting.manifest import PRUNED
from crumby.exporting.reading import Reading
from crumby.rollups import Rollups
from crumby.rollups.keeping import Kept


class Pruned(Unavailable):
    """Visits were deleted meanwhile."""

    retry_after = 60


async def mark(reading: Reading) -> Sequence[Any]:
    """The same for as long as nothing is pruned."""
    rows = await reading.rows("select mark, horizon, done, turn from pruned")
    return tuple(rows[0]) if rows else ()


async def refuse_another(reading: Reading, before: Sequence[Any]) -> None:
    """Raises Pruned."""
    if await mark(reading) != before:
        raise Pruned("visits were pruned while they were exported: begin the export again")


async def totals(rollups: Rollups, first: int, last: int) -> AsyncGenerator[Rows, None]:
    """Rows as the archive has them, of days from `first` to `last`; they have no ids. Raises keeping.Moved."""
    async for part in rollups.kept_totals():
        yield [_row(each) for each in part if first <= each.day <= last]


def _row(kept: Kept) -> Sequence[Any]:
    """As `importing/totals.py` writes them."""
    sums = {name: kept.sums[name] for name in sorted(kept.sums)}
    return None, PRUNED, kept.rollup, kept.day, kept.prev_day, _text(list(kept.keys)), _text(sums)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
