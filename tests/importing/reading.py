"""What a source makes of a fixture, by kind."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from crumby.importing.input import Input
from crumby.importing.item import UNKNOWN_DAY, Found, Item, Skipped, Total
from crumby.importing.source import Wanted, recognised
from crumby.settings import Settings

FIXTURES: Final = Path(__file__).parent / "fixtures"


class Read(NamedTuple):
    origin: str
    found: list[Found]
    totals: list[Total]
    skipped: Mapping[str, int]  # by why

    def of(self, rollup: str, day: int = 20240101) -> dict[tuple[str | int, ...], dict[str, int]]:
        """By key: its sums, and `visitors` where some counted."""
        said: dict[tuple[str | int, ...], Counter[str]] = {}
        for total in self.totals:
            if (total.rollup, total.day) == (rollup, day):
                sums = said.setdefault(total.keys, Counter())
                sums.update(total.sums)
                if total.prev_day == UNKNOWN_DAY:
                    sums["visitors"] += sum(total.sums.values())
        return {key: dict(sums) for key, sums in said.items()}


def read(module: ModuleType, path: Path, settings: Settings, **wanted: Any) -> Read:
    """All of it, once it was recognised for what it is."""
    with Input(path) as given:
        assert recognised(given) == module.NAME
        source = module.opened(given, Wanted(settings, ZoneInfo("UTC"), **wanted))
        items: list[Item] = list(source.items(0))
        assert source.size == source.mark
        return Read(
            source.origin,
            [each for each in items if isinstance(each, Found)],
            [each for each in items if isinstance(each, Total)],
            Counter(each.why for each in items if isinstance(each, Skipped)),
        )


def take_all(module: ModuleType, path: Path, settings: Settings, **wanted: Any) -> list[Item]:
    """Take it for what nobody said it is."""
    with Input(path) as given:
        return list(module.opened(given, Wanted(settings, ZoneInfo("UTC"), **wanted)).items(0))
