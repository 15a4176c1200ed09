"""deployment/caddy and deployment/apache, in a real Caddy and a real Apache before a real Crumby."""

import json
import os
import secrets
import sqlite3
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.deployment.places import NAME, SENDER, SOCKET, certify, moved, text
from tests.servers import Crumby, Server, free_port, require

MODULES = "mpm_event authz_core alias ssl proxy proxy_http reqtimeout headers socache_shmcb unixd"
HIT = {"t": "visit", "cid": "7", "dl": "https://bakery.example/"}


class Caddy(Server):
    """It makes the certificate itself; `local_certs` has it ask nobody."""

    program = "caddy"

    def __init__(self, crumby: Crumby) -> None:
        super().__init__()
        self.crumby = crumby

    def prepare(self) -> None:
        self.daemon = require("caddy")
        here = (
            f"\n\thttp_port {free_port()}\n\thttps_port {self.port}\n\tadmin off\n\tlocal_certs\n\tskip_install_trust"
        )
        places = [("unix/" + SOCKET, f"unix/{self.crumby.socket}"), ("\n{", "\n{" + here)]
        (self.folder / "Caddyfile").write_text(moved(text("caddy/Caddyfile"), places))

    def command(self) -> Sequence[str | Path]:
        return [self.daemon, "run", "--adapter", "caddyfile", "--config", self.folder / "Caddyfile"]

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)}

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "caddy" / "pki" / "authorities" / "local" / "root.crt")


class Apache(Server):
    program = "apache2"

    def __init__(self, crumby: Crumby) -> None:
        super().__init__()
        self.crumby = crumby

    def prepare(self) -> None:
        self.daemon = require("apache2")
        folder = Path("/usr/lib/apache2/modules")
        if not folder.exists():
            pytest.skip("Apache's modules are not where Debian has them")
        self.context = certify(self.folder)
        modules = "".join(
            f"LoadModule {name}_module {folder}/mod_{name}.so\n"
            for name in MODULES.split()
            if (folder / f"mod_{name}.so").exists()
        )
        account = "User nobody\nGroup nogroup\n" if os.geteuid() == 0 else ""
        places = [
            ("<VirtualHost *:80>", f"<VirtualHost 127.0.0.1:{free_port()}>"),
            ("<VirtualHost *:443>", f"<VirtualHost 127.0.0.1:{self.port}>"),
            ("/etc/ssl/crumby/", f"{self.folder}/"),
            (SOCKET, str(self.crumby.socket)),
        ]
        (self.folder / "apache.conf").write_text(
            f"{modules}{account}ServerName crumby.test\nListen 127.0.0.1:{self.port}\nPidFile {self.folder}/pid\n"
            f"DefaultRuntimeDir {self.folder}\nErrorLog /dev/stderr\n{moved(text('apache/crumby.conf'), places)}"
        )
        for path in (self.folder, self.crumby.folder):  # nobody goes through to the socket
            path.chmod(0o755)

    def command(self) -> Sequence[str | Path]:
        return [self.daemon, "-D", "FOREGROUND", "-d", self.folder, "-f", self.folder / "apache.conf"]

    def trusted(self) -> ssl.SSLContext:
        return self.context


class Reached(httpx.Client):
    crumby: Crumby


@pytest.fixture(scope="module", params=[Caddy, Apache], ids=["caddy", "apache"])
def http(request: pytest.FixtureRequest) -> Iterator[Reached]:
    """A browser's connection to it, at another address than the proxy's."""
    kind: Callable[[Crumby], Caddy | Apache] = request.param
    with ExitStack() as stack:
        crumby = stack.enter_context(Crumby(uds=True, proxy_count="1", session_cookie_secure="1"))
        server = kind(crumby)
        stack.enter_context(server)
        transport = httpx.HTTPTransport(verify=server.trusted(), local_address=SENDER)
        client = Reached(base_url=f"https://{NAME}:{server.port}", transport=transport, timeout=30, trust_env=False)
        client.crumby = crumby
        yield stack.enter_context(client)


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead the name to this machine."""
    import socket

    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: look_up("127.0.0.1" if host == NAME else host, *rest, **more)
    )


def test_a_hit_is_stored_with_the_address_of_its_sender(http: Reached) -> None:
    """Seen to fail with a Caddy that trusts whoever says where they are from."""
    body = json.dumps({"id": secrets.token_hex(16), **HIT})
    assert http.post("/hit", content=body, headers={"X-Forwarded-For": "203.0.113.6"}).status_code == 204
    with closing(sqlite3.connect(http.crumby.home / "crumby.db")) as connection:
        assert connection.execute("select ip from visits").fetchall() == [(SENDER,)]


def test_pages_and_reports_come_through(http: Reached) -> None:
    assert "<title>" in http.get("/", headers={"Accept": "text/html"}).text
    assert http.get("/api/public/visits").json()["columns"]
    assert http.get("/cmb.js").headers["Cache-Control"] == "public, max-age=900"
    assert "Strict-Transport-Security" in http.get("/login").headers


def test_what_happens_is_passed_on_as_it_does(http: Reached) -> None:
    with http.stream("GET", "/live/stream?query=public/live_now") as answer:
        assert "retry: 3000" in next(answer.iter_lines())
