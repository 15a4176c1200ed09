"""What a query file's template can call: small pieces of SQL that the databases spell differently.

    where {{ period("datetime") }}              the period's rows, by an index; exact where the clocks change
    and {{ filters() }}                         what the request leaves of visits; `filters("v")` for `visits v`
    and {{ event_filters() }}                   the same of events
    {{ bucket("datetime") }}                    the hour, day, week or month of an instant, as the request asks
    {{ day("datetime") }}                       its day; week, month, hour (0 to 23), weekday (1, Monday, to 7), minute
    {{ recent("datetime", 30) }}                the last 30 minutes' rows, whatever the period
    {{ seconds("datetime") }}                   seconds since 1970; {{ instant("first") }} the other way
    from {{ visits() }}                         the rows of visits, or the rollup that the header names, which has them
                                                added up; {{ events() }} likewise, and {{ visits("x") }} of several
    from {{ foremost("page", "sum(views)") }}   the same of visits; of a rollup the ten pages alone that have the most,
                                                where ten rows are asked for, in the file's own order
    {{ views() }}, {{ visitors() }}, {{ sessions() }}  how many there are among the rows
    {{ bounces() }}, {{ duration() }}           sessions of one page view; seconds that the sessions took
    {{ session_views() }}, {{ exits() }}        page views that belong to a session; that were the last of theirs
    having {{ some() }}                         where there are any rows: with it a rollup may be read by whole months
    {{ host("referrer") }}                      https://www.example.com/a → www.example.com
    {{ strip_scheme("doc_uri") }}               https://example.com/a → example.com/a
    {{ concat("cid", "' '", "lang") }}          text, one piece after the other
    {{ property("plan") }}                      an event's property; {{ property("seats", "number") }} as a number
    {{ order_by("views desc, page") }}          after what the request sorts by
    {{ limit() }}                               the rows that the request asks for
    {{ t0 }}, {{ t1[:7] }}                      the first and the last day, 2026-01-31, as 0.7.1's files print them

Days and hours are the report's time zone's. Whatever the macros have to say of the request is bound, never printed.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, SupportsIndex

from crumby.errors import QueryFileError
from crumby.reporting.clickhouse import ORDER, ordered
from crumby.reporting.dialects import DIALECTS
from crumby.reporting.filters import NONE, Predicates
from crumby.reporting.innodb import ANYWHERE, NEAR, NEARBY
from crumby.reporting.interval import Interval
from crumby.reporting.rolled import Foremost, Source, number
from crumby.reporting.view import MOST, View

WITHOUT_FOREMOST: Final = frozenset({"mysql", "clickhouse"})
DAY_SIGNS: Final = ("", "-", ":", " ")


class Sql(str):
    """Text that may be printed into a statement: the macros' own, and dates that were parsed."""

    __slots__ = ()


