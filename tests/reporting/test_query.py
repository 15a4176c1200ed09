"""From a file's text to one statement whose values are bound."""

from datetime import UTC, date, datetime
from itertools import dropwhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from crumby.errors import QueryFileError
from crumby.reporting.binding import Statement
from crumby.reporting.header import parse_header
from crumby.reporting.period import Period
from crumby.reporting.query import Query, load_query
from crumby.reporting.view import View

DIALECTS = ("sqlite", "mysql", "postgresql")
NOW = datetime(2026, 4, 1, 12)  # noqa: DTZ001 - UTC, as the tables have it
MARCH = Period(date(2026, 3, 1), date(2026, 3, 31), ZoneInfo("UTC"))
HOSTILE = "'; drop table visits; --"


def render(source: str, dialect: str = "sqlite", period: Period = MARCH, **asked: str) -> Statement:
    query = Query("public", "test", Path("test.sql"), source, parse_header(source))
    return query.render(dialect, View.of(period, NOW), query.arguments(asked))


def text_of(statement: Statement) -> str:
    """The statement as a database gets it, but without its header, and with names for placeholders."""
    lines = str(statement.clause.compile()).split("\n")
    return "\n".join(dropwhile(lambda line: line.startswith("-- parameter "), lines))


def values_of(statement: Statement) -> dict[str, Any]:
    return dict(statement.clause.compile().params)


def fault(source: str, dialect: str = "sqlite", **asked: str) -> str:
    with pytest.raises(QueryFileError) as caught:
        render(source, dialect, MARCH, **asked)
    message = str(caught.value)
    assert message.startswith("queries/public/test.sql: ")
    return message.removeprefix("queries/public/test.sql: ")


def loaded(tmp_path: Path, source: str | bytes) -> Query:
    path = tmp_path / "test.sql"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return load_query("public", path)


# Values


def test_a_value_is_bound() -> None:
    statement = render("-- parameter who: text\nselect * from visits where cid = :who", who=HOSTILE)
    assert text_of(statement).endswith("where cid = :who")
    assert values_of(statement) == {"who": HOSTILE}


def test_an_absent_value_is_the_default() -> None:
    assert values_of(render("-- parameter rows: integer = 7\nselect :rows")) == {"rows": 7}


def test_an_absent_value_without_a_default_is_null() -> None:
    assert values_of(render("-- parameter rows: integer\nselect :rows")) == {"rows": None}


@pytest.mark.parametrize("declared", ["text = a", "integer = 1", "number = 1", "boolean = true", "date = 2026-01-31"])
@pytest.mark.parametrize(
    "printed",
    [
        "{{ which }}",
        "{{ which | string }}",
        "{{ which ~ '' }}",
        "{{ which | safe }}",
        "{{ [which] | join }}",
        "{{ '%s' | format(which) }}",
        "{{ '{}'.format(which) }}",
        "{{ t0 ~ which }}",
        "{{ t0 + (which | string) }}",
        "{{ t0 | replace('2026', which) }}",
        "{{ [t0, which] | join }}",
        "{% set printed = which %}{{ printed }}",
    ],
)
def test_a_value_cannot_be_printed(declared: str, printed: str) -> None:
    assert ":name" in fault(f"-- parameter which: {declared}\nselect {printed}")


@pytest.mark.parametrize(
    "printed",
    [
        "{{ period(which) }}",
        "{{ day(which) }}",
        "{{ strip_scheme(which) }}",
        "{{ concat('cid', which) }}",
        "{{ strip_scheme(which | lower) }}",
        "{{ strip_scheme(which ~ '') }}",
        "{{ strip_scheme('%s' % which) }}",
        "{{ strip_scheme('{}'.format(which)) }}",
        "{{ period('{}').format(which) }}",
        "{{ strip_scheme([which] | join) }}",
        "{{ strip_scheme((which, 'a') | first) }}",
        "{{ strip_scheme(which | tojson) }}",
        "{{ strip_scheme(which | list | join) }}",
        "{{ strip_scheme(which | attr('_text')) }}",
    ],
)
def test_a_text_cannot_be_smuggled_in_through_a_macro(printed: str) -> None:
    source = f"-- parameter which: text = doc_uri\nselect {printed}"
    assert HOSTILE not in fault(source, which=HOSTILE)


