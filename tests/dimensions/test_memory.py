"""What is remembered of visitors makes counting them adding up: held against sets of cids."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumby.dimensions import memory
from crumby.dimensions.memory import OWN, STEADY, Replay
from crumby.dimensions.session import EPOCH, Placed, Visitor, place
from tests.dimensions.test_session import Act, View, act, at, known, view

DAY = 86_400

few = st.sampled_from(["", "a", "b", "c"])
rows = st.builds(
    view,
    st.integers(0, 6 * 24 * 60),
    st.sampled_from(["/", "/a", "/b"]),
    st.sampled_from(["1", "2", "3"]),
    country=few,
    subdivision_1=few,
    city=few,
    browser=few,
    version=few,
    source=few,
    utm_term=few,
)
deeds = st.builds(
    lambda minutes, cid, name, value, page: Act(cid, at(minutes), page, name, value),
    st.integers(0, 6 * 24 * 60),
    st.sampled_from(["1", "2"]),
    few,
    few,
    st.sampled_from(["/", "/a"]),
)


def in_parts(
    rows: Iterable[Any],
    sizes: Sequence[int],
    *,
    known_before: Mapping[str, Visitor] = {},
    as_they_come: bool = False,
) -> tuple[list[View], list[Act], dict[str, Visitor]]:
    """Placed in the order of their time, some at once."""
    states = dict(known_before)
    ordered = list(rows) if as_they_come else sorted(rows, key=lambda row: row.datetime)
    views: list[View] = []
    acts: list[Act] = []
    while ordered:
        size = sizes[len(views) % len(sizes)]
        part, ordered = ordered[:size], ordered[size:]
        placed = place(
            states, [row for row in part if isinstance(row, View)], [row for row in part if isinstance(row, Act)]
        )
        assert as_they_come or not placed.strays
        states = known(placed, dict(states))
        views += placed.visits
        acts += placed.events
    return views, acts, states


def seconds(row: Any) -> int:
    return int((row.datetime - EPOCH).total_seconds())


def before(row: View, dimension: str) -> int:
    if row.prevs is None:
        assert row.prev is not None
        return row.prev
    place = 10 * STEADY.index(dimension)
    return int(row.prevs[place : place + 10])


def value(row: View, dimension: str) -> Any:
    return tuple(getattr(row, column) or "" for column in OWN.get(dimension, (dimension,)))


def added_up(rows: Iterable[Any], value: Any, before: Any, start: int, end: int) -> dict[Any, int]:
    counts: dict[Any, int] = defaultdict(int)
    for row in rows:
        if start <= seconds(row) < end:
            counts[value(row)] += before(row) < start
    return counts


def counted(rows: Iterable[Any], value: Any, start: int, end: int) -> dict[Any, int]:
    cids = defaultdict(set)
    for row in rows:
        if start <= seconds(row) < end:
            cids[value(row)].add(row.cid)
    return {key: len(each) for key, each in cids.items()}


def assert_that_each_dimension_adds_up(placed: list[View], start: int, end: int) -> None:
    for dimension in STEADY:

        def of(row: View, dimension: str = dimension) -> Any:
            return value(row, dimension)

        def met(row: View, dimension: str = dimension) -> int:
            return before(row, dimension)

        assert added_up(placed, of, met, start, end) == counted(placed, of, start, end), dimension


@settings(deadline=None, max_examples=60)
@given(st.lists(rows, max_size=40), st.lists(deeds, max_size=20), st.lists(st.integers(1, 7), min_size=1), st.data())
def test_visitors_of_a_period_are_those_who_were_not_there_right_before_it(
    views: list[View], acts: list[Act], sizes: list[int], data: st.DataObject
) -> None:
    """Of each country, browser, page …: seen to fail where a value that was left is forgotten."""
    placed, done, _ = in_parts([*views, *acts], sizes)
    first, last = sorted((data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))))
    start = seconds(view(0)) + first * DAY
    end = seconds(view(0)) + last * DAY + DAY
    assert_that_each_dimension_adds_up(placed, start, end)
    ways: list[tuple[list[Any], Any, Any]] = [
        (placed, lambda _: None, lambda row: row.prev),
        (placed, lambda row: row.page, lambda row: row.page_prev),
        (done, lambda row: row.name, lambda row: row.prev),
        (done, lambda row: (row.name, row.value), lambda row: row.value_prev),
        (done, lambda row: (row.name, row.page), lambda row: row.page_prev),
    ]
    for them, what, when in ways:
        assert added_up(them, what, when, start, end) == counted(them, what, start, end)


@settings(deadline=None, max_examples=40)
@given(st.lists(rows, max_size=30), st.lists(deeds, max_size=12), st.lists(st.integers(1, 7), min_size=1), st.data())
def test_rows_that_came_in_any_order_are_put_right(
    views: list[View], acts: list[Act], sizes: list[int], data: st.DataObject
) -> None:
    """And what comes afterwards is right at once. Seen to fail where the stamps that rows came with are kept."""
    came = data.draw(st.permutations([*views, *acts]))
    placed, done, states = in_parts(came, sizes, as_they_come=True)
    every: list[Any] = [*views, *acts]
    after = [msgspec.structs.replace(row, datetime=row.datetime + timedelta(days=7)) for row in every]
    more, more_done, _ = in_parts(after, sizes, known_before=states)
    placed, done = replayed([*placed, *more], [*done, *more_done])
    assert placed[len(views) :] == more
    assert done[len(acts) :] == more_done
    assert (placed, done) == replayed(placed, done)
    start = seconds(view(0)) + data.draw(st.integers(0, 6)) * DAY
    end = start + data.draw(st.integers(1, 3)) * DAY
    assert_that_each_dimension_adds_up(placed, start, end)
    pages = added_up(placed, lambda row: row.page, lambda row: row.page_prev, start, end)
    assert pages == counted(placed, lambda row: row.page, start, end)
    values = added_up(done, lambda row: (row.name, row.value), lambda row: row.value_prev, start, end)
    assert values == counted(done, lambda row: (row.name, row.value), start, end)
    for cid in {row.cid for row in placed}:
        own = [row for row in placed if row.cid == cid]
        assert {row.first for row in own} == {min(map(seconds, own))}


def replayed(views: list[View], acts: list[Act]) -> tuple[list[View], list[Act]]:
    """Each visitor's rows once more."""
    every: list[Any] = [*views, *acts]
    ordered = sorted(every, key=lambda row: (row.datetime, isinstance(row, Act)))
    replays: dict[str, Replay] = {}
    found: list[Any] = []
    for row in ordered:
        own = [seconds(each) for each in ordered if each.cid == row.cid]
        first = min((seconds(each) for each in views if each.cid == row.cid), default=0)
        replay = replays.setdefault(row.cid, Replay(first, min(own)))
        names = (
            ("prev", "page_prev", "prevs", "first") if isinstance(row, View) else ("prev", "value_prev", "page_prev")
        )
        stamps = (replay.view if isinstance(row, View) else replay.act)(row, seconds(row))
        found.append(msgspec.structs.replace(row, **dict(zip(names, stamps, strict=True))))
    return [row for row in found if isinstance(row, View)], [row for row in found if isinstance(row, Act)]


