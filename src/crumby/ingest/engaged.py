"""What is told of a visit after it was stored: how long and how far its page was looked at.

    update visits set engaged = case when engaged >= :seconds then engaged else :seconds end, … where hit_id = :visit

The larger number stays, so that one message more, late, lost or sent again does no harm. A hit id that names no visit
changes nothing.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Column, TextClause, Update, bindparam, case, text, update
from sqlalchemy.dialects import sqlite

from crumby.ingest.enrich import Engagement
from crumby.tables import visits

NEARLY_ALL: Final = 90  # percent of a page: it was read to the end


def _larger(column: Column[Any], told: str) -> Any:
    """Null is no larger than anything."""
    return case((column >= bindparam(told), column), else_=bindparam(told, type_=column.type))


def _added(source: str, visit: str, seconds: str, percent: str) -> str:
    return f"""
        insert into engagements (visit_id, engaged, told, scroll, scrolled, finished)
        select
          id,
          case when {seconds} > coalesce(engaged, 0) then {seconds} - coalesce(engaged, 0) else 0 end,
          case when engaged is null then 1 else 0 end,
          case when {percent} > coalesce(scroll, 0) then {percent} - coalesce(scroll, 0) else 0 end,
          case when scroll is null then 1 else 0 end,
          case when {percent} >= {NEARLY_ALL} and coalesce(scroll, 0) < {NEARLY_ALL} then 1 else 0 end
        from {source}
        where hit_id = {visit}
          and (engaged is null or engaged < {seconds} or scroll is null or scroll < {percent})
        """  # noqa: S608 - names and a number of ours


# What it adds goes to the rollups, which may have counted the visit by now; then the visit itself.
ENGAGE: Final[tuple[TextClause, Update]] = (
    text(_added("visits", ":visit", ":seconds", ":percent")),
    update(visits)
    .where(visits.c.hit_id == bindparam("visit"))
    .values(engaged=_larger(visits.c.engaged, "seconds"), scroll=_larger(visits.c.scroll, "percent")),
)
SQLITE: Final = [str(each.compile(dialect=sqlite.dialect(paramstyle="named"))) for each in ENGAGE]


def told(engagements: Iterable[Engagement]) -> list[dict[str, Any]]:
    """The values of the statements, by hit id: two workers that lock the same visits never cross.

    Of each visit once: what is added is told by what the visit had before any of them.
    """
    largest: dict[bytes, tuple[int, int]] = {}
    for row in engagements:
        engaged, scroll = largest.get(row.hit_id, (0, 0))
        largest[row.hit_id] = (max(row.engaged, engaged), max(row.scroll, scroll))
    return [
        {"visit": visit, "seconds": engaged, "percent": scroll} for visit, (engaged, scroll) in sorted(largest.items())
    ]


def at_once(rows: Sequence[dict[str, Any]]) -> tuple[Sequence[TextClause], dict[str, Any]]:
    """The statements for all of these, and their values, as MySQL has them: its driver would send them row by row."""
    return _of_many(len(rows)), {f"{name}_{number}": row[name] for number, row in enumerate(rows) for name in row}


@lru_cache(maxsize=128)
def _of_many(count: int) -> Sequence[TextClause]:
    rows = (f"select :visit_{n} as visit, :seconds_{n} as seconds, :percent_{n} as percent" for n in range(count))
    source = f"visits join ({' union all '.join(rows)}) as told"
    larger = "engaged = greatest(coalesce(engaged, 0), seconds), scroll = greatest(coalesce(scroll, 0), percent)"
    return (
        text(_added(source, "visit", "seconds", "percent")),
        text(f"update {source} on hit_id = visit set {larger}"),  # noqa: S608 - names of ours
    )
