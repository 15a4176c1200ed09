"""What is new, in two temporary tables that the rollups' files select from: `hits` and `acts`.

    visits ─── those after the mark ──────────────────────────► hits: a row a page view,
          └─── of these, sessions' second views ──────────────► one more, on the day and the page of the first,
    engagements ─ later than their visit was counted ─────────► and what they add to their visit
    events ─── those after the mark ──────────────────────────► acts
    amended ── visits and events that were counted otherwise ─► hits, acts: negative as they were, and as they are

The kinds come one after the other, and a file is asked as soon as what it adds up is there: most add up nothing but
page views and sessions. Columns that no file names stay empty.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from crumby.dimensions.memory import NAME, VALUE
from crumby.rollups.clock import Clock
from crumby.rollups.files import words
from crumby.tables import events, visits

VIEWS, SECONDS, TOLD = KINDS = ("views", "seconds", "told")
SIGN: Final = "sign * "
OF_ENGAGEMENTS: Final = ("engaged", "told", "scroll", "scrolled", "finished")
WHOLE: Final = 90  # percent of a page: it was read to the end
MOST_BYTES: Final = 1800  # of a text beside a name in PostgreSQL, whose keys end at 2,704
FEW_CHARACTERS: Final = 450  # that are not more bytes than that

DIMENSIONS: Final[Mapping[str, tuple[str, int]]] = {  # as the reports name them: column of visits, characters
    "site": ("site", 255),
    "page": ("page", 512),
    "entry": ("entry", 512),
    "channel": ("channel", 20),
    "source": ("source", 100),
    "utm_source": ("utm_source", 150),
    "utm_medium": ("utm_medium", 150),
    "utm_campaign": ("utm_campaign", 150),
    "utm_term": ("utm_term", 150),
    "utm_content": ("utm_content", 150),
    "country": ("country", 3),
    "region": ("subdivision_1", 75),
    "city": ("city", 75),
    "language": ("lang", 10),
    "browser": ("browser", 25),
    "version": ("version", 25),
    "platform": ("platform", 25),
    "device": ("device", 10),
    "screen": ("screen_res", 25),
    "prev_page": ("prev_page", 512),
}
NUMBERS: Final = (  # of both tables, where they have them
    "day", "prev_day", "views", "sessions", "page_prev_day", "prev_page_day", "value_prev_day", "first_day",
    "hour", "weekday", "second_views", "seconds", "in_session", *OF_ENGAGEMENTS, "events",
)  # fmt: skip
MOMENTS: Final = ("at", "first", "prev")
OF_ACTS: Final = {"site": 255, "page": 512, "name": NAME, "value": VALUE}
ACTS: Final = (
    *("day", "prev_day", "events", "page_prev_day", "value_prev_day", "hour", "weekday", "at", "prev"),
    *OF_ACTS,
)
HITS: Final = (
    *(name for name in NUMBERS if name not in {"value_prev_day", "events"}),
    *MOMENTS,
    "prevs",
    *DIMENSIONS,
)


TABLES: Final[Mapping[str, Sequence[str]]] = {"hits": HITS, "acts": ACTS}


def creation(dialect: str) -> list[str]:
    end = " engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin" if dialect == "mysql" else ""
    return [
        f"create temporary table {table} ({', '.join(f'{name} {_type(table, name, dialect)}' for name in names)}){end}"
        for table, names in TABLES.items()
    ]


def _type(table: str, name: str, dialect: str) -> str:
    if dialect == "sqlite":
        return ""  # whatever it is: nothing is converted
    if name in NUMBERS:
        return "integer"
    if name in MOMENTS:
        return "bigint"
    length = 200 if name == "prevs" else OF_ACTS[name] if table == "acts" else DIMENSIONS[name][1]
    return f"varchar({length})" + (' collate "C"' if dialect == "postgresql" else "")


def kinds(sql: str) -> tuple[str, ...]:
    """What `hits` must hold before a file's statement is asked."""
    named = words(sql)
    if named & set(OF_ENGAGEMENTS):
        return KINDS
    return (VIEWS, SECONDS) if "second_views" in named else (VIEWS,)


def _amended(what: str) -> str:
    """Those whose visit, or event, was counted before; of the others it is enough how they are now."""
    return f"v.id > :amended_after and v.id <= :amended_until and v.{what} <= :until and v.sign <> 0"


