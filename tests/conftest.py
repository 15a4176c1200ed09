"""What every test may ask for: databases, settings, a client of the app, a place database and a browser.

The servers are started by the first test that needs them and serve the whole session; each test gets a
database of its own. `database_url`, and so `client`, runs a test three times: on SQLite, MariaDB and
PostgreSQL. A test that has no interest in the other two says so:

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""

import functools
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from playwright.async_api import Browser, Page, async_playwright, expect

from crumby import rollups
from crumby.app import create_app
from crumby.settings import Settings, load_settings
from tests import servers
from tests.clickhouse import ClickHouse

MakeSettings = Callable[..., Settings]


# What many tests share lives in the loop that it was made in, and so do the tests that ask for it; all others have a
# loop of their own.
SHARED = {"chromium": "session", "module_url": "module", "running": "module"}


def pytest_configure() -> None:
    """Hear Ctrl-C: what a shell starts in the background does not, and neither does any program that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, scope in SHARED.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.asyncio(loop_scope=scope), append=False)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[servers.MariaDB]:
    with servers.MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    with servers.Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouse]:
    with ClickHouse() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'crumby.db'}"


@pytest.fixture(params=["sqlite", "mariadb", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of an empty database, on each of the three in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: servers.DatabaseServer = request.getfixturevalue(request.param)
    url = server.database()
    yield url
    server.drop(url)


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Let a report wait for the hits before it however busy the machine is; Crumby itself has less patience."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(rollups, "PATIENCE_S", servers.READY_S)
        yield


@pytest.fixture
def settings(tmp_path: Path) -> MakeSettings:
    """Make settings from lower-case keys and text: `settings(proxy_count="1")`. Paths are in `tmp_path`."""
    return functools.partial(settings_in, tmp_path)


def settings_in(folder: Path, **keys: str) -> Settings:
    defaults = {
        "sqlalchemy_database_uri": f"sqlite:///{folder / 'crumby.db'}",
        "geoip2_database_name": str(folder / "GeoLite2-City.mmdb"),
        "secret_key": "a secret of the tests, long enough to be taken",
        "spool": str(folder / "spool.db"),
        "bots": "off",  # most tests send as programs do; `client` below is a browser
    }
    return load_settings({f"CRUMBY_{key.upper()}": value for key, value in (defaults | keys).items()})


@pytest.fixture
async def client(database_url: str, settings: MakeSettings, mmdb: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a running app that stores in `database_url` and knows the places of `mmdb`."""
    made = settings(sqlalchemy_database_uri=database_url, geoip2_database_name=str(mmdb), bots="standard")
    app = create_app(made)
    async with servers.alive(app) as running:
        transport = httpx.ASGITransport(running.app, client=("81.2.69.160", 50_000))
        headers = servers.BROWSER
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=headers) as http:
            yield http


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    executable = servers.require("chromium")
    expect.set_options(timeout=servers.READY_S * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            args=list(servers.CHROMIUM),
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """Give a page of a fresh profile: no cookies, no storage, no cache."""
    context = await chromium.new_context()
    yield await context.new_page()
    await context.close()


def place(
    continent: str,
    country: str,
    *subdivisions: str,
    city: str = "",
    at: tuple[float, float],
    radius_km: int,
    zone: str,
) -> dict[str, Any]:
    """Write a City record as MaxMind does, which leaves out what it does not know."""
    record: dict[str, Any] = {
        "continent": {"code": continent, "names": {"en": CONTINENTS[continent]}},
        "country": {"iso_code": country, "names": {"en": COUNTRIES[country]}},
        "location": {"latitude": at[0], "longitude": at[1], "accuracy_radius": radius_km, "time_zone": zone},
    }
    if subdivisions:
        record["subdivisions"] = [{"names": {"en": name}} for name in subdivisions]
    if city:
        record["city"] = {"names": {"en": city}}
    return record


CONTINENTS = {"AS": "Asia", "EU": "Europe", "NA": "North America"}
COUNTRIES = {"GB": "United Kingdom", "JP": "Japan", "SE": "Sweden", "US": "United States"}
LONDON = place("EU", "GB", "England", city="London", at=(51.5142, -0.0931), radius_km=10, zone="Europe/London")
LINKOPING = place(
    "EU",
    "SE",
    "Östergötland County",
    city="Linköping",
    at=(58.4167, 15.6167),
    radius_km=76,
    zone="Europe/Stockholm",
)
MILTON = place(
    "NA", "US", "Washington", city="Milton", at=(47.2513, -122.3149), radius_km=22, zone="America/Los_Angeles"
)
JAPAN = place("AS", "JP", at=(35.6854, 139.7531), radius_km=100, zone="Asia/Tokyo")

PLACES = {
    "81.2.69.0/24": LONDON,
    "89.160.20.0/24": LINKOPING,
    "216.160.83.0/24": MILTON,
    "2001:218::/32": JAPAN,
}


@pytest.fixture(scope="session")
def mmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a City database with the four networks of PLACES."""
    path = tmp_path_factory.mktemp("mmdb") / "GeoLite2-City.mmdb"
    write_mmdb(path, PLACES)
    return path


def write_mmdb(path: Path, places: dict[str, Any], kind: str = "GeoLite2-City") -> None:
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind, languages=["en"])
    for network, record in places.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
