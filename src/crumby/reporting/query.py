"""A query file: read, understood, and rendered to one statement whose values are bound.

The template decides which clauses there are. What a request says is never part of the text: `{{ name }}` of a
parameter is refused, `:name` binds it.
"""

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Self

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from crumby.errors import CrumbyError, QueryFileError
from crumby.reporting import macros, period
from crumby.reporting.binding import Statement, bound
from crumby.reporting.filters import DIMENSIONS
from crumby.reporting.header import GROUP, Header, parse_header
from crumby.reporting.parameters import Type
from crumby.reporting.view import View
from crumby.settings import shipped

log = logging.getLogger(__name__)

TICK_NS: Final = 1_000_000_000  # of the clock that stamps folders; most are a hundred times finer
COLLECTIONS: Final = ("public", "private")
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
WHEN_CALLED: Final[Mapping[str, frozenset[str]]] = {  # what a request may say to a file whose template calls these
    "filters": frozenset(DIMENSIONS),
    "event_filters": frozenset(DIMENSIONS),
    "bucket": frozenset({"interval"}),
    "order_by": frozenset({"sort"}),
    "limit": frozenset({"limit", "offset"}),
}
RESERVED: Final = frozenset(
    {*period.NAMES, *macros.NAMES, "format", "start", "end", "now", "interval", "sort", "limit", "offset"}
)

# What a template can trip over, apart from Jinja's own errors.
FAULTS: Final = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Query:
    """One question. A file that can't be understood has an `error`, and an empty header."""

    collection: str
    name: str
    path: Path
    source: str
    header: Header
    error: str | None = None
    folder: str = ""  # below the collection's: `shop`, `shop/old`

    @property
    def private(self) -> bool:
        return self.collection == "private"

    @property
    def title(self) -> str:
        return self.header.title or readable(self.name)

    @property
    def shown(self) -> str:
        """The file as a message names it: `queries/public/visits.sql`, `queries/private/shop/orders.sql`."""
        return "/".join(filter(None, ("queries", self.collection, self.folder, self.path.name)))

    @property
    def _template(self) -> Template:
        return _compiled(self.source)[0]

    @property
    def _calls(self) -> frozenset[str]:
        """The names that its template has from elsewhere."""
        return frozenset() if self.error else _compiled(self.source)[1]

    @property
    def takes(self) -> frozenset[str]:
        """The macros of WHEN_CALLED that its template calls."""
        return self._calls & WHEN_CALLED.keys()

    @property
    def of_visits(self) -> bool:
        """Whether it tells of a period's visits, or events."""
        return self.filtered and "period" in self._calls

    @property
    def filtered(self) -> bool:
        """Whether a request's filters reach its rows."""
        return bool(self.takes & {"filters", "event_filters"})

    @cached_property
    def understands(self) -> frozenset[str]:
        """Every name that a request may say to it, but its form's."""
        own = {parameter.name for parameter in self.header.parameters}
        return frozenset({*period.NAMES, *own}.union(*(WHEN_CALLED[name] for name in self.takes)))

    def arguments(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The values of the file's own parameters in a request. Raises InvalidParameter."""
        return {
            parameter.name: parameter.parse(query[parameter.name]) if parameter.name in query else parameter.default
            for parameter in self.header.parameters
        }

    def render(self, dialect: str, view: View, arguments: Mapping[str, Any]) -> Statement:
        """The statement with its values bound. Raises QueryFileError, which names the file and the remedy."""
        if self.error:
            raise QueryFileError(self.error)
        interval = view.interval if "bucket" in self._calls else "day" if "day" in self._calls else None
        columns = [column.name for column in self.header.columns]
        called = macros.Macros(
            dialect, view, interval, some="some" in self._calls, columns=columns, rolls=bool(self.header.rollups)
        )
        try:
            sql = called.complete(self._template.render({**called.names(), **macros.guarded(arguments)}))
            return bound(sql, dialect, {**called.binds, **arguments}, self._types())
        except QueryFileError as error:
            raise QueryFileError(f"{self.shown}: {error}") from None
        except FAULTS as error:
            raise QueryFileError(f"{self.shown}: {error}") from error

    def _types(self) -> Mapping[str, Type]:
        return {parameter.name: parameter.type for parameter in self.header.parameters}


def readable(name: str) -> str:
    """`top_pages` → `Top pages`."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def load_query(collection: str, path: Path, folder: str = "") -> Query:
    """The query of a file; what is wrong with the file is in its `error`."""
    group = readable(folder.partition("/")[0]) or GROUP
    query = Query(collection, path.stem, path, "", Header(group=group), folder=folder)
    try:
        query = replace(query, source=path.read_text("utf-8-sig"))
        understood = replace(query, header=parse_header(query.source, group))
        check(understood)
    except (CrumbyError, OSError, *FAULTS) as error:
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        return replace(query, error=f"{query.shown}{line}: {error}")
    return understood


def check(query: Query) -> None:
    """Compile the template, and see that no parameter takes a name that is taken. Raises QueryFileError, or Jinja's."""
    _ = query._template  # noqa: SLF001 - our own
    names = sorted(parameter.name for parameter in query.header.parameters)
    for name, following in zip_longest(names, names[1:]):
        if name in RESERVED or name.startswith("_"):
            raise QueryFileError(f"a parameter can't be named {name!r}: Crumby gives that name a meaning")
        if name == following:
            raise QueryFileError(f"the parameter {name!r} is declared twice")


def _printable(value: object) -> object:
    if isinstance(value, Undefined):
        return str(value)  # raises, and says which
    if not isinstance(value, macros.Sql):
        raise QueryFileError("{{ … }} would print a value into the SQL; bind it instead: write :name")
    return value


_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    finalize=_printable,
    autoescape=False,  # it makes SQL, not HTML
    keep_trailing_newline=True,
)


