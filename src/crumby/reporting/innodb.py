"""Where a period's visits lie in InnoDB, which keeps rows in the order of their ids.

Its index of instants has no more than the ids, and looks each of them up: 1.4 µs a visit, where to read on from one
visit to the next takes 0.3. Visits are stored as they come, so that those of a period lie together; the index alone
tells between which ids, in 0.2 µs each. Where they do not, as after an import, the ids that lie between are many, and
MariaDB goes by the index as before.
"""

from dataclasses import replace
from typing import Final

from sqlalchemy import text

from crumby.engines import AsyncConnection
from crumby.reporting.binding import Statement

NEAR: Final = "id between :_first_id and :_last_id"  # of the visits from a day before the period to a day after it
NEARBY: Final = f"(select * from visits where {NEAR}) visits"  # noqa: S608 - our own words
ANYWHERE: Final = {"_first_id": 0, "_last_id": 2**63 - 1}
ENDS: Final = "select min(id), max(id) from visits where datetime >= :before and datetime < :after"


async def narrowed(connection: AsyncConnection, statement: Statement) -> Statement:
    """The same, where it says NEAR: both are asked of one transaction, and so of the same visits."""
    if not statement.near:
        return statement
    before, after = statement.near
    first, last = (await connection.execute(text(ENDS), {"before": before, "after": after})).one()
    return replace(statement, values={**statement.values, "_first_id": first or 0, "_last_id": last or 0})
