"""A server of files, for what downloads them. It answers as it is told, wrongly too, and remembers who asked."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from crumby.ingest.geofile import Source


class Handler(BaseHTTPRequestHandler):
    """Answers from `files`: a body, or a function that writes to the socket what it likes."""

    files: ClassVar[dict[str, Any]]
    seen: ClassVar[list[tuple[str, str | None]]]  # path, Authorization

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        answer = self.files.get(self.path)
        if callable(answer):
            answer(self)
        elif answer is None:
            self.send_error(404)
        else:
            reply(self, answer)

    def log_message(self, *_: object) -> None:
        pass


def reply(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None, **headers: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Site:
    def __init__(self, handler: type[Handler], port: int) -> None:
        self.files = handler.files
        self.seen = handler.seen
        self.url = f"http://127.0.0.1:{port}"

    def __call__(self, path: str, answer: Any) -> Source:
        self.files[path] = answer
        return Source((self.url + path,))


def serve() -> Iterator[Site]:
    handler = type("Fresh", (Handler,), {"files": {}, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Site(handler, server.server_port)
        server.shutdown()
        thread.join()
