"""Each shipped report on ClickHouse, over the bakery's week: the same claims as on the other databases."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.clickhouse import ClickHouse
from tests.reporting.bakery import WEEK, bake
from tests.reporting.copied import CopiedSite, open_copied
from tests.reporting.test_shipped import (  # noqa: F401 - they are run here once more
    rows,
    test_a_filter_leaves_the_views_that_have_its_value,
    test_a_filtered_report_is_what_a_reader_counts,
    test_a_period_without_visits_is_no_rows_or_zeros,
    test_a_report_has_the_columns_that_its_header_declares,
    test_a_report_is_what_a_reader_counts,
    test_a_site_that_nobody_visited_leaves_no_rows_or_zeros,
    test_each_row_is_compared_with_its_like,
    test_filters_leave_the_events_that_a_reader_counts,
    test_filters_leave_what_a_reader_counts,
    test_of_nobody_there_is_no_share,
    test_rows_come_in_the_order_and_number_that_is_asked_for,
)

SITES = ("clickhouse",)
ANEW = {"Cache-Control": "no-cache"}


@pytest.fixture(scope="module")
def module_url(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    module_url: str, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CopiedSite]:
    async with open_copied(clickhouse, tmp_path_factory.mktemp("bakery")) as opened:
        await bake(opened.database.engine)
        await opened.take(rolled=True)
        yield opened


async def test_reports_read_rollups_where_these_have_what_is_asked(site: CopiedSite) -> None:
    """Planted: `ready` of the writer's own, or never any."""
    with site.wire() as asked:
        for zone in ("UTC", "Asia/Kathmandu"):
            await site.member.get("/api/public/countries", params=WEEK | {"tz": zone}, headers=ANEW)
    rolled, counted = asked
    assert "from rollup_countries_day" in rolled
    assert "from visits" in counted


async def test_what_comes_is_told_at_once(site: CopiedSite) -> None:
    """Planted: an answer that is good for as long as nothing is committed on the writer."""
    before = (await rows(site, "public/summary", WEEK | {"country": "SE"}))[0][2]
    site.copy.do("alter table copied_visits delete where country = 'SE' settings mutations_sync = 1")
    try:
        answer = await site.member.get("/api/public/summary", params=WEEK | {"country": "SE"}, headers=ANEW)
        assert (before, answer.json()["data"][0][2]) == (2, 0)
        assert site.rollups.sight() is None
    finally:
        await site.take(rolled=True)