def test_a_value_decides_which_clauses_there_are() -> None:
    source = "-- parameter who: text\nselect 1 {% if who %}where cid = :who{% endif %}"
    assert text_of(render(source)).split() == ["select", "1"]
    assert text_of(render(source, who="")).split() == ["select", "1"]
    assert text_of(render(source, who=HOSTILE)).split() == ["select", "1", "where", "cid", "=", ":who"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("who == 'ada'", True),
        ("'ada' == who", True),
        ("who != 'ada'", False),
        ("who in ('ada', 'bob')", True),
        ("who in {'bob': 1}", False),
        ("who is none", False),
        ("who is defined", True),
        ("not who", False),
    ],
)
def test_a_text_can_be_compared(condition: str, holds: bool) -> None:  # noqa: FBT001 - a table's column
    source = f"-- parameter who: text\nselect {{% if {condition} %}}1{{% else %}}0{{% endif %}}"
    assert text_of(render(source, who="ada")) == f"select {holds:d}"


def test_a_number_can_be_reckoned_with() -> None:
    source = "-- parameter rows: integer = 7\nselect {% if rows * 2 > 13 %}1{% else %}0{% endif %}"
    assert text_of(render(source)) == "select 1"


# Binds


def test_an_undeclared_bind_is_named() -> None:
    assert fault("select :nope") == "binds undeclared :nope; declare `parameter nope: text`"


def test_the_period_can_be_bound() -> None:
    statement = render("select :t0, :t1, :start, :end", period=Period(MARCH.t0, MARCH.t1, ZoneInfo("Asia/Kathmandu")))
    assert values_of(statement) == {
        "t0": datetime.fromisoformat("2026-03-01"),
        "t1": datetime.fromisoformat("2026-03-31"),
        "start": datetime.fromisoformat("2026-02-28T18:15"),
        "end": datetime.fromisoformat("2026-03-31T18:15"),
    }