class Day(Sql):
    """`2026-01-31`, and the pieces of it that a file of 0.7.1 prints: `t0[:7]`, `t0.replace("-", "")`, `t0.split("-")`.

    A piece is made of the day's own digits. What is put between them is a sign that no other text can come in with.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return self  # a filter must not make another text of it

    def __getitem__(self, key: SupportsIndex | slice) -> "Day":
        return Day(super().__getitem__(key))

    def replace(self, old: str, new: str, count: SupportsIndex = -1) -> str:
        text = super().replace(old, new, count)
        return Day(text) if new in DAY_SIGNS and "--" not in text else text

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return [Day(piece) for piece in super().split(sep, maxsplit)]


class Asked:
    """A text of the request, as a template has it: to be compared with others, never to be part of the SQL.

    Text that a template could take apart and hand to a macro would be printed in the end.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __eq__(self, other: object) -> bool:
        return self._text == (other._text if isinstance(other, Asked) else other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __str__(self) -> str:
        raise QueryFileError("a text of the request can't be part of the SQL; compare it with ==, or bind it: :name")

    __repr__ = __str__


def guarded(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Asked(value) if isinstance(value, str) else value for name, value in arguments.items()}


TERM: Final = re.compile(r"""\s*([A-Za-z_]\w*|"[^"`]+"|[0-9]+)(?:\s+(asc|desc))?\s*""", re.IGNORECASE)
PROPERTY: Final = re.compile(r'[^"\\\x00-\x1f]{1,64}')
ROLLUP: Final = re.compile(r"\0(\w+)\0")  # stands for one until it is known what is asked of it
ALL_COLUMNS: Final = re.compile(r"(?:\bselect|\bdistinct|\ball|,|\.)\s*\*", re.IGNORECASE)
SESSION_LONGEST: Final = timedelta(days=1)  # for what else a session did, before or after the report's period


class Macros:
    """`binds` has the values of what was called. `interval`: of the steps that the template tells apart.

    `some`: it leaves groups of nothing out. `columns`: of the answer, where the file declares them. `rolls`: its header
    names rollups, so that `visits()` is of the period.
    """

    def __init__(
        self,
        dialect: str,
        view: View,
        interval: Interval | None = None,
        *,
        some: bool = False,
        columns: Collection[str] = (),
        rolls: bool = False,
    ) -> None:
        self._columns = columns
        self._rolls = rolls
        self._near = f"{NEAR} and " if dialect == "mysql" else ""
        self._dialect = dialect
        self._sql = DIALECTS[dialect]
        self._view = view
        self._predicates = Predicates(view.filters, dialect)
        if view.rollups:
            self._source_of = Source(view.period, view.today, interval, self._sql, some=some)
        self._foremost: dict[str, Foremost] = {}
        period = view.period
        self._own: dict[str, Any] = {
            "t0": datetime.combine(period.t0, time()),
            "t1": datetime.combine(period.t1, time()),
            "start": period.start,
            "end": period.end,
            "now": view.now,
            "_before": period.start - SESSION_LONGEST,
            "_after": period.end + SESSION_LONGEST,
            **ANYWHERE,
            "_limit": MOST if view.limit is None else view.limit,
            "_offset_rows": view.offset,
        }

    @property
    def binds(self) -> Mapping[str, Any]:
        return self._own | self._predicates.binds

    def names(self) -> Mapping[str, Any]:
        return {
            "dialect": self._dialect,
            "t0": Day(self._view.period.t0.isoformat()),
            "t1": Day(self._view.period.t1.isoformat()),
            "rolled": bool(self._view.rollups),
            **{name: getattr(self, name) for name in CALLED},
        }

    # Which rows

    def visits(self, rollup: str = "") -> Sql:
        return self._source(rollup, "visits")

    def events(self, rollup: str = "") -> Sql:
        return self._source(rollup, "events")

    def foremost(self, column: str, most: str) -> Sql:
        """Nothing else is added up of what the request will not see. Others would rank once for each piece."""
        view = self._view
        if view.rollups and self._dialect not in WITHOUT_FOREMOST and view.begins and not view.filters.conditions:
            self._foremost[view.rollups[0].name] = Foremost(column, most, named_in(most) or ())
        return self.visits()

    def _source(self, name: str, table: str) -> Sql:
        rollups = self._view.rollups
        if not rollups:
            return Sql(NEARBY if self._near and self._rolls and table == "visits" else table)
        rollup = next((rollup for rollup in rollups if rollup.name == (name or rollups[0].name)), None)
        if not rollup:
            raise QueryFileError(
                f"the header names no rollup {name!r}, only {', '.join(each.name for each in rollups)}"
            )
        return Sql(f"\0{rollup.name}\0 {table}")

    def complete(self, sql: str) -> str:
        """What the template became, with the rollups that it reads; only what it names of them is added up."""
        rollups = {rollup.name: rollup for rollup in self._view.rollups}
        if rollups:
            named = named_in(sql)
            sql = ROLLUP.sub(
                lambda found: self._source_of.of(rollups[found[1]], named, self._foremost.get(found[1])), sql
            )
            self._own |= self._source_of.binds
        return ordered(sql, self._columns) if self._dialect == "clickhouse" else sql

    def period(self, column: str) -> Sql:
        """A rollup's rows are the period's; another column of it has days as numbers."""
        if self._view.rollups:
            self._own |= {"_first": number(self._view.period.t0), "_last": number(self._view.period.t1)}
            return Sql(NONE if column == "datetime" else f"({column} >= :_first and {column} <= :_last)")
        return Sql(f"({column} >= :start and {column} < :end)")

    def recent(self, column: str, minutes: int = 30) -> Sql:
        name = f"_recent_{len(self._own)}"
        self._own[name] = self._view.now - timedelta(minutes=minutes)
        return Sql(f"{column} >= :{name}")

    def filters(self, table: str = "") -> Sql:
        """Of a rollup as well: it has the columns, or it would not be read."""
        return Sql(self._predicates.of_visits(_prefix(table), "datetime >= :_before and datetime < :end"))

    def event_filters(self, table: str = "") -> Sql:
        visits = f"{self._near}datetime >= :_before and datetime < :end"
        return Sql(self._predicates.of_events(_prefix(table), visits))

    # When

    def bucket(self, column: str) -> Sql:
        if self._view.rollups:
            return Sql("moment")
        if self._view.interval == "hour":
            return Sql(self._sql.written(self._local(column), "hour"))
        return Sql({"day": self._date, "week": self.week, "month": self.month}[self._view.interval](column))

    def day(self, column: str) -> Sql:
        if self._view.rollups:
            return Sql("date(moment)")
        return Sql(f"date({self._local(column)})")

    def _date(self, column: str) -> Sql:
        """As text, which `day` is in SQLite alone."""
        return Sql(self._sql.written(self._local(column), "day"))

    def week(self, column: str) -> Sql:
        return Sql(self._sql.week_of(column) if self._view.rollups else self._sql.monday(self._local(column)))

    def month(self, column: str) -> Sql:
        return Sql(self._sql.written(self._dated(column), "month"))

    def _dated(self, column: str) -> str:
        return self._sql.dated(column) if self._view.rollups else self._local(column)

    def minute(self, column: str) -> Sql:
        return Sql(self._sql.written(self._local(column), "minute"))

    def hour(self, column: str) -> Sql:
        if self._view.rollups:
            return Sql("hour")
        return Sql(self._sql.hour(self._local(column)))

    def weekday(self, column: str) -> Sql:
        if self._view.rollups:
            return Sql("weekday")
        return Sql(self._sql.weekday(self._local(column)))

    def seconds(self, column: str) -> Sql:
        return Sql(self._sql.seconds(column))

    def instant(self, column: str) -> Sql:
        """What `prev`, `first` and their like say, for whatever takes a `datetime`."""
        return Sql(f"({self._sql.instant(column)})")

    def _local(self, column: str) -> str:
        """An instant in the report's zone: with the offset added, one of several where the clocks change meanwhile."""
        offsets = self._view.period.offsets()
        if all(offset == 0 for _, offset in offsets):
            return column
        *changes, (_, last) = offsets
        self._own["_offset"] = last
        cases = ""
        for place, (until, offset) in enumerate(changes):
            self._own |= {f"_change_{place}": until, f"_offset_{place}": offset}
            cases += f"when {column} < :_change_{place} then :_offset_{place} "
        return self._sql.shifted(column, f"case {cases}else :_offset end" if cases else ":_offset")

    # How many

    def views(self, table: str = "") -> Sql:
        """Rows: page views of visits, events of events."""
        counted = self._view.rollups[0].counted if self._view.rollups else ""
        return Sql(f"coalesce(sum({_prefix(table)}{counted}), 0)" if counted else "count(*)")

    def some(self, table: str = "") -> Sql:
        return Sql(f"{self.views(table)} > 0")

    def visitors(self, table: str = "") -> Sql:
        """Distinct cookies. Whose browser keeps none is a visitor who can't be told from others, and counts as none."""
        prefix = _prefix(table)
        if self._view.rollups:
            return Sql(f"coalesce(sum({prefix}visitors), 0)")
        return Sql(f"count(distinct case when {prefix}session is not null then {prefix}cid end)")

    def sessions(self, table: str = "") -> Sql:
        """A session counts where it began; where filters leave a part of it, where that part is."""
        if self._view.rollups:
            return Sql(f"coalesce(sum({_prefix(table)}sessions), 0)")
        if self._view.filters.within_sessions:
            return Sql(f"count(distinct {_prefix(table)}session)")
        return Sql(f"count(case when {_prefix(table)}seq = 1 then 1 end)")

    def bounces(self, table: str = "") -> Sql:
        """Sessions that began in these rows and had no second page view."""
        if self._view.rollups:
            return Sql(f"coalesce(sum({_prefix(table)}sessions) - sum({_prefix(table)}second_views), 0)")
        rows = f"{self._near}seq = 2 and datetime >= :start and datetime < :_after"
        going_on = f"select session from visits where {rows}"  # noqa: S608 - values are bound
        prefix = _prefix(table)
        return Sql(f"count(case when {prefix}seq = 1 and {prefix}session not in ({going_on}) then 1 end)")

    def session_views(self, table: str = "") -> Sql:
        """Page views that belong to a session: all but those of browsers that keep no cookie."""
        prefix = _prefix(table)
        return Sql(f"sum({prefix}in_session)" if self._view.rollups else f"count({prefix}session)")

    def exits(self, table: str = "") -> Sql:
        """Page views that were the last of their session."""
        prefix = _prefix(table)
        if self._view.rollups:
            return Sql(f"coalesce(sum({prefix}exits), 0)")
        rows = f"{self._near}datetime >= :start and datetime < :_after and session is not null"
        isin = f"{prefix}id in (select max(id) from visits where {rows} group by session)"  # noqa: S608 - values are bound
        return Sql(f"count(case when {isin} then 1 end)")

    def duration(self, table: str = "") -> Sql:
        return Sql(f"coalesce(sum({_prefix(table)}{'seconds' if self._view.rollups else 'gap'}), 0)")

    # Text

    def strip_scheme(self, column: str) -> Sql:
        # No `like`: SQLite's does not tell capitals from small letters, the others' do.
        return Sql(
            f"case when lower(substr({column}, 1, 8)) = 'https://' then substr({column}, 9)"
            f" when lower(substr({column}, 1, 7)) = 'http://' then substr({column}, 8) else {column} end"
        )

    def host(self, column: str) -> Sql:
        ended = self.strip_scheme(column)
        for sign in "?#:":
            ended = Sql(f"replace({ended}, '{sign}', '/')")
        found = self._sql.find(self.concat(ended, "'/'"), "'/'")
        return Sql(f"lower(substr({ended}, 1, {found} - 1))")

    def concat(self, *pieces: str) -> Sql:
        return Sql(self._sql.joined(*pieces))

    def property(self, name: str, kind: str = "text", table: str = "") -> Sql:
        """Of events: null where the event has no such property, or has another kind of it than a number."""
        if not isinstance(name, str) or not PROPERTY.fullmatch(name):
            raise QueryFileError(f"property takes a name, as in property('plan'), not {name!r}")
        if kind not in {"text", "number"}:
            raise QueryFileError(f"property({name!r}) is read as 'text' or 'number', not {kind!r}")
        column = f"{_prefix(table)}properties"
        named = name.replace("'", "''")
        return Sql(getattr(self._sql, "property" if kind == "text" else "property_number")(column, named))

    # In which order

    def order_by(self, usual: str) -> Sql:
        """What is not known comes first, or last where the largest come first."""
        asked = [(self._sql.quoted(name), falling) for name, falling in self._view.sort]
        terms = [*asked, *map(self._term, usual.split(","))]
        mark = ORDER if self._dialect == "clickhouse" else ""
        return Sql(mark + "order by " + ", ".join(self._sql.sorted(name, falling) for name, falling in terms))

    def _term(self, text: str) -> tuple[str, bool]:
        found = TERM.fullmatch(text)
        if not found:
            raise QueryFileError(
                f"order_by takes columns of the answer, as in 'views desc, page', not {text.strip()!r}"
            )
        name = found[1]
        return self._sql.quoted(name.strip('"')) if name.startswith('"') else name, (found[2] or "").lower() == "desc"

    def limit(self) -> Sql:
        asked = self._view.limit is not None or self._view.offset
        return Sql("limit :_limit offset :_offset_rows" if asked else "")


@lru_cache(maxsize=256)  # 0.1 ms
def named_in(sql: str) -> Collection[str] | None:
    """What may be a column there: every word that is not in a line of comment. None: all columns."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    told = "\n".join(lines)
    return None if ALL_COLUMNS.search(told) else frozenset(re.findall(r"\w+", told.lower()))


def _prefix(table: str) -> str:
    return f"{table}." if table else ""


CALLED: Final = (
    "visits", "events", "foremost", "period", "recent", "filters", "event_filters",
    "bucket", "day", "week", "month", "minute", "hour", "weekday", "seconds", "instant",
    "views", "some", "visitors", "sessions", "bounces", "duration", "session_views", "exits",
    "strip_scheme", "host", "concat", "property", "order_by", "limit",
)  # fmt: skip
NAMES: Final = frozenset({"dialect", "t0", "t1", "rolled", *CALLED})
