"""A small website whose pages carry the tracker: on a host and a port other than Crumby's."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(slots=True)
class Site:
    """`site.page("/a", "<p>…")` puts a page up and gives its address."""

    pages: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    server: ThreadingHTTPServer = field(init=False)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}"

    def page(self, path: str, html: str, headers: Mapping[str, str] | None = None) -> str:
        self.pages[path] = (html, headers or {})
        return self.url + path

    def __enter__(self) -> Self:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                html, headers = pages.get(self.path.partition("?")[0], ("", {}))
                body = html.encode()
                self.send_response(200 if html else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class named it
                pass

        return Handler
