"""An archive: what of the database is in it, and what of an archive comes into a database again."""

import hashlib
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from crumby.exporting import reading
from crumby.exporting.manifest import FORMATS, Format
from crumby.exporting.pruned import Pruned
from crumby.importing.importer import Importer
from crumby.importing.input import Input
from crumby.importing.source import ImportRefused, Wanted, recognised
from crumby.ingest.store import SqliteStore
from crumby.tables import imports, refusals, totals, visits
from crumby.tables import pruned as horizons
from tests.exporting.awkward import act, row
from tests.exporting.homes import TABLES, Home, home_of, whole

AT = datetime(2026, 3, 28, 23, 30)  # noqa: DTZ001 - UTC; in Berlin it is the 29th
Rewrite = Callable[[dict[str, bytes]], None]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with home_of(f"sqlite:///{tmp_path / 'home.db'}", tmp_path / "home") as opened:
        yield opened


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Home]:
    async with home_of(f"sqlite:///{tmp_path / 'empty.db'}", tmp_path / "empty") as opened:
        yield opened


async def stored(home: Home, *rows: Any) -> None:
    assert home.database.sqlite_path
    store = SqliteStore(home.database.sqlite_path)
    try:
        await store.insert(
            [each for each in rows if hasattr(each, "seq")], [each for each in rows if not hasattr(each, "seq")]
        )
    finally:
        await store.close()


async def some(home: Home) -> None:
    """Two sites, three visitors and nobody, on the days before and after midnight in Berlin."""
    await stored(
        home,
        row(1, cid="ann", ip="203.0.113.7", datetime=AT - timedelta(days=2), site="a.example"),
        row(2, cid="bob", ip="203.0.113.7", datetime=AT - timedelta(hours=1), site="a.example"),
        row(3, cid="bob", ip="203.0.113.8", datetime=AT, site="b.example"),
        row(4, cid="cleo", ip="203.0.113.9", datetime=AT + timedelta(hours=1), site="a.example"),
        row(5, cid=None, ip="203.0.113.10", datetime=AT + timedelta(days=3), site="b.example"),
        act(6, cid="cleo", ip="203.0.113.9", datetime=AT + timedelta(hours=2), site="a.example", name="buy"),
    )
    async with home.database.engine.begin() as connection:
        await connection.execute(insert(refusals).values(datetime=AT, reason="bot", hits=3))
        values = {
            "origin": "fathom a.example",
            "rollup": "pages",
            "prev_day": 1,
            "keys": '["/"]',
            "sums": '{"views":1}',
        }
        await connection.execute(insert(totals), [values | {"day": day} for day in (20260328, 20260329)])


def lines(archive: Path, table: str) -> list[dict[str, Any]]:
    with zipfile.ZipFile(archive) as files:
        return [json.loads(line) for line in files.read(f"{table}.ndjson").splitlines()]


def told(archive: Path) -> dict[str, Any]:
    with zipfile.ZipFile(archive) as files:
        found: dict[str, Any] = json.loads(files.read("manifest.json"))
    return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "visits 1 2 3 4 5, events 1, visitors ann bob cleo, refusals 1, totals 2"),
        ({"from": "2026-03-29"}, "visits 3 4 5, events 1, visitors bob cleo, refusals 1, totals 1"),
        ({"from": "2026-03-29", "tz": "UTC"}, "visits 4 5, events 1, visitors cleo, refusals 0, totals 1"),
        ({"to": "2026-03-28"}, "visits 1 2, events 0, visitors ann bob, refusals 0, totals 1"),
        ({"site": "b.example"}, "visits 3 5, events 0, visitors bob, refusals 0, totals 0"),
        ({"visitor": "203.0.113.10"}, "visits 5, events 0, visitors , refusals 0, totals 0"),
        ({"visitor": "cleo"}, "visits 4, events 1, visitors cleo, refusals 0, totals 0"),
        ({"visitor": "203.0.113.7"}, "visits 1 2 3, events 0, visitors ann bob, refusals 0, totals 0"),
        (
            {"visitor": "203.0.113.7", "site": "a.example"},
            "visits 1 2, events 0, visitors ann bob, refusals 0, totals 0",
        ),
    ],
)
async def test_what_is_chosen_is_in_it(home: Home, tmp_path: Path, asked: dict[str, str], expected: str) -> None:
    """Faults: days of UTC; the last day left out; of an address only what came from it; everybody remembered."""
    await some(home)
    archive = await home.exported(tmp_path / "some.zip", asked=asked)
    found = {name: lines(archive, name) for name in TABLES}
    names = {
        "visits": [str(each["id"]) for each in found["visits"]],
        "visitors": [each["cid"] for each in found["visitors"]],
    }
    said = ", ".join(f"{name} {' '.join(names[name]) if name in names else len(found[name])}" for name in TABLES)
    assert said == expected
    selection = told(archive)["selection"]
    assert {selection["from"], selection["site"], selection["visitor"]} >= set(asked.values()) - {"UTC", "2026-03-28"}


