"""Questions that no file holds: `/query`, where whoever is signed in asks in SQL of his own, if SQL_EDITOR is on.

The text is a query file's, and goes the same way: its header is read, its macros are rendered, its values bound, its
one statement looked over and run read-only with a report's limits. Nothing of it is kept.

A file's author has the disk; this one a browser. So the template is held to what takes no time and no room of the
server's own: calls of the macros, and `if`. Ten lines of loops would keep the process busy for a day.
"""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from jinja2 import Environment, TemplateError, nodes
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crumby.asking import member, refuse_other_sites
from crumby.errors import BadRequest, InvalidParameter, QueryFileError
from crumby.reporting import macros
from crumby.reporting.body import embodied
from crumby.reporting.header import COMMENT, parse_header
from crumby.reporting.query import Query, check
from crumby.reporting.questions import first_visit, understand
from crumby.reporting.routes import chosen_format
from crumby.reporting.sending import CLIENT_LEFT, maker, outlasted, whole
from crumby.reporting.vocabulary import MACROS, TABLES

LONGEST: Final = 20_000  # characters of SQL: those of some hundred reports
LARGEST: Final = 8 * LONGEST  # bytes of a request: JSON can take six for a letter
WIDEST: Final = 500  # characters of a comment's line: reading a header takes time by their square
DEEPEST: Final = 20  # nodes of a template within each other
NESTED: Final = 2  # calls within each other: each writes its argument several times
ARGUMENT: Final = 200  # characters

PLAIN: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.Name, nodes.Const, nodes.List, nodes.Tuple,
    nodes.Call, nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice,
)  # fmt: skip
OF_DAYS: Final = frozenset({"replace", "split"})  # t0.replace("-", "")


class AdHoc(Query):
    @property
    def shown(self) -> str:
        return "the SQL"


async def editor(request: Request) -> Response:
    user = await member(request)
    settings = request.state.settings
    config = {
        "root": request.scope.get("root_path", ""),
        "user": user.name,
        "longest": LONGEST,
        "folder": bool(settings.queries),
    }
    context = {"user": user.name, "config": config, "tables": TABLES, "macros": MACROS, "zone": settings.time_zone}
    page: Response = request.state.render(request, "editor.html", context)
    return page


async def answer(request: Request) -> Response:
    """The answer to `{"sql": …}`; whatever else is there is said as a report's parameters are: `"days": 7`."""
    refuse_other_sites(request)
    user = await member(request)
    asked = await _asked(request)
    query = read(asked.pop("sql", ""))
    form = chosen_format(asked)
    now = datetime.now(UTC).replace(tzinfo=None)
    since = await first_visit(request.state.database, asked.items())
    question = understand(query, asked.items(), request.state.settings, now, more=("format",), first_visit=since)
    started = time.perf_counter()
    try:
        answered = await outlasted(request.receive, question.answer(request.state.database, request.state.settings))
    except QueryFileError as error:  # the fault of who asks, and no file's
        raise InvalidParameter(str(error).removeprefix(f"{query.shown}: ")) from None
    if answered is None:
        return Response(status_code=CLIENT_LEFT)
    body = await embodied(answered, maker(request, form, question, user))
    response = whole(request, body, form, question)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Server-Timing"] = f"sql;dur={(time.perf_counter() - started) * 1000:.1f}"
    return response


async def _asked(request: Request) -> dict[str, str]:
    """Raises BadRequest. A form, which any site can post, has no such content type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 'this takes application/json: {"sql": "select …"}')
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {LARGEST} bytes")
    try:
        said = msgspec.json.decode(body, type=dict[str, str | int])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(HTTPStatus.BAD_REQUEST, f'this is no {{"sql": "select …", "days": 7}}: {error}') from None
    return {name: str(value) for name, value in said.items()}


def _refused(status: HTTPStatus, why: str) -> BadRequest:
    error = BadRequest(why)
    error.status = status
    return error


def read(sql: str) -> Query:
    """The query of a text. Raises InvalidParameter, which says what is wrong with it."""
    if len(sql) > LONGEST:
        raise InvalidParameter(f"SQL has at most {LONGEST} characters here, and this has {len(sql)}")
    if "\0" in sql:
        raise InvalidParameter("SQL has no character of number 0")
    try:
        _hold_to_plain(Environment().parse(sql))  # noqa: S701 - it makes SQL, and nothing is rendered by this one
        query = AdHoc("private", "query", Path("query.sql"), sql, parse_header(_narrow(sql)))
        check(query)
    except TemplateError as error:
        raise InvalidParameter(f"line {getattr(error, 'lineno', 1)}: {error}") from None
    except RecursionError:
        raise InvalidParameter("the template is too deep") from None
    except QueryFileError as error:
        raise InvalidParameter(str(error)) from None
    return query


def _narrow(sql: str) -> str:
    """The lines of the header, whose runs of blanks are cut to the three that mean something."""
    lines: list[str] = []
    for line in sql.strip().splitlines():
        if not COMMENT.fullmatch(line):
            break
        if len(line) > WIDEST:
            raise QueryFileError(f"a line of the header has at most {WIDEST} characters")
        lines.append(re.sub(r"\s{3,}", "   ", line))
    return "\n".join(lines)


def _hold_to_plain(node: nodes.Node, depth: int = 0, calls: int = 0) -> None:
    """Raises QueryFileError for what could take long to render, or grow."""
    calls += isinstance(node, nodes.Call)
    if not isinstance(node, PLAIN) or depth > DEEPEST or calls > NESTED:
        raise QueryFileError(_beyond(node))
    if isinstance(node, nodes.Call) and not _is_short(node):
        raise QueryFileError(_beyond(node))
    for child in node.iter_child_nodes():
        _hold_to_plain(child, depth + 1, calls)


def _is_short(call: nodes.Call) -> bool:
    """Whether a macro is called, or a day's own method, with texts of a name's length."""
    called = call.node
    macro = isinstance(called, nodes.Name) and called.name in macros.NAMES  # Jinja has a `lipsum` of its own
    of_day = isinstance(called, nodes.Getattr) and isinstance(called.node, nodes.Name) and called.attr in OF_DAYS
    return (macro or of_day) and all(len(text) <= ARGUMENT for text in _texts(call))


def _texts(call: nodes.Call) -> Iterator[str]:
    for constant in call.find_all(nodes.Const):
        if isinstance(constant.value, str):
            yield constant.value


def _beyond(node: nodes.Node) -> str:
    kind = type(node).__name__.lower()
    return (
        f"line {node.lineno}: a template here has macros and `if` alone, and this is more ({kind}); a file can have it"
    )


routes: Final = (
    Route("/query", editor),
    Route("/query", answer, methods=["POST"]),
)
