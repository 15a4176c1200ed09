"""What is told of a visit after it was stored: how long and how far its page was looked at.

    update visits set engaged = case when engaged >= :seconds then engaged else :seconds end, … where hit_id = :visit

The larger number stays, so that one message more, late, lost or sent again does no harm. A hit id that names no visit
changes nothing.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Column, Update, bindparam, case, update
from sqlalchemy.dialects import sqlite

from crumby.ingest.enrich import Engagement
from crumby.tables import visits


def _larger(column: Column[Any], told: str) -> Any:
    """Null is no larger than anything."""
    return case((column >= bindparam(told), column), else_=bindparam(told, type_=column.type))


ENGAGE: Final[Update] = (
    update(visits)
    .where(visits.c.hit_id == bindparam("visit"))
    .values(engaged=_larger(visits.c.engaged, "seconds"), scroll=_larger(visits.c.scroll, "percent"))
)
SQLITE: Final = str(ENGAGE.compile(dialect=sqlite.dialect(paramstyle="named")))


def told(engagements: Iterable[Engagement]) -> list[dict[str, Any]]:
    """The values of the statement, by hit id: two workers that lock the same visits never cross."""
    rows = sorted(engagements, key=lambda each: each.hit_id)
    return [{"visit": row.hit_id, "seconds": row.engaged, "percent": row.scroll} for row in rows]
