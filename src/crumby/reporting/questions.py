"""A question as it was asked, in the API or in the terminal: names and texts → the query, its period, its arguments."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crumby.database import Database
from crumby.errors import InvalidParameter
from crumby.reporting.period import NAMES, Period, parse_period
from crumby.reporting.query import Query
from crumby.reporting.run import Limits, Result, run
from crumby.settings import Settings


@dataclass(frozen=True, slots=True)
class Question:
    query: Query
    period: Period
    arguments: Mapping[str, Any]

    async def answer(self, database: Database, settings: Settings) -> Result:
        """Raises what `run` does."""
        limits = Limits(settings.query_timeout, settings.query_row_limit)
        return await run(database, self.query, self.period, self.arguments, limits)


def understand(
    query: Query, asked: Mapping[str, str], settings: Settings, now: datetime, more: Collection[str] = ()
) -> Question:
    """What is asked for. `now` is UTC; `more` are names that the asker himself gives a meaning.

    Raises InvalidParameter.
    """
    _refuse_unknown(query, asked, more)
    return Question(query, parse_period(asked, settings.zone, now), query.arguments(asked))


def _refuse_unknown(query: Query, asked: Collection[str], more: Collection[str]) -> None:
    """A mistyped parameter would give the answer to another question. `_` is what old clients bust caches with."""
    known = sorted({*NAMES, *more, *(parameter.name for parameter in query.header.parameters)} - {"_"})
    for name in asked:
        if name not in {*known, *more}:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f": did you mean {near[0]!r}?" if near else "."
            raise InvalidParameter(f"{name[:60]!r} is no parameter of {query.shown}{hint} It takes {', '.join(known)}")
