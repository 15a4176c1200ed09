"""`crumby query`: the answer as a person and as a program want it; the list, the check, and a file to begin with."""

import asyncio
import csv
import io
import json
import os
import re
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from crumby.cli.query import BLANKS, UNSEEMLY
from crumby.database import open_database
from crumby.days import try_to_cover
from crumby.migrations import migrate
from crumby.settings import load_settings
from crumby.tables import visits
from tests.cli.conftest import Ask
from tests.cli.terminal import shown
from tests.reporting.crumbs import scatter

ROOT = Path(__file__).parents[2]
MARCH = ["--from", "2026-03-26", "--to", "2026-03-31"]


def fill(**environ: str) -> None:
    async def work() -> None:
        async with open_database(load_settings({**os.environ, **environ})) as database:
            await migrate(database.engine)
            await scatter(database.engine)
            await try_to_cover(database.engine)
            async with database.engine.begin() as connection:
                odd = {
                    "datetime": datetime.fromisoformat("2026-02-01"),
                    "doc_uri": "x",
                    "doc_title": "[b]\x1b[31m\u202e:x:\x9b\n2",
                }
                await connection.execute(insert(visits).values(odd))

    asyncio.run(work())


@pytest.fixture
def ask(verb: Ask) -> Ask:
    """Give `crumby query WORDS…` of an installation with the crumbs in its database."""
    fill()
    return lambda *words, **environ: verb("query", *words, **environ)


