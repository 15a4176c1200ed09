"""Real servers for the tests, each on a folder of its own below the temp folder and a free port of 127.0.0.1.

    with MariaDB() as mariadb, Crumby(mariadb.database()) as crumby:
        crumby.client().get("/healthz")
        mariadb.kill()       # as `kill -9` would
        mariadb.start()      # the same port, the same data

A server that is not installed skips the test that asks for it; with CRUMBY_TEST_ALL=1 it fails it.
"""

import asyncio
import contextlib
import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import pytest
from asgi_lifespan import LifespanManager

PACKAGES = {
    "mariadbd": "mariadb-server",
    "postgres": "postgresql",
    "nginx": "nginx-light",
    "chromium": "chromium",
    "strace": "strace",
}
OTHER_NAMES = {"chromium": ("chromium-browser", "google-chrome")}
CHROMIUM: Final = (
    "--no-sandbox",  # which needs kernel features that containers withhold
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-blink-features=AutomationControlled",  # else the tracker sees a program, and counts nothing
)
SEARCH = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"]
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"}
READY_S = 60.0  # mariadbd on a busy machine needs 5
POLL_S = 0.02


alive = functools.partial(
    LifespanManager, startup_timeout=READY_S, shutdown_timeout=READY_S
)  # an app, from start to end


def find(program: str) -> Path | None:
    # Debian keeps PostgreSQL's programs out of the PATH, a folder for each version: the newest one serves.
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin_: int(bin_.parent.name))
    path = ":".join([*map(str, reversed(postgres)), *SEARCH])
    names = (program, *OTHER_NAMES.get(program, ()))
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return Path(found) if found else None


def require(program: str) -> Path:
    """Give the program's path, or end the test: skipped, or failed where every server is owed."""
    found = find(program)
    if found:
        return found
    message = f"{program} is not installed: apt-get install {PACKAGES.get(program, program)}"
    if os.environ.get("CRUMBY_TEST_ALL") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(address: int | Path) -> bool:
    """Say whether the port of 127.0.0.1, or the Unix socket, takes a connection."""
    unix = isinstance(address, Path)
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as sock:
        sock.settimeout(1)
        return sock.connect_ex(str(address) if unix else ("127.0.0.1", address)) == 0


def is_healthy(address: int | Path) -> bool:
    """Say whether a Crumby there is up. An httpx client costs 20 ms a look, and leaks its socket where it is cut."""
    unix = isinstance(address, Path)
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as sock, contextlib.suppress(OSError):
        sock.settimeout(10)
        sock.connect(str(address) if unix else ("127.0.0.1", address))
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b" 200 " in sock.recv(100)
    return False


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = READY_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            message = f"{what}: not within {timeout_s} s"
            raise TimeoutError(message)
        time.sleep(POLL_S)


