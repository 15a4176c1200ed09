"""How a line of `crumby tail` looks: for a person at a terminal, for a file or `grep`, for a program."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from sqlalchemy import Row

from crumby.cli.arrivals import Refused
from crumby.cli.screen import BLUE, GREEN, GREY, PURPLE, RED, fitted, seemly
from crumby.reasons import meaning, remedy

PAGE: Final = "bold"
SOURCE: Final = GREEN
PLACE: Final = BLUE
EVENT: Final = PURPLE
REFUSED: Final = RED
ROOMY: Final = 100  # columns, from which on a place has its country and a browser its system
LEAST: Final = 4  # columns of a site

Facts = Mapping[str, Any]


class Ticker(Protocol):
    def hits(self, rows: Sequence[Row[Any]], skipped: int = 0) -> None: ...

    def refused(self, refused: Iterable[Refused]) -> None: ...


def facts(row: Row[Any], zone: ZoneInfo) -> dict[str, Any]:
    """What is told of a visit or an event."""
    told = dict(row._mapping)  # noqa: SLF001 - its public name
    told.pop("hit_id")
    at = told.pop("datetime")
    kind = "event" if "name" in told else "visit"
    told["title"] = told.pop("doc_title")
    if "properties" in told:
        told["properties"] = _properties(told["properties"])
    return {"kind": kind, "at": _local(at, zone), **told}


def _local(at: datetime | None, zone: ZoneInfo) -> datetime | None:
    return at and at.replace(tzinfo=UTC).astimezone(zone)


def _properties(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _page(told: Facts) -> str:
    return seemly(f"{told['site'] or ''}{told['page'] or ''}")


def _source(told: Facts) -> str:
    return seemly(told["source"] or told["channel"] or told["referrer"])


def _event(told: Facts) -> str:
    """`signup: header, plan=pro`."""
    properties = told["properties"]
    words = [f"{name}={_plain(value)}" for name, value in properties.items()] if isinstance(properties, dict) else []
    value = [str(told["value"])] if told["value"] not in {None, ""} else []
    said = ", ".join([*value, *words])
    return seemly(f"{told['name']}: {said}" if said else told["name"])


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _both(first: object, second: object, between: str) -> str:
    return seemly(between.join(str(each) for each in (first, second) if each))


def _number(hits: int) -> str:
    return f"{hits:,} hit{'' if hits == 1 else 's'}"


class JsonTicker:
    """An object a line."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def hits(self, rows: Sequence[Row[Any]], skipped: int = 0) -> None:
        del skipped
        for row in rows:
            told = facts(row, self._zone)
            self._print({**told, "at": told["at"] and told["at"].isoformat()})

    def refused(self, refused: Iterable[Refused]) -> None:
        for reason, hits, since in refused:
            told = {"kind": "refused", "at": datetime.now(self._zone).isoformat(), "reason": reason, "hits": hits}
            of = _local(since, self._zone)
            words = {"meaning": meaning(reason, hits), "remedy": remedy(reason) or None}
            self._print({**told, "since": of and of.isoformat(), **words})

    def _print(self, told: Facts) -> None:
        print(json.dumps(told, ensure_ascii=False))


class PlainTicker:
    """Cells that are parted by tabs, and whole."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def hits(self, rows: Sequence[Row[Any]], skipped: int = 0) -> None:
        del skipped
        for row in rows:
            told = facts(row, self._zone)
            at = f"{told['at']:%Y-%m-%d %H:%M:%S}" if told["at"] else ""
            print(*(cell or "-" for cell in (at, told["kind"], _page(told), *self._more(told))), sep="\t")

    def _more(self, told: Facts) -> Iterable[str]:
        if told["kind"] == "event":
            return seemly(told["title"]), _event(told)
        place = _both(told["city"], told["country"], ", ")
        return seemly(told["title"]), _source(told), place, _both(told["browser"], told["platform"], "/")

    def refused(self, refused: Iterable[Refused]) -> None:
        at = f"{datetime.now(self._zone):%Y-%m-%d %H:%M:%S}"
        for each in refused:
            print(at, "refused", _refused(each), remedy(each.reason) or "-", sep="\t")


def _refused(refused: Refused) -> str:
    reason, hits, since = refused
    words = "" if meaning(reason) == reason else f", {meaning(reason, hits)}"
    return seemly(f"{_number(hits)}{' in the last hour' if since else ''}: {reason}{words}")


class ScreenTicker:
    """Columns as wide as the terminal is, colours, a line for each day; of a crowd some, and how many more came."""

    def __init__(self, zone: ZoneInfo, console: Console, *, sites: bool) -> None:
        self._zone = zone
        self._console = console
        self._sites = sites  # are told
        self._day: date | None = datetime.now(zone).date()
        self._explained: set[str] = set()

    def hits(self, rows: Sequence[Row[Any]], skipped: int = 0) -> None:
        for row in rows:
            told = facts(row, self._zone)
            self._tell_day(told["at"])
            self._print(self._line(told))
        if skipped:
            self._print(Text(f"{'':8} … {skipped:,} more", GREY))

    def _tell_day(self, at: datetime | None) -> None:
        if at and at.date() != self._day:
            self._day = at.date()
            self._print(Text(f"{self._day:%A, %d %B %Y}", f"{GREY} underline"))

    def _line(self, told: Facts) -> Text:
        at = f"{told['at']:%H:%M:%S}" if told["at"] else ""
        where, what, *others = self._widths()
        cells: list[tuple[str, int, str]] = [(at, 8, GREY), (self._page(told, where), where, PAGE)]
        if told["kind"] == "event":
            cells.append((_event(told), what + sum(others) + self._gap * len(others), EVENT))
        else:
            texts = (seemly(told["title"]), _source(told), self._place(told), self._client(told))
            cells += zip(texts, (what, *others), ("", SOURCE, PLACE, GREY), strict=True)
        return Text(" " * self._gap).join(Text(fitted(text, width), style) for text, width, style in cells)

    @property
    def _roomy(self) -> bool:
        return self._console.width >= ROOMY

    @property
    def _gap(self) -> int:
        return 2 if self._roomy else 1

    def _widths(self) -> tuple[int, ...]:
        """Of page, title, source, place and browser: what the three leave is for the two, page before title."""
        others = (15, 18, 15) if self._roomy else (10, 9, 8)
        rest = max(20, self._console.width - 8 - sum(others) - 5 * self._gap)
        page = rest * 4 // 7
        return page, rest - page, *others

    def _page(self, told: Facts, width: int) -> str:
        """Where both of them are too long, the site is cut before the path is."""
        site, page = seemly(told["site"]) if self._sites else "", seemly(told["page"])
        room = max(LEAST, width - cell_len(page))
        return f"{fitted(site, room).rstrip()}{page}"

    def _place(self, told: Facts) -> str:
        if self._roomy:
            return _both(told["city"], told["country"], ", ")
        return seemly(told["city"] or told["country"])

    def _client(self, told: Facts) -> str:
        return _both(told["browser"], told["platform"] if self._roomy else None, "/")

    def refused(self, refused: Iterable[Refused]) -> None:
        """With what can be done, the first time."""
        for each in refused:
            self._told(f"{datetime.now(self._zone):%H:%M:%S}", Text(f"refused {_refused(each)}", REFUSED))
            if each.reason not in self._explained and remedy(each.reason):
                self._told("", Text(remedy(each.reason), GREY))
            self._explained.add(each.reason)

    def _told(self, at: str, words: Text) -> None:
        """In as many lines as it takes, each of them behind the time."""
        indent = 8 + self._gap
        for line in words.wrap(self._console, max(20, self._console.width - indent)):
            self._print(Text.assemble((f"{at:{indent}}", GREY), line))
            at = ""

    def _print(self, line: Text) -> None:
        line.rstrip()
        self._console.print(line, no_wrap=True, overflow="crop", crop=True)
