"""How soon the page is painted, in a real browser over a year of visits: `python -m benchmarks.pages`.

    first     a server that just started, a browser that has nothing of it
    again     the same page once more: files from the browser's memory, answers that the server has kept
    days      other days, that nobody asked for: the files are there, every answer is counted
    before    a click on the period before
    page      a click on a row of the pages, another one each time: everything is filtered by it
    country   a click on a country
    back      the filter taken away again

Beside it the sign-in page of the same server, which has a form and a style sheet. Each round has all of them, in turn.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from benchmarks import asking, machine
from benchmarks.fill import bar
from benchmarks.ingest import environ
from benchmarks.machine import Running, Server
from crumby.database import open_database
from crumby.demo.filling import fill
from crumby.migrations import migrate
from crumby.settings import Settings
from tests.servers import find

VISITS: Final = 50_000  # as many as `crumby demo` makes
PERIODS: Final = ("last_30_days", "last_12_months")
LONG: Final = {"last_30_days": 30, "last_12_months": 365}  # days
PAGE_MS, CLICK_MS = 1000.0, 300.0  # the aims
CLICKS: Final = ("before", "page", "country", "back")
SIGN_IN: Final = "sign-in page"
ROWS: Final = {"page": "#public-pages .pick", "country": "#public-countries .pick"}
FEWEST: Final = 4  # rows of a panel
HEADS: Final = ("in view", "all", "/ sign-in", "aim", "lowest", "highest", "words", "panels", "CPU", "requests", "kB")
REST_MS: Final = 500  # in which what was scrolled to is fetched and drawn
PATIENCE_MS: Final = 30_000.0
ARGUMENTS: Final = (
    "--no-sandbox",  # which needs kernel features that containers withhold
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# A panel is painted in the frame after its answer is in it: a task that a frame begins is done once that was drawn.
PROBE: Final = """
const seen = globalThis.seen = { panels: new Map(), input: 0, owed: 0 };
addEventListener("click", (event) => { seen.input = event.timeStamp; seen.panels.clear(); }, true);
new MutationObserver((changes) => {
  const done = changes.map(({ target }) => target).filter((one) => one.matches(".panel:not([aria-busy])"));
  if (!done.length) return;
  seen.owed += 1;
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      seen.owed -= 1;
      for (const one of done) seen.panels.set(one, performance.now());
    };
    port2.postMessage(null);
  });
}).observe(document, { attributes: true, attributeFilter: ["aria-busy"], subtree: true });
"""
SETTLED: Final = """said => {
    const now = document.getElementById("status")?.textContent;
    return now && now !== said && !seen.owed && !document.querySelector(".panel[aria-busy]");
}"""
TOLD: Final = """() => {
    const near = ([one]) => {
        const { top, bottom, width } = one.getBoundingClientRect();
        return width && bottom > 0 && top < innerHeight;
    };
    const times = [...seen.panels].map(([one, at]) => [one, at - seen.input]);
    const last = (some) => Math.max(0, ...some.map(([, at]) => at));
    const words = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null;
    return { seen_ms: last(times.filter(near)), all_ms: last(times), words_ms: words, panels: times.length };
}"""
PAINTED: Final = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@dataclass(frozen=True, slots=True)
class Options:
    visits: int
    rounds: int
    periods: tuple[str, ...]
    guest: bool
    width: int
    height: int
    server_cores: set[int]
    json: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """Of one navigation, or one click; ms since it began."""

    kind: str
    seen_ms: float  # until the last panel in view was painted
    all_ms: float  # until the last of all was that is open
    words_ms: float | None  # until anything was, of a navigation
    panels: int  # that were painted
    cpu_ms: float  # of the server, user and system
    requests: int
    bytes: int  # of the answers as they came, with their heads


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of the rounds."""

    kind: str
    seen_ms: float
    all_ms: float
    lowest_ms: float  # of `all_ms`, as is the next
    highest_ms: float
    words_ms: float | None
    panels: float
    cpu_ms: float
    requests: float
    bytes: float

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> "Figures":
        def median(name: str) -> float:
            return float(statistics.median(getattr(turn, name) for turn in turns))

        alls = [turn.all_ms for turn in turns]
        words = None if turns[0].words_ms is None else median("words_ms")
        middle = {name: median(name) for name in ("seen_ms", "all_ms", "panels", "cpu_ms", "requests", "bytes")}
        return cls(kind=turns[0].kind, lowest_ms=min(alls), highest_ms=max(alls), words_ms=words, **middle)


