"""Row 38 of the card: the server's clock may jump; hits are stored all the same, and people can still sign in.

libfaketime gives the server a clock of its own, ahead of the real one or behind it, and takes a new distance from a
file while the server runs. As with a real clock that is set, CLOCK_MONOTONIC goes on undisturbed.
"""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from crumby.database import async_url
from crumby.tables import calendar, events, visits
from tests.faults.clients import Client, load
from tests.faults.ledger import Ledger, judge, new_hit
from tests.servers import Crumby, require

pytestmark = pytest.mark.timeout(300)  # each look at the clock is one at a file

DAY = timedelta(days=1)
NOW = timedelta()
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
CLIENTS = 16
STAY_S = 1.0  # with each time of the clock
STEP_S = 5.0  # that a hit may take, by the real clock
GLANCE_S = 120.0  # in five Crumby sees that the day has changed; the rest is for a busy machine, and 26 years

SIGN_IN = {"username": "ann", "password": "crumbs all over the place"}


@dataclass
class Clock:
    """The server's, `ahead` of the real one."""

    path: Path
    settings: list[tuple[float, timedelta]] = field(default_factory=list)  # since when, by the real clock

    def set(self, ahead: timedelta) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(f"{ahead.total_seconds():+.3f}s\n")
        self.settings.append((time.time(), ahead))
        new.replace(self.path)

    def set_to(self, moment: datetime) -> None:
        self.set(moment - datetime.now(UTC))

    def between(self, start_s: float, end_s: float) -> Iterator[timedelta]:
        """What the clock was ahead at any time between these two of the real one."""
        ends = [since for since, _ in self.settings[1:]] + [end_s]
        for (since, ahead), until in zip(self.settings, ends, strict=True):
            if since <= end_s and start_s <= until:
                yield ahead

    def environ(self) -> dict[str, str]:
        require("faketime")
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    clock = Clock(tmp_path / "clock")
    clock.set(NOW)
    return clock


@pytest.mark.parametrize(
    "database_url",
    ["sqlite", *(pytest.param(name, marks=pytest.mark.long) for name in ("mariadb", "postgres"))],
    indirect=True,
)
async def test_hits_are_stored_once_with_the_time_of_a_clock_that_jumps(database_url: str, clock: Clock) -> None:
    """Forwards and backwards, under load. A stop that comes after the jumps is as quick as any.

    Seen to fail on a writer whose patience is measured by the clock of the day, and on a time that is taken once, at
    the start.
    """
    ledger = Ledger()
    with Crumby(database_url, environ=clock.environ(), arguments=["--workers", "2"]) as server:
        async with load(server.port, ledger, 0.01, CLIENTS):
            for ahead in (DAY, NOW, -DAY, 40 * DAY, -timedelta(hours=1), NOW):
                await asyncio.sleep(STAY_S)
                clock.set(ahead)
                await ledger.next_ok(hits=CLIENTS + 1)  # one of them was sent since
            await asyncio.sleep(STAY_S)
        assert server.stop() in {0, -15}
        await judge(database_url, ledger)
    assert set(ledger.outcomes) == {"ok"}
    rows = await dated(database_url)
    assert [hit_id for hit_id, at in rows.items() if not under(clock, hit_id, at)] == []
    assert len({at.date() for at in rows.values()}) >= 4
    assert {at.date() for at in rows.values()} <= await calendar_days(database_url)


def under(clock: Clock, hit_id: bytes, at: datetime) -> bool:
    """Whether the server's clock said so when the hit came: its id begins with the real time, in milliseconds."""
    sent = int.from_bytes(hit_id[:6], "big") / 1000
    return any(
        -0.1 <= at.replace(tzinfo=UTC).timestamp() - ahead.total_seconds() - sent <= STEP_S
        for ahead in clock.between(sent, sent + STEP_S)
    )


async def dated(url: str) -> dict[bytes, datetime]:
    async with connected(url) as connection:
        return {
            row.hit_id: row.datetime
            for table in (visits, events)
            for row in await connection.execute(select(table.c.hit_id, table.c.datetime))
        }


async def calendar_days(url: str) -> set[date]:
    async with connected(url) as connection:
        return {at.date() for at in await connection.scalars(select(calendar.c.datetime))}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(async_url(url))
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


@pytest.mark.long
async def test_a_clock_that_is_set_after_the_start_has_its_days_in_the_calendar(clock: Clock, sqlite_url: str) -> None:
    """A machine without a battery begins long ago, and learns the time when the network is there.

    Seen to fail on a calendar that is looked after by the hour alone.
    """
    clock.set_to(LONG_AGO)
    ledger = Ledger()
    with Crumby(sqlite_url, environ=clock.environ()) as server:
        client = Client(server.port, ledger)
        await client.deliver(new_hit("visit"))
        clock.set(NOW)
        await client.deliver(new_hit("visit"))
        client.disconnect()
        days = {at.date() for at in (await dated(sqlite_url)).values()}
        assert len(days) == 2
        until = time.monotonic() + GLANCE_S
        while not days <= await calendar_days(sqlite_url):
            assert time.monotonic() < until, server.log
            await asyncio.sleep(0.1)
        for day in days:  # all of the days between them would take a server minutes that reads its clock in a file
            assert views_by_day(server, day, day) == {day: 1}


