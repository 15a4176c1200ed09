"""How PostgreSQL finds the rows that hits ask for, in a database of which it knows nothing yet."""

import pytest
from sqlalchemy import text

from crumby.database import open_database
from crumby.ingest.batch import ServerBatch
from crumby.ingest.connections import KeptConnections
from crumby.ingest.enrich import Engagement
from crumby.migrations import migrate
from tests.conftest import MakeSettings
from tests.ingest.test_sessions import a_visit

PREPARED = 10  # times; from the sixth on PostgreSQL keeps a statement's plan, until the table is analyzed
READ = text("select relname, seq_scan, idx_scan from pg_stat_xact_user_tables where relname in ('visitors', 'visits')")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_no_batch_reads_all_visitors_of_a_new_database(database_url: str, settings: MakeSettings) -> None:
    """Nor all visits, for a time on a page. Seen to fail with the plans that are made by themselves."""
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        await migrate(database.engine)
        batch, connections = ServerBatch(database.hits.dialect), KeptConnections(database.hits, 1)
        async with connections.keeping():
            for number in range(PREPARED):
                async with connections.begin() as connection:
                    visit = a_visit(number, number)
                    await batch.insert(connection, [visit], [], [Engagement(visit.hit_id, 5, 50)], look=False)
                    reads = {table: (whole, by_key) for table, whole, by_key in await connection.execute(READ)}
    assert {table: whole for table, (whole, _) in reads.items()} == {"visitors": 0, "visits": 0}
    assert all(by_key for _, by_key in reads.values())