@dataclass(frozen=True, slots=True)
class Outcome:
    visits: int
    guest: bool
    viewport: str
    chromium: str
    boards: dict[str, list[Figures]]  # by period
    machine: dict[str, str]


def main() -> None:
    options = parse(sys.argv[1:])
    outcome = measure(options)
    print(json.dumps(asdict(outcome), indent=2) if options.json else table(outcome))


def parse(arguments: Sequence[str]) -> Options:
    everywhere = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--visits", type=int, default=VISITS, help="of the year (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the medians are taken (%(default)s)")
    parser.add_argument("--periods", default=",".join(PERIODS), help="(%(default)s)")
    parser.add_argument("--guest", action="store_true", help="as somebody who did not sign in: the public panels")
    parser.add_argument("--window", default="1280x900", help="(%(default)s)")
    parser.add_argument("--server-cores", default=everywhere, help="cores of the server (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    values["periods"] = tuple(values["periods"].split(","))
    values["width"], values["height"] = map(int, values.pop("window").split("x"))
    values["server_cores"] = {int(core) for core in values["server_cores"].split(",")}
    return Options(**values)


def measure(options: Options) -> Outcome:
    chromium = find("chromium")
    if not chromium:
        sys.exit("chromium is not installed: apt-get install chromium")
    facts = machine.facts()
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'crumby.db'}"
        asyncio.run(prepare(url, options.visits))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            site = Site(options, url, browser, Path(folder))
            site.roll_up()
            boards = {period: board(site, period) for period in options.periods}
            version = browser.version
            browser.close()
    window = f"{options.width}x{options.height}"
    return Outcome(options.visits, options.guest, window, version, boards, facts)


async def prepare(url: str, visits: int) -> None:
    """The demo's year, and somebody who may see all of it."""
    async with open_database(Settings(sqlalchemy_database_uri=url)) as database:
        await migrate(database.engine)
        await fill(database, visits, datetime.now(UTC).replace(tzinfo=None), 1, bar(visits))
    await asking.add_user(url)


@dataclass(frozen=True, slots=True)
class Site:
    options: Options
    url: str
    browser: Browser
    folder: Path

    def served(self) -> Running:
        port = machine.free_port()
        command = [sys.executable, "-m", "crumby", "run", "--port", str(port)]
        return machine.pinned(command, port=port, cores=self.options.server_cores, environ=self.environ())

    def roll_up(self) -> None:
        """As a server has done long ago that took these visits."""
        command = [sys.executable, "-m", "crumby", "rollup"]
        subprocess.run(command, env=self.environ(), check=True, stdout=subprocess.DEVNULL)

    def environ(self) -> dict[str, str]:
        return environ() | {
            "CRUMBY_SQLALCHEMY_DATABASE_URI": self.url,
            "CRUMBY_GEOIP2_DATABASE_NAME": str(self.folder / "none.mmdb"),
            "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
            "CRUMBY_SPOOL": str(self.folder / "spool.db"),
        }

    @contextmanager
    def visited(self, server: Server) -> Iterator["Window"]:
        """A browser that knows nothing yet."""
        context = self.browser.new_context(viewport={"width": self.options.width, "height": self.options.height})
        yield Window(context, server)
        context.close()


def board(site: Site, period: str) -> list[Figures]:
    turns = [turn for number in range(site.options.rounds) for turn in one_round(site, period, number)]
    kinds = list(dict.fromkeys(turn.kind for turn in turns))
    return [Figures.of([turn for turn in turns if turn.kind == kind]) for kind in kinds]


def one_round(site: Site, period: str, number: int) -> Iterator[Turn]:
    address = f"/?period={period}"
    with site.served() as server:
        with site.visited(server) as window:
            yield window.sign_in_page(f"{SIGN_IN}, first")
        with site.visited(server) as window:
            if not site.options.guest:
                window.sign_in()
            yield window.go("first", address)
            window.sign_in_page(SIGN_IN)
            yield window.go("again", address)
            yield window.sign_in_page(SIGN_IN)
            yield window.go("days", earlier(period, 1))
            yield window.click("before", window.page.get_by_label("The period before"))
            window.go("", address)
            for kind, rows in ROWS.items():
                row = window.page.locator(rows).nth(number % FEWEST)
                row.scroll_into_view_if_needed()
                window.page.wait_for_timeout(REST_MS)
                yield window.click(kind, row)
                yield window.click("back", window.page.locator("#chips .chip"))


def earlier(period: str, days: int) -> str:
    """As long, and ended so many days before today."""
    last = datetime.now(UTC).date() - timedelta(days=days)
    first: date = last - timedelta(days=LONG[period] - 1)
    return f"/?from={first}&to={last}"


class Window:
    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.page: Page = context.new_page()
        self.page.add_init_script(PROBE)
        self.page.set_default_timeout(PATIENCE_MS)
        self._context = context
        self._server = server
        self._url = f"http://127.0.0.1:{server.port}"
        self._wire = Wire(context.new_cdp_session(self.page))

    def sign_in(self) -> None:
        form: dict[str, str | float | bool] = {"username": asking.NAME, "password": asking.PASSWORD}
        answer = self._context.request.post(f"{self._url}/login", form=form)
        if not answer.ok:
            raise RuntimeError(f"nobody can sign in: {answer.status}")

    def sign_in_page(self, kind: str) -> Turn:
        self._wire.clear()
        before = self._server.cpu_seconds()
        self.page.goto(f"{self._url}/login")
        self.page.wait_for_function(PAINTED)
        ms = float(self.page.evaluate(PAINTED))
        return Turn(kind, ms, ms, ms, 0, self._since(before), *self._wire.totals())

    def go(self, kind: str, address: str) -> Turn:
        self._wire.clear()
        before = self._server.cpu_seconds()
        self.page.goto(self._url + address, wait_until="commit")
        return self._turn(kind, "", before)

    def click(self, kind: str, target: Any) -> Turn:
        said = self.page.locator("#status").inner_text()
        self._wire.clear()
        before = self._server.cpu_seconds()
        target.click()
        turn = self._turn(kind, said, before)
        return Turn(**(asdict(turn) | {"words_ms": None}))

    def _turn(self, kind: str, said: str, before: float) -> Turn:
        self.page.wait_for_function(SETTLED, arg=said, polling=50)
        cpu_ms = self._since(before)
        requests, bytes_ = self._wire.totals()
        return Turn(kind=kind, cpu_ms=cpu_ms, requests=requests, bytes=bytes_, **self.page.evaluate(TOLD))

    def _since(self, before: float) -> float:
        return 1e3 * (self._server.cpu_seconds() - before)


class Wire:
    """What came over the wire, of whole answers: a stream that does not end is not counted."""

    def __init__(self, session: CDPSession) -> None:
        self.clear()
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._finished)

    def clear(self) -> None:
        self._sizes: list[int] = []

    def totals(self) -> tuple[int, int]:
        sent = [size for size in self._sizes if size]
        return len(sent), sum(sent)

    def _finished(self, told: dict[str, Any]) -> None:
        self._sizes.append(round(told["encodedDataLength"]))  # 0: it never left the browser


