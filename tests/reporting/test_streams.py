"""Rows that go out as the database gives them. Of a real server, as only its connection can be broken off."""

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.reporting.site import DATABASES
from tests.servers import Crumby

LIMIT_S = 5.0
DIGITS = "with d as (select 0 as d" + "".join(f" union all select {digit}" for digit in range(1, 10)) + ")"
NUMBERS = f"""{DIGITS}, numbers as (
  select a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d as n from d a, d b, d c, d e, d f where f.d < 4
)"""
FAULTS = {
    "sqlite": "abs(case when n = {n} then -9223372036854775807 - 1 else n end)",
    "mariadb": "cast(case when n = {n} then 0 else n + 1 end as unsigned) - 1",
    "postgres": "1 / ({n} - n)",
}
FORMATS = ["csv", "ndjson"]
PLAIN = {"Accept-Encoding": "identity"}


def files(kind: str) -> dict[str, str]:
    concat = "concat('row ', n)" if kind == "mariadb" else "'row ' || n"
    long = "printf('%02000d', n)" if kind == "sqlite" else f"lpad({concat}, 2000, '.')"
    ordered = "select n from numbers order by n limit 40000"
    return {
        "many": f"{NUMBERS} select n, {concat} as text from numbers",
        "fat": f"{NUMBERS} select n, {long} as text from numbers",
        "fat_early": f"-- rows: 9999\n{NUMBERS} select n, {long} as text from numbers",
        "cut": f"-- rows: 20000\n{NUMBERS} select n from numbers",
        "cut_early": f"-- rows: 9999\n{NUMBERS} select n from numbers",
        "faulty": f"{NUMBERS} select n, {FAULTS[kind].format(n=30_000)} as m from ({ordered}) as ordered",
        "faulty_early": f"{NUMBERS} select n, {FAULTS[kind].format(n=10)} as m from ({ordered}) as ordered",
        "endless": "select a.datetime from calendar a, calendar b, calendar c",
    }


@pytest.fixture(scope="module", params=DATABASES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crumby]:
    folder = tmp_path_factory.mktemp("queries") / "public"
    folder.mkdir()
    for name, sql in files(request.param).items():
        folder.joinpath(f"{name}.sql").write_text(sql)
    url = "" if request.param == "sqlite" else request.getfixturevalue(request.param).database()
    queries = str(folder.parent)
    with Crumby(url, query_timeout=str(LIMIT_S), query_row_limit="10000000", queries=queries) as crumby:
        yield crumby


def ask(server: Crumby, name: str, form: str, **headers: str) -> httpx.Response:
    address = f"{server.url}/api/public/{name}"
    return httpx.get(address, params={"format": form}, headers=headers, trust_env=False, timeout=30)


def broken_off(server: Crumby, name: str, form: str, encoding: str = "identity") -> bytes:
    """What came before the end that was none."""
    came: list[bytes] = []
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        gather(f"{server.url}/api/public/{name}?format={form}", encoding, came)
    return b"".join(came)


def gather(address: str, encoding: str, came: list[bytes]) -> None:
    with httpx.stream("GET", address, headers={"Accept-Encoding": encoding}, trust_env=False, timeout=30) as response:
        assert response.status_code == 200
        came.extend(response.iter_raw())


@pytest.mark.parametrize("form", FORMATS)
def test_a_long_answer_comes_whole(server: Crumby, form: str) -> None:
    response = ask(server, "many", form)
    assert (response.status_code, response.headers["Transfer-Encoding"]) == (200, "chunked")
    assert response.headers["Content-Encoding"] == "gzip"
    assert "X-Crumby-Truncated" not in response.headers
    lines = response.text.splitlines()
    if form == "csv":
        assert lines.pop(0) == "n,text"
        numbers = [int(line.partition(",")[0]) for line in lines]
    else:
        numbers = [json.loads(line)["n"] for line in lines]
    assert sorted(numbers) == list(range(40_000))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_fault_in_the_middle_breaks_the_answer_off(server: Crumby, form: str, encoding: str) -> None:
    """Seen to fail where the stream is ended as if it were whole."""
    came = broken_off(server, "faulty", form, encoding)
    if encoding == "gzip":
        with pytest.raises(EOFError):
            gzip.decompress(came)
    else:
        assert came.count(b"\n") >= 10_000
    assert re.search(r"an answer was broken off: queries/public/faulty\.sql: ", server.log)


