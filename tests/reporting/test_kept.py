"""Answers that are given again: the same ones, for a while, in a bounded room, and to nobody who may not ask."""

import asyncio
import gzip
import itertools
import random
import tracemalloc
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import update

from crumby.errors import QueryFileError
from crumby.reporting import sending
from crumby.reporting.answering import Answering, Told, Wanted
from crumby.reporting.body import PACKED, Body
from crumby.reporting.flow import Flow
from crumby.reporting.header import parse_header
from crumby.reporting.kept import BESIDE, SHARE, UNCHANGED_S, Kept
from crumby.reporting.lasting import CLOSED_S, LEAST_S, MOST_S, PROPORTION, lasts_s
from crumby.reporting.packing import SMALLEST
from crumby.reporting.period import Period
from crumby.reporting.query import Query
from crumby.reporting.questions import Question
from crumby.reporting.results import encoded
from crumby.reporting.view import View
from crumby.rollups import Rollups
from crumby.settings import load_settings
from crumby.tables import visits
from tests.reporting.site import Site, statements

SITES = ["sqlite"]
FORMATS = ["json", "records", "ndjson", "csv", "html"]
ANEW = {"Cache-Control": "no-cache"}
MARCH = {"from": "2026-03-26", "to": "2026-03-31"}
LARGE = "-- cache: 60\nselect a.datetime, 'some text, to be packed' as text from calendar a order by 1 limit 500"
VIEWS = """\
-- cache: 60
-- parameter who: text
-- column day: moment
-- column views: count
select {{ bucket("datetime") }} as day, count(*) as views from visits
where {{ period("datetime") }} and {{ filters() }} and (cid = :who or :who is null) group by 1
{{ order_by("day") }} {{ limit() }}"""


# What is given again