def test_the_days_are_printed_as_0_7_1_printed_them() -> None:
    source = 'select 1 where date(datetime) between date("{{t0}}") and date("{{t1}}")'
    expected = 'select 1 where date(datetime) between date("2026-03-01") and date("2026-03-31")'
    assert text_of(render(source)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "select ':no'",
        "select 'it''s :no'",
        'select 1 as "a :no"',
        "select 1 -- :no\n, 2",
        "select 1 /* :no\n :no */",
        "select 'https://example.com:80/a'",
        "select '12:30:00'",
        "select '::no'",
        "select ' :no: '",
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_colons_in_strings_names_and_comments_are_left_alone(sql: str, dialect: str) -> None:
    statement = render(sql, dialect)
    assert (text_of(statement), values_of(statement)) == (sql, {})


@pytest.mark.parametrize("sql", ["select cid::text", "select x[1:2], x[:2]", "select @x := 1", "select a:b"])
def test_colons_that_bind_nothing_are_left_alone(sql: str) -> None:
    assert (text_of(render(sql)), values_of(render(sql))) == (sql, {})


@pytest.mark.parametrize("sql", [":rows::int", "(:rows)", "1+:rows", ":rows:", "\n:rows\n", "':no':rows", "/**/:rows"])
def test_a_bind_is_seen_beside_anything(sql: str) -> None:
    statement = render(f"-- parameter rows: integer = 7\nselect {sql}")
    assert text_of(statement).endswith(f"select {sql}".strip())
    assert values_of(statement) == {"rows": 7}


def test_a_backslash_ends_no_string_but_in_mysql() -> None:
    source = r"""-- parameter who: text = a
select 1 where cid like '%\%' escape '\' and cid = :who and ip <> ''"""
    assert values_of(render(source, "sqlite")) == {"who": "a"}
    assert values_of(render(source, "postgresql")) == {"who": "a"}
    assert values_of(render(source.replace(r"'\'", r"'\\'"), "mysql")) == {"who": "a"}
    assert values_of(render(r"select 'it\'s :no'", "mysql")) == {}


def test_the_comments_and_strings_of_one_database_alone_are_known() -> None:
    assert values_of(render("select 1 # :no", "mysql")) == {}
    assert values_of(render("select `a :no`", "mysql")) == {}
    assert values_of(render("select $$ :no $$, $a$ $$ :no $a$", "postgresql")) == {}
    assert values_of(render(r"select e'it\'s :no'", "postgresql")) == {}


OPAQUE = some.text(some.characters(codec="utf-8", exclude_characters="'\"`\\*-/{%#\r\x85\u2028\u2029"), max_size=12)
FRAGMENTS = some.one_of(
    OPAQUE.map(lambda text: f"'{text}'"),
    OPAQUE.map(lambda text: f"'{text}'':no'"),
    OPAQUE.map(lambda text: f'"{text}"'),
    OPAQUE.map(lambda text: f"`{text}`"),
    OPAQUE.map(lambda text: f"/*{text}*/"),
    OPAQUE.map(lambda text: f"-- {text}".replace("\n", " ") + "\n"),
    some.sampled_from(["select", "cid::text", "x[1:2]", "(", ",", "a = :rows", ":who", ":who::text", "'%'", "1 % 2"]),
)


@given(some.lists(FRAGMENTS), some.sampled_from(DIALECTS))
def test_a_statement_is_what_its_file_says(fragments: list[str], dialect: str) -> None:
    sql = " ".join(["select 1", *fragments, "from visits"])
    statement = render(f"-- parameter who: text\n-- parameter rows: integer\n{sql}", dialect)
    assert text_of(statement) == sql
    expected = {
        name for name in ("who", "rows") if any(f":{name}" in fragment for fragment in fragments if fragment[0] in "a:")
    }
    assert set(values_of(statement)) == expected


# One statement


@pytest.mark.parametrize("tail", [";", " ;\n", ";;", "; -- done", ";\n/* done; */\n"])
def test_a_semicolon_may_end_it(tail: str) -> None:
    assert text_of(render(f"select 1{tail}")).startswith("select 1")


@pytest.mark.parametrize("sql", ["select ';'", "select 1 -- ;\n + 1", 'select 1 as ";"', "select 1 /* ; */ + 1"])
def test_a_semicolon_may_stand_in_a_string_a_name_or_a_comment(sql: str) -> None:
    assert text_of(render(sql)) == sql


@pytest.mark.parametrize("sql", ["select 1; select 2", "select 1; delete from visits;", "select ';'; select 2"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_second_statement_is_refused(sql: str, dialect: str) -> None:
    assert fault(sql, dialect) == "a query file holds one statement, and this one goes on behind a semicolon"


@pytest.mark.parametrize("sql", ["", " \n", ";", "-- a title\n", "/* nothing */", "{# nothing #}"])
def test_a_file_without_a_statement_says_so(sql: str) -> None:
    assert fault(sql) == "holds no statement"


# Templates


def test_an_unknown_name_is_named() -> None:
    assert fault("select {{ nope }}") == "'nope' is undefined"
    assert fault("select {% if nope %}1{% endif %}") == "'nope' is undefined"


@pytest.mark.parametrize(
    "expression",
    [
        "{{ ''.__class__ }}",
        "{% if t0.__class__ %}1{% endif %}",
        "{% for each in t0.__class__.__mro__ %}1{% endfor %}",
        "{{ period.__globals__ }}",
        "{{ period.__func__.__globals__['re'] }}",
        "{{ period.__self__._period }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ (t0 | attr('__class__')).__mro__ }}",
        "{{ ['__class__'] | map('extract', t0) | list }}",
        "{{ t0['__class__'] }}",
        "{{ '{0.__class__}'.format(t0) }}",
        "{{ lipsum.__globals__ }}",
    ],
)
def test_a_template_is_kept_in_its_sandbox(tmp_path: Path, expression: str) -> None:
    query = loaded(tmp_path, f"select {expression}")
    with pytest.raises(QueryFileError):
        query.render("sqlite", View.of(MARCH, NOW), {})


@pytest.mark.parametrize(
    "source",
    [
        "{% macro again() %}{{ again() }}{% endmacro %}select {% if again() %}1{% endif %}",
        "select {% if 1 / 0 %}1{% endif %}",
        "select {% if 1 + 'a' %}1{% endif %}",
        "select {% if [][1] %}1{% endif %}",
        "select {% include 'other.sql' %}",
        "select {% for n in range(10 ** 9) %}{% endfor %}",
        "select {{ period() }}",
        "select {% if 1 is divisibleby 'a' %}1{% endif %}",
    ],
)
def test_a_template_that_fails_is_the_files_fault(source: str) -> None:
    assert fault(source)


def test_a_syntax_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    query = loaded(tmp_path, "select 1\nfrom visits\n{% if %}")
    assert query.error == "queries/public/test.sql, line 3: Expected an expression, got 'end of statement block'"
    assert (query.title, query.header.parameters) == ("Test", ())
    with pytest.raises(QueryFileError, match=r"queries/public/test\.sql, line 3: Expected an expression"):
        query.render("sqlite", View.of(MARCH, NOW), {})


@pytest.mark.parametrize("source", ["{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "{% for a in 'a' %}" * 30])
def test_a_template_too_deep_to_compile_is_the_files_fault(tmp_path: Path, source: str) -> None:
    assert loaded(tmp_path, f"select {source}").error


def test_a_fault_in_the_header_is_told(tmp_path: Path) -> None:
    query = loaded(tmp_path, "-- Title\n-- order: first\nselect 1")
    assert query.error == "queries/public/test.sql: order is a whole number up to 999999, not 'first'"


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    error = loaded(tmp_path, "select 'café'".encode("latin-1")).error or ""
    assert error.startswith("queries/public/test.sql: ")
    assert "'utf-8' codec can't decode" in error


def test_a_byte_order_mark_is_not_part_of_the_statement(tmp_path: Path) -> None:
    assert text_of(loaded(tmp_path, b"\xef\xbb\xbfselect 1").render("sqlite", View.of(MARCH, NOW), {})) == "select 1"


@pytest.mark.parametrize(
    "name", ["days", "from", "tz", "t0", "start", "end", "format", "period", "dialect", "_", "_mine"]
)
def test_a_parameter_cannot_take_a_name_that_is_taken(tmp_path: Path, name: str) -> None:
    error = loaded(tmp_path, f"-- parameter {name}: text\nselect 1").error
    assert error == f"queries/public/test.sql: a parameter can't be named {name!r}: Crumby gives that name a meaning"


def test_a_parameter_is_declared_once(tmp_path: Path) -> None:
    error = loaded(tmp_path, "-- parameter a: text\n-- parameter a: integer\nselect 1").error
    assert error == "queries/public/test.sql: the parameter 'a' is declared twice"


# Macros


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_day_in_utc_is_the_databases_own(dialect: str) -> None:
    assert text_of(render('select {{ day("datetime") }}', dialect)) == "select date(datetime)"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_day_elsewhere_binds_its_offset_even_beside_a_parameter_of_that_name(dialect: str) -> None:
    period = Period(MARCH.t0, MARCH.t1, ZoneInfo("Europe/Berlin"))
    source = '-- parameter offset: integer = 7\nselect {{ day("datetime") }} limit :offset'
    values = values_of(render(source, dialect, period))
    assert values["offset"] == 7
    assert {3600, 7200, datetime(2026, 3, 29, 1, tzinfo=UTC).replace(tzinfo=None)} < set(values.values())


def test_two_periods_of_a_zone_have_one_text() -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    texts = {
        text_of(render('select {{ day("datetime") }} where {{ period("datetime") }}', "sqlite", Period(day, day, zone)))
        for day in (date(2026, 1, 1), date(2026, 2, 2))
    }
    assert len(texts) == 1


# The days, and pieces of them


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("{{ t0[:7] }}", "2026-03"),
        ("{{ t0[:4] }}{{ t1[5:7] }}", "202603"),
        ("{{ t0[-2:] }}", "01"),
        ("{{ t0[0] }}", "2"),
        ("{{ t0.replace('-', '') }}", "20260301"),
        ("{{ t0 | replace('-', '') }}", "20260301"),
        ("{{ t0.replace('-', ' ') }}", "2026 03 01"),
        ("{{ t1.split('-')[2] }}", "31"),
        ("{{ t1[:7].split('-')[0] }}", "2026"),
        ("{% set month = t0[:7] %}{{ month }}", "2026-03"),
        ("{{ t0 | string }}", "2026-03-01"),
    ],
)
def test_a_piece_of_a_day_is_printed_as_0_7_1_printed_it(printed: str, text: str) -> None:
    """Seen to fail where a piece is a text like any other."""
    assert text_of(render(f"select '{printed}'")) == f"select '{text}'"


@pytest.mark.parametrize(
    "printed",
    [
        "{{ t0.replace('-', 'x') }}",
        "{{ t0.replace('-', '--') }}",
        "{{ t0.replace('', '-') }}",
        "{{ t0.replace('-', \"' or 1 --\") }}",
        "{{ t0.replace('03', which | string) }}",
        "{{ t0 | replace('03', which | string) }}",
        "{{ t0.replace('03', '%s' % which) }}",
        "{{ t0 ~ which }}",
        "{{ t0[:4] + (which | string) }}",
        "{{ t0[:4] ~ '-' ~ which }}",
        "{{ t0.join([which | string, which | string]) }}",
        "{{ t0.format(which) }}{{ which }}",
        "{{ t0.replace('-', '{}').format(which, which) }}",
        "{{ '%s%s' % (t0[:4], which) }}",
        "{{ t0.center(20, '-') }}",
        "{{ t0.translate({45: which}) }}",
        "{{ t0.partition('-') | join }}",
        "{{ [t0[:4], which] | join('-') }}",
        "{{ t0.split('-') | join(which) }}",
        "{{ t0.__class__(which) }}",
    ],
)
@pytest.mark.parametrize("declared", ["text = 7", "integer = 7"])
def test_nothing_else_comes_in_with_a_day(declared: str, printed: str) -> None:
    """Seen to fail where what replaces a sign is not looked at."""
    assert fault(f"-- parameter which: {declared}\nselect {printed}")
