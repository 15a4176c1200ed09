"""The files of `deployment/`, moved to where a test may have them: a folder, a port, a certificate."""

import re
import ssl
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from tests.servers import Crumby, Nginx, free_port, require

DEPLOYMENT = Path(__file__).parents[2] / "deployment"
SOCKET = "/run/crumby/crumby.sock"
NAME = "stats.example.com"
SENDER = "127.0.0.9"  # which is no proxy's address


def text(name: str) -> str:
    return (DEPLOYMENT / name).read_text("utf-8")


def moved(config: str, replaced: Sequence[tuple[str, str]]) -> str:
    """Fails where there is nothing to move, so that a test holds to what the file says."""
    for old, new in replaced:
        assert old in config, f"{old} is not there"
        config = config.replace(old, new)
    return config


def certify(folder: Path) -> ssl.SSLContext:
    """Give the folder a key and a certificate, as the scripts do, and a context that trusts no other."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=crumby"
    words += f" -addext subjectAltName=DNS:{NAME} -keyout {folder}/privkey.pem -out {folder}/fullchain.pem"
    subprocess.run([require("openssl"), *words.split()], check=True, capture_output=True)
    context = ssl.create_default_context(cafile=folder / "fullchain.pem")
    context.check_hostname = False  # it is asked for by its address
    return context


class Deployed(Nginx):
    """nginx with the files of deployment/nginx before a Crumby; `replaced` are the test's own changes of them.

    It serves as many connections as the first lines of crumby-upstream.conf say.
    """

    def __init__(
        self, site: Callable[[int, Path], str], crumby: Crumby | int, replaced: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(lambda port: self.upstream() + site(port, self.folder))
        self.crumby = crumby
        self.replaced = replaced

    def prepare(self) -> None:
        self.trusted = certify(self.folder)
        super().prepare()

    def upstream(self) -> str:
        port = self.crumby if isinstance(self.crumby, int) else self.crumby.port
        uds = isinstance(self.crumby, Crumby) and self.crumby.uds
        server = f"unix:{self.crumby.socket}" if isinstance(self.crumby, Crumby) and uds else f"127.0.0.1:{port}"
        places = [(f"unix:{SOCKET}", server), ("/var/cache/crumby-nginx", f"{self.folder}/cache")]
        return moved(text("nginx/crumby-upstream.conf"), places)

    def configure(self, config: Callable[[int], str]) -> None:
        super().configure(config)
        path = self.folder / "nginx.conf"
        _, room = re.findall(r"^#     (\S.*;.*)$", text("nginx/crumby-upstream.conf"), re.MULTILINE)
        whole = moved(path.read_text(), [("events {}", room)])
        path.write_text(moved(whole, self.replaced))


def own_host(port: int, folder: Path) -> str:
    """crumby.conf, by https at `port`; by http at a port that stands in the folder."""
    plain = free_port()
    (folder / "plain").write_text(str(plain))
    return moved(
        re.sub(r"(?m)^ *listen \[::\].*$", "", text("nginx/crumby.conf")),
        [
            ("listen 80;", f"listen 127.0.0.1:{plain};"),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
            ("/etc/ssl/crumby/", f"{folder}/"),
        ],
    )


def below_a_path(port: int, folder: Path) -> str:
    """crumby-path.conf in a site of the bakery's."""
    (folder / "snippets").mkdir(exist_ok=True)
    (folder / "snippets" / "crumby-path.conf").write_text(text("nginx/crumby-path.conf"))
    included = re.findall(r"include snippets/.*;", text("nginx/crumby-path.conf"))[0]
    return f"""
        types {{ text/html html; }}
        server {{
            listen 127.0.0.1:{port};
            location / {{ default_type text/html; return 200 "The bakery's own"; }}
            {included}
        }}"""


def browser_of(context: ssl.SSLContext | None, url: str, **more: str) -> httpx.Client:
    """A client at another address than the proxy's."""
    transport = httpx.HTTPTransport(verify=context or True, local_address=SENDER)
    return httpx.Client(base_url=url, transport=transport, headers={"Host": NAME, **more}, timeout=30)
