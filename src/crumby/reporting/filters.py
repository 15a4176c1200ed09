"""What a request leaves of the visits: `country=SE`, `browser=!chrome`, `page=~/blog/`, and the SQL that does so.

    SE       is                 !SE      is not
    ~/blog   contains           !~/blog  contains not
    (empty)  is unknown         !        is known

A dimension that is given twice takes any of what it is or contains, and none of what it is not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from crumby.errors import InvalidParameter

NONE: Final = "1 = 1"
SMALL: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
LONGEST: Final = 500  # characters of a value
MOST: Final = 20  # values in one request


@dataclass(frozen=True, slots=True)
class Dimension:
    """What visits can be told apart by."""

    description: str
    column: str  # of visits
    private: bool = False  # as is the report of it: whoever may filter can count


DIMENSIONS: Final = {
    "site": Dimension("host of the page, such as example.com", "site"),
    "page": Dimension("path of the page, such as /blog/a", "page"),
    "entry": Dimension("page where the session began", "entry"),
    "channel": Dimension("channel that the session came by, such as Organic Search", "channel"),
    "source": Dimension("source that the session came from, such as Google", "source", private=True),
    "utm_source": Dimension("the campaign's utm_source", "utm_source", private=True),
    "utm_medium": Dimension("the campaign's utm_medium", "utm_medium", private=True),
    "utm_campaign": Dimension("the campaign's utm_campaign", "utm_campaign", private=True),
    "utm_term": Dimension("the campaign's utm_term", "utm_term", private=True),
    "utm_content": Dimension("the campaign's utm_content", "utm_content", private=True),
    "country": Dimension("ISO 3166-1 code of the country, such as SE", "country"),
    "region": Dimension("the country's subdivision, such as England", "subdivision_1"),
    "city": Dimension("city", "city", private=True),
    "language": Dimension("language of the browser, such as en-GB", "lang"),
    "browser": Dimension("browser, such as firefox", "browser"),
    "platform": Dimension("operating system, such as windows", "platform"),
    "device": Dimension("desktop, mobile or tablet", "device"),
    "screen": Dimension("size of the screen, such as 1920x1080", "screen_res"),
    "tag": Dimension("tag that the page's script said, such as spring", "tag", private=True),
    "event": Dimension("name of an event within the session", "", private=True),
}
OF_EVENTS: Final = {
    "site": "site",
    "page": "page",
    "tag": "tag",
    "event": "name",
}  # the columns that an event has of its own
WITHIN: Final = frozenset({"page", "tag", "event"})  # what changes within a session; of the rest it has one value


@dataclass(frozen=True, slots=True)
class Condition:
    dimension: str
    value: str
    negated: bool = False
    contains: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    conditions: tuple[Condition, ...] = ()

    @property
    def private(self) -> str | None:
        """A dimension that only people who signed in may filter by, if there is one here."""
        return next((each.dimension for each in self.conditions if DIMENSIONS[each.dimension].private), None)

    @property
    def within_sessions(self) -> bool:
        """Whether they may leave some page views of a session, and not the others."""
        return any(each.dimension in WITHIN for each in self.conditions)


def parse_filters(asked: Iterable[tuple[str, str]]) -> Filters:
    """The filters among what a request says. Raises InvalidParameter."""
    conditions = tuple(_condition(name, text) for name, text in asked if name in DIMENSIONS)
    if len(conditions) > MOST:
        raise InvalidParameter(f"there are more than {MOST} filters")
    places = list(DIMENSIONS)
    return Filters(tuple(sorted(conditions, key=lambda each: (places.index(each.dimension), each.negated))))


def _condition(name: str, text: str) -> Condition:
    if len(text) > LONGEST or "\0" in text:
        raise InvalidParameter(f"{name}: {text[:60]!r} is not text of at most {LONGEST} characters")
    value = text.removeprefix("!")
    return Condition(name, value.removeprefix("~"), text.startswith("!"), value.startswith("~"))


class Predicates:
    """The SQL of some filters, on the columns of visits or of events. Values are bound: `binds` has them."""

    def __init__(self, filters: Filters, dialect: str) -> None:
        self._conditions = filters.conditions
        self._dialect = dialect
        self.binds: dict[str, str] = {}

    def of_visits(self, prefix: str, events_of_period: str) -> str:
        """`prefix` stands before each column, `v.` or nothing. The events asked for are those of the period."""
        return self._of_visits(self._conditions, prefix, events_of_period)

    def of_events(self, prefix: str, visits_of_period: str) -> str:
        """What an event has no column for is its session's: that of a visit in the period."""
        own = [each for each in self._conditions if each.dimension in OF_EVENTS]
        others = [each for each in self._conditions if each.dimension not in OF_EVENTS]
        pieces = [
            self._tested(f"{prefix}{OF_EVENTS[dimension]}", conditions, negated=negated)
            for dimension, negated, conditions in _by_dimension(own)
        ]
        if others:
            found = self._of_visits(others, "", "")
            rows = f"{visits_of_period} and {found}"
            pieces.append(f"{prefix}session in (select session from visits where {rows})")  # noqa: S608 - values are bound
        return " and ".join(pieces) or NONE

    def _of_visits(self, conditions: Sequence[Condition], prefix: str, events_of_period: str) -> str:
        pieces = []
        for dimension, negated, group in _by_dimension(conditions):
            if dimension == "event":
                named = self._tested("name", group, negated=False)
                rows = f"{events_of_period} and session is not null and {named}"
                isin = f"coalesce({prefix}session, 0) {'not ' if negated else ''}in"
                pieces.append(f"{isin} (select session from events where {rows})")  # noqa: S608 - values are bound
            else:
                pieces.append(self._tested(f"{prefix}{DIMENSIONS[dimension].column}", group, negated=negated))
        return " and ".join(pieces) or NONE

    def _tested(self, column: str, conditions: Sequence[Condition], *, negated: bool) -> str:
        """Whether any of them is so, or none is. What is not known is an empty text."""
        text = f"coalesce({column}, '')"
        equal = [each.value for each in conditions if not each.contains]
        pieces = [f"{text} in ({', '.join(map(self._bound, equal))})"] if equal else []
        small = f"lower({text})"
        pieces += [self._found(small, self._bound(self._small(each.value))) for each in conditions if each.contains]
        return f"{'not ' if negated else ''}({' or '.join(pieces)})"

    def _found(self, text: str, value: str) -> str:
        """Spider tells its shards of `instr` with both arguments exchanged, and of `like` without its `escape`."""
        if self._dialect == "mysql":
            return f"({value} = '' or char_length(substring_index({text}, {value}, 1)) < char_length({text}))"
        return f"{'strpos' if self._dialect == 'postgresql' else 'instr'}({text}, {value}) > 0"

    def _small(self, text: str) -> str:
        """In small letters, as the database's own `lower` has it: all of Unicode's in MySQL, a to z elsewhere."""
        return text.lower() if self._dialect == "mysql" else text.translate(SMALL)

    def _bound(self, value: str) -> str:
        name = f"_filter_{len(self.binds)}"
        self.binds[name] = value
        return f":{name}"


def _by_dimension(conditions: Iterable[Condition]) -> Iterator[tuple[str, bool, list[Condition]]]:
    """What is to be so, and then what is not, of each dimension."""
    for (dimension, negated), group in groupby(conditions, key=lambda each: (each.dimension, each.negated)):
        yield dimension, negated, list(group)


def described(name: str) -> dict[str, Any]:
    """A filter as the OpenAPI document has it."""
    return {
        "name": name,
        "in": "query",
        "description": f"Only visits of this {DIMENSIONS[name].description}. `!` before it: not; `~`: that contain it.",
        "schema": {"type": "array", "items": {"type": "string", "maxLength": LONGEST}},
        "style": "form",
        "explode": True,
    }
