"""What a request may say to a query: a name, a type, a default, the values that are taken."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, cast, get_args

from crumby.errors import InvalidParameter, QueryFileError

Type = Literal["text", "integer", "number", "boolean", "date", "datetime"]

TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
PHRASES: Final[dict[Type, str]] = {
    "text": "text of at most 500 characters",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date such as 2026-01-31",
    "datetime": "a time such as 2026-01-31T12:00",
}
DECLARED: Final = re.compile(r"(?P<type>\w*)\s*(?:=\s*(?P<default>.*?))?\s*(?:\((?P<taken>[^()]*)\))?")
RANGE: Final = re.compile(r"\s*(\S+)\s+to\s+(\S+)\s*")
ORDERED: Final = frozenset({"integer", "number", "date", "datetime"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """Its SQL has it as `:name`, its template as `name`."""

    name: str
    type: Type
    default: Any  # of that type, or None
    description: str
    choices: tuple[Any, ...] = ()  # the only values that are taken; without any, all of the type are
    minimum: Any = None
    maximum: Any = None

    def parse(self, text: str) -> Any:
        """The value of that type. Raises InvalidParameter."""
        try:
            value = parse_value(self.type, text)
        except ValueError:
            raise InvalidParameter(f"{self.name}: {text[:60]!r} is not {PHRASES[self.type]}") from None
        if not self.takes(value):
            raise InvalidParameter(f"{self.name}: {text[:60]!r} is not {self.taken}")
        return value

    def takes(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        return self.minimum is None or bool(self.minimum <= value <= self.maximum)

    @property
    def taken(self) -> str:
        """The values that are taken, where not all are: `one of day, week`, `1 to 100`."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        return f"{self.minimum} to {self.maximum}"


def parse_value(kind: Type, text: str) -> Any:
    """`('integer', '7')` → 7. Raises ValueError."""
    match kind:
        case "integer" if re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text)
        case "number" if re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text):
            return float(text)
        case "boolean" if text.lower() in TRUTHS:
            return TRUTHS[text.lower()]
        case "date" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
        case "datetime":
            return _instant(text)
        case "text" if len(text) <= 500 and "\0" not in text:  # noqa: PLR2004 - PHRASES says it
            return text
    raise ValueError(text)


def _instant(text: str) -> datetime:
    """UTC, without a zone; so is a text that names no offset. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise ValueError(text) from None


def parse_parameter(name: str, value: str, line: str) -> Parameter:
    """`rows`, `integer = 100 (1 to 500), how many` → what it declares. Raises QueryFileError."""
    declared, _, description = value.partition(",")
    found = DECLARED.fullmatch(declared.strip())
    kind = parse_type(found["type"] if found else declared, line)
    assert found  # noqa: S101 - or the type were none
    parameter = Parameter(name, kind, None, description.strip(), *_taken(name, kind, found["taken"]))
    if found["default"] is None:
        return parameter
    default = _of_header(name, kind, found["default"], "the default")
    if not parameter.takes(default):
        raise QueryFileError(f"the default {found['default']!r} of {name} is not {parameter.taken}")
    return Parameter(name, kind, default, description.strip(), *_taken(name, kind, found["taken"]))


def _taken(name: str, kind: Type, text: str | None) -> tuple[tuple[Any, ...], Any, Any]:
    """The choices, the least and the most: `a | b` → `(('a', 'b'), None, None)`, `1 to 9` → `((), 1, 9)`."""
    if text is None:
        return (), None, None
    ends = RANGE.fullmatch(text)
    if ends and kind in ORDERED:
        low, high = (_of_header(name, kind, end, "the bound") for end in ends.groups())
        if low > high:
            raise QueryFileError(f"{name} is to be {ends[1]} to {ends[2]}, and there is nothing between them")
        return (), low, high
    return tuple(_of_header(name, kind, choice, "the choice") for choice in text.split("|")), None, None


def _of_header(name: str, kind: Type, text: str, what: str) -> Any:
    try:
        return parse_value(kind, text.strip())
    except ValueError:
        raise QueryFileError(f"{what} {text.strip()!r} of {name} is not {PHRASES[kind]}") from None


def parse_type(text: str, line: str) -> Type:
    kind = text.strip()
    if kind not in get_args(Type):
        raise QueryFileError(f"a type is one of {', '.join(get_args(Type))}, not {kind!r} ({line})")
    return cast("Type", kind)