def table(outcome: Outcome) -> str:
    who = "a guest" if outcome.guest else "somebody who signed in"
    lines = [f"{fact}: {value}" for fact, value in outcome.machine.items()]
    lines += [
        f"chromium: {outcome.chromium}, a window of {outcome.viewport}",
        f"{outcome.visits:,} visits of a year, seen by {who}; ms, medians",
    ]
    for period, figures in outcome.boards.items():
        lines += ["", f"{period:22}" + "".join(f"{head:>10}" for head in HEADS)]
        lines += [row(each, figures) for each in figures]
    return "\n".join(lines)


def row(each: Figures, figures: Sequence[Figures]) -> str:
    beside = next(one for one in figures if one.kind == (f"{SIGN_IN}, first" if each.kind == "first" else SIGN_IN))
    aim = "" if each.kind.startswith(SIGN_IN) else f"{CLICK_MS if each.kind in CLICKS else PAGE_MS:.0f}"
    cells = (
        f"{each.seen_ms:.0f}",
        f"{each.all_ms:.0f}",
        f"{each.all_ms / beside.all_ms:.1f}",
        aim,
        f"{each.lowest_ms:.0f}",
        f"{each.highest_ms:.0f}",
        "" if each.words_ms is None else f"{each.words_ms:.0f}",
        f"{each.panels:.0f}",
        f"{each.cpu_ms:.0f}",
        f"{each.requests:.0f}",
        f"{each.bytes / 1000:.1f}",
    )
    return f"{each.kind:22}" + "".join(f"{cell:>10}" for cell in cells)


if __name__ == "__main__":
    main()