def test_what_was_before_the_rows_that_are_left_is_remembered() -> None:
    """Seen to fail on a replay that begins with nothing."""
    views, _, _ = in_parts(
        [view(0, "/a", country="SE"), view(2 * DAY / 60, "/a", country="GB"), view(3 * DAY / 60, "/a", country="SE")],
        [1],
    )
    left = views[1:]
    replay = Replay(seconds(views[0]), seconds(left[0]))
    assert [replay.view(row, seconds(row)) for row in left] == [
        (row.prev, row.page_prev, row.prevs, row.first) for row in left
    ]
    replay = Replay(seconds(views[0]), seconds(left[1]))
    assert replay.view(left[1], seconds(left[1]))[:2] == (seconds(views[1]), seconds(views[1]))


def test_a_view_knows_the_page_before_it_and_the_first_one_of_all() -> None:
    views, _, _ = in_parts([view(0, "/a"), view(1, "/b"), view(90, "/c")], [1])
    assert [(row.prev_page, row.first) for row in views] == [
        (None, seconds(view(0))),
        ("/a", seconds(view(0))),
        (None, seconds(view(0))),
    ]


@pytest.mark.parametrize(
    ("late", "strays"),
    [
        (-1, []),  # minutes before 12:00: no zone has its midnight between
        (-16, ["42"]),
        (-60 * 24, ["42"]),
    ],
)
def test_a_late_view_counts_nobody_and_is_put_right_later(late: int, strays: list[str]) -> None:
    """Where no midnight can lie between, it need not be. Seen to fail on one that counts as its visitor's first."""
    states = known(place({}, [view(14)], []))
    placed: Placed[View, Act] = place(states, [view(14 + late)], [])
    (row,) = placed.visits
    assert (row.prev, row.page_prev) == (seconds(row), seconds(row))
    assert placed.strays == strays


def test_a_late_view_of_something_new_is_the_first_of_it() -> None:
    states = known(place({}, [view(0, browser="firefox")], []))
    placed: Placed[View, Act] = place(states, [view(-5, "/other", browser="chrome")], [])
    (row,) = placed.visits
    assert (before(row, "browser"), row.page_prev, row.prev) == (0, 0, seconds(row))
    (again,) = place(known(placed, states), [view(20, "/other", browser="chrome")], []).visits
    assert (before(again, "browser"), again.page_prev) == (seconds(row), seconds(row))


def test_who_did_something_before_the_first_page_view_was_never_seen() -> None:
    views, acts, _ = in_parts([act(0), view(1), act(2)], [1])
    assert [(row.prev, row.prevs) for row in views] == [(0, None)]
    assert [row.prev for row in acts] == [0, seconds(act(0))]


def test_a_visitor_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest page is forgotten first."""
    monkeypatch.setattr(memory, "MOST", 8)
    views, _, states = in_parts([view(number, f"/{number}") for number in range(20)], [1])
    assert len(states["42"].seen or b"") == memory.THINGS + 8 * memory.THING
    placed: Placed[View, Act] = place(states, [view(21, "/19"), view(22, "/1")], [])
    assert [row.page_prev for row in placed.visits] == [seconds(views[19]), 0]


def test_what_is_found_across_two_things_is_not_taken_for_one() -> None:
    """Seen to fail on `bytes.find` alone."""
    things = b"abcd" + b"efgh" + b"ijkl" + b"mnop"
    assert memory.when(things, b"ghij") == 0
    assert memory.when(things, b"ijkl") == int.from_bytes(b"mnop")
    assert memory.when(things + b"cdef" + b"qrst", b"cdef") == int.from_bytes(b"qrst")
