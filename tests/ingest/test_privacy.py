"""What is kept of a visitor, by the settings: their address, their place, who they are; and who is not counted.

The files of a real server are searched by tests/faults/test_addresses.py.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from crumby.app import create_app
from crumby.database import Database, open_database
from crumby.ingest.addresses import stored_address
from crumby.ingest.client import Client, normalised
from crumby.ingest.geo import NOWHERE, Place
from crumby.ingest.hit import Hit
from crumby.ingest.privacy import KEPT, LEAST_KM
from crumby.ingest.visitor import Salts, Visitors
from crumby.migrations import migrate
from crumby.settings import shipped
from crumby.tables import events, refusals, salts, strays, visitors, visits
from tests.conftest import MakeSettings
from tests.servers import BROWSER, alive

LONDON = "81.2.69.160"
SITE = "https://a.example"
UTC_DAY = datetime.now(UTC).date()
TODAY = f"from={UTC_DAY - timedelta(days=1)}&to={UTC_DAY + timedelta(days=1)}"


@dataclass(frozen=True)
class Sender:
    """One browser in London, or a server with a token."""

    http: httpx.AsyncClient
    state: dict[str, Any]
    tokens: dict[str, str]

    @property
    def database(self) -> Database:
        database: Database = self.state["database"]
        return database

    async def v1(self, page: str, cid: str, **headers: str) -> httpx.Response:
        query = {"v": "1", "t": "visit", "cid": cid, "dl": f"{SITE}{page}"}
        return await self.http.get(f"/{abs(hash(page))}.gif", params=query, headers=headers)

    async def v2(self, page: str, number: int, cid: str = "", **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        hit = {"id": f"{number:032x}", "t": "visit", "dl": f"{SITE}{page}", "cid": cid, **more}
        return await self.http.post("/hit", content=json.dumps(hit), headers=headers)

    async def image(self, page: str, **headers: str) -> httpx.Response:
        return await self.http.get("/hit", params={"dl": f"{SITE}{page}", "cid": "image"}, headers=headers)

    async def bearer(self, *told: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.http.post("/hit", content=json.dumps(told), headers=headers | self._authorized("ingest"))

    def _authorized(self, scope: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[scope]}"}

    async def rows(self, table: Any, *names: str) -> list[tuple[Any, ...]]:
        async with self.database.engine.connect() as connection:
            asked = select(*(table.c[name] for name in names)).order_by(table.c.id)
            return [tuple(row) for row in await connection.execute(asked)]

    async def count(self, table: Any) -> int:
        async with self.database.engine.connect() as connection:
            return int(await connection.scalar(select(func.count()).select_from(table)) or 0)

    async def report(self, name: str) -> list[list[Any]]:
        answer = await self.http.get(f"/api/{name}", headers=self._authorized("read"))
        assert answer.status_code == 200, f"{name}: {answer.text}"
        data: list[list[Any]] = answer.json()["data"]
        return data


@asynccontextmanager
async def sending(settings: MakeSettings, mmdb: Path, **keys: str) -> AsyncIterator[Sender]:
    app = create_app(settings(geoip2_database_name=str(mmdb), **keys))
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app, client=(LONDON, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=BROWSER) as http:
            tokens = {
                scope: await running._state["tokens"].add(scope, scope, None, "ann") for scope in ("read", "ingest")
            }
            yield Sender(http, running._state, tokens)


def statuses(answers: Sequence[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


# Addresses and places


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("81.2.69.160", "81.2.69.0"),
        ("127.0.0.1", "127.0.0.0"),
        ("::ffff:81.2.69.160", "81.2.69.0"),
        ("[2001:DB8:1:2::3]:443", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("2002:5102:45a0:1::7", "2002:5102:4500::"),  # 81.2.69.160, through a tunnel
        ("64:ff9b::5102:45a0", "64:ff9b::"),
        ("unknown", None),
        ("", None),
    ],
)
def test_a_masked_address_is_shared_by_many(address: str, kept: str | None) -> None:
    """Seen to fail where a tunnel's address is masked as any other, which leaves all of the address of IPv4 in it."""
    found = normalised(address)
    assert stored_address(found, "masked") == kept
    assert stored_address(found, "none") is None
    assert stored_address(found, "full") == found


def test_a_place_that_is_masked_is_as_fine_as_a_city_and_no_finer() -> None:
    """Seen to fail where the radius stays, and where what is not known becomes 0."""
    exact = Place("EU", "GB", "England", None, "London", 51.5142, -0.0931, 2, "Europe/London")
    masked, none = KEPT["masked"].place(exact), KEPT["none"].place(exact)
    assert (masked.latitude, masked.longitude, masked.accuracy_radius) == (51.5, -0.1, LEAST_KM)
    assert (none.latitude, none.longitude, none.accuracy_radius) == (None, None, None)
    for place in (masked, none):
        assert (place.continent, place.country, place.subdivision_1) == ("EU", "GB", "England")
        assert (place.city, place.time_zone) == ("London", "Europe/London")
    assert KEPT["masked"].place(Place(latitude=0.0, accuracy_radius=500)).accuracy_radius == 500
    assert [kept.place(NOWHERE) for kept in KEPT.values()] == [NOWHERE] * 3
    assert KEPT["full"].place(exact) == exact


