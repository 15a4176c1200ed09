"""Each macro, on each database: what it makes of the crumbs is what a reader counts by hand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.reporting.crumbs import VISITS
from tests.reporting.site import Site

MARCH = {"from": "2026-03-27", "to": "2026-03-31"}
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]
WHEN = [datetime.fromisoformat(visit[0]).replace(tzinfo=UTC) for visit in VISITS]


async def column(site: Site, macro: str, **parameters: str) -> list[object]:
    """Answer what the macro makes of each visit of the days, in their order."""
    sql = f'select {{{{ {macro} }}}} as made from visits where {{{{ period("datetime") }}}} order by datetime, id'
    response = await site.answer(sql, **(MARCH | parameters))
    assert response.status_code == 200, response.text
    return [row[0] for row in response.json()["data"]]


def local(zone: str) -> list[datetime]:
    """Give the visits' times on that zone's clocks, those of the days."""
    times = [when.astimezone(ZoneInfo(zone)) for when in WHEN]
    return [at for at in times if "2026-03-27" <= at.date().isoformat() <= "2026-03-31"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("macro", "form"),
    [
        ('minute("datetime")', "%Y-%m-%dT%H:%M"),
        ('month("datetime")', "%Y-%m"),
        ('day("datetime")', "%Y-%m-%d"),
    ],
)
async def test_an_instant_is_written_in_the_zone(site: Site, zone: str, macro: str, form: str) -> None:
    assert await column(site, macro, tz=zone) == [at.strftime(form) for at in local(zone)]


@pytest.mark.parametrize("zone", ZONES)
async def test_hours_and_weekdays_are_the_zones(site: Site, zone: str) -> None:
    assert await column(site, 'hour("datetime")', tz=zone) == [at.hour for at in local(zone)]
    assert await column(site, 'weekday("datetime")', tz=zone) == [at.isoweekday() for at in local(zone)]


async def test_a_week_begins_on_monday(site: Site) -> None:
    weeks = await column(site, 'week("datetime")', tz="Europe/Berlin")
    # The 29th is a Sunday: its last visit, at 23:30 UTC, is of Monday in Berlin's summer time.
    assert weeks == ["2026-03-23"] * 8 + ["2026-03-30"] * 7


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ("hour", ["2026-03-27T00:00", "2026-03-27T01:00", "2026-03-27T11:00"]),  # the clocks are an hour ahead
        ("day", ["2026-03-27", "2026-03-28", "2026-03-29"]),
        ("week", ["2026-03-23", "2026-03-30"]),
        ("month", ["2026-03"]),
    ],
)
async def test_a_bucket_is_what_the_request_asks_for(site: Site, interval: str, expected: list[str]) -> None:
    buckets = await column(site, 'bucket("datetime")', tz="Europe/Berlin", interval=interval)
    assert list(dict.fromkeys(buckets))[:3] == expected


async def test_a_bucket_suits_the_period_by_itself(site: Site) -> None:
    day = {"from": "2026-03-27", "to": "2026-03-27"}
    hours = await column(site, 'bucket("datetime")', **day)
    assert hours == ["2026-03-27T00:00", "2026-03-27T10:00", "2026-03-27T11:00"]
    year = {"from": "2026-01-01", "to": "2026-12-31"}
    assert set(await column(site, 'bucket("datetime")', **year)) == {"2026-03", "2026-04"}


async def test_seconds_are_those_since_1970(site: Site) -> None:
    expected = [int(when.timestamp()) for when in WHEN if when.month == 3 and when.day >= 27]
    assert await column(site, 'seconds("datetime")') == expected
    assert await column(site, 'seconds("datetime")', tz="UTC") == expected


async def test_seconds_are_an_instant_again(site: Site) -> None:
    """Planted: an instant without its microseconds, which SQLite finds before the period that begins with it."""
    back = await column(site, 'minute(instant(seconds("datetime")))')
    assert back == await column(site, 'minute("datetime")')
    midnight = int(datetime(2026, 3, 27, tzinfo=UTC).timestamp())
    sql = f"select case when {{{{ period(instant('{midnight}')) }}}} then 1 end as within"
    assert (await site.answer(sql, **{"from": "2026-03-27", "tz": "UTC"})).json()["data"] == [[1]]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://www.Example.com/a?b=c", "www.example.com"),
        ("http://example.com:8080", "example.com"),
        ("HTTPS://example.com?q=/", "example.com"),
        ("example.com#top", "example.com"),
        ("android-app://com.example/", "android-app"),
        ("", ""),
        ("/a", ""),
    ],
)
async def test_the_host_of_an_address(site: Site, address: str, host: str) -> None:
    sql = "-- parameter it: text\nselect {{ host('it') }} as host from (select {{ concat(':it', \"''\") }} as it) own"
    assert (await site.answer(sql, it=address)).json()["data"] == [[host]]


async def test_nulls_are_below_every_value_on_each_database(site: Site) -> None:
    sql = (
        "-- column title: text\n-- column views: count\n"
        'select doc_title as title, count(*) as views from visits where {{ period("datetime") }}\n'
        'group by doc_title {{ order_by("views desc, title") }} {{ limit() }}'
    )
    usual = [row[0] for row in (await site.answer(sql, **MARCH)).json()["data"]]
    assert usual == ["A", "Crumbs 🥐", "Draft", None, "Home", "", "home"]
    by_title = [row[0] for row in (await site.answer(sql, **MARCH, sort="title")).json()["data"]]
    assert by_title == [None, "", "A", "Crumbs 🥐", "Draft", "Home", "home"]
    falling = [row[0] for row in (await site.answer(sql, **MARCH, sort="-title")).json()["data"]]
    assert falling == by_title[::-1]
    assert (await site.answer(sql, **MARCH, sort="views,-title")).json()["data"][:2] == [["home", 1], ["", 1]]
    some = (await site.answer(sql, **MARCH, sort="title", limit="2", offset="1")).json()["data"]
    assert [row[0] for row in some] == ["", "A"]
    rest = (await site.answer(sql, **MARCH, sort="title", offset="6")).json()["data"]
    assert [row[0] for row in rest] == ["home"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sort": "nope"}, "sort: 'nope' is not one of title, views"),
        ({"sort": "-"}, "sort: '' is not one of title, views"),
        ({"limit": "0"}, "limit: '0' is not a whole number from 1 up"),
        ({"limit": "-1"}, "limit: '-1' is not a whole number from 1 up"),
        ({"offset": "x"}, "offset: 'x' is not a whole number from 0 up"),
        ({"interval": "day"}, "'interval' is no parameter of queries/public/own.sql"),
        ({"country": "SE"}, "'country' is no parameter of queries/public/own.sql"),
        ({"period": "next_week"}, "period: 'next_week' is not one of today"),
        ({"period": "today", "days": "3"}, "give either period or days, not both"),
        ({"compare": "us"}, "compare: 'us' is not one of previous, year, weekday"),
    ],
)
async def test_what_does_not_fit_is_named(site: Site, parameters: dict[str, str], message: str) -> None:
    header = "-- column title: text\n-- column views: count\n"
    sql = header + 'select 1 as title, 2 as views {{ order_by("1") }} {{ limit() }}'
    response = await site.answer(sql, **parameters)
    assert response.status_code == 422
    assert message in response.json()["detail"]


async def test_a_parameter_that_is_given_twice_is_named(site: Site) -> None:
    with site.query("select 1 as one") as address:
        response = await site.guest.get(f"{address}?days=1&days=2")
    assert response.status_code == 422
    assert response.json()["detail"] == "days is given twice; only filters may be"


async def test_a_file_may_have_a_parameter_of_a_dimensions_name(site: Site) -> None:
    sql = (
        "-- parameter country: text = SE\n"
        "select count(*) as views from visits"
        ' where country <> :country and {{ period("datetime") }} and {{ filters() }}'
    )
    assert (await site.answer(sql, **MARCH)).json()["data"] == [[9]]  # of Great Britain or Japan
    assert (await site.answer(sql, **MARCH, country="GB")).json()["data"] == [[5]]
    assert (await site.answer(sql, **MARCH, country="GB", platform="macos")).json()["data"] == [[2]]


async def test_only_people_who_signed_in_filter_by_what_is_private(site: Site) -> None:
    sql = 'select count(*) as views from visits where {{ period("datetime") }} and {{ filters() }}'
    with site.query(sql) as address:
        assert (await site.guest.get(address, params={**MARCH, "city": "London"})).status_code == 401
        assert (await site.guest.get(address, params={**MARCH, "country": "GB"})).json()["data"] == [[6]]
        assert (await site.member.get(address, params={**MARCH, "city": "London"})).json()["data"] == [[6]]


@pytest.mark.parametrize(
    ("asked", "views"),
    [
        ("platform=windows", 5),
        ("platform=!windows", 10),  # who tells no platform is not on Windows
        ("platform=", 1),
        ("platform=!", 14),
        ("platform=~WIN", 5),
        ("platform=~i", 11),  # windows, iphone, linux
        ("platform=!~i", 4),
        ("platform=windows&platform=macos", 8),
        ("platform=windows&platform=~MAC", 8),
        ("platform=!windows&platform=!macos", 7),
        ("platform=~n&platform=!linux", 8),
        ("platform=windows&country=SE", 0),
        ("platform=macos&country=SE", 2),
        ("region=~Ö", 2),
        ("platform=%27%20or%201%3D1%20--", 0),
    ],
)
async def test_a_filter_leaves_what_a_reader_counts(site: Site, asked: str, views: int) -> None:
    sql = 'select count(*) as views from visits v where {{ period("v.datetime") }} and {{ filters("v") }}'
    with site.query(sql) as own:
        response = await site.guest.get(f"{own}?from=2026-03-27&to=2026-03-31&{asked}")
    assert response.json().get("data") == [[views]], response.text


async def test_recent_rows_are_those_before_now(site: Site) -> None:
    sql = 'select count(*) as views from visits where {{ recent("datetime", MINUTES) }}'
    century = await site.answer(sql.replace("MINUTES", str(60 * 24 * 36_500)))
    assert century.json()["data"] == [[len(VISITS)]]
    since_april = int((datetime.now(UTC) - datetime(2026, 4, 1, tzinfo=UTC)).total_seconds() // 60)
    assert (await site.answer(sql.replace("MINUTES", str(since_april + 1)))).json()["data"] == [[2]]
    assert (await site.answer(sql.replace("MINUTES", "30"))).json()["data"] == [[0]]