@pytest.mark.parametrize(
    ("day", "changes"),
    [
        pytest.param(date(2026, 3, 29), ("22:30", "23:30", "00:59:59.5", "21:30", "22:30"), id="23 hours"),
        pytest.param(date(2026, 10, 25), ("21:30", "22:30", "00:59:59.5", "22:30", "23:30"), id="25 hours"),
    ],
)
@pytest.mark.long
async def test_visits_are_counted_on_their_day_where_the_clocks_change(
    day: date, changes: tuple[str, ...], clock: Clock, sqlite_url: str
) -> None:
    """Half an hour before and after each midnight of that day in Berlin, and while the hour is skipped or repeated.

    Seen to fail on days that begin where the first one of the report did, and last 24 hours.
    """
    eve, next_day = day - DAY, day + DAY
    moments = zip((eve, eve, day, day, day), changes, strict=True)
    expected: Counter[date] = Counter()
    ledger = Ledger()
    clock.set_to(datetime.combine(eve, datetime.min.time(), UTC))
    with Crumby(sqlite_url, environ=clock.environ(), time_zone="Europe/Berlin") as server:
        client = Client(server.port, ledger)
        for (utc_day, utc_time), local_day in zip(moments, (eve, day, day, day, next_day), strict=True):
            clock.set_to(datetime.fromisoformat(f"{utc_day} {utc_time}+00:00"))
            for _ in range(3):
                await client.deliver(new_hit("visit"))
                expected[local_day] += 1
                await asyncio.sleep(0.3)  # the third one comes when the clocks have changed
        client.disconnect()
        assert views_by_day(server, eve, next_day) == expected
        assert {row["date"] for row in rows(server, "days=2")} == {str(each) for each in (eve, day, next_day)}
        server.stop()
        await judge(sqlite_url, ledger)


def views_by_day(server: Crumby, first: date, last: date) -> Counter[date]:
    counted = {date.fromisoformat(row["date"]): row["views"] for row in rows(server, f"from={first}&to={last}")}
    return Counter({each: views for each, views in counted.items() if views})


def rows(server: Crumby, period: str) -> list[dict[str, Any]]:
    with server.client() as client:
        answer = client.get(f"/api/public/visits?format=records&{period}")
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()
    return listed


def test_people_sign_in_whatever_the_clock_says(clock: Clock) -> None:
    """A session is over while the clock says that it was not used for too long, and goes on when that was wrong.

    One that began while the clock was ahead goes on as well, and nobody is kept out. Seen to fail on sessions of no
    idle limit, and on such as are refused where they have not begun.
    """
    with Crumby(environ=clock.environ()) as server:
        add_user(server)
        early, late = sign_in(server), httpx.Cookies()
        assert allowed(server, early)
        clock.set(-timedelta(seconds=30))
        assert allowed(server, early), "a small step back ends a session"
        for ahead in (DAY, -timedelta(minutes=1), NOW):
            clock.set(ahead)
            assert allowed(server, sign_in(server)), f"kept out with the clock {ahead} ahead"
        assert allowed(server, early)
        clock.set(13 * DAY)
        assert allowed(server, early)
        late = sign_in(server)
        clock.set(26 * DAY)
        assert allowed(server, late)
        clock.set(28 * DAY)  # and 15 since the early one was used
        assert not allowed(server, early)
        clock.set(NOW)
        assert allowed(server, early)
        assert allowed(server, late)
        assert allowed(server, sign_in(server, late))
        assert not allowed(server, late)  # whose browser has another one since
        assert "Traceback" not in server.log


def add_user(server: Crumby) -> None:
    subprocess.run(
        [server.python, "-m", "crumby", "adduser", SIGN_IN["username"]],
        check=True,
        env=server.environment(),
        input=SIGN_IN["password"] + "\n",
        text=True,
        capture_output=True,
    )


def sign_in(server: Crumby, cookies: httpx.Cookies | None = None) -> httpx.Cookies:
    with server.client() as client:
        client.cookies = cookies or httpx.Cookies()
        answer = client.post("/login", data=SIGN_IN)
        assert answer.status_code == 303, answer.text
        return client.cookies


def allowed(server: Crumby, cookies: httpx.Cookies) -> bool:
    with server.client() as client:
        client.cookies = cookies
        status = client.get("/api/private/events").status_code
    assert status in {200, 401}, status
    return status == 200
