"""A town over TLS, as the document has it: Crumby at stats.example, the bakery at bakery.example, and who visits them.

All names lead to one nginx, so that an example runs as it stands: the browser, curl and Python are told where each
`https://….example` is, and whose certificate to trust.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.servers import CHROMIUM, Crumby, Nginx, Server, free_port, require, wait_until
from tests.tracker.scene import AGENT, Row

HOSTS = ("stats.example", "bakery.example", "www.bakery.example", "try.example", "mill.example")
HTML = "<!doctype html><meta charset=utf-8><title>Bakery</title>"
SITECUSTOMIZE = """
import socket
connect = socket.create_connection
def moved(address, *rest, **named):
    host, port = address
    return connect(("127.0.0.1", {port}) if host.endswith(".example") else address, *rest, **named)
socket.create_connection = moved
"""


@dataclass
class Town:
    crumby: Crumby
    nginx: Nginx
    folder: Path  # certificate, the site's pages, and a home for shells

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def put(self, path: str, html: str) -> str:
        """Put a page of the bakery's up and give its address."""
        name = path.partition("?")[0].partition("#")[0].strip("/") or "index"
        file = self.site / f"{name}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(html if "<title>" in html else HTML + html, "utf-8")
        return f"https://bakery.example{path}"

    def shell(self, script: str, **variables: str) -> str:
        """Run it as somebody at a terminal would → what it printed. Fails where it did."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env={**self.environment(), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            **self.crumby.environment(),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CURL_HOME": str(self.folder),
            "PYTHONPATH": str(self.folder),
            "SSL_CERT_FILE": str(self.folder / "cert.pem"),
        }

    def last(self) -> dict[str, int]:
        """Give the last row of each table, so that `since` tells what came after."""
        return {table: max((row["id"] for row in self.rows(table)), default=0) for table in ("visits", "events")}

    def rows(self, table: str, after: int = 0) -> list[Row]:
        with closing(sqlite3.connect(self.crumby.home / "crumby.db")) as connection:
            connection.row_factory = sqlite3.Row
            select = f"select * from {table} where id > ? order by id"
            return [dict(row) for row in connection.execute(select, [after])]


@dataclass
class Visitor:
    """A fresh profile, what its console said, and what came of it."""

    town: Town
    profile: BrowserContext
    page: Page
    began: Mapping[str, int]
    said: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)  # addresses

    def __post_init__(self) -> None:
        self.profile.on("console", lambda message: self.said.append(message.text))
        self.profile.on("request", lambda request: self.sent.append(request.url))

    async def open(self, html: str, path: str = "/") -> None:
        """Put the page up and go there."""
        await self.page.goto(self.town.put(path, html))

    async def rows(self, table: str, count: int, *, within_s: float = 10.0) -> list[Row]:
        def stored() -> list[Row]:
            return self.town.rows(table, self.began[table])

        await anyio.to_thread.run_sync(wait_until, lambda: len(stored()) >= count, f"{count} of {table}", within_s)
        assert len(stored()) == count, stored()
        return stored()

    async def visit(self) -> Row:
        return (await self.rows("visits", 1))[0]

    async def event(self) -> Row:
        return (await self.rows("events", 1))[0]

    async def told(self, words: str) -> str:
        """Wait until the console has said them."""
        await anyio.to_thread.run_sync(
            wait_until, lambda: any(words in each for each in self.said), f"{words!r} of {self.said}", 10.0
        )
        return next(each for each in self.said if words in each)

    async def nothing(self) -> None:
        """Give what should not be sent the time to be."""
        await self.page.wait_for_load_state("networkidle")
        await anyio.sleep(0.2)
        assert self.town.rows("visits", self.began["visits"]) == []
        assert self.town.rows("events", self.began["events"]) == []


@contextmanager
def town(folder: Path, crumby: Crumby, locations: str = "") -> Iterator[Town]:
    """Build it. `locations` go into the bakery's server."""
    (folder / "site").mkdir()
    folder.chmod(0o755)
    certify(folder)

    def config(port: int) -> str:
        return f"""
            types {{ text/html html; text/javascript js mjs; application/pdf pdf; }}
            charset utf-8;
            ssl_certificate {folder}/cert.pem;
            ssl_certificate_key {folder}/key.pem;
            server {{
                listen 127.0.0.1:{port} ssl;
                server_name stats.example;
                location / {{
                    proxy_pass http://127.0.0.1:{crumby.port};
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                }}
            }}
            server {{
                listen 127.0.0.1:{port} ssl default_server;
                root {folder}/site;
                error_page 404 /404.html;
                location / {{ try_files $uri $uri.html $uri/index.html =404; }}
                {locations}
            }}"""

    with Nginx(config) as nginx:
        (folder / ".curlrc").write_text(
            f'connect-to = "::127.0.0.1:{nginx.port}"\ncacert = "{folder}/cert.pem"\nsilent\nshow-error\n'
        )
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE.format(port=nginx.port))
        yield Town(crumby, nginx, folder)


class Caddy(Server):
    """Caddy with a Caddyfile of the bakery's, whose pages are those of the folder. It makes its own certificate."""

    program = "caddy"
    grace_s = 5.0

    def __init__(self, caddyfile: str, place: Path) -> None:
        super().__init__()
        self.caddyfile = caddyfile.replace("/srv/bakery", str(place / "site"))

    def prepare(self) -> None:
        self.daemon = require("caddy")
        here = f"http_port {free_port()}\nhttps_port {self.port}\nadmin off\nlocal_certs\nskip_install_trust"
        (self.folder / "Caddyfile").write_text(f"{{\n{here}\n}}\n{self.caddyfile}")

    def command(self) -> Sequence[str | Path]:
        return [self.daemon, "run", "--adapter", "caddyfile", "--config", self.folder / "Caddyfile"]

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)}


def certify(folder: Path) -> None:
    """Give the folder a key, and a certificate for all of the town."""
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=town.example"
    words += f" -addext subjectAltName={names} -addext keyUsage=critical,digitalSignature,keyCertSign"
    words += f" -keyout {folder}/key.pem -out {folder}/cert.pem"
    subprocess.run([require("openssl"), *words.split()], check=True, capture_output=True)


@asynccontextmanager
async def browser(port: int) -> AsyncIterator[Browser]:
    """A Chromium that finds the town at that port, and does not say that a program drives it."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=require("chromium"),
            args=[*CHROMIUM, f"--host-resolver-rules=MAP *.example 127.0.0.1:{port}"],
        )
        yield chromium
        await chromium.close()


@asynccontextmanager
async def visitor(chromium: Browser, place: Town, **options: Any) -> AsyncIterator[Visitor]:
    agent = {"user_agent": AGENT, "locale": "de-DE", "screen": {"width": 1366, "height": 768}}
    profile = await chromium.new_context(ignore_https_errors=True, **{**agent, **options})
    try:
        yield Visitor(place, profile, await profile.new_page(), place.last())
    finally:
        await profile.close()
