"""Row 5 of the card: the connection breaks in the middle of a transaction, and each hit is there once all the same."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.clients import load
from tests.faults.ledger import Ledger, judge
from tests.faults.proxy import Proxy
from tests.faults.test_outage import PACE_S, drained
from tests.servers import Crumby, MariaDB

COMMIT = rb"insert into .*commit"  # not that of an empty transaction, which only asks for the server
INSERT = rb"insert into "
EACH_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def database() -> Iterator[MariaDB]:
    """One of this test's own, so that the shared one's connections see no cuts."""
    with MariaDB() as server:
        yield server


@pytest.mark.parametrize(
    ("statement", "cuts"),
    [
        pytest.param(COMMIT, 20, id="20 commits"),  # committed, and nobody hears of it
        pytest.param(INSERT, 10, id="10 inserts"),  # rolled back
        pytest.param(COMMIT, 200, id="200 commits", marks=pytest.mark.long),
    ],
)
async def test_a_transaction_whose_reply_is_cut_stores_each_hit_once(
    database: MariaDB, statement: bytes, cuts: int
) -> None:
    """Seen to fail on tables without a unique hit id, and on a spool that forgets before the server has committed."""
    ledger = Ledger()
    url = database.database()
    with Proxy(database.port) as proxy, Crumby(proxy.before(url), arguments=["--workers", "2"]) as crumby:
        async with load(crumby.port, ledger, PACE_S):
            proxy.cut_replies_to(statement, cuts)
            async with asyncio.timeout(EACH_WITHIN_S * cuts):
                while proxy.cuts < cuts:  # noqa: ASYNC110 - the proxy lives in another loop
                    await asyncio.sleep(0.05)
        await drained(crumby, url, ledger)
        await judge(url, ledger)
    assert set(ledger.outcomes) == {"ok"}, ledger.outcomes
