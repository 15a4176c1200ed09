"""JSON of many records, one by one, whatever its size: a record a line, or an array of them.

{"at": 1}                [{"at": 1},          {"ok": true, "data": [
{"at": 2}                 {"at": 2}]             {"at": 1}, {"at": 2}]}
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Final, NamedTuple

from crumby.importing.csvfile import BOM
from crumby.importing.input import HEAD, Input
from crumby.importing.source import ImportRefused

LONGEST: Final = 16 * 1024 * 1024  # characters of a record
BETWEEN: Final = re.compile(r"[\s,]*")
ARRAY: Final = re.compile(r"\[\s*(?=[{\]])")  # of objects

_decode: Final = json.JSONDecoder().raw_decode


class Record(NamedTuple):
    place: str  # "line 12", "record 12"
    json: bytes


def records(
    given: Input, member: str | None = None, read: Callable[[int], None] = lambda _bytes: None, *, wrapped: bool = False
) -> Iterator[Record]:
    """`read` is told of bytes; `wrapped` where an object may be around the array, and no record has one of objects.

    Raises ImportRefused where an array ends too soon; lines may hold anything.
    """
    with given.open(member) as file:
        if _is_array(given.head(member), wrapped=wrapped):
            yield from _of_array(file, read, given.name if member in (None, given.name) else f"{given.name}, {member}")
        else:
            yield from _of_lines(file, read)


def _is_array(head: bytes, *, wrapped: bool) -> bool:
    text = head.removeprefix(BOM).lstrip().decode(errors="replace")
    if text.startswith("["):
        return True
    return wrapped and text.startswith("{") and bool(ARRAY.search(text))


def _of_lines(file: IO[bytes], read: Callable[[int], None]) -> Iterator[Record]:
    for number, line in enumerate(file, start=1):
        read(len(line))
        if text := line.removeprefix(BOM).strip():
            yield Record(f"line {number}", text)


def _of_array(file: IO[bytes], read: Callable[[int], None], name: str) -> Iterator[Record]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, number, begun = "", 0, False
    while len(text) <= LONGEST and (more := file.read(HEAD)):
        read(len(more))
        text += decoder.decode(more)
        if not begun and (begins := ARRAY.search(text)):
            text, begun = text[begins.end() :], True
        found, text, is_over = _whole(text) if begun else ([], text, False)
        for each in found:
            number += 1
            yield Record(f"record {number}", each)
        if is_over:
            return
    raise ImportRefused(f"{name}: behind {number} records of an array of JSON comes no other, and not its end")


def _whole(text: str) -> tuple[list[bytes], str, bool]:
    """The records that are whole, what is left, and whether the array ends with them."""
    found: list[bytes] = []
    place = 0
    while True:
        between = BETWEEN.match(text, place)
        place = between.end() if between else place
        if text.startswith("]", place):
            return found, "", True
        try:
            _, end = _decode(text, place)
        except ValueError:
            return found, text[place:], False
        found.append(text[place:end].encode(errors="replace"))
        place = end