@pytest.mark.parametrize("collection", ["public", "private"])
async def test_an_answer_is_given_again_for_as_long_as_its_file_says(site: Site, collection: str) -> None:
    """Seen to fail on a cache of no seconds."""
    with site.query("-- cache: 60\nselect 1 as n", collection) as address, statements(site) as given:
        for form in FORMATS * 2:
            response = await site.member.get(address, params={"format": form})
            assert response.status_code == 200
    assert len(given) == len(FORMATS)
    kept = {"public": "private, no-cache", "private": "private, no-store"}  # the last one is a page
    assert response.headers["Cache-Control"] == kept[collection]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_what_is_given_again_goes_out_as_it_did(site: Site, form: str, encoding: str) -> None:
    """Seen to fail where the packed bytes go to who does not take them, or are packed twice."""
    asked: dict[str, Any] = {"params": {"format": form}, "headers": {"Accept-Encoding": encoding}}
    with site.query(LARGE) as address:
        first = await site.guest.get(address, **asked, follow_redirects=False)
        with statements(site) as given:
            again = await site.guest.get(address, **asked)
            head = await site.guest.head(address, **asked)
            asked["headers"]["If-None-Match"] = first.headers["ETag"]
            known = await site.guest.get(address, **asked)
    assert given == []
    assert again.content == first.content
    assert b"some text, to be packed" in again.content
    assert ("Content-Encoding" in again.headers) == (encoding == "gzip")
    assert without_age(first) == without_age(again) == without_age(head)
    assert (head.content, known.status_code, known.content) == (b"", 304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert known.headers[name] == first.headers[name]


def without_age(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name != "age"}


async def test_each_question_is_given_its_own_answer(site: Site) -> None:
    """Seen to fail where what is asked is not all in the key: the view, parameters, compared days, form, who."""
    choices: list[list[tuple[str, str]]] = [
        [("tz", "UTC"), ("tz", "Asia/Kathmandu")],
        [("to", "2026-03-31"), ("to", "2026-03-30")],
        [("country", "SE"), ("country", "!SE"), ("browser", "SE")],
        [("who", "ada"), ("who", "bob")],
        [("interval", "week"), ("interval", "day")],
        [("sort", "views"), ("limit", "1"), ("offset", "1")],
        [("compare", "previous"), ("compare", "year")],
    ]
    some = random.Random(5)  # noqa: S311 - the same each time
    questions = [[("from", "2026-03-26")]]
    questions += [[*questions[0], choice] for choice in itertools.chain.from_iterable(choices)]
    questions += [[*questions[0], *map(some.choice, some.sample(choices, 3))] for _ in range(20)]
    asked = [(tuple(pairs), form, who) for pairs in questions for form in FORMATS for who in (site.guest, site.member)]
    some.shuffle(asked)
    with site.query(VIEWS) as address:

        async def ask(pairs: Any, form: str, who: httpx.AsyncClient, headers: dict[str, str] | None = None) -> bytes:
            response = await who.get(address, params=[*pairs, ("format", form)], headers=headers)
            assert response.status_code == 200, response.text
            return response.content

        for each in asked:
            await ask(*each)
        with statements(site) as given:
            kept = [await ask(*each) for each in asked]
        assert given == []
        for each, body in zip(asked, kept, strict=True):
            assert body == await ask(*each, ANEW), each[:2]


async def test_ten_who_ask_at_once_cost_one_statement_and_one_encoding(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail where each of them encodes the answer."""
    encodings = []

    def counted(*arguments: Any) -> bytes:
        encodings.append(1)
        return encoded(*arguments)

    monkeypatch.setattr(sending, "encoded", counted)
    slow = (
        "with recursive c (n) as (select 1 union all select n + 1 from c where n < 2000000) select min(n) as n from c"
    )
    with site.query(f"-- cache: 0\n{slow}") as address, statements(site) as given:
        await asyncio.gather(*(site.guest.get(address) for _ in range(10)))
    assert (len(given), len(encodings)) == (1, 1)


async def test_a_known_answer_waits_for_no_rollup(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail where they catch up before it is looked whether the answer is known."""
    caught_up = []

    async def catch_up(_: Rollups) -> None:
        caught_up.append(1)

    monkeypatch.setattr(Rollups, "catch_up", catch_up)
    with site.query("-- cache: 60\nselect 1 as n, 2 as rollups") as address:
        for _ in range(3):
            await site.guest.get(address)
    assert len(caught_up) == 1


async def test_a_client_can_ask_anew(site: Site) -> None:
    """Seen to fail where the request's `no-cache` is not heard."""
    with site.query("-- cache: 60\nselect 1 as n, 2 as anew") as address, statements(site) as given:
        for headers in ({}, {}, ANEW, {}):
            await site.guest.get(address, headers=headers)
    assert len(given) == 2


async def test_a_browser_may_keep_it_for_what_is_left_of_that(site: Site) -> None:
    with site.query("-- cache: 60\nselect 2 as n") as address:
        response = await site.guest.get(address)
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert int(response.headers["Age"]) <= 1


async def test_a_file_that_changed_is_asked_again(site: Site) -> None:
    """Seen to fail where the file's text is not in the key."""
    for number in (1, 2):
        with site.query(f"-- cache: 60\nselect {number} as n") as address:
            assert (await site.guest.get(address)).json()["data"] == [[number]]


# To whom


@pytest.mark.parametrize("etag", [True, False])
@pytest.mark.parametrize(("collection", "asked"), [("private", {}), ("public", {"city": "London"})])
async def test_what_is_kept_is_not_given_to_who_may_not_ask(
    site: Site, collection: str, asked: dict[str, str], *, etag: bool
) -> None:
    """Seen to fail where a known answer is given before it is looked at who asks."""
    sql = "-- cache: 60\nselect count(*) as views from visits where {{ filters() }}"
    with site.query(sql, collection) as address, statements(site) as given:
        for _ in range(2):
            response = await site.member.get(address, params=asked)
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "private, no-store")
        headers = {"If-None-Match": response.headers["ETag"]} if etag else {}
        refused = await site.guest.get(address, params=asked, headers=headers)
    assert refused.status_code == 401
    assert "ETag" not in refused.headers
    assert len(given) <= 1  # none, where the other case has asked already


# For how long

NOW = datetime(2026, 3, 15, 12)  # noqa: DTZ001 - UTC
PERIODIC = 'select count(*) as n from visits where {{ period("datetime") }}'


def question(sql: str, last: date, now: datetime = NOW, zone: str = "UTC") -> Question:
    query = Query("public", "own", Path("own.sql"), sql, parse_header(sql))
    return Question(query, View.of(Period(date(2026, 2, 1), last, ZoneInfo(zone)), now), {})


@pytest.mark.parametrize(
    ("sql", "last", "cost_s", "lasts"),
    [
        (PERIODIC, date(2026, 3, 13), 0.001, CLOSED_S),  # it ended 36 hours ago
        (PERIODIC, date(2026, 3, 14), 0, LEAST_S),  # and this one twelve: sessions go on, hits may be on their way
        (PERIODIC, date(2026, 3, 15), 0.01, LEAST_S + 0.01),
        (PERIODIC, date(2026, 3, 15), 1.5, 1.5 + 1.5 * PROPORTION),
        (PERIODIC, date(2026, 3, 15), 100, MOST_S + 100),
        (f"-- cache: 300\n{PERIODIC}", date(2026, 3, 1), 1, 300),
        (f"-- cache: 0\n{PERIODIC}", date(2026, 3, 1), 1, 0),
        (f"-- cache: 5\n-- refresh: 30\n{PERIODIC}", date(2026, 3, 1), 1, 5),
        (f"-- refresh: 30\n{PERIODIC}", date(2026, 3, 1), 1, 0),
        (f'{PERIODIC} and {{{{ recent("datetime") }}}}', date(2026, 3, 1), 1, 0),
        (f"{PERIODIC} and datetime < :now", date(2026, 3, 1), 1, 0),
        (f"{PERIODIC} and datetime < current_timestamp", date(2026, 3, 1), 1, 0),
        (f"-- Now and then\n{PERIODIC}", date(2026, 3, 1), 1, CLOSED_S),  # prose
        ("select count(*) as n from visits", date(2026, 3, 1), 0, LEAST_S),  # of all days
    ],
)
def test_an_answer_lasts_as_long_as_its_days_allow(sql: str, last: date, cost_s: float, lasts: float) -> None:
    """Seen to fail where yesterday counts as over, and where what is live is kept."""
    assert lasts_s(question(sql, last), cost_s, versioned=True) == lasts


def test_days_are_over_as_the_zone_has_it() -> None:
    """The 13th ends at 10:00 UTC of the 14th in Honolulu, and at 11:00 of the 13th in Auckland."""
    asked = [question(PERIODIC, date(2026, 3, 13), datetime(2026, 3, 15, 3), zone) for zone in ZONES]  # noqa: DTZ001
    assert [lasts_s(each, 0, versioned=True) for each in asked] == [LEAST_S, CLOSED_S]


ZONES = ("Pacific/Honolulu", "Pacific/Auckland")


def test_without_a_version_days_that_are_over_are_as_any() -> None:
    """Or nobody would see what was forgotten, or imported. Seen to fail where they last an hour all the same."""
    assert lasts_s(question(PERIODIC, date(2026, 3, 1)), 0, versioned=False) == LEAST_S


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def told(answering: Answering, wanted: Wanted) -> Told:
    found = await answering.answer(wanted)
    assert not isinstance(found, Flow)
    return found


def wanted(sql: str, make: Callable[..., bytes] | None = None, last: date = date(2026, 3, 1)) -> Wanted:
    asked = question(sql, last)
    return Wanted(asked, "json", make or (lambda answer: encoded(answer, "json", asked)))


async def test_a_closed_answer_goes_with_its_version(site: Site) -> None:
    """Seen to fail without the version in the key."""
    version, clock = [1], Clock()
    answering = Answering(site.database, load_settings({}), lambda: version[0], Kept(clock=clock))
    with statements(site) as given:
        for counted, seconds, now in ((1, 0, 1), (1, CLOSED_S - 1, 1), (2, 0, 2), (2, 10, 2), (3, CLOSED_S, 2)):
            clock.now += seconds
            version[0] = now
            await told(answering, wanted(PERIODIC))
            assert len(given) == counted, (seconds, now)


async def test_an_open_answer_lasts_in_proportion_to_its_cost(site: Site) -> None:
    """And its age counts from when it was asked, not from when it was there."""
    clock = Clock()
    answering = Answering(site.database, load_settings({}), lambda: 1, Kept(clock=clock))
    until = NOW.date() + timedelta(days=1)

    def slow(_: object) -> bytes:
        clock.now += 2
        return b"[]"

    assert (await told(answering, wanted(PERIODIC, slow, until)))[1] == 2
    clock.now += 2 * PROPORTION - 0.5
    found = answering.known(wanted(PERIODIC, slow, until))
    assert found
    assert found[1] == 21
    clock.now += 0.5
    assert answering.known(wanted(PERIODIC, slow, until)) is None


@pytest.mark.parametrize(
    ("sql", "sights", "seconds", "good"),
    [
        (PERIODIC, [1, 1], 2 * PROPORTION + 1, True),
        (PERIODIC, [1, 1], UNCHANGED_S, False),
        (PERIODIC, [1, 2], 2 * PROPORTION + 1, False),
        (PERIODIC, [None, None], 2 * PROPORTION + 1, False),
        (f"-- cache: 5\n{PERIODIC}", [1, 1], 6, False),
        (f"{PERIODIC} and datetime < :now", [1, 1], 1, False),
    ],
)
async def test_where_nothing_was_committed_an_answer_is_good_for_longer(
    site: Site, sql: str, sights: list[int | None], seconds: float, *, good: bool
) -> None:
    """Seen to fail where the sight is not looked at, where an unknown one is one, and where it is no limit at all."""
    clock, seen = Clock(), iter(sights)
    kept = Kept(clock=clock, sight=lambda: next(seen, sights[-1]))
    answering = Answering(site.database, load_settings({}), lambda: 1, kept)
    until = NOW.date() + timedelta(days=1)

    def slow(_: object) -> bytes:
        clock.now += 2
        return b"[]"

    await told(answering, wanted(sql, slow, until))
    clock.now += seconds
    assert bool(answering.known(wanted(sql, slow, until))) == good


async def test_a_commit_ends_what_a_quiet_database_keeps(site: Site) -> None:
    """Seen to fail where the logs are not looked at, and where they are and nothing is committed."""
    with site.query("select count(*) as n, 3 as quiet from visits") as address:
        await asyncio.sleep(0.2)  # what was committed just now may be followed by another in the same tick
        await site.guest.get(address)
        await asyncio.sleep(LEAST_S + 0.1)
        with statements(site) as given:
            before = (await site.guest.get(address)).json()["data"]
            assert given == []
        async with site.database.engine.begin() as connection:
            await connection.execute(update(visits).values(doc_title="Another"))
        with statements(site) as given:
            assert (await site.guest.get(address)).json()["data"] == before
            assert len(given) == 1


async def test_the_seconds_of_a_file_count_from_when_it_was_asked(site: Site) -> None:
    """Or its `Age` would outgrow its `max-age`. Seen to fail where they count from when the answer was there."""
    clock = Clock()
    answering = Answering(site.database, load_settings({}), None, Kept(clock=clock))

    def slow(_: object) -> bytes:
        clock.now += 20
        return b"[]"

    asked = wanted(f"-- cache: 60\n{PERIODIC}", slow)
    await answering.answer(asked)
    clock.now += 39
    assert answering.known(asked)
    clock.now += 1
    assert answering.known(asked) is None


async def test_an_error_is_not_kept(site: Site) -> None:
    answering = Answering(site.database, load_settings({}), lambda: 1)
    broken = wanted("-- cache: 60\nselect nothing from nowhere")
    for _ in range(2):
        with statements(site) as given, pytest.raises(QueryFileError):
            await answering.answer(broken)
        assert len(given) == 1


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_a_stream_is_not_kept(site: Site, form: str) -> None:
    """Seen to fail where an answer of 12,000 rows is gathered."""
    rows = "with recursive c (n) as (select 1 union all select n + 1 from c where n < 12000) select n from c"
    answering = Answering(site.database, load_settings({"CRUMBY_QUERY_ROW_LIMIT": "20000"}), lambda: 1)
    asked = Wanted(question(f"-- cache: 60\n{rows}", date(2026, 3, 1)), form, lambda _: b"")  # type: ignore[arg-type]
    for _ in range(2):
        flow = await answering.answer(asked)
        assert isinstance(flow, Flow)
        assert answering.known(asked) is None
        await flow.stop()


# In which room


def body(size: int) -> Body:
    return Body(b"x" * size, packed=False, tag='"tag"', truncated=False)


def test_a_kept_answer_is_gone_when_its_time_is() -> None:
    clock = Clock()
    kept = Kept(clock=clock)
    kept.put("key", body(1), clock.now, clock.now + 10)
    clock.now += 9.9
    assert kept.get("key") == (body(1), 9)
    clock.now += 0.1
    assert kept.get("key") is None
    kept.put("key", body(1), clock.now - 10, clock.now)
    assert kept.get("key") is None


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    """There is room for eight. Seen to fail where nothing is dropped, or the oldest one though it is asked for."""
    size = 10_000
    kept = Kept(room=SHARE * (size + BESIDE))
    for number in range(12):
        kept.put(number, body(size), 0, float("inf"))
        kept.get(0)
    assert [number for number in range(12) if kept.get(number)] == [0, 5, 6, 7, 8, 9, 10, 11]
    kept.put("large", body(size + 1), 0, float("inf"))
    assert kept.get("large") is None
    assert kept.get(11)


@pytest.mark.parametrize("size", [40, 3000, 100_000])
def test_kept_answers_take_no_more_memory_than_they_may(size: int) -> None:
    """Ever new ones, some of them again with another body. Seen to fail where the body alone is counted."""
    room = 2 << 20
    kept = Kept(room)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(3 * room // (size + BESIDE)):
            content = number.to_bytes(4) * (size // 4)
            tag = f'"{number:032x}"'
            key = (None, number.to_bytes(16))
            kept.put(key, Body(content, packed=False, tag=tag, truncated=False), number / 7, 1e12 + number / 7)
            if number % 3 == 0:
                kept.put(key, Body(content[4:], packed=False, tag=tag + " ", truncated=False), number / 7, 1e12)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert room * 0.4 < held <= room


@pytest.mark.parametrize("size", [0, SMALLEST - 1, SMALLEST, PACKED, PACKED + 1])
def test_a_body_is_packed_where_that_is_worth_it(size: int) -> None:
    plain = b"a" * size
    made = Body.of(plain, truncated=False)
    assert made.packed == (SMALLEST <= size <= PACKED)
    assert made.plain == plain
    assert (gzip.decompress(made.content) if made.packed else made.content) == plain
