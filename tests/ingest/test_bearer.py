"""Hits of a server that has a token: it says whose they are and when they happened, and may send many at once."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from crumby.app import create_app
from crumby.database import Database
from crumby.ingest.hit import BEARER
from crumby.tables import events, visits
from crumby.tokens import Tokens
from tests.conftest import MakeSettings
from tests.servers import alive

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
OURS = "203.0.113.9"  # the server's own address


@dataclass(frozen=True)
class Sender:
    http: httpx.AsyncClient
    database: Database
    tokens: Tokens

    async def send(self, what: Any, secret: str | None = None, **headers: str) -> httpx.Response:
        if secret is not None:
            headers["Authorization"] = f"Bearer {secret}"
        return await self.http.post("/hit", content=json.dumps(what), headers={"User-Agent": "curl/8"} | headers)

    async def rows(self, *names: str) -> list[tuple[Any, ...]]:
        async with self.database.engine.connect() as connection:
            asked = select(*(visits.c[name] for name in names)).order_by(visits.c.id)
            return [tuple(row) for row in await connection.execute(asked)]


@pytest.fixture
async def sender(database_url: str, settings: MakeSettings, mmdb: Path) -> AsyncIterator[Sender]:
    app = create_app(settings(sqlalchemy_database_uri=database_url, geoip2_database_name=str(mmdb)))
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app, client=(OURS, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            state: Any = running._state
            yield Sender(http, state["database"], state["tokens"])


async def test_a_hit_is_of_whom_its_sender_says(sender: Sender) -> None:
    """Each document of its own; what it does not say is the request's. Seen to fail where the first one's is all's."""
    secret = await sender.tokens.add("shop", "ingest", None, "ann")
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    told = [
        {"t": "visit", "dl": "https://a.example/1", "ip": "81.2.69.160", "ua": firefox, "at": at.isoformat()},
        {"t": "visit", "dl": "https://a.example/2", "ip": "89.160.20.112", "cid": "42"},
        {"t": "visit", "dl": "https://a.example/3", "at": round(at.timestamp() * 1000)},
        {
            "t": "event",
            "dl": "https://a.example/3",
            "en": "paid",
            "ep": {"amount": 5},
            "ip": "81.2.69.160",
            "ua": firefox,
        },
    ]
    answer = await sender.send(told, secret)
    assert answer.status_code == 204, answer.text
    rows = await sender.rows("page", "ip", "country", "browser", "cid", "datetime")
    cids = [row[4] for row in rows]
    assert [row[:4] for row in sorted(rows)] == [
        ("/1", "81.2.69.160", "GB", "firefox"),
        ("/2", "89.160.20.112", "SE", "curl"),
        ("/3", OURS, None, "curl"),
    ]
    assert len(set(cids)) == 3
    assert {row[0]: row[5] for row in rows if row[0] != "/2"} == dict.fromkeys(("/1", "/3"), at.replace(tzinfo=None))
    async with sender.database.engine.connect() as connection:
        event = (await connection.execute(select(events.c.properties, events.c.ip, events.c.cid))).one()
    assert event[:2] == ('{"amount":5}', "81.2.69.160")
    assert event[2] not in cids  # it is of today, and the visit of another day


@ONLY_SQLITE
@pytest.mark.parametrize("key", ["ip", "ua", "at"])
async def test_without_a_token_nobody_says_whose_a_hit_is(sender: Sender, key: str) -> None:
    hit = {"id": f"{1:032x}", "t": "visit", "dl": "https://a.example/", key: 0 if key == "at" else "81.2.69.160"}
    answer = await sender.send(hit)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["x-crumby"].startswith(f"unauthorized: {key} is for who sends a token")
    assert await sender.rows("id") == []


@ONLY_SQLITE
async def test_a_token_that_does_not_fit_lets_no_hit_in(sender: Sender) -> None:
    """Not even one that needs none: the sender shall notice. Seen to fail where it is passed over."""
    over = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)
    refused = {
        "unknown": "crumby_" + "x" * 43,
        "none": "",
        "of another scope": await sender.tokens.add("reader", "read", None, "ann"),
        "over": await sender.tokens.add("old", "ingest", over, "ann"),
    }
    hit = {"id": f"{1:032x}", "t": "visit", "dl": "https://a.example/"}
    for secret in refused.values():
        for answer in (
            await sender.send(hit, secret),
            await sender.http.get("/hit?dl=https%3A%2F%2Fa.example", headers={"Authorization": f"bearer {secret}"}),
        ):
            assert answer.status_code == 401
            assert answer.json()["error"] == "InvalidToken"
            assert answer.headers["x-crumby"].startswith("unauthorized: the token in `Authorization`")
    assert await sender.rows("id") == []
    assert (await sender.send(hit, Authorization="Basic eDp5")).status_code == 204  # a proxy's password


@ONLY_SQLITE
async def test_a_token_lets_many_hits_in_at_once(sender: Sender) -> None:
    """Seen to fail with the bounds of a browser."""
    secret = await sender.tokens.add("shop", "ingest", None, "ann")
    many = [{"t": "visit", "dl": f"https://a.example/{n}", "dt": "x" * 950} for n in range(BEARER.hits)]
    assert len(json.dumps(many)) > 1_000_000
    assert (await sender.send(many, secret)).status_code == 204
    assert (await sender.rows("id"))[-1] == (BEARER.hits,)
    assert (await sender.send(many)).status_code == 413
    one_more = await sender.send([{"t": "visit", "dl": "https://a.example/"}] * (BEARER.hits + 1), secret)
    assert (one_more.status_code, one_more.json()["detail"]) == (400, "an array holds 1 to 1000 hits, not 1001")
    assert (await sender.send("x" * BEARER.body, secret)).status_code == 413


@ONLY_SQLITE
async def test_the_image_takes_a_token_as_well(sender: Sender) -> None:
    secret = await sender.tokens.add("mail", "ingest", None, "ann")
    asked = "/hit?dl=https%3A%2F%2Fa.example%2F&ip=81.2.69.160&ua=x&at=2026-01-31T12%3A00%3A00Z"
    answer = await sender.http.get(asked, headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, len(answer.content)) == (200, 43)
    assert await sender.rows("ip", "datetime") == [("81.2.69.160", datetime(2026, 1, 31, 12))]  # noqa: DTZ001
    assert (await sender.http.get(asked)).status_code == 401


@ONLY_SQLITE
async def test_an_unknown_token_is_not_worth_a_long_body(sender: Sender) -> None:
    """It is refused before the body is read. Seen to fail where a megabyte is read for anybody."""
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1 << 14
            yield b" " * (1 << 14)

    answer = await sender.http.post("/hit", content=body(), headers={"Authorization": "Bearer crumby_" + "x" * 43})
    assert answer.status_code == 401
    assert read <= 1 << 16
