"""What a request wants to see of a query's answer: which days, which visits, in which steps, how many rows."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final

from crumby.errors import InvalidParameter
from crumby.reporting.filters import Filters, parse_filters
from crumby.reporting.header import Header
from crumby.reporting.interval import Interval, parse_interval
from crumby.reporting.period import Period
from crumby.reporting.rolled import Rollup

MOST: Final = 2**63 - 1
SOME: Final = 100  # rows, each of which is looked for faster than all are read
WHOLE: Final = re.compile("[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class View:
    period: Period
    interval: Interval
    now: datetime  # UTC
    filters: Filters = field(default_factory=Filters)
    sort: tuple[tuple[str, bool], ...] = ()  # columns, and whether from the largest down
    limit: int | None = None
    offset: int = 0
    rollups: tuple[Rollup, ...] = ()  # that the question reads

    @property
    def today(self) -> date:
        return self.now.replace(tzinfo=UTC).astimezone(self.period.zone).date()

    @property
    def begins(self) -> bool:
        """Whether it is some first rows of the file's own order."""
        return self.limit is not None and self.limit <= SOME and not self.offset and not self.sort

    @classmethod
    def of(cls, period: Period, now: datetime | None = None) -> "View":
        """The period's days, and nothing left out."""
        return cls(period, parse_interval({}, period), now or datetime.now(UTC).replace(tzinfo=None))

    def during(self, period: Period) -> "View":
        """The same of another period, for the rows that this one has: as many as there are."""
        return replace(self, period=period, limit=None, offset=0)


def parse_view(asked: Iterable[tuple[str, str]], header: Header, period: Period, now: datetime) -> View:
    """Raises InvalidParameter."""
    pairs = list(asked)
    query = dict(pairs)
    return View(
        period,
        parse_interval(query, period),
        now,
        parse_filters(pairs),
        _sort(query, header),
        _whole("limit", query, 1) if "limit" in query else None,
        _whole("offset", query, 0) if "offset" in query else 0,
    )


def _sort(query: Mapping[str, str], header: Header) -> tuple[tuple[str, bool], ...]:
    """`sort=-views,page` → `(('views', True), ('page', False))`."""
    if "sort" not in query:
        return ()
    known = [column.name for column in header.columns]
    terms = [(term.removeprefix("-"), term.startswith("-")) for term in query["sort"].split(",")]
    for name, _ in terms:
        if name not in known:
            has = f"one of {', '.join(known)}" if known else "declared in the file's header, and so can't be sorted by"
            raise InvalidParameter(f"sort: {name[:60]!r} is not {has}; `-` before it sorts from the largest down")
    return tuple(dict(terms).items())


def _whole(name: str, query: Mapping[str, str], least: int) -> int:
    if not WHOLE.fullmatch(query[name]) or int(query[name]) < least:
        raise InvalidParameter(f"{name}: {query[name][:60]!r} is not a whole number from {least} up")
    return int(query[name])
