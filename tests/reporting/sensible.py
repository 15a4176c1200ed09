"""What an OpenAPI document can't say of a request: which of its parameters go together. Schemathesis's hook.

It loads this file by its path, in an environment of its own, and what is valid by the document is made sensible here.
What is invalid is sent as it is.
"""

import json
import re
from datetime import date, timedelta
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

CENTURY = timedelta(days=36_525)
FILTERS = 20  # in one request
PERIODS = ("period", "days", "from", "to", "t0", "t1")
DAYS = {"from", "to", "t0", "t1"}
TOGETHER = {"period": {"period"}, "days": {"days", "to", "t1"}}
HIT = "/hit"
NUMBERS = {"es", "sp", "ago", "at"}
PIXEL = "/{number}.gif"
SHARES = "/shares"
PRESENT = {"dl": "https://example.com/", "en": "an event", "id": f"{1:032x}"}
ENGAGED = {"v": "2", "es": "1", "sp": "1"}


@schemathesis.hook  # type: ignore[untyped-decorator]  # it is not installed where this is checked
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    if not case.meta or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if case.path == HIT and case.method == "GET":
        case.query = told({"t": "visit", **(case.query or {}), "v": "2"})
    elif case.path == HIT:
        case.body = [whole(hit) for hit in case.body] if isinstance(case.body, list) else whole(case.body)
    elif case.path == SHARES and isinstance(case.body, dict):
        case.body = existing(case.body)
    elif case.path == PIXEL:
        case.query = told(dict(case.query))
    elif case.query:
        tried = getattr(case.meta.phase.data, "parameter", None)  # the one whose bounds are looked at
        case.query = sensible(dict(case.query), tried)


@schemathesis.serializer("text/plain")  # type: ignore[untyped-decorator]
def as_json(_context: Any, value: Any) -> bytes:
    """The only text that is posted is JSON; it would be Python otherwise."""
    return json.dumps(value).encode()


def existing(draft: dict[str, Any]) -> dict[str, Any]:
    """A share of what there is, whose words are the page's."""
    said = {"panels": ["public/pages"], "filters": "country=SE", "view": "days=7", "expires": "2999-12-31"}
    printable = "".join(filter(str.isprintable, draft["title"])).strip() or "A title"
    return draft | {"title": printable} | {name: said[name] for name in said if draft.get(name)}


def whole(hit: dict[str, Any]) -> dict[str, Any]:
    """Its numbers without a point: to JSON Schema 1.0 is a whole one. With names that properties can have."""
    if isinstance(hit.get("at"), str):
        hit["at"] = "2026-01-31T12:00:00Z"
    if hit.get("ep"):
        hit["ep"] = {f"name {number}": value for number, value in enumerate(hit["ep"].values())}
    return {key: int(value) if key in NUMBERS and isinstance(value, float) else value for key, value in hit.items()}


def told(query: dict[str, Any]) -> dict[str, Any]:
    """A pixel with what its kind can't do without; of the second wire with a visitor that nobody cleans."""
    needed = {"visit": "dl", "event": "en", "engagement": "id"}[query["t"]]
    query[needed] = query.get(needed) or PRESENT[needed]
    if query["t"] == "engagement":
        query |= ENGAGED
    if query.get("v", "1") != "1":
        query["cid"] = re.sub(r"[^A-Za-z0-9_.-]", "", query.get("cid", ""))[:32]
    if "ep" in query:
        query["ep"] = json.dumps({"name": query["ep"]})
    if "ago" in query:
        query["ago"] = "1000"
    return query


def sensible(query: dict[str, Any], tried: str | None) -> dict[str, Any]:
    named = [name for name in PERIODS if name in query]
    if named:
        chosen = tried if tried in named else named[len(query) % len(named)]
        query = {key: value for key, value in query.items() if key not in PERIODS or key in TOGETHER.get(chosen, DAYS)}
    query = _in_order(query)
    if query.get("interval") == "hour":  # takes a period of at most 92 days
        del query["interval"]
    return _of_few_filters(query)


def _in_order(query: dict[str, Any]) -> dict[str, Any]:
    first, last = query.pop("t0", None), query.pop("t1", None)
    first, last = query.get("from", first), query.get("to", last)
    if first is None:
        return query if last is None else query | {"to": last}
    days = sorted(date.fromisoformat(each) for each in (first, last or first))
    return query | {"from": str(days[0]), "to": str(min(days[1], days[0] + CENTURY))}


def _of_few_filters(query: dict[str, Any]) -> dict[str, Any]:
    room = FILTERS
    for name, values in query.items():
        if isinstance(values, list):
            query[name] = values[:room]
            room -= len(query[name])
    return query
