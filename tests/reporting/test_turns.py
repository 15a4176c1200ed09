"""Reports while hits come in: one after the other if those are many, and at once otherwise."""

import asyncio

import pytest

from crumby.reporting.turns import LONGEST_S, MANY, SPACED, Turns
from crumby.traffic import WINDOW_S, Traffic
from tests.reporting.site import Site

SITES = ["sqlite"]


class Rush(Traffic):
    """A clock that is set, and hits that come in between."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        super().__init__(lambda: self.now)

    def pass_by(self, seconds: float, hits_a_second: float) -> None:
        self.now += seconds
        self.hits += round(seconds * hits_a_second)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 2))


@pytest.fixture
def rush(monkeypatch: pytest.MonkeyPatch) -> Rush:
    made = Rush()
    monkeypatch.setattr("asyncio.sleep", made.sleep)
    return made


def begun(rush: Rush, takes_s: float = 0.05) -> Turns:
    """Of reports that have taken so long many times."""
    made = Turns(rush)
    for _ in range(200):
        made.took(takes_s)
    return made


async def test_reports_begin_one_after_the_other_while_many_hits_come(rush: Rush) -> None:
    """Seen to fail where each waits for the same moment, and where none waits."""
    made = begun(rush)
    rush.pass_by(2 * WINDOW_S, 2 * MANY)
    await asyncio.gather(*(made.wait() for _ in range(4)))
    assert rush.slept == pytest.approx([0, SPACED * 0.05, 2 * SPACED * 0.05, 3 * SPACED * 0.05])


@pytest.mark.parametrize("rate", [0, MANY // 2])
async def test_they_begin_at_once_where_hits_are_few(rush: Rush, rate: int) -> None:
    """And once they are few again. Seen to fail where a rush is remembered."""
    made = begun(rush)
    rush.pass_by(2 * WINDOW_S, 2 * MANY)
    await made.wait()
    rush.pass_by(2 * WINDOW_S, rate)
    before = len(rush.slept)
    for _ in range(4):
        await made.wait()
    assert len(rush.slept) == before


async def test_a_long_report_holds_the_others_up_for_no_longer_than_some(rush: Rush) -> None:
    """Seen to fail where it counts with all it took."""
    made = begun(rush, 60.0)
    rush.pass_by(2 * WINDOW_S, 2 * MANY)
    for _ in range(2):
        await made.wait()
    assert rush.slept[-1] == SPACED * LONGEST_S


async def test_it_is_the_hits_stored_here_that_count(site: Site) -> None:
    """Seen to fail where the writer does not tell."""
    before = site.database.traffic.hits
    for number in range(5):
        hit = {"v": 2, "t": "visit", "id": f"{number:032x}", "cid": "42", "dl": "https://example.com/"}
        assert (await site.guest.post("/hit", json=hit, headers={"User-Agent": "Firefox/150.0"})).status_code == 204
    assert site.database.traffic.hits == before + 5


async def test_each_report_waits_for_its_turn(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail where it is asked at once, and where nobody says how long it took."""
    waited: list[Traffic] = []

    async def wait(turns: Turns) -> None:
        waited.append(turns._traffic)

    monkeypatch.setattr(Turns, "wait", wait)
    monkeypatch.setattr(Turns, "took", lambda turns, _: waited.append(turns._traffic))
    with site.query("-- cache: 0\nselect 1 as turns") as address:
        await site.guest.get(address)
    assert waited == [site.database.traffic] * 2