async def test_what_is_masked_was_located_by_the_whole_address(settings: MakeSettings, mmdb: Path) -> None:
    """Over each wire, and of whom a server tells. Seen to fail where a batch is masked before it is located."""
    linkoping = {"t": "visit", "dl": f"{SITE}/told", "ip": "89.160.20.112", "ua": "Firefox", "cid": "told"}
    async with sending(settings, mmdb, ip_storage="masked") as sender:
        answers = [await sender.v1("/1", "1"), await sender.v2("/2", 2), await sender.image("/3")]
        answers += [await sender.v2("/e", 4, t="event", en="order"), await sender.bearer(linkoping)]
        assert statuses(answers) == [200, 204, 200, 204, 204]
        rows = await sender.rows(visits, "ip", "city", "latitude", "longitude", "accuracy_radius")
        assert rows == [("81.2.69.0", "London", 51.5, -0.1, 10)] * 3 + [("89.160.20.0", "Linköping", 58.4, 15.6, 76)]
        assert await sender.rows(events, "ip") == [("81.2.69.0",)]


# Who it is


async def test_by_the_day_s_name_alone_nobody_s_own_number_is_kept(settings: MakeSettings, mmdb: Path) -> None:
    """A browser is one visitor, whatever it brings; so is whom a server tells of. Seen to fail with a cookie's way."""
    ann = {"t": "visit", "dl": f"{SITE}/4", "ip": LONDON, "ua": BROWSER["User-Agent"], "cid": "ann"}
    bob = {"t": "visit", "dl": f"{SITE}/5", "ip": "89.160.20.112", "ua": "Firefox", "cid": "ann"}
    async with sending(settings, mmdb, visitor_id="daily") as sender:
        answers = [await sender.v1("/1", "1873402711"), await sender.v1("/1a", "null"), await sender.v2("/2", 2, "42")]
        answers += [
            await sender.image("/3"),
            await sender.bearer(ann, bob),
            await sender.v2("/e", 9, "7", t="event", en="a"),
        ]
        assert max(statuses(answers)) < 300
        cids = [cid for (cid,) in await sender.rows(visits, "cid")]
        assert len({len(cid) for cid in cids}) == 1
        assert len(cids[0]) == 32
        assert [cid == cids[0] for cid in cids] == [True] * 5 + [False]
        assert await sender.rows(events, "cid") == [(cids[0],)]
        assert await sender.count(visitors) == 2
        assert (await sender.report("public/summary"))[0][:3] == [2, 2, 6]


async def test_a_name_of_the_day_survives_midnight_and_its_key_does_not_last(
    database_url: str, settings: MakeSettings
) -> None:
    """The session goes on under it, and the next noon has another. Seen to fail without the memory of midnight."""
    clock = [datetime(2026, 11, 22, 23, 50)]  # noqa: DTZ001
    client = Client(LONDON, "Firefox", None, None)

    async def name(at: datetime, named: Visitors, worker: Salts) -> str:
        clock[0] = at
        await worker.look()
        (hit,) = named.named([Hit("visit", bytes(16), "brought", at, f"{SITE}/", None)], [client])
        return hit.cid

    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        await migrate(database.engine)
        worker = Salts(database.engine, lambda: clock[0])
        named = Visitors(worker, "daily")
        late = clock[0]
        before = await name(late, named, worker)
        assert await name(late + timedelta(minutes=20), named, worker) == before
        assert await name(late + timedelta(hours=12), named, worker) != before
        assert await name(late + timedelta(hours=23, minutes=10), named, worker) != before
        async with database.engine.connect() as connection:
            assert [day for (day,) in await connection.execute(select(salts.c.day).order_by(salts.c.day))] == [
                "2026-11-23",
                "2026-11-24",
            ]


