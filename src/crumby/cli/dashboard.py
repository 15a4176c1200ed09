"""`crumby dashboard`: the page's panels in the terminal, by the same query files. They are drawn in `panels.py`."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from crumby.cli.panels import Panels, first_steps, headed, page
from crumby.cli.query import Days, First, Last, Preset, Zone, find
from crumby.cli.queryfiles import expect_file
from crumby.database import Database, open_database
from crumby.errors import CrumbyError, DatabaseUnavailable, NotFound
from crumby.reporting.query import Query, QueryFolders
from crumby.reporting.questions import Answer, Question, first_visit, understand
from crumby.reporting.results import encoded
from crumby.rollups import AWAY, Rollups, open_rollups
from crumby.settings import Settings, load_settings

STRIP: Final = "public/summary"
CHART: Final = "public/traffic"
RANKINGS: Final = (
    "public/pages",
    "private/sources",
    "public/countries",
    "public/browsers",
    "public/devices",
    "private/goals",
)
ROWS: Final = 10  # of a ranking, at the most
DAY: Final = 86_400

Asked = Sequence[tuple[str, str]]
Told = tuple[Question, Answer]


def dashboard(
    period: Preset = None,
    days: Days = None,
    first: First = None,
    last: Last = None,
    tz: Zone = None,
    compare: Annotated[
        str, typer.Option(metavar="WITH", help="previous (period), (the same a) year (ago), weekday (the same ones).")
    ] = "previous",
    site: Annotated[str | None, typer.Option(metavar="HOST", help="Of this site alone.")] = None,
    watch: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=DAY, help="Look again every N seconds, in place.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON object.")] = False,
) -> None:
    if watch and json_:
        raise typer.BadParameter("--watch is for people, --json for programs")
    settings = load_settings()
    shared = {"period": period, "days": days, "from": first, "to": last, "tz": tz, "site": site and _site(site)}
    asked = [(name, value) for name, value in shared.items() if value is not None]
    if not {"period", "days", "from", "to"} & dict(asked).keys():
        asked.append(("period", "today"))
    console = Console(markup=False, emoji=False, highlight=False)
    if watch and not console.is_terminal:
        raise typer.BadParameter("--watch is for a terminal")
    with contextlib.suppress(*[KeyboardInterrupt] if watch else []):
        asyncio.run(_show(settings, asked, compare, console, watch=watch, json_=json_))


async def _show(
    settings: Settings, asked: Asked, compare: str, console: Console, *, watch: int | None, json_: bool
) -> None:
    async with opened(settings, asked, compare) as desk:
        if json_:
            print(json.dumps(await desk.told(), ensure_ascii=False))
        elif watch:
            await _watch(desk, console, watch)
        else:
            console.print(await desk.drawn(console))


async def _watch(desk: "Desk", console: Console, seconds: int) -> None:
    """In the terminal's other screen, so that what stood there comes back. What can't be asked stays as it was."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        drawn: RenderableType = ""
        while True:
            said = f"every {seconds} s, Ctrl-C ends"
            try:
                drawn = await desk.drawn(console)
            except (CrumbyError, *AWAY) as error:
                said = f"not up to date: {error}"
            live.update(headed(said, drawn), refresh=True)
            await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def opened(settings: Settings, asked: Asked, compare: str) -> AsyncIterator["Desk"]:
    """Raises what `understand` does before anything is opened."""
    folders = QueryFolders.laid_over(settings.queries)
    summary = find(folders.all(), STRIP)
    compared = [("compare", compare)] if ("period", "all") not in asked else []
    understand(summary, [*asked, *compared], settings, _now())
    async with open_database(settings) as database:
        expect_file(database)
        async with open_rollups(database, settings) as rollups:
            yield Desk(settings, database, rollups, folders, asked, compared)


class Desk:
    """Where the queries are asked, all of them for the same period and site."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        rollups: Rollups,
        folders: QueryFolders,
        asked: Asked,
        compared: Asked,
    ) -> None:
        self._settings = settings
        self._database = database
        self._rollups = rollups
        self._folders = folders
        self._asked = asked
        self._compared = compared

    async def told(self) -> Mapping[str, Any]:
        """Each answer by its query's name, as the API has it."""
        await self._rollups.catch_up()
        wanted = [(STRIP, self._compared), (CHART, ()), *((name, [("limit", str(ROWS))]) for name in RANKINGS)]
        return {name: _plainly(await self._answer(name, more)) for name, more in wanted}

    async def drawn(self, console: Console) -> RenderableType:
        """Raises what the database does: what its author has to mend a panel tells in its place."""
        if not await first_visit(self._database, [("period", "all")]):
            return first_steps(self._settings)
        await self._rollups.catch_up()
        strip = await self._answer(STRIP, self._compared)
        panels = Panels(console.width, console.height if console.is_terminal else None)
        if isinstance(strip, CrumbyError):
            raise strip
        chart = await self._answer(CHART, panels.interval(strip[0].view.period))
        rankings = [(name, await self._answer(name, [("limit", str(ROWS))])) for name in RANKINGS]
        site = dict(self._asked).get("site")
        return page(panels, strip, chart, rankings, site=site, now=_now())

    async def _answer(self, name: str, more: Asked) -> Told | CrumbyError:
        try:
            query = self._query(name)
            begun = await first_visit(self._database, self._asked)
            asked = [*self._asked, *(pair for pair in more if pair[0] in query.understands)]
            question = understand(query, asked, self._settings, _now(), first_visit=begun, ready=self._rollups.ready)
            return question, await question.answer(self._database, self._settings)
        except DatabaseUnavailable:
            raise
        except CrumbyError as error:  # it spoils no other panel
            return error

    def _query(self, name: str) -> Query:
        found = self._folders.get(*name.split("/"))
        if not found:
            raise NotFound(f"there is no query {name}")
        return found


def _site(host: str) -> str:
    """As visits have it."""
    return host.lower().removeprefix("www.")


def _plainly(told: Told | CrumbyError) -> Any:
    if isinstance(told, CrumbyError):
        return {"error": type(told).__name__, "detail": str(told)}
    question, answer = told
    return json.loads(encoded(answer, "json", question))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
