"""What is remembered of a visitor: when each thing that tells visits apart was last so.

    seen = 4 bytes for each of STEADY, as the last page view had them │ seconds of that view │ (what, seconds) …

With it a page view knows, for each dimension, when the visitor last had the same value. Then counting visitors is
adding up: those of a country in a period are the views from there whose visitor's last view from there was before
the period. That is `count(distinct cid)` to the unit, without a look at the other rows.

Steady dimensions seldom change, so a view says of them all at once that they were as before (`prevs` is null), and
only values that were left are remembered one by one; pages and events always are. A thing is known by 32 bits of a
checksum: of ten million look-ups among ten things each, 0.02 find a wrong one.
"""

import struct
import zlib
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec

COME: Final = ("channel", "source", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
OWN: Final = {  # by dimension, the columns that make its value
    "site": ("site",),
    "country": ("country",),
    "region": ("country", "subdivision_1"),
    "city": ("country", "subdivision_1", "city"),
    "language": ("lang",),
    "browser": ("browser",),
    "version": ("browser", "version"),
    "platform": ("platform",),
    "device": ("device",),
    "screen": ("screen_res",),
}
STEADY: Final = ("entry", *COME, *OWN)

WORD: Final = 4  # bytes
HEAD: Final = WORD * len(STEADY)
THINGS: Final = HEAD + WORD  # where they begin
THING: Final = 2 * WORD
MOST: Final = 4096  # things that are remembered of a visitor; the oldest are forgotten
QUARTER: Final = 900  # seconds: a day begins with one, in any zone
KEPT: Final = 1024  # values whose checksums are at hand
NAME: Final = 200  # characters of an event's name that tell it from others, in its reports as well
VALUE: Final = 512
ANY: Final = "surrogatepass"

_WORDS: Final = struct.Struct(f">{len(STEADY)}I")
_MOMENT: Final = struct.Struct(">I")
_COME: Final = attrgetter(*COME)
_COLUMNS: Final = list(dict.fromkeys(column for columns in OWN.values() for column in columns))
_OWN: Final = attrgetter(*_COLUMNS)
_PLACES: Final = {name: [_COLUMNS.index(column) for column in columns] for name, columns in OWN.items()}


class Met(msgspec.Struct, frozen=True, gc=False):
    """When the visitor was met before, in seconds since 1970; 0 for never."""

    prev: int
    page_prev: int
    prevs: str | None  # ten digits for each of STEADY, where they are not all like `prev`
    seen: bytes  # from now on
    late: bool  # it is another than those that came before it know of


def meet(seen: bytes | None, view: Any, come: Any, entry: str | None, at: int) -> Met:
    """A page view of a visitor of whom so much is remembered. `come` has its session's channel, source and tags."""
    head = _entry(entry or "") + _come(_COME(come)) + _own(_OWN(view))
    page = _page(view.page or "")
    (last,) = _MOMENT.unpack_from(seen, HEAD) if seen else (0,)
    things = seen[THINGS:] if seen else b""
    if not last:
        return Met(0, 0, None, head + _MOMENT.pack(at) + met(things, page, at)[1], late=False)
    assert seen  # noqa: S101 - it told when
    if at < last:
        return _meet_late(seen, head, page, at, last)
    prevs = None
    if not seen.startswith(head):
        prevs, things = _changed(seen, head, things, last)
    page_prev, things = met(things, page, at)
    return Met(last, page_prev, prevs, head + _MOMENT.pack(at) + things, late=False)


def _changed(seen: bytes, head: bytes, things: bytes, last: int) -> tuple[str | None, bytes]:
    """When the visitor had these values before; the ones that were left are remembered from now on."""
    found = [f"{last:010d}"] * len(STEADY)
    alike = "".join(found)
    for number, (before, now) in enumerate(zip(_WORDS.unpack_from(seen), _WORDS.unpack(head), strict=True)):
        if before != now:
            found[number] = f"{when(things, now.to_bytes(WORD)):010d}"
            things = met(things, before.to_bytes(WORD), last)[1]
    prevs = "".join(found)
    return None if prevs == alike else prevs, things


def _meet_late(seen: bytes, head: bytes, page: bytes, at: int, last: int) -> Met:
    """Where the visitor was there later as well, the view gives itself for the one before it, and so counts nobody."""
    things = seen[THINGS:]
    found, late = [], _apart(last, at)
    for before, now in zip(_WORDS.unpack_from(seen), _WORDS.unpack(head), strict=True):
        known = last
        if before != now:
            known, things = _met_late(things, now.to_bytes(WORD), at)
        found.append(f"{min(known, at):010d}")
        late = late or _apart(known, at)
    page_prev, things = _met_late(things, page, at)
    late = late or _apart(page_prev, at)
    return Met(at, min(page_prev, at), "".join(found), seen[:THINGS] + things, late)


def _apart(later: int, at: int) -> bool:
    """Whether a midnight may lie between, in some zone."""
    return later > at and later // QUARTER != at // QUARTER


class Done(msgspec.Struct, frozen=True, gc=False):
    """An event, as `Met` is of a page view."""

    prev: int  # of the same name
    value_prev: int  # and the same value
    page_prev: int  # and the same page
    seen: bytes
    late: bool


def do(seen: bytes | None, event: Any, at: int) -> Done:
    name = (event.name or "")[:NAME]
    keys = (
        _thing("event", name),
        _thing("value", f"{name}\0{(event.value or '')[:VALUE]}"),
        _thing("place", f"{name}\0{event.page or ''}"),
    )
    seen = seen or bytes(THINGS)  # no page was viewed yet
    things = seen[THINGS:]
    found, late = [], False
    for key in keys:
        known, things = _met_late(things, key, at)
        late = late or _apart(known, at)
        found.append(min(known, at))
    prev, value_prev, page_prev = found
    return Done(prev, value_prev, page_prev, seen[:THINGS] + things, late)


class Replay:
    """All the rows of a visitor once more, in the order of their time: then no row is late.

    What was before the `earliest` of them, in seconds, has been deleted since, and is remembered all the same: whoever
    came back once goes on as one who came back.
    """

    def __init__(self, first: int, earliest: int) -> None:
        self._seen: bytes | None = None
        self._first = first
        self._earliest = earliest

    def view(self, view: Any, at: int) -> tuple[int, int, str | None, int]:
        """Its prev, page_prev, prevs and first."""
        met = meet(self._seen, view, view, view.entry, at)
        self._seen = met.seen
        prev, page_prev = self._kept(met.prev, view.prev), self._kept(met.page_prev, view.page_prev)
        now, before = _spread(met.prevs, met.prev), _spread(view.prevs, view.prev or 0)
        each = [self._kept(known, old) for known, old in zip(now, before, strict=True)]
        alike = all(known == prev for known in each)
        return prev, page_prev, None if alike else "".join(f"{known:010d}" for known in each), self._first

    def act(self, event: Any, at: int) -> tuple[int, int, int]:
        """Its prev, value_prev and page_prev."""
        done = do(self._seen, event, at)
        self._seen = done.seen
        return (
            self._kept(done.prev, event.prev),
            self._kept(done.value_prev, event.value_prev),
            self._kept(done.page_prev, event.page_prev),
        )

    def _kept(self, now: int, before: int | None) -> int:
        return before if not now and before and before < self._earliest else now


def _spread(prevs: str | None, prev: int) -> list[int]:
    if prevs is None:
        return [prev] * len(STEADY)
    return [int(prevs[place : place + 10]) for place in range(0, len(prevs), 10)]


def remembered(seen: bytes) -> list[tuple[str | None, bytes, int]]:
    """All that there is: which of STEADY, or None for any other thing; its checksum; seconds since 1970."""
    last = int.from_bytes(seen[HEAD:THINGS])
    words = [seen[place : place + WORD] for place in range(0, HEAD, WORD)] if last else []
    found: list[tuple[str | None, bytes, int]] = [(name, word, last) for name, word in zip(STEADY, words, strict=False)]
    things = [seen[place : place + THING] for place in range(THINGS, len(seen), THING)]
    return [*found, *((None, thing[:WORD], int.from_bytes(thing[WORD:])) for thing in things)]


def checksums(row: Any) -> dict[bytes, str]:
    """What a row of visits or events may be remembered by."""
    if hasattr(row, "properties"):
        name = (row.name or "")[:NAME]
        return {
            _thing("event", name): f"event {name}",
            _thing("value", f"{name}\0{(row.value or '')[:VALUE]}"): f"event {name}, value {row.value or ''}",
            _thing("place", f"{name}\0{row.page or ''}"): f"event {name}, page {row.page or ''}",
        }
    found = {_thing("page", row.page or ""): f"page {row.page or ''}"}
    for name, columns in {**{each: (each,) for each in ("entry", *COME)}, **OWN}.items():
        values = [getattr(row, column) or "" for column in columns]
        found[_thing(name, "\0".join(values))] = (
            f"{name} {', '.join(filter(None, values))}" if any(values) else f"no {name}"
        )
    return found


def when(things: bytes, key: bytes) -> int:
    place = _place(things, key)
    return 0 if place < 0 else int.from_bytes(things[place + WORD : place + THING])


def met(things: bytes, key: bytes, at: int) -> tuple[int, bytes]:
    """When it was so before, and the things from now on."""
    place = _place(things, key)
    if place < 0:
        if len(things) >= MOST * THING:
            things = things[THING:]
        return 0, things + key + _MOMENT.pack(at)
    moment = place + WORD
    (known,) = _MOMENT.unpack_from(things, moment)
    return known, things[:moment] + _MOMENT.pack(at) + things[moment + WORD :]


def _met_late(things: bytes, key: bytes, at: int) -> tuple[int, bytes]:
    """The same, where the later moment is remembered."""
    known, after = met(things, key, at)
    return known, things if known > at else after


def _place(things: bytes, key: bytes) -> int:
    place = things.find(key)
    while place % THING and place > 0:  # it is found across two things
        place = things.find(key, place + 1)
    return place


@lru_cache(KEPT)
def _entry(value: str) -> bytes:
    return _thing("entry", value)


@lru_cache(2 * KEPT)
def _page(value: str) -> bytes:
    return _thing("page", value)


@lru_cache(KEPT)
def _come(values: tuple[str | None, ...]) -> bytes:
    return b"".join(_thing(name, value or "") for name, value in zip(COME, values, strict=True))


@lru_cache(4 * KEPT)  # a new one costs 4 µs, and there are as many as machines in towns: 1.2 MiB
def _own(values: tuple[str | None, ...]) -> bytes:
    return b"".join(
        _steady(name, "\0".join([values[place] or "" for place in places])) for name, places in _PLACES.items()
    )


@lru_cache(2 * KEPT)
def _steady(kind: str, value: str) -> bytes:
    return _thing(kind, value)


def _thing(kind: str, value: str) -> bytes:
    return zlib.crc32(value.encode(errors=ANY), zlib.crc32(kind.encode())).to_bytes(WORD)
