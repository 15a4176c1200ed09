"""On MariaDB a report reads a period's visits between two ids; what it counts stays the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, event, insert, select

from crumby.reporting.checking import faults
from crumby.reporting.query import QueryFolders
from crumby.tables import visits
from tests.reporting.site import Site, statements

SITES: Final = ("mariadb",)
DAY: Final = date(2026, 3, 10)
COUNTS: Final = "select count(*) as n from {{ visits() }} where {{ period('datetime') }} and {{ filters() }}"
OF_DAYS: Final = f"-- rollup: totals\n{COUNTS}"


async def store(site: Site, *days_later: float) -> list[int]:
    """These visits alone, a transaction each, so many days after noon of DAY → their ids."""
    noon = datetime.combine(DAY, datetime.min.time()) + timedelta(hours=12)
    async with site.database.engine.begin() as connection:
        await connection.execute(delete(visits))
    for later in days_later:
        row = {"datetime": noon + timedelta(days=later), "browser": "firefox", "cid": "a", "session": 1, "seq": 1}
        async with site.database.engine.begin() as connection:
            await connection.execute(insert(visits), row)
    async with site.database.engine.connect() as connection:
        return list((await connection.scalars(select(visits.c.id).order_by(visits.c.id))).all())


async def ask(site: Site, sql: str) -> Any:
    """The row that a file of that text answers of DAY and one browser, of which no rollup knows."""
    asked = {"from": DAY.isoformat(), "to": DAY.isoformat(), "browser": "firefox"}
    with site.query(sql) as address:
        response = await site.guest.get(address, params=asked, headers={"cache-control": "no-cache"})
    assert response.status_code == 200, response.text
    (row,) = response.json()["data"]
    return row


@contextmanager
def spans(site: Site) -> Iterator[list[tuple[int, int]]]:
    """Give the first and the last id of each question that names them."""
    given: list[tuple[int, int]] = []

    def listener(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "id between" in statement:
            first, last, *_rest = (value for value in values if isinstance(value, int))
            given.append((first, last))

    engine = site.database.reports.sync_engine
    event.listen(engine, "before_cursor_execute", listener)
    try:
        yield given
    finally:
        event.remove(engine, "before_cursor_execute", listener)


async def test_the_ids_are_those_of_the_period_and_a_day_around_it(site: Site) -> None:
    """A session may go on for a day. Planted faults: `id > :_first_id`; an `after` before the period ends."""
    ids = await store(site, -5, -1.1, -0.1, 0.2, 1.1, 5, 0.3, 6)
    with spans(site) as given:
        assert await ask(site, OF_DAYS) == [3]
    assert given == [(ids[1], ids[6])]


@pytest.mark.parametrize(
    ("later", "counted"),
    [((), 0), ((9, -9), 0), ((0,), 1), ((9, 0, -9), 1), ((0.4, 0.1, -0.4, -0.1), 4), ((0, -3, 3, -3, 0), 2)],
)
async def test_visits_count_in_whatever_order_they_came(site: Site, later: tuple[float, ...], counted: int) -> None:
    """Planted faults: `id > :_first_id`; the first instant's id for the first id."""
    await store(site, *later)
    assert await ask(site, OF_DAYS) == [counted]


async def test_a_session_goes_on_after_the_period(site: Site) -> None:
    """Its second view is of the next day. Planted faults: ids of the period alone; subselects without them."""
    await store(site, 0)
    ends = OF_DAYS.replace("count(*) as n", "{{ bounces() }} as b, {{ exits() }} as e")
    with statements(site) as given:
        assert await ask(site, ends) == [1, 1]
    assert [statement.count("id between") for statement in given][-1] == 3
    at = datetime.combine(DAY, datetime.min.time()) + timedelta(days=1, minutes=5)
    async with site.database.engine.begin() as connection:
        await connection.execute(insert(visits), {"datetime": at, "cid": "a", "session": 1, "seq": 2})
    assert await ask(site, ends) == [0, 0]


async def test_what_events_lack_is_asked_of_those_visits(site: Site) -> None:
    """Planted fault: `event_filters` without ids."""
    ids = await store(site, 0)
    with spans(site) as given:
        sql = "select count(*) as n from events where {{ period('datetime') }} and {{ event_filters() }}"
        assert await ask(site, sql) == [0]
    assert given == [(ids[0], ids[0])]


async def test_a_file_that_names_no_rollup_reads_all_visits(site: Site) -> None:
    """It may ask for others than the period's. Planted fault: ids for every file."""
    await store(site, -30, 0, 30)
    with spans(site) as given:
        assert await ask(site, "select count(*) as n from {{ visits() }} where {{ filters() }}") == [3]
        assert await ask(site, COUNTS) == [1]
    assert not given


async def test_a_look_at_a_file_asks_for_no_ids(site: Site) -> None:
    """It runs nothing. Planted fault: a statement within another that keeps `near`."""
    site.write("looked", OF_DAYS)
    queries = [query for query in QueryFolders(site.folder).all() if query.name == "looked"]
    with statements(site) as given:
        assert [fault async for fault in faults(site.database, queries, ZoneInfo("UTC"))] == []
    assert any("id between" in statement for statement in given), given
    assert not any("min(id)" in statement for statement in given)
