"""A real ClickHouse for the tests: its engine by chdb, in a process of its own, behind its HTTP interface.

    with ClickHouse() as clickhouse, Crumby(..., reports_database_uri=clickhouse.database()) as crumby:
        clickhouse.execute("select 1")
        clickhouse.kill()       # as `kill -9` would; `start`, `stop`, `pause` and `resume` as of any server

No registry has a server of these years: Debian's is of 2018, and clickhouse-connect finds no `readonly` among what it
says of its settings. chdb has the engine of today without the server around it; what `tests/chserver.py` adds is the
interface alone: SQL, types, settings, limits and errors are ClickHouse's own.

Besides `crumby`, who may do anything, there are `reader` (readonly = 2) and `strict` (readonly = 1), with the same
password. `make test` puts chdb, 500 MB, into .venv/chdb. Without it a test is skipped; with CRUMBY_TEST_ALL=1 it fails.
"""

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.servers import READY_S, DatabaseServer

ROOT = Path(__file__).parent.parent
PACKAGES = Path(sys.prefix) / "chdb"  # where `make test` puts it: nothing else is to find it there


class ClickHouse(DatabaseServer):
    program = "clickhouse"
    url = "clickhouse://crumby:cookie@127.0.0.1:{port}/{name}"
    drop_statement = "drop database {name} sync"

    def prepare(self) -> None:
        if (PACKAGES / "chdb").is_dir():
            return
        message = "chdb is not installed: make .venv/chdb.stamp"
        if os.environ.get("CRUMBY_TEST_ALL") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, ROOT / "tests" / "chserver.py", self.folder / "data", str(self.port)]

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "PYTHONPATH": str(PACKAGES)}

    def execute(self, sql: str, database: str = "", **settings: str) -> str:
        query = urlencode({"default_format": "TSV", **({"database": database} if database else {}), **settings})
        status, told = self._ask("POST", f"/?{query}", sql.encode())
        if status != HTTPStatus.OK:
            raise RuntimeError(told)
        return told

    def _ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        """Without an httpx client, which costs 20 ms each."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=READY_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"X-ClickHouse-User": "crumby", "X-ClickHouse-Key": "cookie"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def statements(self) -> list[str]:
        """The texts of those that came over the wire since the last time, apart from this class's own."""
        told: list[str] = json.loads(self._ask("GET", "/statements")[1])
        return told

    def insert(self, table: str, columns: Sequence[str], rows: bytes, database: str, form: str = "JSONEachRow") -> None:
        """Put rows in that are in one of ClickHouse's formats."""
        self.execute(f"insert into {table} ({', '.join(columns)}) format {form}\n{rows.decode()}", database)