class Delta:
    """The statements that fill both tables, of the columns that are `named`."""

    def __init__(self, clock: Clock, named: Collection[str]) -> None:
        self._clock = clock
        self._named = named

    def hits(self, kind: str, *, pending: bool = False, amended: bool = False) -> str:
        """Binds `after` and `until`, ids of visits; for what was told `told_after`, `told_until` and `until`.

        With `pending`, what was told after `told_until` is left out, though the visits have it: it comes later. What is
        `amended` binds `amended_after`, `amended_until` and `until`, and leaves out what was told after `told_after`.
        """
        found = self._hit_columns(kind, pending=pending, sign=SIGN if amended else "")
        columns = {name: found[name] for name in HITS if name in self._named and name in found}
        named = words(" ".join(columns.values()))
        of_visit = [f"v.{name} as {name}" for name in sorted(named & set(visits.c.keys()))]
        at = self._clock.seconds("v.datetime")
        if kind == SECONDS:
            at = f"{at} - coalesce(v.gap, 0)"
        of_visit += [f"e.{name} as e_{name}" for name in OF_ENGAGEMENTS if f"e_{name}" in named]
        rows, where = ("amended v", _amended("visit")) if amended else ("visits v", "v.id > :after and v.id <= :until")
        if amended:
            of_visit.append("v.sign as sign")
        if kind == TOLD:
            rows = "engagements e join visits v on v.id = e.visit_id"
            where = "e.id > :told_after and e.id <= :told_until and e.visit_id <= :until"
        elif kind == SECONDS:
            where += " and v.seq = 2"
        elif pending and any(f"e_{name}" in named for name in OF_ENGAGEMENTS):
            later = ", ".join(f"sum({name}) as {name}" for name in OF_ENGAGEMENTS)
            mark, visit = ("told_after", "visit") if amended else ("told_until", "id")
            told = f"select visit_id, {later} from engagements where id > :{mark} group by visit_id"
            rows += f" left join ({told}) e on e.visit_id = v.{visit}"
        return self._filling("hits", columns, of_visit, at, f"{rows} where {where}")

    def acts(self, *, amended: bool = False) -> str:
        """Binds `after` and `until`, ids of events; what is `amended` as hits do."""
        found = self._act_columns(SIGN if amended else "")
        columns = {name: found[name] for name in ACTS if name in self._named}
        named = words(" ".join(columns.values()))
        of_event = [f"v.{name} as {name}" for name in sorted(named & set(events.c.keys()))]
        rows = "events v where v.id > :after and v.id <= :until"
        if amended:
            of_event.append("v.sign as sign")
            rows = f"amended v where {_amended('event')}"
        return self._filling("acts", columns, of_event, self._clock.seconds("v.datetime"), rows)

    def _filling(self, table: str, columns: Mapping[str, str], raw: list[str], at: str, rows: str) -> str:
        """What is inside is worked out once: a limit, and a condition outside of it, keep SQLite from melting them."""
        whole = {"sqlite": " limit -1", "postgresql": " offset 0"}.get(self._clock.dialect, "")
        timed = f"select {', '.join([*raw, f'{at} as at'])} from {rows}{whole}"
        placed = f"select timed.*, {self._clock.local('at')} as local from ({timed}) timed where at is not null{whole}"
        return (
            f"insert into {table} ({', '.join(columns)}) select {', '.join(columns.values())} "
            f"from ({placed}) placed where local is not null"
        )

    def _hit_columns(self, kind: str, *, pending: bool, sign: str) -> dict[str, str]:
        clock = self._clock
        own = kind == VIEWS
        day = clock.written("local")
        begins = "case when seq = 1 then 1 else 0 end"
        found = {
            "at": "at",
            "first": "first",
            "prev": "prev",
            "day": day,
            "hour": clock.hour("local"),
            "weekday": clock.weekday("local"),
            "prevs": "prevs" if own else "null",
            "prev_day": self._stamp("prev", day) if own else day,
            "page_prev_day": self._stamp("page_prev", day) if own else day,
            "prev_page_day": f"case when gap > 0 then {clock.day('(at - gap)')} else {day} end" if own else day,
            "first_day": self._stamp("first", day),
            "views": f"{sign}1" if own else "0",
            "sessions": f"{sign}({begins})" if own else "0",
            "second_views": f"{sign}1" if kind == SECONDS else "0",
            "seconds": f"{sign}coalesce(gap, 0)" if own else "0",
            "in_session": f"{sign}(case when session is null then 0 else 1 end)" if own else "0",
        }
        known = {
            "engaged": "coalesce(engaged, 0)",
            "told": "case when engaged is null then 0 else 1 end",
            "scroll": "coalesce(scroll, 0)",
            "scrolled": "case when scroll is null then 0 else 1 end",
            "finished": f"case when scroll >= {WHOLE} then 1 else 0 end",
        }
        for name, value in known.items():
            whole = f"{value} - coalesce(e_{name}, 0)" if pending else value
            found[name] = {VIEWS: f"{sign}({whole})", SECONDS: "0", TOLD: f"{sign}e_{name}"}[kind]
        found |= {name: f"coalesce({column}, '')" for name, (column, _) in DIMENSIONS.items()}
        return found if kind != SECONDS else found | {"page": found["entry"]}

    def _act_columns(self, sign: str) -> dict[str, str]:
        day = self._clock.written("local")
        return {
            "at": "at",
            "prev": "prev",
            "day": day,
            "hour": self._clock.hour("local"),
            "weekday": self._clock.weekday("local"),
            "prev_day": self._stamp("prev", day),
            "value_prev_day": self._stamp("value_prev", day),
            "page_prev_day": self._stamp("page_prev", day),
            "events": f"{sign}1",
            "site": "coalesce(site, '')",
            "page": self._short("coalesce(page, '')"),
            "name": f"substr(coalesce(name, ''), 1, {NAME})",
            "value": self._short(f"substr(coalesce(value, ''), 1, {VALUE})"),
        }

    def _stamp(self, column: str, day: str) -> str:
        """Its day: 0 for never, and the row's own for nobody's row, which counts as no visitor."""
        return f"case when {column} is null then {day} when {column} = 0 then 0 else {self._clock.day(column)} end"

    def _short(self, text: str) -> str:
        """PostgreSQL refuses keys of many bytes."""
        if self._clock.dialect != "postgresql":
            return text
        return f"case when octet_length({text}) > {MOST_BYTES} then left({text}, {FEW_CHARACTERS}) else {text} end"
