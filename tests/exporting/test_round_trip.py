"""All of a Crumby goes round the databases, and each of its reports answers the same at each of them.

SQLite ── NDJSON ──► MariaDB ── CSV ──► PostgreSQL ── Parquet ──► SQLite ── SQLite ──► rows, as they were
"""

import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crumby.exporting.manifest import FORMATS, Format
from crumby.settings import shipped
from tests import servers
from tests.exporting.awkward import UNTIL, filled
from tests.exporting.homes import Home, home_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

TODAY = UNTIL.date()
QUERIES = sorted(
    f"{path.parent.name}/{path.stem}"
    for path in shipped("queries").glob("p*/*.sql")
    if path.stem != "last_hit"  # which tells the seconds since then
)
PERIODS: list[dict[str, str]] = [
    {"period": "all"},
    {"from": str(TODAY - timedelta(days=200)), "to": str(TODAY - timedelta(days=100))},  # half of it is pruned
    {"from": str(TODAY - timedelta(days=29)), "to": str(TODAY)},
    {"from": "2020-01-30", "to": "2020-02-02"},  # what others had counted
]
ZONES: list[dict[str, str]] = [{}, {"tz": "Asia/Kathmandu"}]
STEPS: list[dict[str, str]] = [{"interval": step} for step in ("hour", "day", "week", "month")]
FILTERS: list[dict[str, str]] = [
    {},
    {"country": "DE"},
    {"browser": "!firefox"},
    {"page": "~/shop"},
    {"compare": "previous"},
]


def questions(some: int | None = None) -> list[tuple[str, dict[str, str]]]:
    """Each report of all time, and so many others of what may be asked of it; None: all of that."""
    dice = random.Random(7)  # noqa: S311 - the same questions each time
    asked: list[tuple[str, dict[str, str]]] = []
    for name in QUERIES:
        steps = STEPS if "traffic" in name or "new_returning" in name else [{}]
        every = [a | b | c | d for a, b, c, d in itertools.product(PERIODS, ZONES, steps, FILTERS)]
        few = every if some is None else [{"period": "all"}, *dice.sample(every, some)]
        asked += [(name, each) for each in few]
    return asked


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    folder = tmp_path_factory.mktemp("origin")
    async with home_of(f"sqlite:///{folder / 'crumby.db'}", folder) as home:
        await filled(home)
        yield home


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(repr(value) for value in row) for row in rows]


async def as_it_was(origin: Home, home: Home) -> None:
    """Each row, in its order; what was pruned and what was imported adds up to the same."""
    for table in ("visits", "events", "visitors", "refusals"):
        assert plain(await home.rows(table, "id")) == plain(await origin.rows(table, "id")), table


async def go_round(
    origin: Home,
    url: str,
    folder: Path,
    forms: list[Format],
    asked: list[tuple[str, dict[str, str]]],
    stack: AsyncExitStack,
) -> None:
    mariadb, postgres = (stack.enter_context(kind()) for kind in (servers.MariaDB, servers.Postgres))
    urls = [mariadb.database(), postgres.database(), url]
    expected, home = await origin.answers(asked), origin
    assert sum(bool(answer.get("data")) for answer in expected.values()) > len(expected) / 3
    for number, (form, target) in enumerate(zip(forms, urls, strict=True)):
        archive = await home.exported(folder / f"{number}.zip", form)
        home = await stack.enter_async_context(home_of(target, folder / str(number)))
        await home.take(archive)
        found = await home.answers(asked)
        for question, answer in expected.items():
            assert found[question] == answer, (target.partition(":")[0], question)
    await as_it_was(origin, home)
    assert (await home.take(archive)).visits == 0


async def test_each_report_answers_the_same_on_each_database(origin: Home, tmp_path: Path) -> None:
    """Faults: totals of pruned days left out; those that were imported counted twice with them; a stray's later visits
    that know nothing of it; text that is cut; moments to the second; an empty text that is nothing.
    """
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'last.db'}"
        await go_round(origin, url, tmp_path, ["ndjson", "csv", "parquet"], questions(0), stack)


@pytest.mark.long
@pytest.mark.parametrize("turn", range(len(FORMATS)))
async def test_each_form_on_each_database_and_all_that_can_be_asked(origin: Home, tmp_path: Path, turn: int) -> None:
    forms = [*FORMATS[turn:], *FORMATS[:turn]][:3]
    async with AsyncExitStack() as stack:
        await go_round(origin, f"sqlite:///{tmp_path / 'last.db'}", tmp_path, forms, questions(), stack)