async def test_where_nobody_is_known_again_views_count_and_every_report_answers(
    database_url: str, settings: MakeSettings, mmdb: Path
) -> None:
    """No identifier in any table. Seen to fail with an empty text for the cid, which is one visitor."""
    keys = {"sqlalchemy_database_uri": database_url, "visitor_id": "none", "ip_storage": "none"}
    told = {"t": "visit", "dl": f"{SITE}/4", "ip": "89.160.20.112", "ua": "Firefox", "cid": "told"}
    async with sending(settings, mmdb, **keys) as sender:
        answers = [await sender.v1("/1", "1873402711"), await sender.v2("/2", 2, "42"), await sender.v2("/2", 3)]
        answers += [await sender.image("/3"), await sender.bearer(told, told | {"t": "event", "en": "sold", "ev": "1"})]
        answers += [await sender.v2("/e", 5, "42", t="event", en="sold", ev="1")]
        answers += [await sender.v2("/2", 2, "42", t="engagement", es=30, sp=90)]
        assert max(statuses(answers)) < 300
        nobody = (None, None, None, None, None, None)
        found = await sender.rows(visits, "cid", "ip", "session", "latitude", "prev", "first")
        assert found == [nobody] * 5
        assert await sender.rows(events, "cid", "ip", "session") == [nobody[:3]] * 2
        assert (await sender.count(visitors), await sender.count(strays)) == (0, 0)
        assert [await sender.v2("/2", 2, "42")]  # sent again
        assert await sender.count(visits) == 5
        answered = {name: await sender.report(f"{name}?{TODAY}") for name in reports(database_url)}
    assert answered["public/summary"] == [[0, 0, 5, None, None, None]]
    assert [row[1:] for row in answered["public/visits"] if row[2]] == [[0, 5]]
    assert answered["public/pages"][0][0] == "/2"
    assert {row[2]: row[3:] for row in answered["private/locations"]} == {"GB": [0, 0, 0, 4], "SE": [0, 0, 0, 1]}
    assert [row[-1] for row in answered["private/events"]] == [2]
    assert answered["private/goals"] == [["sold", 0, 2, None]]


def reports(database_url: str) -> list[str]:
    """All that are shipped, and on a server those that look at the cid themselves."""
    shipped_ones = [f"{path.parent.name}/{path.stem}" for path in shipped("queries").glob("p*/*.sql")]
    looking = "public/summary public/visits public/pages private/locations private/events private/goals private/funnel"
    return shipped_ones if database_url.startswith("sqlite") else looking.split()


# Who is not counted


SIGNALS = [({"Sec-GPC": "1"}, "gpc"), ({"DNT": "1"}, "dnt"), ({"Sec-GPC": "1", "DNT": "1"}, "gpc")]


async def test_who_asks_not_to_be_counted_leaves_no_row(settings: MakeSettings, mmdb: Path) -> None:
    """By either signal, over each wire, with the reason told. Seen to fail where BOTS = off lets them in."""
    async with sending(settings, mmdb, bots="off") as sender:
        for headers, reason in SIGNALS:
            refused = [await sender.v1("/1", "1", **headers), await sender.v2("/2", 2, headers=headers)]
            refused += [await sender.image("/3", **headers)]
            array = [{"id": f"{n:032x}", "t": "visit", "dl": f"{SITE}/{n}"} for n in range(2)]
            refused += [await sender.http.post("/hit", json=array, headers=headers)]
            assert statuses(refused) == [403] * 4
            assert {answer.headers["X-Crumby"].partition(":")[0] for answer in refused} == {reason}
        assert await sender.count(visits) == 0
        for odd in ("0", "", "true", "11"):
            assert (
                await sender.v2("/on", int(f"9{len(odd)}"), headers={"Sec-GPC": odd, "DNT": odd})
            ).status_code == 204
        await sender.state["refusals"].write()
        async with sender.database.engine.connect() as connection:
            counted = dict(
                (
                    await connection.execute(select(refusals.c.reason, func.sum(refusals.c.hits)).group_by(text("1")))
                ).all()
            )
        assert counted == {"gpc": 10, "dnt": 5}
        assert sorted(await sender.report(f"private/refused?{TODAY}")) == [["dnt", 5], ["gpc", 10]]


async def test_a_server_s_own_headers_say_nothing_of_its_visitors(settings: MakeSettings, mmdb: Path) -> None:
    """Seen to fail where the signals are looked at before the token is."""
    told = {"t": "visit", "dl": f"{SITE}/", "ip": "89.160.20.112", "ua": "Firefox"}
    async with sending(settings, mmdb) as sender:
        assert (await sender.bearer(told, DNT="1", **{"Sec-GPC": "1"})).status_code == 204
        assert await sender.count(visits) == 1


@pytest.mark.parametrize(("heeded", "expected"), [("off", [204, 204]), ("gpc", [403, 204]), ("dnt", [204, 403])])
async def test_signals_are_heeded_as_they_are_named(
    settings: MakeSettings, mmdb: Path, heeded: str, expected: list[int]
) -> None:
    """By the server, and by the script that it serves. Seen to fail where both are heeded whatever is named."""
    async with sending(settings, mmdb, privacy_signals=heeded) as sender:
        answers = [await sender.v2("/", number, headers=SIGNALS[number][0]) for number in (0, 1)]
        assert statuses(answers) == expected
        script = (await sender.http.get("/cmb.js?options")).text + (await sender.http.get("/opt-out.js")).text
        words = ("globalPrivacyControl|", "doNotTrack|")
        looked_at = [script.replace("||", "").count(word) for word in words]
        assert [bool(count) for count in looked_at] == [status == 403 for status in expected]