@pytest.mark.parametrize("form", FORMATS)
def test_a_fault_among_the_first_rows_has_a_status_of_its_own(server: Crumby, form: str) -> None:
    response = ask(server, "faulty_early", form)
    assert (response.status_code, response.json()["error"]) == (500, "QueryFileError")


@pytest.mark.parametrize("form", FORMATS)
def test_a_long_answer_past_the_row_limit_is_broken_off_after_its_last_row(server: Crumby, form: str) -> None:
    """Seen to fail where a cut answer ends as a whole one does."""
    came = broken_off(server, "cut", form)
    assert came.count(b"\n") == 20_000 + (form == "csv")
    assert "queries/public/cut.sql has more rows than its limit" in server.log


@pytest.mark.parametrize("form", FORMATS)
def test_a_short_answer_past_the_row_limit_ends_and_says_so(server: Crumby, form: str) -> None:
    response = ask(server, "cut_early", form)
    assert response.headers["X-Crumby-Truncated"] == "true"
    assert response.text.count("\n") == 9_999 + (form == "csv")


def test_the_time_limit_breaks_an_answer_off(server: Crumby) -> None:
    """Seen to fail where only the first rows have to come in time."""
    started = time.monotonic()
    came = broken_off(server, "endless", "csv")
    assert LIMIT_S * 0.9 < time.monotonic() - started < LIMIT_S * 1.2 + 2
    assert came.count(b"\n") > 10_000
    assert "queries/public/endless.sql ran past 5 s and was stopped" in server.log


def forget_high_water(server: Crumby) -> None:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def high_water(server: Crumby) -> int:
    """Bytes that the server's process has taken at most since that was forgotten."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kib) << 10


def test_clients_who_leave_or_do_not_read_hold_no_connection(server: Crumby) -> None:
    """Twenty are more than there are connections: half of them leave, half are broken off. None fills the memory."""
    forget_high_water(server)
    before = high_water(server)
    streams = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    for number, stream in enumerate(streams):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = f"/api/public/endless?format=csv&days={number}"
        stream.sendall(f"GET {address} HTTP/1.1\r\nHost: stats.example.com\r\n\r\n".encode())
    time.sleep(0.5)
    for stream in streams[::2]:
        stream.close()
    started = time.monotonic()
    while ask(server, "cut_early", "csv").status_code == 503:
        assert time.monotonic() - started < 2 * LIMIT_S
    assert high_water(server) - before < 80 << 20
    for stream in streams[1::2]:
        stream.close()


def test_a_long_answer_waits_for_its_client_in_the_database(server: Crumby) -> None:
    """Of 80 MB there are never more in memory than a short answer has. Seen to fail where they are gathered."""
    assert ask(server, "fat_early", "csv").status_code == 200
    forget_high_water(server)
    before = high_water(server)
    with httpx.stream("GET", f"{server.url}/api/public/fat?format=csv", headers=PLAIN, trust_env=False) as response:
        assert response.status_code == 200
        time.sleep(1.5)
        assert high_water(server) - before < 24 << 20


def test_head_begins_no_stream(server: Crumby) -> None:
    address = f"{server.url}/api/public/many?format=csv"
    head = httpx.head(address, trust_env=False)
    with httpx.stream("GET", address, trust_env=False) as get:
        hops = {"date", "transfer-encoding"}
        differ = {name for name, value in get.headers.items() if head.headers.get(name) != value}
        assert (head.status_code, head.content, differ - hops) == (200, b"", set())
