"""Links made without the dialog, and a page of another site that has a frame: what the tests of both share."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.servers import Crumby
from tests.web.watching import PASSWORD, USER


@contextmanager
def member(server: Crumby) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.post("/login", data={"username": USER, "password": PASSWORD})
        yield client


def shared(server: Crumby, *panels: str, **said: str) -> str:
    """Make a link to these panels → its path."""
    with member(server) as client:
        answer = client.post("/shares", json={"title": "For the mill", "panels": panels, **said})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return urlsplit(str(answer.json()["url"])).path


class Host:
    """A page of another origin. What it shows is said by each test."""

    body = ""
    url = ""

    def shows(self, *frames: str, dark: bool = False) -> str:
        self.body = f"""<!doctype html><html lang="en" style="color-scheme: {"dark" if dark else "light"}">
            <title>Of somebody else</title><h1>Of somebody else</h1>{"".join(frames)}"""
        return self.url


def frame(address: str, width: int, height: int, look: str = "border:0") -> str:
    return f'<iframe src="{escape(address)}" width="{width}" height="{height}" title="Told" style="{look}"></iframe>'


@contextmanager
def hosted() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 204)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(host.body.encode() if self.path == "/" else b"")

        def log_message(self, *_: Any) -> None:
            """Nothing of it is to be read."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        host.url = f"http://127.0.0.1:{server.server_port}/"
        yield host
        server.shutdown()
        thread.join()
