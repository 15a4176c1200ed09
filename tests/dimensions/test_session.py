"""Where a session begins and ends, and what is said of it on each of its rows."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from crumby.dimensions.session import Placed, Visitor, place, session_id

NOON = datetime(2026, 11, 22, 12, 0, 0)  # noqa: DTZ001 - UTC throughout


class View(msgspec.Struct, frozen=True):
    cid: str
    datetime: datetime
    page: str | None = "/"
    source: str | None = None
    channel: str | None = "Direct"
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    site: str | None = None
    country: str | None = None
    subdivision_1: str | None = None
    city: str | None = None
    lang: str | None = None
    browser: str | None = None
    version: str | None = None
    platform: str | None = None
    device: str | None = None
    screen_res: str | None = None
    session: int | None = None
    seq: int | None = None
    gap: int | None = None
    entry: str | None = None
    prev: int | None = None
    page_prev: int | None = None
    prevs: str | None = None
    prev_page: str | None = None
    first: int | None = None


class Act(msgspec.Struct, frozen=True):
    cid: str
    datetime: datetime
    page: str | None = "/"
    name: str | None = None
    value: str | None = None
    session: int | None = None
    prev: int | None = None
    value_prev: int | None = None
    page_prev: int | None = None


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def view(minutes: float, page: str = "/", cid: str = "42", **own: Any) -> View:
    return View(cid, at(minutes), page, **own)


def act(minutes: float, cid: str = "42") -> Act:
    return Act(cid, at(minutes))


def known(placed: Placed[View, Act], before: dict[str, Visitor] | None = None) -> dict[str, Visitor]:
    changed = [*placed.new, *placed.begun, *placed.going_on]
    return (before or {}) | {visitor.cid: visitor for visitor in changed}


def begun(row: View | Act) -> float:
    """The minute in which the row's session began, which its name tells."""
    assert row.session is not None
    seconds = (row.session >> 31) - (NOON - datetime(1970, 1, 1)) / timedelta(seconds=1)  # noqa: DTZ001
    return seconds / 60


def one_by_one(*rows: View | Act) -> tuple[list[View], list[Act], dict[str, Visitor]]:
    """Each of them a batch of its own."""
    states: dict[str, Visitor] = {}
    views, acts = [], []
    for row in rows:
        placed = place(states, [row] if isinstance(row, View) else [], [row] if isinstance(row, Act) else [])
        states = known(placed, states)
        views += placed.visits
        acts += placed.events
    return views, acts, states


@pytest.mark.parametrize(
    ("minutes", "sessions"),
    [
        ((0,), [0]),
        ((0, 29), [0, 0]),
        ((0, 30), [0, 0]),
        ((0, 30 + 1 / 60), [0, 30 + 1 / 60]),
        ((0, 30, 60, 90), [0, 0, 0, 0]),
        ((0, 31, 62), [0, 31, 62]),
        ((0, -30), [0, 0]),  # late
        ((0, -31), [0, -31]),
        ((0, -31, -29, 20), [0, -31, 0, 0]),
        ((0, -20, -45), [0, 0, -45]),
        ((0, 60, 20, 29, 90), [0, 60, 20, 29, 60]),  # what is late by more has a session of its own
    ],
)
def test_half_an_hour_without_a_row_ends_a_session(minutes: tuple[float, ...], sessions: list[float]) -> None:
    """Seen to fail on a bound of 29 minutes, on `<` for `<=`, and where a late row moves the beginning back."""
    views, _, _ = one_by_one(*map(view, minutes))
    assert [pytest.approx(begun(row)) for row in views] == sessions


def test_a_batch_is_placed_in_the_order_of_its_time() -> None:
    rows = [view(31.5), view(0), view(70), view(1), view(30.5)]
    placed: Placed[View, Act] = place({}, rows, [act(50)])
    assert [(row.datetime, begun(row), row.seq, row.gap) for row in placed.visits] == [
        (at(0), 0, 1, 0),
        (at(1), 0, 2, 60),
        (at(30.5), 0, 3, 29.5 * 60),
        (at(31.5), 0, 4, 60),
        (at(70), 0, 5, 38.5 * 60),  # since an event came in between
    ]
    assert [begun(row) for row in placed.events] == [0]


def test_the_gaps_of_a_session_add_up_to_its_length() -> None:
    """Seen to fail on gaps that are rounded each by itself."""
    moments = [number * 0.4321 for number in range(100)]
    placed: Placed[View, Act] = place({}, [view(moment) for moment in moments], [])
    assert sum(row.gap or 0 for row in placed.visits) == int(moments[-1] * 60)
    assert [row.seq for row in placed.visits] == list(range(1, 101))


def test_an_event_between_two_views_is_no_view() -> None:
    """Seen to fail on a gap since the last activity: half of the session would be missing from its length."""
    views, _, _ = one_by_one(view(0), act(10), view(20))
    assert [(row.seq, row.gap) for row in views] == [(1, 0), (2, 20 * 60)]


def test_a_late_view_counts_and_moves_nothing() -> None:
    views, _, states = one_by_one(view(0, "/a"), view(20, "/b"), view(5, "/late"), view(21, "/c"))
    assert [(row.seq, row.gap, row.entry) for row in views] == [
        (1, 0, "/a"),
        (2, 20 * 60, "/a"),
        (3, 0, "/a"),
        (4, 60, "/a"),
    ]
    assert (states["42"].begun, states["42"].last, states["42"].viewed) == (at(0), at(21), at(21))


