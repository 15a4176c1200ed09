"""The OpenAPI document: valid, whole, and true of the answers. It is one on every database; here it is SQLite."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from crumby.exporting.routes import EXPORT_PATH
from tests.reporting.site import Site
from tests.reporting.test_api import SHIPPED, TYPED

SITES = ["sqlite"]
SHARED = ["period", "days", "from", "to", "t0", "t1", "tz", "compare", "format"]


@pytest.fixture
def typed(site: Site) -> Iterator[str]:
    with site.query(TYPED) as address:
        yield address


async def document(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = (await site.guest.get("/openapi.json")).json()
    return found


def operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in found["paths"].items():
        for method, operation in item.items():
            assert method in {"get", "post", "put", "delete", "head", "options", "patch"}
            yield path, operation


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(each)


def resolved(found: dict[str, Any], value: Any) -> Any:
    """With what its references lead to in their place."""
    if isinstance(value, dict) and "$ref" in value:
        target: Any = found
        for word in value["$ref"].removeprefix("#/").split("/"):
            target = target[word]
        return resolved(found, target)
    if isinstance(value, dict):
        return {key: resolved(found, each) for key, each in value.items()}
    return [resolved(found, each) for each in value] if isinstance(value, list) else value


async def operation_of(site: Site, address: str) -> dict[str, Any]:
    found = await document(site)
    operation: dict[str, Any] = resolved(found, found["paths"][address]["get"])
    return operation


async def test_every_query_is_an_operation(site: Site, typed: str) -> None:
    found = await document(site)
    assert {f"/api/{name}" for name in SHIPPED} | {typed} <= set(found["paths"])


async def test_an_operation_says_what_the_header_says(site: Site, typed: str) -> None:
    operation = await operation_of(site, typed)
    assert (operation["summary"], operation["tags"]) == ("A typed query", ["public"])
    assert operation["description"] == "It has a parameter of each type: all of them."
    schemas = {each["name"]: each["schema"] for each in operation["parameters"]}
    assert list(schemas)[: len(SHARED) + 3] == [*SHARED, "sort", "limit", "offset"]
    assert list(schemas)[-7:] == ["who", "rows", "share", "local", "since", "at", "bare"]
    assert schemas["who"]["maxLength"] == 500
    assert (schemas["who"]["type"], schemas["who"]["default"]) == ("string", "ada")
    bounded = {"minimum": 1, "maximum": 9, "default": 7}
    assert schemas["rows"] == {"type": "integer", "format": "int64"} | bounded
    assert schemas["share"] == {"type": "number", "default": 0.25}
    assert schemas["local"] == {"type": "boolean", "default": False}
    assert schemas["since"] == {"type": "string", "format": "date", "default": "2026-01-31"}
    assert schemas["at"]["default"] == "2026-01-31T12:30:00"
    assert schemas["bare"] == {"type": "string", "enum": ["a", "b"]}
    assert schemas["days"]["default"] == 30
    assert schemas["sort"]["enum"] == ["who", "n", "-who", "-n"]
    assert schemas["format"]["enum"] == ["json", "records", "ndjson", "csv", "html"]
    assert {"today", "last_month", "all"} <= set(schemas["period"]["enum"])
    assert {"UTC", "Europe/Berlin", "Asia/Kathmandu"} <= set(schemas["tz"]["enum"])


async def test_an_operation_has_no_parameter_that_its_file_does_not_take(site: Site) -> None:
    """Seen to fail where each operation has all the filters."""
    with site.query("-- parameter country: text\nselect 1 as one") as address:
        names = [each["name"] for each in (await operation_of(site, address))["parameters"]]
    assert names == [*SHARED, "country"]


async def test_an_own_parameter_takes_the_place_of_a_filter_of_its_name(site: Site) -> None:
    sql = "-- parameter page: integer = 1\nselect :page as page from visits where {{ filters() }}"
    with site.query(sql) as address:
        parameters = (await operation_of(site, address))["parameters"]
    assert [each["schema"]["type"] for each in parameters if each["name"] == "page"] == ["integer"]
    assert [each["schema"]["type"] for each in parameters if each["name"] == "country"] == ["array"]


async def test_an_operation_says_which_columns_come_back(site: Site, typed: str) -> None:
    operation = await operation_of(site, typed)
    content = operation["responses"]["200"]["content"]
    table, records = content["application/json"]["schema"]["anyOf"]
    who = {"type": ["string", "null"], "description": "a visitor"}
    number = {"type": ["number", "null"], "description": "a number"}
    assert table["properties"]["data"]["items"]["prefixItems"] == [who, number]
    assert records["items"]["properties"] == {"who": who, "n": number}
    assert content["application/json"]["examples"]["example"]["value"]["data"] == [["text", 12.5]]
    assert set(content) == {"application/json", "application/x-ndjson", "text/csv", "text/html"}


async def test_private_operations_take_a_session_or_a_token_and_public_ones_neither(site: Site) -> None:
    """A filter that takes one of them makes no private operation of a public one, which says that it may be refused.

    Links are made by people. Planted: shares that a token opens.
    """
    found = await document(site)
    schemes = found["components"]["securitySchemes"]
    assert {name: scheme.get("scheme") for name, scheme in schemes.items()} == {"session": None, "token": "bearer"}
    session: list[dict[str, list[str]]] = [{"session": []}]
    either = [*session, {"token": []}]
    for path, operation in operations(found):
        reads = path.startswith(("/api/private/", EXPORT_PATH))
        private = either if reads else session if path.startswith("/shares") else []
        filters = {"$ref": "#/components/parameters/city"} in operation.get("parameters", [])
        known = [{"token": []}] if path == "/hit" else either if filters or path == "/live/stream" else []
        assert operation.get("security", []) == (private or (known and [{}, *known])), path
        assert ("401" in operation["responses"]) == bool(private or known)


async def test_every_operation_says_how_it_fails(site: Site) -> None:
    for path, operation in operations(await document(site)):
        if path.startswith("/api/") and path != EXPORT_PATH:
            assert {"200", "304", "422", "500", "503"} <= set(operation["responses"])


async def test_the_document_is_whole(site: Site, typed: str) -> None:
    found = await document(site)
    assert re.fullmatch(r"3\.1\.\d+", found["openapi"])
    assert {"title", "version"} <= set(found["info"])
    ids = [operation["operationId"] for _, operation in operations(found)]
    assert len(ids) == len(set(ids))
    for path, operation in operations(resolved(found, found)):
        assert path.startswith("/")
        assert operation["responses"]
        places = [(each["name"], each["in"]) for each in operation.get("parameters", [])]
        assert len(places) == len(set(places))
        in_path = {name for name, place in places if place == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        for name, place in places:
            assert place in {"query", "path", "header", "cookie"}, name
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            assert response["description"]


async def test_every_reference_leads_somewhere(site: Site) -> None:
    found = await document(site)
    references = [node for node in nodes(found) if isinstance(node, dict) and "$ref" in node]
    assert references
    for reference in references:
        assert resolved(found, reference)


PERIOD = {"from": "2026-03-01", "to": "2026-03-31"}


async def test_an_answer_is_as_the_document_says(site: Site, typed: str) -> None:
    found = await document(site)
    for path, operation in operations(resolved(found, found)):
        if path.startswith("/api/") and path != EXPORT_PATH:
            answer = await site.member.get(path, params=PERIOD)
            table, records = operation["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
            fields = table["properties"]["data"]["items"]["prefixItems"]
            assert answer.status_code == 200, answer.text
            for row in answer.json()["data"]:
                assert len(row) == len(fields)
                assert all(fits(value, field["type"]) for value, field in zip(row, fields, strict=True)), (path, row)
            for record in (await site.member.get(path, params=PERIOD | {"format": "records"})).json():
                assert list(record) == list(records["items"]["properties"])


def fits(value: Any, types: list[str]) -> bool:
    known: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    return any(isinstance(value, known[name]) for name in types)


async def test_a_file_that_is_dropped_in_is_an_operation_at_once_and_gone_with_it(site: Site) -> None:
    with site.query("-- Dropped\nselect 1", "private") as address:
        assert (await document(site))["paths"][address]["get"]["summary"] == "Dropped"
    assert address not in (await document(site))["paths"]


async def test_a_broken_file_says_so_in_its_operation(site: Site) -> None:
    with site.query("{% if %}") as address:
        found = await document(site)
        assert found["paths"][address]["get"]["description"].startswith("queries/public/own.sql, line 1: ")
        assert "/api/public/visits" in found["paths"]
        json.dumps(found, allow_nan=False)
