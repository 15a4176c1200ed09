"""ClickHouse as the store that reports ask: `REPORTS_DATABASE_URI = "clickhouse://…"`.

The main database stays the truth: hits, accounts and the counting of rollups are its. ClickHouse has a copy:

    rollups' chunks ─┐
    visits, events   ├─► outbox.py, in the same transactions; parcels.py: its rows
    totals, pruning ─┘     └─► taking.py: which are next, and whose turn it is
                                 └─► sending.py ──► delivery.py ──► tables.py: what is in ClickHouse ──► reports
                                                      └─ rows.py: visits and events, as they are now

Nothing here is imported where there is no ClickHouse. What a report finds there:

    visits, events                   views, once all that there were have come, and not before
    totals, refusals, calendar       views
    rollup_x_day, _month, _return    to be added up, where
    rollup_state                     says of the same hash and zone that it is complete
"""

from typing import TYPE_CHECKING, Final

from crumby.settings import Settings

if TYPE_CHECKING:
    from crumby.columnar.sending import Sender
    from crumby.rollups import Rollups

SCHEME: Final = "clickhouse"


def is_meant(settings: Settings) -> bool:
    """Whether reports ask a ClickHouse."""
    return (settings.reports_database_uri or "").startswith(SCHEME)


def sender_of(settings: Settings, rollups: "Rollups") -> "Sender | None":
    """What sends to it; None where there is none."""
    if not is_meant(settings):
        return None
    from crumby.columnar.outbox import Outbox
    from crumby.columnar.sending import Sender

    assert isinstance(rollups.copy, Outbox)  # noqa: S101 - by `open_rollups`
    return Sender(str(settings.reports_database_uri), rollups, rollups.copy)