@lru_cache(maxsize=256)
def _compiled(source: str) -> tuple[Template, frozenset[str]]:
    """The template, and the names that it has from elsewhere. 5 ms a file, which is looked over thrice at the start."""
    parsed = _environment.parse(source)
    return _environment.from_string(parsed), frozenset(find_undeclared_variables(parsed))


class QueryFolders:
    """The queries of some folders, each of them `public/` and `private/`; in a later folder a same name replaces.

    Folders below those are groups of the page, and no part of a name. They are looked at with each question, so that a
    file which is dropped in is there at once. Only a folder that changed is listed again, and a file that did, read.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._of_collections = {name: [folder / name for folder in reversed(folders)] for name in COLLECTIONS}
        self._listings: dict[Path, _Listing] = {}
        self._loaded: dict[str, tuple[tuple[int, ...], Query]] = {}
        self.passed_over: dict[Path, str] = {}  # files that are no queries, and why

    @classmethod
    def laid_over(cls, own: Path | None) -> Self:
        """The shipped queries, and the operator's own over them."""
        return cls(*filter(None, (shipped("queries"), own)))

    def all(self) -> list[Query]:
        """Every query, in the order of the page."""
        found: dict[tuple[str, str], Query] = {}
        for folder in self._folders:
            for path in folder.glob("*.sql"):
                self._pass_over(path, "it answers nothing there; move it into public/ or private/")
            for collection in COLLECTIONS:
                found |= self._of(folder / collection)
        return sorted(found.values(), key=lambda query: (query.header.order, query.collection, query.name))

    def get(self, collection: str, name: str) -> Query | None:
        for folder in self._of_collections.get(collection, ()):
            files = self._listed(folder).get(name)
            if files:
                return _only([self._current(folder, file) for file in files])
        return None

    def _of(self, folder: Path) -> dict[tuple[str, str], Query]:
        """The queries of one `public/` or `private/`. Two files of one name are one query, with an error."""
        named = self._listed(folder)
        return {(folder.name, name): _only([self._current(folder, file) for file in named[name]]) for name in named}

    def _listed(self, folder: Path) -> Mapping[str, Sequence["_File"]]:
        """The files of one `public/` or `private/`, by the query's name."""
        known = self._listings.get(folder)
        if known and known.holds():
            return known.named
        looked, folders = time.time_ns(), dict[str, int]()
        named: dict[str, list[_File]] = {}
        for path in _files(folder, folders):
            if FILE_NAME.fullmatch(path.stem):
                below = path.parent.relative_to(folder).as_posix().removeprefix(".")
                named.setdefault(path.stem, []).append(_File(path, str(path), below))
            else:
                self._pass_over(path, "it is no query: a name is made of letters, digits, - and _, 64 at most")
        self._listings[folder] = _Listing(named, folders, looked)
        return named

    def _pass_over(self, path: Path, why: str) -> None:
        if path not in self.passed_over:
            self.passed_over[path] = why
            log.warning("%s: %s", path, why)

    def _current(self, folder: Path, file: "_File") -> Query:
        """The query of a file in `public/` or `private/`, or below it."""
        try:
            status = os.stat(file.text)  # noqa: PTH116 - a Path costs as much again
        except OSError:
            return load_query(folder.name, file.path, file.below)
        version = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
        known = self._loaded.get(file.text)
        if known and known[0] == version:
            return known[1]
        query = load_query(folder.name, file.path, file.below)
        self._loaded[file.text] = (version, query)
        return query


def _only(queries: list[Query]) -> Query:
    first, *others = queries
    if not others:
        return first
    shown = " and ".join(query.shown for query in queries)
    return replace(first, error=f"{shown} have one name, and so one address; rename all but one")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    text: str  # as the system takes it
    below: str  # the folder of the collection


@dataclass(frozen=True, slots=True)
class _Listing:
    named: Mapping[str, Sequence[_File]]
    folders: Mapping[str, int]  # in which they lie → when these had changed last, in nanoseconds
    looked: int

    def holds(self) -> bool:
        """Whether nothing came or went since; what did in the very moment of the look has the clock's tick to show."""
        return bool(self.folders) and all(
            _changed(folder) == changed and self.looked - changed > TICK_NS for folder, changed in self.folders.items()
        )


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - a Path costs as much again
    except OSError:
        return 0


def _files(folder: Path, folders: dict[str, int], above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """The .sql files in and below a folder, by name; what is hidden is passed over. A link may lead anywhere but up.

    `folders` gets those that it looked at, and when they had changed.
    """
    folders[str(folder)] = _changed(str(folder))
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.name.endswith(".sql"):
            yield folder / entry.name
        elif entry.is_dir():
            yield from _files(folder / entry.name, folders, above | {here})
