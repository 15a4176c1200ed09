"""What the log says while hits cannot be stored."""

import pytest

from crumby.errors import DatabaseUnavailable
from crumby.ingest.trouble import Trouble

FULL = DatabaseUnavailable("crumby.db: database or disk is full")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trouble(clock: Clock) -> Trouble:
    return Trouble(clock)


def test_a_failure_is_told_at_once(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    trouble.meet(1, FULL)
    assert caplog.messages == ["hits are not stored, and answered 503: crumby.db: database or disk is full"]


def test_failures_that_go_on_are_told_every_ten_seconds(
    trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen to fail on a line for each."""
    for _ in range(250):
        trouble.meet(2, FULL)
        clock.now += 0.1
    assert [message.partition(":")[0] for message in caplog.messages[1:]] == [
        "hits have not been stored for 10 s, 202 tries",
        "hits have not been stored for 20 s, 402 tries",
    ]


def test_the_end_is_told_once(trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    trouble.end()
    assert not caplog.messages
    trouble.meet(1, FULL)
    clock.now += 3
    trouble.meet(1, FULL)
    clock.now += 1
    trouble.end()
    trouble.end()
    assert caplog.messages[1:] == ["hits are stored again, after 3 s and 2 tries"]
    trouble.meet(1, FULL)
    assert len(caplog.messages) == 3


def test_batches_that_fail_in_turn_with_others_are_one_trouble(
    trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen to fail on an end at the first batch that is stored."""
    for _ in range(90):
        trouble.meet(1, FULL)
        clock.now += 0.05
        trouble.end()
        clock.now += 0.05
    assert len(caplog.messages) == 1