async def test_its_manifest_says_what_it_is(home: Home, tmp_path: Path) -> None:
    await some(home)
    for form in FORMATS:
        archive = await home.exported(tmp_path / f"{form}.zip", form)
        manifest = told(archive)
        assert (manifest["format"], manifest["version"], manifest["form"]) == ("crumby export", 1, form)
        assert [part["rows"] for part in manifest["files"]] == [5, 1, 3, 1, 2]
        with zipfile.ZipFile(archive) as files:
            assert files.namelist()[-1] == "manifest.json"
            for part in manifest["files"]:
                assert part["sha256"] == hashlib.sha256(files.read(part["file"])).hexdigest()
        columns = [column["name"] for column in manifest["files"][0]["columns"]]
        assert columns == [column.name for column in visits.columns]


@pytest.mark.parametrize("ids", [(1, 2, 3, 40, 41, 10**12), (-3, 0, 7)])
async def test_no_row_is_left_out_or_twice_between_two_pages(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: tuple[int, ...]
) -> None:
    """Ids leave out some, or a million million. Fault: the last id of a page again, or a window that ends too early."""
    monkeypatch.setattr(reading, "PAGE", 2)
    monkeypatch.setattr(reading, "WINDOW", 3)
    await stored(home, *(row(number, cid=f"v{number}") for number in range(len(ids))))
    async with home.database.engine.begin() as connection:
        for old, new in reversed(list(enumerate(ids, 1))):
            await connection.execute(update(visits).where(visits.c.id == old).values(id=new + 10**15))
        await connection.execute(update(visits).values(id=visits.c.id - 10**15))
    archive = await home.exported(tmp_path / "all.zip")
    assert [each["id"] for each in lines(archive, "visits")] == list(ids)
    assert len(lines(archive, "visitors")) == len(ids)


async def test_what_comes_meanwhile_is_left_out(home: Home) -> None:
    """Fault: an archive that has no end while hits come in."""
    await some(home)
    export = home.export()
    steps: list[str] = []

    def tell(table: str, _done: int, _of: int | None) -> None:
        if table == "visits" and not steps:
            steps.append(table)
            path = str(home.database.sqlite_path)
            with closing(sqlite3.connect(path)) as other, other:
                other.execute("insert into visits (cid, datetime) values ('new', '2026-04-01 00:00:00.000000')")
                other.execute("insert into events (cid, datetime) values ('new', '2026-04-01 00:00:00.000000')")

    export.tell = tell
    archive = io.BytesIO(await whole(export.octets()))
    with zipfile.ZipFile(archive) as files:
        assert (len(files.read("visits.ndjson").splitlines()), len(files.read("events.ndjson").splitlines())) == (5, 1)


