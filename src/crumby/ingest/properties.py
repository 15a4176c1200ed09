"""An event's properties: one JSON object, flat and bounded, written in one way.

    {"plan": "pro", "seats": 5.0, "trial": true, "coupon": null}  →  {"plan":"pro","seats":5,"trial":true}

Text is clean and cut as any text of a hit is, a number has fifteen digits and, where it is whole, no point, and what is
null is left out: what is the same is the same text, on any database. A property's name has no quotation mark and no
backslash, which databases write in different ways where they are to find it.
"""

import json
from typing import Any, Final

import msgspec

from crumby.errors import InvalidHit
from crumby.ingest.text import clean, is_well_formed

MAX_PROPERTIES: Final = 24
MAX_NAME: Final = 64  # characters
MAX_VALUE: Final = 512  # characters of a text; the rest is cut
MAX_WRITTEN: Final = 4096  # characters of all of them
SHOWN: Final = 40  # characters of a name in a message
LONGEST_WHOLE: Final = 18  # digits of what can be a whole number of 64 bits
LARGEST: Final = 1e300
WHOLE: Final = 1e18  # below it a number without a fraction is written without a point

_encode: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written, with names that may be there twice."""


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_WHOLE else float(digits)


_decode: Final = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_whole).decode


def properties(raw: msgspec.Raw | str) -> str | None:
    """The object, written anew; None where nothing is in it. Raises InvalidHit, which names what does not fit."""
    try:
        said = _decode(raw if isinstance(raw, str) else bytes(raw).decode())
    except RecursionError:
        raise InvalidHit("ep is nested; a property is a text, a number, true or false") from None
    except ValueError as error:
        raise InvalidHit(f"ep is no JSON object: {error}") from None
    if said is None:
        return None
    if not isinstance(said, _Pairs):
        raise InvalidHit('ep is no JSON object, such as {"plan": "pro"}')
    if len(said) > MAX_PROPERTIES:
        raise InvalidHit(
            f"ep has {len(said)} properties, {said[0][0][:SHOWN]!r} and so on; {MAX_PROPERTIES} is the most"
        )
    found: dict[str, Any] = {}
    for name, value in said:
        _check_name(name, found)
        found[name] = _value(name, value)
    written = _encode({name: value for name, value in found.items() if value is not None})
    if len(written) > MAX_WRITTEN:
        longest = max(found, key=lambda name: len(str(found[name])))
        raise InvalidHit(f"ep is longer than {MAX_WRITTEN} characters; {longest[:SHOWN]!r} is its longest")
    return written if written != "{}" else None


def _check_name(name: str, found: dict[str, Any]) -> None:
    shown = repr(name[:SHOWN])
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidHit(f"ep: the name {shown} is not 1 to {MAX_NAME} characters")
    if not name.isprintable() or name != name.strip() or '"' in name or "\\" in name:
        raise InvalidHit(f"ep: the name {shown} has a quotation mark, a backslash, a control sign or outer space")
    if name in found:
        raise InvalidHit(f"ep: {shown} is there twice")


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if not is_well_formed(value):
            raise InvalidHit(f"ep: {name[:SHOWN]!r} holds a half of a character: cut text between characters")
        return clean(value, MAX_VALUE)
    if isinstance(value, float):
        if not abs(value) <= LARGEST:
            raise InvalidHit(f"ep: {name[:SHOWN]!r} is a number too large, or none")
        rounded = float(f"{value:.15g}")  # as many digits as SQLite writes: others would write more
        return int(rounded) if rounded.is_integer() and abs(rounded) < WHOLE else rounded
    if isinstance(value, list):
        raise InvalidHit(f"ep: {name[:SHOWN]!r} is nested; a property is a text, a number, true or false")
    return value  # a whole number, a boolean or nothing
