"""A question as it was asked, in the API or the terminal: names and texts → a query, a view, arguments; its answer."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from crumby.database import Database, first_line
from crumby.errors import DatabaseUnavailable, Forbidden, InvalidParameter, SignInRequired
from crumby.reporting.comparing import aligned, filled
from crumby.reporting.filters import DIMENSIONS, parse_filters
from crumby.reporting.imported import NOTHING, Told, told
from crumby.reporting.period import Period, parse_comparison, parse_period
from crumby.reporting.query import Query
from crumby.reporting.rolled import chosen, why_not
from crumby.reporting.run import Limits, Result, run
from crumby.reporting.view import View, parse_view
from crumby.rollups.files import Rollup
from crumby.rollups.totals import Imported
from crumby.settings import Settings
from crumby.spelling import nearest
from crumby.tables import pruned, visits
from crumby.tables import totals as of_days

IN_NO_ZONE_LATER: Final = timedelta(hours=9, minutes=59)  # into a day of UTC; in any other zone that is no later one


@dataclass(frozen=True, slots=True)
class Answer:
    result: Result
    compared: Sequence[Sequence[Any] | None] | None = None  # for each row, its like of the other period


@dataclass(frozen=True, slots=True)
class Question:
    query: Query
    view: View
    arguments: Mapping[str, Any]
    compared: Period | None = None  # the other period
    imported: Told | None = None  # days of it that another program had counted

    @property
    def whole(self) -> bool:
        """Whether the answer takes all rows to be made; otherwise it is the database's rows, one by one."""
        return bool(self.compared or self.query.header.fill)

    def limits(self, settings: Settings) -> Limits:
        rows = min(settings.query_row_limit, self.query.header.rows or settings.query_row_limit)
        return Limits(settings.query_timeout, rows)

    async def answer(self, database: Database, settings: Settings) -> Answer:
        """Raises what `run` does."""
        limits = self.limits(settings)
        result = await self._during(self.view, database, limits)
        if not self.compared:
            return Answer(result)
        other = await self._during(self.view.during(self.compared), database, limits)
        return Answer(result, aligned(self.query.header, result, other))

    async def _during(self, view: View, database: Database, limits: Limits) -> Result:
        return filled(self.query.header, await run(database, self.query, view, self.arguments, limits), view)


def understand(
    query: Query,
    asked: Iterable[tuple[str, str]],
    settings: Settings,
    now: datetime,
    *,
    more: Collection[str] = (),
    fixed: Sequence[tuple[str, str]] = (),
    signed_in: bool = True,
    first_visit: datetime | None = None,
    ready: Mapping[str, Rollup] = MappingProxyType({}),
    imported: Imported = NOTHING,
) -> Question:
    """What is asked for. `now` and `first_visit` are UTC; `more` are names that the asker himself gives a meaning.

    `fixed` are filters that are in force whatever is asked; `ready` are the rollups that can be read, `imported` the
    days of these that another program had counted.

    Raises InvalidParameter, SignInRequired for a filter that is not for everybody, and Forbidden for one that is fixed.
    """
    pairs = list(asked)
    own = {parameter.name for parameter in query.header.parameters}
    _refuse_fixed(query, [name for name, _ in pairs], [name for name, _ in fixed])
    _refuse_unknown(query, [name for name, _ in pairs], more)
    _refuse_twice([name for name, _ in pairs if name not in DIMENSIONS or name in own])
    texts = dict(pairs)
    period = parse_period(texts, settings.zone, now, first_visit)
    open_ = [pair for pair in pairs if pair[0] not in own]
    view = parse_view(open_, query.header, period, now)
    if view.filters.private and not signed_in:
        raise SignInRequired(f"{view.filters.private}: only signed-in people may filter by it")
    if fixed:
        view = replace(view, filters=parse_filters([*fixed, *open_]))
    why = "tz" if period.zone != settings.zone else _not_of_days(query, view, texts)
    if not why:
        view = replace(view, rollups=chosen(query.header.rollups, ready, view.filters))
    compared = parse_comparison(texts, period)
    question = Question(query, view, query.arguments(texts), compared)
    if not imported.spans or not query.of_visits:
        return question
    if not why and not view.rollups:
        why = why_not(query.header.rollups, ready, view.filters)
    return replace(question, imported=told(imported, query.header.rollups, [period, *filter(None, [compared])], why))


def _refuse_fixed(query: Query, asked: Sequence[str], fixed: Sequence[str]) -> None:
    """A dimension that is given twice takes any of its values: a fixed one would be widened."""
    if fixed and not query.filtered:
        raise Forbidden(f"{query.shown} takes no filters, and this is of {', '.join(fixed)} alone")
    again = next((name for name in asked if name in fixed), None)
    if again:
        raise Forbidden(f"{again}: it is fixed here; filter by something else")


def _not_of_days(query: Query, view: View, texts: Mapping[str, str]) -> str:
    """Why no rollup has the answer: none knows hours, nor what somebody looks for in words of his own. "": one may."""
    if any(texts.get(each.name) for each in query.header.parameters if each.type == "text" and not each.choices):
        return "search"
    return "hours" if "bucket" in query.takes and view.interval == "hour" else ""


def _refuse_unknown(query: Query, asked: Iterable[str], more: Collection[str]) -> None:
    """A mistyped parameter would give the answer to another question. `_` is what old clients bust caches with."""
    known = sorted({*query.understands, *more} - {"_"})
    for name in asked:
        if name not in {*known, *more}:
            near = nearest(name.lower(), known)
            hint = f": did you mean {near!r}?" if near else "."
            raise InvalidParameter(f"{name[:60]!r} is no parameter of {query.shown}{hint} It takes {', '.join(known)}")


def _refuse_twice(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidParameter(f"{twice[:60]} is given twice; only filters may be")


async def first_visit(database: Database, asked: Iterable[tuple[str, str]]) -> datetime | None:
    """When the first visit was, or the first day that was imported; in UTC, for `period=all`, and no other period.

    Raises DatabaseUnavailable.
    """
    if ("period", "all") not in asked:
        return None
    try:
        async with database.engine.connect() as connection:
            found: datetime | None = await connection.scalar(select(func.min(visits.c.datetime)))
            since: int | None = await connection.scalar(select(pruned.c.since))
            day: int | None = await connection.scalar(select(func.min(of_days.c.day)))
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be asked: {first_line(error)}") from error
    before = [
        datetime.fromtimestamp(since, UTC).replace(tzinfo=None) if since else None,  # rollups go on telling of them
        _moment_of(day) if day else None,
    ]
    return min(filter(None, [found, *before]), default=None)


def _moment_of(day: int) -> datetime | None:
    try:
        return datetime(day // 10_000, day // 100 % 100, day % 100) + IN_NO_ZONE_LATER  # noqa: DTZ001 - UTC throughout
    except ValueError:  # nobody of ours wrote it
        return None