async def test_a_pruning_meanwhile_ends_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: visits that are neither among the rows nor among the totals."""
    await some(home)
    export = home.export()
    async with home.database.engine.begin() as connection:
        facts = {"mark": "m", "horizon": 9, "done": 0, "since": 0, "worker": "", "turn": 0}
        await connection.execute(insert(horizons).values(facts))

    def tell(table: str, *_: Any) -> None:
        if table == "events":
            with closing(sqlite3.connect(str(home.database.sqlite_path))) as other, other:
                other.execute("update pruned set done = 9")

    export.tell = tell
    with pytest.raises(Pruned, match="begin the export again"):
        await whole(export.octets())


# And again into a database


@pytest.mark.parametrize("form", FORMATS)
async def test_it_comes_again_as_it_was_and_a_second_time_adds_nothing(
    home: Home, empty: Home, tmp_path: Path, form: Format
) -> None:
    await some(home)
    archive = await home.exported(tmp_path / "all.zip", form)
    outcome = await empty.take(archive)
    assert (outcome.visits, outcome.events, outcome.visitors, outcome.totals) == (5, 1, 3, 2)
    for table in TABLES:
        assert await empty.rows(table) == await home.rows(table), table
    async with empty.database.engine.begin() as connection:
        await connection.execute(update(imports).values(mark=0, done=0))
    again = await empty.take(archive)
    assert (again.visits, again.events, again.totals, again.known) == (0, 0, 0, 6)
    for table in TABLES:
        assert await empty.rows(table) == await home.rows(table), table


async def test_it_goes_on_where_it_was_left(home: Home, tmp_path: Path) -> None:
    """Fault: a mark that is a row of one table, not of all."""
    await some(home)
    archive = await home.exported(tmp_path / "all.zip")
    with Input(archive) as given:
        source = opened(given, home)
        items = list(source.items(0))
        assert source.mark == source.size == 12
        for mark in range(13):
            again = list(source.items(mark))
            assert again == items[min(mark, 10) :] if mark < 12 else again == []


def opened(given: Input, home: Home, **wanted: Any) -> Any:
    from crumby.importing.sources import archive

    return archive.opened(given, Wanted(home.settings, home.settings.zone, **wanted))


async def test_totals_of_one_place_are_added_up(home: Home, empty: Home, tmp_path: Path) -> None:
    """As a ledger has them: of what was read twice only the difference. Fault: the last one counts."""
    async with home.database.engine.begin() as connection:
        place = {"origin": "fathom a.example", "rollup": "pages", "day": 20260328, "prev_day": 1, "keys": '["/"]'}
        await connection.execute(
            insert(totals), [place | {"sums": sums} for sums in ('{"views":5}', '{"views":2,"entries":1}')]
        )
    await empty.take(await home.exported(tmp_path / "all.zip"))
    assert [(row[1], json.loads(row[6])) for row in await empty.rows("totals")] == [
        ("fathom a.example", {"views": 7, "entries": 1})
    ]


async def test_of_a_site_its_rows_alone_are_taken(home: Home, empty: Home, tmp_path: Path) -> None:
    await some(home)
    outcome = await empty.take(await home.exported(tmp_path / "all.zip"), site="b.example")
    assert (outcome.visits, outcome.events, outcome.totals) == (2, 0, 0)
    assert outcome.skipped["of another site"] == 4


async def test_rows_of_0_7_1_get_hit_ids_that_are_the_same_each_time(home: Home, empty: Home, tmp_path: Path) -> None:
    """And those without a time are left out, and told. Fault: a second run stores them twice."""
    with closing(sqlite3.connect(str(home.database.sqlite_path))) as old, old:
        old.execute("insert into visits (cid, datetime) values ('ann', '2017-04-01 00:00:00.000000'), ('ann', null)")
        old.execute("insert into visits (cid, datetime) values ('ann', 'yesterday')")
    archive = await home.exported(tmp_path / "all.zip")
    assert [line["datetime"] for line in lines(archive, "visits")] == ["2017-04-01T00:00:00Z", None, "yesterday"]
    outcome = await empty.take(archive)
    assert (outcome.visits, outcome.skipped["no time"]) == (1, 2)
    async with empty.database.engine.begin() as connection:
        await connection.execute(update(imports).values(mark=0, done=0))
    assert (await empty.take(archive)).visits == 0


async def test_text_that_is_none_is_read_and_what_it_can_not_be_is_told_as_such(
    home: Home, empty: Home, tmp_path: Path
) -> None:
    """An embedded database takes any octets for text. Fault: the export fails."""
    with closing(sqlite3.connect(str(home.database.sqlite_path))) as old, old:
        old.execute(
            "insert into visits (datetime, doc_title) values ('2026-04-01 00:00:00.000000', cast(x'61ff62' as text))"
        )
    for form in FORMATS:
        archive = await home.exported(tmp_path / f"{form}.zip", form)
        with Input(archive) as given:
            (item,) = opened(given, home).items(0)
        assert item.row.doc_title == "a\ufffdb"
    assert lines(tmp_path / "ndjson.zip", "visits")[0]["doc_title"] == "a\udcffb"


# What is no archive, or not all of it


def rewritten(archive: Path, how: Rewrite) -> Path:
    with zipfile.ZipFile(archive) as files:
        contents = {name: files.read(name) for name in files.namelist()}
    how(contents)
    with zipfile.ZipFile(archive, "w") as files:
        for name, content in contents.items():
            files.writestr(name, content)
    return archive


def manifest(**changed: Any) -> Rewrite:
    def rewrite(contents: dict[str, bytes]) -> None:
        contents["manifest.json"] = json.dumps(json.loads(contents["manifest.json"]) | changed).encode()

    return rewrite


def swap(contents: dict[str, bytes]) -> None:
    contents["visits.ndjson"] = contents["visits.ndjson"].replace(b"ann", b"eve")


def column(contents: dict[str, bytes]) -> None:
    contents["manifest.json"] = contents["manifest.json"].replace(b'"_referrer"', b'"mood"', 1)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            manifest(version=2, crumby="9.1"),
            "a.zip is an archive of version 2, made by Crumby 9.1, and .* use a newer one",
        ),
        (manifest(format="another"), "manifest.json is none of Crumby's"),
        (manifest(files=7), "manifest.json is damaged: .*files"),
        (swap, "visits.ndjson is not what was exported: its SHA-256 is .* export again"),
        (lambda contents: contents.pop("events.ndjson"), "no .*events.ndjson.* not all of the archive is there"),
        (column, "visits have a column 'mood' there, .* schema .* use a newer one"),
    ],
)
async def test_what_is_not_as_it_was_is_refused_whole(
    home: Home, empty: Home, tmp_path: Path, how: Rewrite, said: str
) -> None:
    """Before anything is stored. Fault: the visits are stored, and then the events are missed."""
    await some(home)
    archive = rewritten(await home.exported(tmp_path / "a.zip"), how)
    with pytest.raises(ImportRefused, match=said):
        await empty.take(archive)
    assert await empty.rows("visits") == []


async def test_a_column_that_an_older_crumby_had_not_is_null(home: Home, empty: Home, tmp_path: Path) -> None:
    await some(home)

    def without(contents: dict[str, bytes]) -> None:
        kept = [re.sub(rb',"scroll":[^,}]*', b"", line) for line in contents["visits.ndjson"].splitlines()]
        contents["visits.ndjson"] = b"\n".join(kept) + b"\n"
        there = json.loads(contents["manifest.json"])
        first = there["files"][0]
        first["columns"] = [each for each in first["columns"] if each["name"] != "scroll"]
        first["sha256"] = hashlib.sha256(contents["visits.ndjson"]).hexdigest()
        contents["manifest.json"] = json.dumps(there).encode()

    await empty.take(rewritten(await home.exported(tmp_path / "a.zip"), without))
    assert await empty.rows("visits") == await home.rows("visits")


@pytest.mark.parametrize("form", FORMATS)
async def test_one_that_was_cut_is_named_wherever_it_was_cut(home: Home, tmp_path: Path, form: Format) -> None:
    """Fault: it is taken for an access log."""
    await some(home)
    archive = await home.exported(tmp_path / "a.zip", form)
    content = archive.read_bytes()
    for size in (5, len(content) // 2, len(content) - 1):
        archive.write_bytes(content[:size])
        with Input(archive) as given:
            assert recognised(given) == "crumby"
            with pytest.raises(ImportRefused, match=r"^a.zip is a zip archive whose end is missing; get it again"):
                opened(given, home)


async def test_one_comes_by_standard_input(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await some(home)
    archive = await home.exported(tmp_path / "a.zip")
    with archive.open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        with Input("-") as given:
            assert recognised(given) == "crumby"
            assert len(list(opened(given, home).items(0))) == 12


async def test_a_folder_of_its_files_is_one_as_well(home: Home, empty: Home, tmp_path: Path) -> None:
    await some(home)
    with zipfile.ZipFile(await home.exported(tmp_path / "a.zip")) as files:
        files.extractall(tmp_path / "a")
    importer = Importer(empty.database, Wanted(empty.settings, empty.settings.zone))
    with Input(tmp_path / "a") as given:
        assert (await importer.take(given)).visits == 5


async def test_sessions_and_shares_stay_at_home(home: Home, tmp_path: Path) -> None:
    await some(home)
    archive = await home.exported(tmp_path / "a.zip", "sqlite")
    with zipfile.ZipFile(archive) as files:
        files.extract("crumby.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "crumby.db")) as database:
        names = {name for (name,) in database.execute("select name from sqlite_master")}
    assert names == set(TABLES)
