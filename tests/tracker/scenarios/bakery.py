"""The website of the scenarios: pages that carry a script of Crumby's, on a host other than Crumby's own."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "bakery.example"  # to the browser alone
TESTS = Path(__file__).parents[2]
# As the sdist of 0.7.1 has it: a template of the address that its server was told.
OLD_SCRIPT = (TESTS / "legacy" / "cmb.js").read_text("utf-8")
SHELF = {
    "/vue.js": TESTS / "vendor" / "vue" / "vue.runtime.global.prod.js",
    "/vue-router.js": TESTS / "vendor" / "vue-router" / "vue-router.global.prod.js",
}
KEPT = {"Cache-Control": "max-age=3600"}


@dataclass(frozen=True, slots=True)
class Loaf:
    body: bytes
    headers: Mapping[str, str]
    status: int = 200


@dataclass(slots=True)
class Bakery:
    """`put` puts up a page; `saw` is what pages said of themselves with `fetch("/saw?word", {method: "POST"})`."""

    loaves: dict[str, Loaf] = field(default_factory=dict)
    saw: list[str] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server.server_port}"

    def put(
        self,
        path: str,
        text: str,
        headers: Mapping[str, str] | None = None,
        *,
        kind: str = "text/html",
        status: int = 200,
    ) -> str:
        """Put the text up at `path` and, if that ends with "*", at all that begins so → its address."""
        all_headers = {"Content-Type": f"{kind}; charset=utf-8", **(headers or {})}
        self.loaves[path] = Loaf(text.encode(), all_headers, status)
        return self.url + path.rstrip("*")

    def find(self, target: str) -> Loaf:
        path, _, query = target.partition("?")
        if path == "/0.7.1.js":
            return Loaf(OLD_SCRIPT.replace("{{ domain }}", query).encode(), {"Content-Type": "text/javascript", **KEPT})
        if path in SHELF:
            return Loaf(SHELF[path].read_bytes(), {"Content-Type": "text/javascript", **KEPT})
        apps = [name for name in self.loaves if name.endswith("*") and path.startswith(name[:-1])]
        return self.loaves.get(path) or self.loaves.get(max(apps, default=""), Loaf(b"", {}, 404))

    def __enter__(self) -> Self:
        self.server = Oven(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bakery = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                loaf = bakery.find(self.path)
                self.send_response(loaf.status)
                for name, value in {**loaf.headers, "Content-Length": str(len(loaf.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(loaf.body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                bakery.saw.append(self.path.partition("?")[2])
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class named it
                pass

        return Handler


class Oven(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a browser keeps its connections
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Browsers leave in the middle of a word."""
