"""ClickHouse's HTTP interface before chdb's engine: `python chserver.py FOLDER PORT`, for tests alone.

    GET /ping                                                    Ok.
    GET /statements                                              the last ones that clickhouse-connect has sent
    POST /?database=x&max_execution_time=10&param_a=1            the query in the body, or in `query`, or in a form
    POST /?query=insert into x format Native                     rows in the body

Each request has a connection of its own, and so its own settings, which are set in the order in which ClickHouse does:
the account's, those in the address, and then the statement is held to them. A client who hangs up ends a query that
only reads, if it has said cancel_http_readonly_queries_on_client_close.
"""

import base64
import contextlib
import email
import gzip
import json
import re
import select
import socket
import sys
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from chdb import _chdb

PASSWORD: Final = "cookie"
ACCOUNTS: Final = {"crumby": "0", "reader": "2", "strict": "1"}  # and what `readonly` is in their profile
# What chdb has otherwise than a server.
AS_A_SERVER: Final = "set implicit_select = 0, allow_introspection_functions = 0, log_comment = '{}'"
NO_SETTINGS: Final = frozenset(
    [
        "query",
        "database",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "stacktrace",
        "role",
        "buffer_size",
        "wait_end_of_query",
        "compress",
        "decompress",
        "default_format",
        "client_protocol_version",
        "quota_key",
        "user",
        "password",
        "close_session",
    ]
)
INSERTION: Final = re.compile(rb"\s*insert\s+into\s+[^;]*?\sformat\s+(\w+)[ \t]*\r?\n?", re.IGNORECASE)
SELECTION: Final = re.compile(rb"\bselect\b", re.IGNORECASE)
FORMAT: Final = re.compile(r"\sformat\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
CODE: Final = re.compile(r"Code: (\d+)\.")
STATUS: Final = {  # of exceptions; 500 of all others
    **dict.fromkeys((516, 193, 192), HTTPStatus.FORBIDDEN),
    **dict.fromkeys((62, 6, 27, 41, 43, 53, 69, 70, 72, 456), HTTPStatus.BAD_REQUEST),
    **dict.fromkeys((16, 46, 47, 50, 60, 81, 115), HTTPStatus.NOT_FOUND),
}
PIECE: Final = 1 << 16


class Failed(Exception):
    pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer goes out in one piece
    server: "Server"

    def log_message(self, *_: object) -> None:
        """Say nothing for each request."""

    def do_GET(self) -> None:
        self._answer(read_only=True)

    def do_POST(self) -> None:
        self._answer(read_only=False)

    def _answer(self, *, read_only: bool) -> None:
        address = urlsplit(self.path)
        if address.path == "/ping":
            self._send(HTTPStatus.OK, b"Ok.\n", {})
            return
        if address.path == "/statements":
            told = [self.server.told.popleft() for _ in range(len(self.server.told))]
            self._send(HTTPStatus.OK, json.dumps(told).encode(), {})
            return
        words = dict(parse_qsl(address.query, keep_blank_values=True))
        body = self._body(words)
        try:
            account = self._account(words)
            with self.server.connected(account, words, read_only=read_only) as (connection, name):
                answer, head = self._run(connection, name, words, body)
        except (Failed, RuntimeError) as error:
            text = str(error)
            code = (CODE.search(text) or (0, "1002"))[1]
            status = STATUS.get(int(code), HTTPStatus.INTERNAL_SERVER_ERROR)
            version = " (version 26.9.2.1 (official build))"
            self._send(status, f"{text}{version}\n".encode(), {"X-ClickHouse-Exception-Code": code})
            return
        self._send(HTTPStatus.OK, answer, head)

    def _run(self, connection: Any, name: str, words: dict[str, str], body: bytes) -> tuple[bytes, dict[str, str]]:
        text = words.get("query", "").encode()
        statement = text + b"\n" + body if text and body else text or body
        told = INSERTION.match(statement)
        if told and not SELECTION.search(told[0]):
            rows = statement[told.end() :] if not text else body
            written = _inserted(connection, told, rows)
            return b"", {"X-ClickHouse-Summary": json.dumps({"written_rows": str(written)})}
        asked = statement.decode()
        if "clickhouse-connect" in self.headers.get("User-Agent", ""):
            self.server.told.append(asked)
        usual = self.headers.get("X-ClickHouse-Format") or words.get("default_format", "TabSeparated")
        form = (FORMAT.search(asked) or (0, usual))[1]
        values = {key.removeprefix("param_"): value for key, value in words.items() if key.startswith("param_")}
        with self._watched(name, words):
            done = connection.query(asked, form, params=values)
        told_of = {"read_rows": str(done.rows_read()), "written_rows": str(done.rows_written())}
        return bytes(done.bytes()), {"X-ClickHouse-Format": form, "X-ClickHouse-Summary": json.dumps(told_of)}

    @contextlib.contextmanager
    def _watched(self, name: str, words: dict[str, str]) -> Iterator[None]:
        """End the query when who asked it hangs up."""
        if words.get("cancel_http_readonly_queries_on_client_close") != "1" or words.get("readonly", "0") == "0":
            yield
            return
        ended, wake = socket.socketpair()
        watch = threading.Thread(target=self._kill_when_left, args=(ended, name))
        watch.start()
        try:
            yield
        finally:
            wake.close()
            watch.join()
            ended.close()

    def _kill_when_left(self, ended: socket.socket, name: str) -> None:
        readable = select.select([ended, self.connection], [], [])[0]
        if ended not in readable and not self.connection.recv(1, socket.MSG_PEEK):
            self.server.kill(name)

    def _body(self, words: dict[str, str]) -> bytes:
        raw = self._chunks() if self.headers.get("Transfer-Encoding") else self._sized()
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            parsed = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
            for part in parsed.get_payload():
                name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
                words[str(name)] = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
            return b""
        return _unpacked(raw, self.headers.get("Content-Encoding", ""))

    def _sized(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _account(self, words: dict[str, str]) -> str:
        kind, _, told = self.headers.get("Authorization", "").partition(" ")
        given = base64.b64decode(told).decode() if kind == "Basic" else ""
        name, _, password = given.partition(":")
        name = name or self.headers.get("X-ClickHouse-User") or words.get("user", "default")
        password = password or self.headers.get("X-ClickHouse-Key") or words.get("password", "")
        if name not in ACCOUNTS or password != PASSWORD:
            message = (
                f"Code: 516. DB::Exception: {name}: Authentication failed: password is incorrect, or there is no user"
            )
            raise Failed(f"{message} with such name. (AUTHENTICATION_FAILED)")
        return name

    def _send(self, status: HTTPStatus, body: bytes, head: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"X-ClickHouse-Timezone": "UTC", **head, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: str, port: int) -> None:
        self._folder = folder
        self.told: deque[str] = deque(maxlen=10_000)
        self._first = _chdb.connect(folder)  # the engine lives as long as one connection does
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients who are gone."""

    @contextlib.contextmanager
    def connected(self, account: str, words: dict[str, str], *, read_only: bool) -> Iterator[tuple[Any, str]]:
        connection, name = _chdb.connect(self._folder), uuid.uuid4().hex
        try:
            connection.query(AS_A_SERVER.format(name))
            if database := words.get("database"):
                connection.query(f"use `{database}`")
            if (least := "2" if read_only and ACCOUNTS[account] == "0" else ACCOUNTS[account]) != "0":
                connection.query(f"set readonly = {least}")
            settings = {key: value for key, value in words.items() if key not in NO_SETTINGS and key[:6] != "param_"}
            if settings:
                connection.query("set " + ", ".join(f"{key} = {_quoted(value)}" for key, value in settings.items()))
            yield connection, name
        finally:
            connection.close()

    def kill(self, name: str) -> None:
        with contextlib.suppress(RuntimeError):
            self._first.query(f"kill query where Settings['log_comment'] = '{name}' async")


def _inserted(connection: Any, told: re.Match[bytes], rows: bytes) -> int:
    into = told[0].decode().rstrip()[: -len(told[1])].rstrip()[: -len("format")]
    stream = connection.send_insert(into, told[1].decode())
    if stream.has_error():
        raise Failed(stream.error_message())
    try:
        connection.insert_append(stream, rows)
        return int(connection.insert_done(stream).rows_written())
    except RuntimeError:
        with contextlib.suppress(RuntimeError):
            connection.insert_cancel(stream)
        raise


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "lz4":
        import lz4.frame

        return bytes(lz4.frame.decompress(body))
    if encoding == "zstd":
        from backports import zstd

        return zstd.decompress(body)
    return body


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    Server(sys.argv[1], int(sys.argv[2])).serve_forever()
