"""`crumby tail`: visits and events as they are committed, and how many hits were refused and why.

It reads the database twice a second and needs no server; nothing of it is an address or a visitor's name. A database
that is away is waited for. On a terminal a crowd is not shown whole: "… 812 more".
"""

import asyncio
import contextlib
import heapq
import os
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from crumby.cli.arrivals import PAGE, Arrivals, Look
from crumby.cli.queryfiles import expect_file
from crumby.cli.screen import GREY
from crumby.cli.telling import tell
from crumby.cli.ticker import JsonTicker, PlainTicker, ScreenTicker, Ticker
from crumby.database import first_line, open_database
from crumby.errors import DatabaseUnavailable
from crumby.settings import Settings, load_settings

EVERY_S: Final = 0.5
PATIENCE_S: Final = 10.0  # until a database that does not answer is said to be away
AGAIN_S: Final = 1.0
BACK: Final = 5000  # ids among which the last ones are looked for
MOST: Final = 1000
CROWD: Final = 40  # lines at a look, on a terminal: 80 a second, which nobody reads
AWAY: Final = (SQLAlchemyError, OSError, RuntimeError)  # drivers have odd ones for a server that dies

Last = Annotated[int, typer.Option("--last", "-n", min=0, max=MOST, help="Begin with so many that came before.")]
Once = Annotated[bool, typer.Option("--once", help="Show these, and wait for no others.")]
Site = Annotated[str | None, typer.Option("--site", metavar="HOST", help="Of this site alone.")]
Path = Annotated[str | None, typer.Option("--path", metavar="PREFIX", help="Of pages that begin with it: /blog/.")]
Json = Annotated[bool, typer.Option("--json", help="A JSON object a line.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    site: str | None
    path: str

    @classmethod
    def of(cls, site: str | None, path: str | None) -> "Wanted":
        return cls(site.lower().removeprefix("www.") if site else None, path or "")

    def __call__(self, row: Row[Any]) -> bool:
        return self.site in {None, row.site} and (row.page or "").startswith(self.path)


def tail(last: Last = 10, once: Once = False, site: Site = None, path: Path = None, json_: Json = False) -> None:
    settings = load_settings()
    console = Console(markup=False, emoji=False, highlight=False)
    wanted = Wanted.of(site, path)
    ticker: Ticker
    if json_:
        ticker = JsonTicker(settings.zone)
    elif console.is_terminal:
        ticker = ScreenTicker(settings.zone, console, sites=not wanted.site)
        if not once:
            console.print(Text(f"Hits as they come, by the clocks of {settings.zone.key}. Ctrl-C ends.", GREY))
    else:
        ticker = PlainTicker(settings.zone)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal of few letters
    with contextlib.suppress(KeyboardInterrupt), until_nobody_reads():
        crowd = CROWD if console.is_terminal and not json_ else sys.maxsize
        asyncio.run(_tail(settings, Tail(ticker, wanted, crowd), last, once=once))


@contextlib.contextmanager
def until_nobody_reads() -> Any:
    """`crumby tail | head` is done when `head` is."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more


async def _tail(settings: Settings, tail: "Tail", last: int, *, once: bool) -> None:
    async with open_database(settings) as database:
        expect_file(database)
        arrivals = Arrivals(database, BACK)
        more = await tail.begin(arrivals, last)
        while not once:
            await asyncio.sleep(0 if more else EVERY_S)
            more = tail.show(await _looked(arrivals))


class Tail:
    """What is wanted of what comes, on its way to be shown."""

    def __init__(self, ticker: Ticker, wanted: Wanted, crowd: int) -> None:
        self._ticker = ticker
        self._wanted = wanted
        self._crowd = crowd

    async def begin(self, arrivals: Arrivals, last: int) -> bool:
        """With the last ones → whether there is more. Raises DatabaseUnavailable."""
        kept: list[Row[Any]] = []
        more, pages = True, BACK // PAGE + 1
        while more and pages:
            look = await _first(arrivals)
            kept = heapq.nlargest(last, [*kept, *filter(self._wanted, look.hits)], key=_when)
            self._ticker.refused(look.refused)
            more, pages = look.more, pages - 1
        self._ticker.hits(kept[::-1])
        sys.stdout.flush()
        return more

    def show(self, look: Look) -> bool:
        """Whether there is more."""
        hits = list(filter(self._wanted, look.hits))
        self._ticker.hits(hits[: self._crowd], max(0, len(hits) - self._crowd))
        self._ticker.refused(look.refused)
        sys.stdout.flush()
        return look.more


def _when(row: Row[Any]) -> datetime:
    when: datetime = row.datetime or datetime.min  # noqa: DTZ901 - UTC
    return when


async def _first(arrivals: Arrivals) -> Look:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await arrivals.look()
    except TimeoutError:
        raise DatabaseUnavailable(f"the database does not answer within {PATIENCE_S:g} seconds") from None
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(f"{first_line(error)}; `crumby doctor` says what is amiss") from error


async def _looked(arrivals: Arrivals) -> Look:
    """However long the database is away: that is said once, and when it is back."""
    away = False
    while True:
        looking = asyncio.create_task(arrivals.look())
        done, _ = await asyncio.wait({looking}, timeout=PATIENCE_S)
        if not done:
            away = _say_once(f"no answer within {PATIENCE_S:g} seconds", said=away)
        try:
            look = await looking
        except AWAY as error:
            away = _say_once(first_line(error), said=away)
            await asyncio.sleep(AGAIN_S)
        else:
            if away:
                tell("DatabaseBack", "the database is back")
            return look


def _say_once(why: str, *, said: bool) -> bool:
    if not said:
        tell(DatabaseUnavailable.__name__, f"the database is away, and waited for: {why}")
    return True