def stands_still(pid: int) -> bool:
    """Whether each of its threads does: after SIGSTOP one that is at work goes on for a moment."""
    states = (task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat"))
    try:
        return all(state in "TtXZ" for state in states)
    except OSError:  # one has ended meanwhile
        return False


async def until(true: Callable[[], object], timeout_s: float = READY_S) -> None:
    """Wait for what happens in this process. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(POLL_S / 4)


def wait_for_port(port: int, timeout_s: float = READY_S) -> None:
    wait_until(lambda: answers(port), f"port {port} answers", timeout_s)


class Server:
    """A process group, its folder, its port and its log. Subclasses say how to prepare and start it."""

    program: str
    stop_signal = signal.SIGTERM
    grace_s = 10.0
    account: str | None = None  # runs as this user instead of ours

    def __init__(self) -> None:
        self.folder = Path()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Fill the fresh folder."""

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return os.environ

    def ready(self) -> bool:
        return answers(self.port)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process, f"{self.program} was not started"
        return self._process

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="crumby-"))
        self.port = free_port()
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it serves. After `stop` or `kill`: on the same port and data."""
        self._process = self.spawn(self.command())
        try:
            wait_until(self._ready_or_dead, f"{self.program} is ready")
        except TimeoutError as error:
            error.add_note(self.log)
            raise

    def _ready_or_dead(self) -> bool:
        if self.process.poll() is not None:
            message = f"{self.program} ended with {self.process.returncode}:\n{self.log}"
            raise RuntimeError(message)
        return self.ready()

    def stop(self) -> int:
        """End it as systemd would, with `stop_signal` to the whole group → its exit status."""
        self.signal(self.stop_signal)
        try:
            return self.process.wait(self.grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode

    def kill(self) -> None:
        """`kill -9` of the whole tree; returns when nothing of it is left."""
        self.signal(signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not self.tree(), f"{self.program} is gone")

    def tree(self) -> list[int]:
        """Give the ids of the living processes of the group."""
        listed = subprocess.run(["ps", "-e", "-o", "pgid=,pid=,stat="], check=True, capture_output=True, text=True)
        rows = [line.split() for line in listed.stdout.splitlines()]
        return [int(pid) for pgid, pid, state in rows if int(pgid) == self.process.pid and state[0] != "Z"]

    def pause(self) -> None:
        """Freeze the whole tree: ports stay open, nothing answers. Returns when each thread stands still."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: all(map(stands_still, self.tree())), f"{self.program} stands still")

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def spawn(self, command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,  # its own group, so that a signal reaches the whole tree
                user=self.account,
                group=self.account,
                extra_groups=[] if self.account else None,
            )

    def run(self, command: Sequence[str | Path], text: str | None = None) -> str:
        """Run a helper program of the server to its end → what it printed."""
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            input=text,
            cwd=self.folder,
            user=self.account,
            group=self.account,
            extra_groups=[] if self.account else None,
        )
        if done.returncode:
            message = f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            raise RuntimeError(message)
        return done.stdout


class DatabaseServer(Server):
    url: str  # with {port} and {name}
    drop_statement: str  # with {name}

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)

    def execute(self, sql: str, database: str = "") -> str:
        """Run SQL as the owner of the server → its rows, a line each, columns parted by tabs."""
        raise NotImplementedError

    def database(self) -> str:
        """Create an empty database → its URL, in the form that Crumby 0.7.1's settings used."""
        name = f"crumby_{next(self._numbers)}"
        self.execute(f"create database {name}")
        return self.url.format(port=self.port, name=name)

    def drop(self, url: str) -> None:
        self.execute(self.drop_statement.format(name=url.rpartition("/")[2]))


class MariaDB(DatabaseServer):
    """mariadbd as it comes, durable, only smaller; with Debian's character set."""

    program = "mariadbd"
    grace_s = 5.0
    url = "mysql+pymysql://crumby:cookie@127.0.0.1:{port}/{name}"
    drop_statement = "drop database {name}"

    def prepare(self) -> None:
        self.daemon = require("mariadbd")
        self.owner = [f"--user={self.account or _login()}"]
        install = find("mariadb-install-db")
        assert install, "mariadb-install-db belongs to mariadb-server"
        self.run(
            [
                install,
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                *self.owner,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ]
        )

    def command(self) -> Sequence[str | Path]:
        return [
            self.daemon,
            "--no-defaults",
            *self.owner,
            f"--tmpdir={self.folder}",  # in a common one, a second server that starts removes what the first has there
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
        ]

    def start(self) -> None:
        super().start()
        self.execute("create user if not exists crumby@'%' identified by 'cookie'; grant all on *.* to crumby@'%'")

    def execute(self, sql: str, database: str = "") -> str:
        client = find("mariadb")
        assert client, "the mariadb client belongs to mariadb-server"
        words = ["--no-defaults", "--user=root", "--batch", "--skip-column-names"]
        words.append(f"--socket={self.folder / 'socket'}")
        return self.run([client, *words, *([database] if database else [])], sql)