@pytest.fixture
def own(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder that QUERIES names; it is not there yet."""
    folder = home / "my queries"
    monkeypatch.setenv("CRUMBY_QUERIES", str(folder))
    return folder


def write(folder: Path, name: str, sql: str) -> None:
    path = folder / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql, "utf-8")


# The answer


def test_every_database_answers(database_url: str, verb: Ask, own: Path) -> None:
    environ = {"CRUMBY_SQLALCHEMY_DATABASE_URI": database_url}
    fill(**environ)
    answer = verb("query", "private/locations", *MARCH, **environ)
    assert (answer.status, answer.err) == (0, "")
    assert ["London", "England", "GB"] in [row[:3] for row in json.loads(answer.out)["data"]]
    assert verb("query", "--new", "mine", **environ).status == 0
    files = len(list((ROOT / "queries").glob("p*/**/*.sql"))) + 1
    assert verb("query", "--check", **environ) == (0, f"{files} query files are sound\n", "")
    answer = verb("query", "mine", *MARCH, "-p", "least=1", "-p", "country=SE", "-p", "country=JP", **environ)
    told = json.loads(answer.out)
    assert (told["columns"], told["data"]) == (["lang", "visitors", "views"], [[None, 2, 5]])


def test_programs_get_the_form_that_they_ask_for(ask: Ask) -> None:
    words = ["platforms", *MARCH]
    told = json.loads(ask(*words).out)
    assert told["columns"] == ["platform", "users"]
    assert ["macos", 1] in told["data"]
    records = [dict(zip(told["columns"], row, strict=True)) for row in told["data"]]
    assert ask(*words, "--json").out == ask(*words, "--format", "json").out == ask(*words).out
    assert json.loads(ask(*words, "--format", "records").out) == records
    assert list(map(json.loads, ask(*words, "--format", "ndjson").out.splitlines())) == records
    rows = list(csv.reader(io.StringIO(ask(*words, "--format", "csv").out)))
    assert rows[0] == told["columns"]
    assert ["macos", "1"] in rows


def test_a_person_reads_a_table_with_a_title_and_numbers_to_the_right(ask: Ask) -> None:
    answer = ask("platforms", "--format", "table", *MARCH, "--tz", "Europe/Berlin")
    assert answer.status == 0
    title, *table = answer.out.splitlines()
    assert title == "Platforms, 2026-03-26 to 2026-03-31 (Europe/Berlin)"
    assert "│ macos    │     1 │" in table
    null = "│          │     0 │"
    assert null in ask("platforms", "--format", "table", *MARCH).out


def test_a_terminal_gets_the_table_unasked(home: Path) -> None:
    fill()
    said, _ = shown("stdout", "query", "visits", "--days", "1")
    assert said.startswith("Visits, ")
    assert "│" in said


def test_the_days_are_those_that_are_asked_for(ask: Ask) -> None:
    days = [row[0] for row in json.loads(ask("visits", "--from", "2026-03-30", "--to", "2026-03-31").out)["data"]]
    assert days == ["2026-03-30", "2026-03-31"]
    assert len(json.loads(ask("visits", "--days", "6").out)["data"]) == 7
    assert len(json.loads(ask("visits", "--to", "2026-03-31", "--days", "2").out)["data"]) == 3
    london, kathmandu = (
        json.loads(ask("visits", "--from", "2026-03-29", "--to", "2026-03-29", "--tz", tz).out)["data"]
        for tz in ("Europe/London", "Asia/Kathmandu")
    )
    assert london != kathmandu


def test_what_a_visitor_sent_is_text_and_moves_no_cursor(ask: Ask) -> None:
    """Fails where titles are printed as they are: they could clear the screen, or type for whoever reads them."""
    said = ask("documents", "--format", "table", "--from", "2026-02-01", "--to", "2026-02-01").out
    assert "[b]\ufffd[31m\ufffd:x:\ufffd 2" in said
    assert not UNSEEMLY.search(BLANKS.sub(" ", said))


def test_a_cut_answer_says_so(ask: Ask) -> None:
    for form in ("table", "csv"):
        answer = ask("private/locations", *MARCH, "--format", form, CRUMBY_QUERY_ROW_LIMIT="2")
        assert (answer.status, answer.err) == (
            0,
            "crumby: there are more than these 2 rows; QUERY_ROW_LIMIT lets no more through\n",
        )


def test_no_rows_are_said_to_be_none(ask: Ask) -> None:
    assert "no rows" in ask("origins", "--format", "table", "--from", "2025-01-01", "--to", "2025-01-01").out
    assert ask("origins", "--format", "ndjson", "--from", "2025-01-01", "--to", "2025-01-01").out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vists"], "there is no query vists; did you mean visits?"),
        (["private/location"], "there is no query private/location; did you mean private/locations?"),
        (["nothing-like-it"], "there is no query nothing-like-it; `crumby query --list` lists those there are"),
        (["locations"], "there are two queries locations: say private/locations or public/locations"),
        (["visits", "--days", "many"], "days: 'many' is not a whole number from 0 to 36525"),
        (["visits", "--from", "1.2.26"], "from: '1.2.26' is not a date such as 2026-01-31"),
        (["visits", "--tz", "Mars"], "tz: there is no time zone 'Mars'; one is 'Europe/Berlin'"),
        (["visits", "-p", "rows"], "-p rows: write -p name=value"),
        (["visits", "-p", "days=1", "--days", "2"], "days is given twice"),
        (
            ["mine", "-p", "leas=1"],
            "'leas' is no parameter of queries/private/mine.sql: did you mean 'least'? It takes ",
        ),
        (["mine", "-p", "least=x"], "least: 'x' is not a whole number"),
        (["mine", "-p", "least=1001"], "least: '1001' is not 1 to 1000"),
        (["mine", "-p", "least=1", "-p", "least=2"], "least is given twice; only filters may be"),
        (["mine", "--period", "next_week"], "period: 'next_week' is not one of today, "),
        (["mine", "--compare", "us"], "compare: 'us' is not one of previous, year"),
        (["mine", "-p", "format=csv"], "'format' is no parameter of "),
        (["broken"], "queries/private/broken.sql: no such column: nope"),
    ],
)
def test_what_does_not_fit_is_one_line(words: list[str], said: str, ask: Ask, own: Path) -> None:
    ask("--new", "mine")
    write(own, "private/broken", "select nope from visits")
    answer = ask(*words)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith(f"crumby: {said}")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["--list", "--check"], ["visits", "documents"], ["--new"], ["visits", "--format", "x"]]
)
def test_what_is_no_command_is_refused(words: list[str], ask: Ask) -> None:
    assert ask(*words).status == 2


@pytest.mark.parametrize("words", [["visits"], ["--check"]])
def test_a_database_that_is_not_there_yet_is_named_and_not_made(words: list[str], verb: Ask, home: Path) -> None:
    said = f"crumby: the database {home / 'crumby.db'} is not there yet; `crumby run` makes it\n"
    assert verb("query", *words) == (1, "", said)
    assert list(home.iterdir()) == []


# The list


def test_the_list_tells_names_and_parameters(verb: Ask, own: Path) -> None:
    verb("query", "--new", "mine")
    write(own, "public/odd", "-- chart: pie\nselect 1")
    for words in ([], ["--list"]):
        said = verb("query", *words).out
        assert re.search(r"private/mine +│ Mine +│ Reports +│ least: integer = 1 ", said)
        assert re.search(r"public/traffic +│ Traffic +│ Traffic ", said)
        assert re.search(r"public/odd .*a chart is one of", said)
    told = {query["name"]: query for query in json.loads(verb("query", "--list", "--json").out)}
    assert told["private/mine"]["parameters"][0] == {
        "name": "least",
        "type": "integer",
        "default": 1,
        "description": "leave out languages with fewer visitors",
    }
    assert told["public/visits"] | {"parameters": []} == told["public/visits"]
    assert "a chart is one of" in told["public/odd"]["error"]


# The check


def test_the_check_names_file_and_line_of_each_fault(ask: Ask, own: Path) -> None:
    write(own, "private/good", "select cid from visits")
    write(own, "private/bad", "-- Bad\nselect\n doc_titel\nfrom visits")
    write(own, "public/worse", "-- Worse\n-- group: x\n-- order: last\nselect 1")
    worse = f"{own}/public/worse.sql, line 3: order is a whole number up to 999999, not 'last'\n"
    bad = f"{own}/private/bad.sql, line 3: no such column: doc_titel; did you mean doc_title?\n"
    assert ask("--check") == (1, worse + bad, "")
    assert ask("--check", "bad") == (1, bad, "")
    assert ask("--check", "good", "public/visits") == (0, "2 query files are sound\n", "")
    assert ask("--check", "good", "--json") == (0, "[]\n", "")
    answer = ask("--check", "bad", "--json")
    assert answer.status == 1
    assert json.loads(answer.out) == [
        {
            "query": "private/bad",
            "file": f"{own}/private/bad.sql",
            "line": 3,
            "said": "no such column: doc_titel; did you mean doc_title?",
        }
    ]


def test_the_check_tells_what_it_can_without_a_database(verb: Ask, own: Path) -> None:
    write(own, "public/worse", "-- order: last\nselect 1")
    answer = verb("query", "--check", CRUMBY_SQLALCHEMY_DATABASE_URI="postgresql://crumby@127.0.0.1:1/crumby")
    assert answer.status == 1
    assert answer.out.startswith(f"{own}/public/worse.sql, line 1: ")
    assert answer.err.startswith("crumby: the database can't be asked: ")


# A file to begin with


def test_a_new_file_answers_as_it_is_and_names_what_a_file_can_say(ask: Ask, own: Path) -> None:
    path = own / "private" / "what_they_speak.sql"
    answer = ask("--new", "what_they_speak")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(f"{path} is written, and answers already. Next:\n")
    source = path.read_text("utf-8")
    assert source.startswith("-- What they speak\n")
    for word in (
        "chart",
        "group",
        "order",
        "parameter",
        "column",
        "click",
        "period(",
        "filters(",
        "bucket(",
        "order_by(",
        "t0",
    ):
        assert word in source
    assert ask("--check", "what_they_speak").status == 0
    assert json.loads(ask("what_they_speak", *MARCH).out)["columns"] == ["lang", "visitors", "views"]


def test_a_new_file_writes_over_nothing(ask: Ask, own: Path) -> None:
    """Fails where only its own path is looked at: two files of one name would spoil each other."""
    write(own, "private/mine", "select 1")
    write(own, "private/shop/theirs", "select 2")
    for name, path in (("mine", own / "private/mine.sql"), ("theirs", own / "private/shop/theirs.sql")):
        said = f"crumby: {path} is there already, and stays as it is; choose another name\n"
        assert ask("--new", name) == (1, "", said)
    assert (own / "private/mine.sql").read_text() == "select 1"
    assert not (own / "private/theirs.sql").exists()


def test_a_new_public_file_may_take_the_place_of_a_shipped_one(ask: Ask, own: Path) -> None:
    answer = ask("--new", "visits", "--public")
    assert f"{own}/public/visits.sql is written, and answers already, in place of the shipped one." in answer.out
    assert json.loads(ask("visits").out)["columns"] == ["lang", "visitors", "views"]


def test_a_new_file_takes_a_folder_and_a_name(ask: Ask, own: Path) -> None:
    for name in ("a b", "../x", "a" * 65, "x.sql"):
        answer = ask("--new", name)
        assert (answer.status, answer.out) == (1, "")
        assert "is no name for a query" in answer.err
    assert not own.exists()
    answer = ask("--new", "mine", CRUMBY_QUERIES="")
    assert (answer.status, "QUERIES is not set" in answer.err, "CRUMBY_QUERIES=" in answer.err) == (1, True, True)


def test_another_period_stands_beside(ask: Ask) -> None:
    days = ("--from", "2026-03-28", "--to", "2026-03-28", "--compare", "previous")
    told = list(csv.reader(io.StringIO(ask("countries", *days, "--format", "csv").out)))
    assert told[0] == ["country", "visitors", "sessions", "views", "visitors_before", "sessions_before", "views_before"]
    assert [(row[0], row[3], row[6]) for row in told[1:]] == [("GB", "1", "2"), ("JP", "1", "")]
    assert "views_b" in ask("countries", *days, "--format", "table").out


def test_all_begins_with_the_first_visit(ask: Ask) -> None:
    told = json.loads(ask("platforms", "--period", "all").out)
    assert told["meta"]["period"]["from"] == "2026-02-01"
    assert ["windows", 2] in told["data"]