def test_rows_that_are_too_late_have_a_session_of_their_own() -> None:
    _, _, before = one_by_one(view(0), view(1))
    late = [view(-99, "/x", source="Google"), view(-80, "/y"), view(-40, "/z")]
    placed = place(before, late, [act(-79), act(-35)])
    assert [(begun(row), row.seq, row.gap, row.entry, row.source) for row in placed.visits] == [
        (-99, 1, 0, "/x", "Google"),
        (-99, 2, 19 * 60, "/x", "Google"),
        (-40, 1, 0, "/z", None),
    ]
    assert [begun(row) for row in placed.events] == [-99, -40]
    (after,) = placed.begun
    assert after == msgspec.structs.replace(before["42"], first=at(-99), seen=after.seen)


def test_source_and_entry_are_those_of_the_first_view() -> None:
    """Seen to fail on rows that keep their own."""
    tagged = {"utm_source": "s", "utm_medium": "m", "utm_campaign": "c", "utm_term": "t", "utm_content": "x"}
    first = view(0, "/in", source="Google", channel="Paid Search", **tagged)
    views, _, states = one_by_one(first, view(1, "/other", source="Bing", channel="Referral"), view(40, "/again"))
    names = ("entry", "source", "channel", *tagged)
    carried = ["/in", "Google", "Paid Search", *tagged.values()]
    assert [[getattr(row, name) for name in names] for row in views] == [
        carried,
        carried,
        ["/again", None, "Direct", None, None, None, None, None],
    ]
    assert [getattr(states["42"], name) for name in names] == ["/again", None, "Direct", *[None] * 5]
    assert states["42"].first == at(0)


def test_a_session_that_an_event_began_takes_the_source_of_its_first_view() -> None:
    """Seen to fail on a session whose events are counted as views."""
    views, acts, states = one_by_one(act(0), act(5), view(10, "/in", source="Google"), view(12, source="Bing"))
    assert [*map(begun, acts), *map(begun, views)] == [0, 0, 0, 0]
    assert [(row.seq, row.gap, row.entry, row.source) for row in views] == [
        (1, 0, "/in", "Google"),
        (2, 120, "/in", "Google"),
    ]
    assert (states["42"].first, states["42"].seq) == (at(10), 2)


def test_who_only_did_something_has_seen_no_page() -> None:
    _, _, states = one_by_one(act(0), act(99))
    assert states["42"] == Visitor("42", None, at(99), at(99), None, session_id("42", at(99)), seen=states["42"].seen)


def test_visitors_do_not_mix() -> None:
    rows = [view(0, "/a", cid="1"), view(1, "/b", cid="2"), view(2, "/c", cid="1")]
    placed = place({}, rows, [act(3, cid="2")])
    assert [(row.cid, row.seq, row.entry) for row in placed.visits] == [("1", 1, "/a"), ("2", 1, "/b"), ("1", 2, "/a")]
    assert placed.events[0].session == placed.visits[1].session != placed.visits[0].session
    assert [visitor.cid for visitor in placed.new] == ["1", "2"]


@pytest.mark.parametrize("cid", ["", "null"])
def test_nobody_has_no_session(cid: str) -> None:
    row = view(0, cid=cid, source="Google")
    placed = place({}, [row, view(1, cid=cid)], [act(2, cid=cid)])
    assert placed.visits[0] == row
    assert placed.events == [act(2, cid=cid)]
    assert placed.new == []


def test_only_visitors_that_changed_are_to_be_written() -> None:
    """Each in the one list that says how much of them is new."""
    before = known(place({}, [view(0, cid=cid) for cid in "abcde"], []))
    placed = place(
        before, [view(1, "/1", "a"), view(99, cid="b"), view(3, cid="new")], [act(2, cid="c"), act(-1, cid="d")]
    )
    assert [visitor.cid for visitor in placed.new] == ["new"]
    assert [visitor.cid for visitor in placed.begun] == ["b"]
    assert [visitor.cid for visitor in placed.going_on] == ["a", "c", "d"]
    a, c, d = placed.going_on
    assert a == msgspec.structs.replace(before["a"], last=at(1), viewed=at(1), seq=2, page="/1", seen=a.seen)
    assert c == msgspec.structs.replace(before["c"], last=at(2), seen=c.seen)
    assert d == msgspec.structs.replace(before["d"], seen=d.seen)  # that it is late does not matter to a name's events


def test_a_session_is_named_by_its_beginning_and_its_visitor() -> None:
    assert session_id("42", at(0)) == session_id("42", at(0) + timedelta(milliseconds=999))
    assert session_id("42", at(0)) < session_id("1", at(1)) < session_id("42", at(2))
    assert len({session_id(str(number), at(0)) for number in range(10_000)}) == 10_000


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])  # noqa: DTZ901 - UTC throughout
def test_a_session_of_any_time_fits_its_column(moment: datetime) -> None:
    """Seen to fail on seconds that are not bounded."""
    before: Placed[View, Act] = place({}, [View("42", moment)], [])
    placed: Placed[View, Act] = place(known(before), [view(0), View("42", moment)], [])
    assert all(0 <= (row.session or 0) < 1 << 63 for row in placed.visits)