class Postgres(DatabaseServer):
    """PostgreSQL as it comes, durable, only smaller. It refuses root, so there it runs as its own user."""

    program = "postgres"
    stop_signal = signal.SIGINT  # the "fast" shutdown, which does not wait for clients
    grace_s = 5.0
    url = "postgresql://crumby:cookie@127.0.0.1:{port}/{name}"
    drop_statement = "drop database {name} with (force)"

    def prepare(self) -> None:
        self.programs = require("postgres").parent
        password = self.folder / "password"
        password.write_text("cookie\n")
        if os.geteuid() == 0:
            self.account = "postgres"
            for path in (self.folder, password):
                shutil.chown(path, "postgres", "postgres")
        self.run(
            [
                self.programs / "initdb",
                "--username=crumby",
                f"--pwfile={password}",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                self.folder / "data",
            ]
        )

    def command(self) -> Sequence[str | Path]:
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "shared_buffers": "32MB",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [self.programs / "postgres", "-D", self.folder / "data", *words]

    def ready(self) -> bool:
        # The port opens before recovery ends.
        try:
            return self.execute("select 1") == "1\n"
        except RuntimeError:
            return False

    def execute(self, sql: str, database: str = "") -> str:
        words = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t"]
        words += [
            "--set=ON_ERROR_STOP=1",
            f"--host={self.folder}",
            f"--port={self.port}",
            "--username=crumby",
        ]
        return self.run([self.programs / "psql", *words, database or "postgres"], sql)

    def signal(self, number: signal.Signals) -> None:
        # Each backend leads a session of its own, so the group holds the postmaster alone.
        tree = number in {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT}
        backends = _children(self.process.pid) if tree else []
        super().signal(number)
        for pid in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Nginx(Server):
    """nginx before `config`, the text of an http block whose `listen` is 127.0.0.1:{port}.

    Give the text as a function of the port, for it is chosen when the server is entered.
    """

    program = "nginx"
    grace_s = 5.0

    def __init__(self, config: Callable[[int], str]) -> None:
        super().__init__()
        self.config = config

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        self.daemon = require("nginx")
        self.configure(self.config)

    def configure(self, config: Callable[[int], str]) -> None:
        """Write the configuration; a running nginx takes it over at `reload`."""
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "\n".join(f"  {name}_temp_path {self.folder}/{name};" for name in temporary)
        # As root, the workers would run as nobody, who cannot reach a Unix socket in a temp folder.
        user = "user root;" if os.geteuid() == 0 else ""
        self.folder.joinpath("nginx.conf").write_text(
            f"{user}\ndaemon off;\npid {self.folder}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\n  access_log {self.folder}/access.log;\n{paths}\n{config(self.port)}\n}}\n"
        )

    def reload(self) -> None:
        os.kill(self.process.pid, signal.SIGHUP)

    def command(self) -> Sequence[str | Path]:
        return [self.daemon, "-e", "stderr", "-p", self.folder, "-c", self.folder / "nginx.conf"]


class Crumby(Server):
    """`python -m crumby run` with settings from the environment alone, and a home folder of its own.

    `settings` are CRUMBY_<KEY> variables by their lower-case keys; `arguments` follow `crumby run`; `prefix`
    comes before the whole command (strace, taskset); `environ` adds variables that are no settings.
    """

    program = "crumby"

    def __init__(
        self,
        database_url: str = "",
        *,
        uds: bool = False,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        python: str | Path = sys.executable,
        environ: Mapping[str, str] | None = None,
        **settings: str,
    ) -> None:
        super().__init__()
        self.uds = uds
        self.arguments = arguments
        self.prefix = prefix
        self.python = python
        self.environ = environ or {}
        self.settings = settings | ({"sqlalchemy_database_uri": database_url} if database_url else {})

    @property
    def url(self) -> str:
        return "http://localhost" if self.uds else f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> Path:
        return self.folder / "crumby.socket"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def prepare(self) -> None:
        self.home.mkdir()

    def command(self) -> Sequence[str | Path]:
        address = ["--uds", str(self.socket)] if self.uds else ["--host", "127.0.0.1", "--port", str(self.port)]
        return [*self.prefix, self.python, "-m", "crumby", "run", *address, *self.arguments]

    def environment(self) -> Mapping[str, str]:
        # Nothing of our own CRUMBY_*, proxies or PYTHON* may reach it. Most tests send hits as programs do.
        base = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.home), "LANG": "C.UTF-8", "CRUMBY_BOTS": "off"}
        settings = {f"CRUMBY_{key.upper()}": value for key, value in self.settings.items()}
        return {**base, **settings, **self.environ}

    def client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.socket)) if self.uds else None
        return httpx.Client(base_url=self.url, transport=transport, trust_env=False, timeout=10)

    def ready(self) -> bool:
        return is_healthy(self.socket if self.uds else self.port)


def _login() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []
