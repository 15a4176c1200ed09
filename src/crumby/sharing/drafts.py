"""What is to be shared, as somebody says it: in a form of the page, or in the terminal."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from crumby.errors import InvalidParameter
from crumby.expiry import ends
from crumby.reporting.filters import DIMENSIONS, parse_filters
from crumby.reporting.interval import parse_interval
from crumby.reporting.period import NAMES, parse_comparison, parse_period
from crumby.reporting.query import Query
from crumby.settings import Settings
from crumby.spelling import nearest

Pairs = Sequence[tuple[str, str]]

TITLE_LENGTH: Final = 75  # characters, the column's
VIEW_LENGTH: Final = 1000
WORDS: Final = (*NAMES, "interval", "metric", "tabs")  # of the page's address, but for filters and panels' parameters
OF_A_PANEL: Final = re.compile(r"(?:public|private)-[\w-]{1,64}\.\w{1,64}")


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A word that is not known, such as `expire`, would make another share than was meant."""

    title: str
    panels: Sequence[str]  # "public/pages"
    filters: str = ""  # "country=SE&page=~/blog/"
    view: str = ""  # "period=last_90_days"
    password: str | None = None
    expires: str | None = None  # a date, whose end is meant, or a time; UTC


@dataclass(frozen=True, slots=True)
class Checked:
    """The same, and nothing is wrong with it."""

    title: str
    panels: Sequence[str]
    filters: str
    view: str
    password: str | None
    expires: datetime | None  # UTC


def check(draft: Draft, queries: Iterable[Query], settings: Settings, now: datetime) -> Checked:
    """`now` is UTC. Raises InvalidParameter, which names what does not fit."""
    filters = _filters(draft.filters)
    return Checked(
        _title(draft.title),
        _panels(draft.panels, filters, {name_of(query): query for query in queries}),
        urlencode(filters),
        _view(draft.view, [name for name, _ in filters], settings, now),
        draft.password,
        None if draft.expires is None else ends(draft.expires, now),
    )


def name_of(query: Query) -> str:
    return f"{query.collection}/{query.name}"


def pairs_of(text: str) -> Pairs:
    """`country=SE&city=` → `[("country", "SE"), ("city", "")]`."""
    return parse_qsl(text, keep_blank_values=True)


def _title(said: str) -> str:
    title = said.strip()
    if not title or len(title) > TITLE_LENGTH or not title.isprintable():
        raise InvalidParameter(f"title: give it 1 to {TITLE_LENGTH} printable characters")
    return title


def _filters(said: str) -> Pairs:
    pairs = pairs_of(said)
    if said and not pairs:
        raise InvalidParameter("filters: write them as an address has them, country=SE&page=~/blog/")
    for name, _ in pairs:
        if name not in DIMENSIONS:
            raise InvalidParameter(f"filters: {_unknown(name, DIMENSIONS)}")
    parse_filters(pairs)
    return pairs


def _unknown(name: str, known: Iterable[str]) -> str:
    near = nearest(name.lower(), known)
    return f"there is no {name[:60]!r}" + (f": did you mean {near!r}?" if near else f", only {', '.join(known)}")


def _panels(said: Sequence[str], filters: Pairs, queries: dict[str, Query]) -> Sequence[str]:
    if not said:
        raise InvalidParameter("panels: choose one at least")
    for name in said:
        if name not in queries:
            near = nearest(name, queries)
            hint = f": did you mean {near}?" if near else "; /api lists those there are"
            raise InvalidParameter(f"panels: there is no {name[:140]!r}{hint}")
        if filters and not queries[name].filtered:
            fixed = ", ".join(dict(filters))
            raise InvalidParameter(f"panels: {name} takes no filters, and would show more than {fixed}; leave it out")
    return list(dict.fromkeys(said))


def _view(said: str, fixed: Sequence[str], settings: Settings, now: datetime) -> str:
    pairs = pairs_of(said.removeprefix("?"))
    if len(said) > VIEW_LENGTH or (said and not pairs):
        raise InvalidParameter(f"view: write it as the page's address has it, {VIEW_LENGTH} characters at most")
    for name, _ in pairs:
        if name in DIMENSIONS and (DIMENSIONS[name].private or name in fixed):
            raise InvalidParameter(f"view: a guest can't filter by {name}; put it among the filters")
        if name not in {*WORDS, *DIMENSIONS} and not OF_A_PANEL.fullmatch(name):
            raise InvalidParameter(f"view: {_unknown(name, [*WORDS, *DIMENSIONS])}")
    texts = dict(pairs)
    try:
        period = parse_period(texts, settings.zone, now)
        parse_comparison(texts, period)
        parse_interval(texts, period)
        parse_filters(pairs)
    except InvalidParameter as error:
        raise InvalidParameter(f"view: {error}") from None
    return urlencode(pairs)
