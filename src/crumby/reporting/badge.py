"""A badge with a count, for a README or a footer: `/badge.svg?metric=visitors&days=30`.

The numbers are those of the public summary. It is an image and nothing else: no script, no style, no address in it.
"""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crumby.errors import InvalidParameter, NotFound
from crumby.reporting.answering import Wanted
from crumby.reporting.flow import Flow
from crumby.reporting.questions import understand
from crumby.reporting.results import encoded
from crumby.reporting.sending import tagged

BADGE_PATH: Final = "/badge.svg"
SUMMARY: Final = ("public", "summary")
METRICS: Final = ("visitors", "views")
MAX_AGE: Final = 300  # seconds; nobody looks at a badge to see the last visit
LONGEST: Final = 40  # characters of a label
UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")  # XML takes none of them
WIDE: Final = 7.1  # pixels of a letter, of eleven pixels' size; of a narrow one, and of one as large as M
NARROW: Final = (3.9, frozenset("iIljtfr.,:;'|!()[] "))
LARGE: Final = (9.6, frozenset("mwMW@%—"))
ASIAN: Final = 0x2E80  # from here on a letter is as wide as it is high
PADDING: Final = 7
HEIGHT: Final = 20


class Theme(NamedTuple):
    """Colours: of the label's ground and its letters, and of the count's."""

    label: str
    label_ink: str
    ground: str
    ink: str


THEMES: Final = {
    "light": Theme("#e8e1d7", "#221d17", "#96500a", "#ffffff"),
    "dark": Theme("#37302a", "#f3ede4", "#f0b264", "#231502"),
}
PARAMETERS: Final = ("metric", "days", "site", "label", "theme")


async def badge(request: Request) -> Response:
    asked = _asked(request)
    metric = _one_of("metric", asked, METRICS)
    theme = THEMES[_one_of("theme", asked, tuple(THEMES))]
    label = UNSEEN.sub("", asked.get("label", "")).strip() or metric
    if len(label) > LONGEST:
        raise InvalidParameter(f"label: {LONGEST} characters are the most")
    count = await _count(request, metric, {name: asked[name] for name in ("days", "site") if name in asked})
    headers = {
        "Cache-Control": f"public, max-age={MAX_AGE}",
        "Cross-Origin-Resource-Policy": "cross-origin",  # other sites are what it is for
    }
    return tagged(request, Response(drawn(label, short(count), theme), media_type="image/svg+xml", headers=headers))


def _asked(request: Request) -> Mapping[str, str]:
    pairs = request.query_params.multi_items()
    for name, _ in pairs:
        if name not in PARAMETERS:
            raise InvalidParameter(f"{name[:60]!r} is no parameter of a badge. It takes {', '.join(PARAMETERS)}")
        if [each for each, _ in pairs].count(name) > 1:
            raise InvalidParameter(f"{name} is given twice")
    return dict(pairs)


def _one_of(name: str, asked: Mapping[str, str], known: tuple[str, ...]) -> str:
    """The first one where none is asked for."""
    chosen = asked.get(name, known[0])
    if chosen not in known:
        raise InvalidParameter(f"{name}: {chosen[:60]!r} is not one of {', '.join(known)}")
    return chosen


async def _count(request: Request, metric: str, asked: Mapping[str, str]) -> int:
    """As the API has it, from the same answers."""
    query = request.state.queries.get(*SUMMARY)
    if not query:
        raise NotFound(f"there is no query {'/'.join(SUMMARY)} to take the count from")
    await request.state.rollups.catch_up()
    now = datetime.now(UTC).replace(tzinfo=None)
    rollups, settings = request.state.rollups, request.state.settings
    question = understand(query, asked.items(), settings, now, signed_in=False, ready=rollups.ready)
    told = await request.state.answering.answer(
        Wanted(question, "json", lambda answer: encoded(answer, "json", question))
    )
    if isinstance(told, Flow):
        await told.stop()
        raise NotFound(f"{'/'.join(SUMMARY)} is no summary: it has too many rows")
    answer: dict[str, Any] = msgspec.json.decode(told[0].plain)
    if metric not in answer["columns"] or not answer["data"]:
        raise NotFound(f"{'/'.join(SUMMARY)} has no {metric}")
    return int(answer["data"][0][answer["columns"].index(metric)] or 0)


def short(count: int) -> str:
    """`940`, `1.2k`, `12k`, `3.4M`."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if count >= size:
            parts = count / size
            return f"{int(parts * 10) / 10:g}{letter}" if parts < 10 else f"{int(parts)}{letter}"  # noqa: PLR2004
    return str(count)


def drawn(label: str, count: str, theme: Theme) -> str:
    """By attributes alone: a policy that forbids styles leaves it as it is."""
    left, right = (round(_width(text) + 2 * PADDING) for text in (label, count))
    name = html.escape(f"{label}: {count}")
    size = f'width="{left + right}" height="{HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{name}">'
        f"<title>{name}</title>"
        f'<clipPath id="c"><rect {size} rx="4"/></clipPath>'
        f'<g clip-path="url(#c)"><rect width="{left}" height="{HEIGHT}" fill="{theme.label}"/>'
        f'<rect x="{left}" width="{right}" height="{HEIGHT}" fill="{theme.ground}"/></g>'
        f'<g font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" text-anchor="middle">'
        f"{_text(label, left / 2, left, theme.label_ink)}"
        f"{_text(count, left + right / 2, right, theme.ink)}</g></svg>"
    )


def _text(words: str, middle: float, width: int, ink: str) -> str:
    """As wide as was reckoned, whatever the font is."""
    fitted = width - 2 * PADDING
    return f'<text x="{middle:g}" y="14" textLength="{fitted}" fill="{ink}">{html.escape(words)}</text>'


def _width(words: str) -> float:
    return sum(_width_of(letter) for letter in words)


def _width_of(letter: str) -> float:
    if ord(letter) >= ASIAN:
        return 11.0
    for width, letters in (NARROW, LARGE):
        if letter in letters:
            return width
    return WIDE


routes: Final = (Route(BADGE_PATH, badge),)
