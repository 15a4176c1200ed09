"""What is told of a visit after it was stored: how long and how far its page was looked at.

    update visits set engaged = case when engaged >= :seconds then engaged else :seconds end, … where hit_id = :visit

The larger number stays, so that one message more, late, lost or sent again does no harm. A hit id that names no visit
changes nothing.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Column, TextClause, Update, bindparam, case, text, update
from sqlalchemy.dialects import sqlite

from crumby.ingest.enrich import Engagement
from crumby.tables import visits

NEARLY_ALL: Final = 90  # percent of a page: it was read to the end


def _larger(column: Column[Any], told: str) -> Any:
    """Null is no larger than anything."""
    return case((column >= bindparam(told), column), else_=bindparam(told, type_=column.type))


# What it adds goes to the rollups, which may have counted the visit by now; then the visit itself.
ENGAGE: Final[tuple[TextClause, Update]] = (
    text(
        f"""
        insert into engagements (visit_id, engaged, told, scroll, scrolled, finished)
        select
          id,
          case when :seconds > coalesce(engaged, 0) then :seconds - coalesce(engaged, 0) else 0 end,
          case when engaged is null then 1 else 0 end,
          case when :percent > coalesce(scroll, 0) then :percent - coalesce(scroll, 0) else 0 end,
          case when scroll is null then 1 else 0 end,
          case when :percent >= {NEARLY_ALL} and coalesce(scroll, 0) < {NEARLY_ALL} then 1 else 0 end
        from visits
        where hit_id = :visit
          and (engaged is null or engaged < :seconds or scroll is null or scroll < :percent)
        """  # noqa: S608 - a number of ours
    ),
    update(visits)
    .where(visits.c.hit_id == bindparam("visit"))
    .values(engaged=_larger(visits.c.engaged, "seconds"), scroll=_larger(visits.c.scroll, "percent")),
)
SQLITE: Final = [str(each.compile(dialect=sqlite.dialect(paramstyle="named"))) for each in ENGAGE]


def told(engagements: Iterable[Engagement]) -> list[dict[str, Any]]:
    """The values of the statement, by hit id: two workers that lock the same visits never cross."""
    rows = sorted(engagements, key=lambda each: each.hit_id)
    return [{"visit": row.hit_id, "seconds": row.engaged, "percent": row.scroll} for row in rows]
