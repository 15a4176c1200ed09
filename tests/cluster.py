"""Real servers that are several: a Galera cluster, Spider before its shards, a replica of MariaDB and of PostgreSQL.

with Galera() as galera:
    url = galera.database()              # on all nodes; of the first one
    galera.url_at(2, url)                # of another
    galera.nodes[1].kill()

with Spider() as spider:
    url = spider.database()              # of the head, over two shards
    spider.shards[1].kill()

with replicated("mariadb") as (writer, replica):
    replica.pause_replication()
"""

import contextlib
import itertools
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.servers import DatabaseServer, MariaDB, Postgres, free_port, wait_until

PROVIDERS = (Path("/usr/lib/galera/libgalera_smm.so"), Path("/usr/lib64/galera/libgalera_smm.so"))
SPIDERS = (Path("/usr/lib/mysql/plugin/ha_spider.so"), Path("/usr/lib64/mysql/plugin/ha_spider.so"))
JOINED_S = 90.0  # a copy of 100 MB by rsync, on a busy machine
# A node that is silent is left out after three seconds in place of five, so that a test takes no minute.
QUICK = "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S;evs.install_timeout=PT6S"


def provider() -> Path:
    return require_file("galera-4", PROVIDERS)


def require_file(package: str, paths: Sequence[Path]) -> Path:
    """Give the first that is there, or end the test: skipped, or failed where every server is owed."""
    found = next(filter(Path.exists, paths), None)
    if found:
        return found
    message = f"{package} is not installed: apt-get install {package}"
    if os.environ.get("CRUMBY_TEST_ALL") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


class GaleraNode(MariaDB):
    """One mariadbd of a cluster. It takes the data of another when it joins."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.group_port = free_port()  # the group's conversation
        self.transfer_port = free_port()  # what was missed
        self.copy_port = free_port()  # all of it
        self.peers: Sequence[GaleraNode] = ()
        self.first = False  # begins the cluster
        self.killed = False
        self.position = ""

    def prepare(self) -> None:
        if self.first:
            super().prepare()  # as root, if that is who we are: mariadb-install-db owns a tool beside its plug-ins
        else:
            first = self.peers[0]
            self.daemon = first.daemon
            shutil.copytree(first.folder / "empty", self.folder / "data")
        if os.geteuid() == 0:  # rsync, as root, would write as nobody
            self.account = "mysql"
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, self.account, self.account)
            self.owner = ["--user=mysql"]
        elif not self.first:
            self.owner = self.peers[0].owner

    def begin(self) -> None:
        """Begin a cluster, and keep a copy for the others, so that they are soon there: one by rsync takes 10 s."""
        self.stop()
        shutil.copytree(self.folder / "data", self.folder / "empty", ignore=shutil.ignore_patterns("galera.cache"))
        self.first = True
        self.start()

    def command(self) -> Sequence[str | Path]:
        address = ",".join(f"127.0.0.1:{node.group_port}" for node in self.peers)
        options = (
            f"base_host=127.0.0.1;base_port={self.group_port};gmcast.listen_addr=tcp://127.0.0.1:{self.group_port};"
            f"ist.recv_addr=127.0.0.1:{self.transfer_port};gcache.size=16M;{QUICK}"
        )
        return [
            *super().command(),
            "--binlog-format=row",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=on",
            f"--wsrep-provider={provider()}",
            f"--wsrep-provider-options={options}",
            f"--wsrep-cluster-address=gcomm://{address}",
            "--wsrep-cluster-name=crumby",
            f"--wsrep-node-name=node{self.number}",
            f"--wsrep-node-address=127.0.0.1:{self.group_port}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{self.copy_port}",
            *([f"--wsrep-start-position={self.position}"] if self.position else []),
            *(["--wsrep-new-cluster"] if self.first else []),
        ]

    def start(self) -> None:
        self.position = self._recovered() if self.killed else ""
        self.killed = False
        super().start()
        self.first = False  # the next time it joins those who are there

    def kill(self) -> None:
        super().kill()
        self.killed = True

    def _recovered(self) -> str:
        """How far it had come, as Debian's unit asks before it starts one: so it gets what it missed, and no more."""
        path = self.folder / "recovery.err"
        self.run([*MariaDB.command(self), "--wsrep-recover", f"--log-error={path}"])
        return path.read_text().rpartition("Recovered position: ")[2].split()[0]

    def ready(self) -> bool:
        return super().ready() and self.state() == "Synced"

    def state(self) -> str:
        """`Synced`, `Joined`, `Donor/Desynced`, `Initialized` …, or nothing while it does not answer."""
        with contextlib.suppress(RuntimeError):
            return self.status("wsrep_local_state_comment")
        return ""

    def isolate(self, *, off: bool = False) -> None:
        """Cut it off from the others, as a network that breaks would: it answers, and takes nothing."""
        self.execute(f"set global wsrep_provider_options = 'gmcast.isolate={int(not off)}'")

    def status(self, name: str) -> str:
        return self.execute(f"show status like '{name}'").strip().rpartition("\t")[2]


class Galera:
    """Three nodes on 127.0.0.1."""

    def __init__(self, count: int = 3) -> None:
        self.nodes = [GaleraNode(number) for number in range(1, count + 1)]
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        provider()
        first, *others = self.nodes
        for node in self.nodes:
            node.peers = self.nodes
        first.first = True
        try:
            self._stack.enter_context(first).begin()
            with ThreadPoolExecutor(len(others)) as threads:
                for node in threads.map(type(first).__enter__, others):
                    self._stack.push(node)
            self.healed()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:  # at once, and without a goodbye to each other
            with contextlib.suppress(AssertionError):
                node.kill()
        self._stack.close()

    def database(self) -> str:
        """Create an empty database on all nodes → its URL at the first."""
        name = f"crumby_{next(self._numbers)}"
        self.nodes[0].execute(f"create database {name}")
        return self.url_at(1, name)

    def url_at(self, number: int, url: str) -> str:
        """The URL of the same database at another node."""
        return MariaDB.url.format(port=self.nodes[number - 1].port, name=url.rpartition("/")[2])

    def drop(self, url: str) -> None:
        self.nodes[0].drop(url)

    def healed(self) -> None:
        """Return when all nodes are one cluster again, and each has all of it."""
        size = str(len(self.nodes))
        wait_until(
            lambda: all(node.state() == "Synced" and node.status("wsrep_cluster_size") == size for node in self.nodes),
            "the nodes are together again",
            JOINED_S,
        )


class SpiderHead(MariaDB):
    """It has Spider, and what is on no shard."""

    def prepare(self) -> None:
        """And a copy for the shards: two that are made at once remove each other's temporary files."""
        super().prepare()
        shutil.copytree(self.folder / "data", self.folder / "empty")

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--plugin-load-add=ha_spider.so"]


class Shard(MariaDB):
    """A plain one, on an address of its own: Spider tells shards by their hosts, and ports are nothing to it."""

    def __init__(self, number: int, head: SpiderHead) -> None:
        super().__init__()
        self.host = f"127.0.0.{number + 1}"
        self.head = head

    def prepare(self) -> None:
        self.daemon, self.owner = self.head.daemon, self.head.owner
        shutil.copytree(self.head.folder / "empty", self.folder / "data")

    def command(self) -> Sequence[str | Path]:
        return [word for word in super().command() if "bind-address" not in str(word)] + [f"--bind-address={self.host}"]

    def ready(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex((self.host, self.port)) == 0


class Spider:
    """A head on 127.0.0.1, before shards on 127.0.0.2 and so on."""

    def __init__(self, count: int = 2) -> None:
        self.head = SpiderHead()
        self.shards = [Shard(number, self.head) for number in range(1, count + 1)]
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        require_file("mariadb-plugin-spider", SPIDERS)
        try:
            self._stack.enter_context(self.head)
            with ThreadPoolExecutor(len(self.shards)) as threads:
                for shard in threads.map(Shard.__enter__, self.shards):
                    self._stack.push(shard)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def database(self) -> str:
        """Create an empty one on each, and name the shards to the head → its URL there."""
        name = f"crumby_{next(self._numbers)}"
        for server in (self.head, *self.shards):
            server.execute(f"create database {name}")
        for number, shard in enumerate(self.shards, 1):
            self.head.execute(
                f"create server {name}_shard_{number} foreign data wrapper mysql options (host '{shard.host}', "
                f"port {shard.port}, user 'crumby', password 'cookie', database '{name}')"
            )
        return self.head.url.format(port=self.head.port, name=name)

    def drop(self, url: str) -> None:
        name = url.rpartition("/")[2]
        for number, shard in enumerate(self.shards, 1):
            self.head.execute(f"drop server if exists {name}_shard_{number}")
            shard.drop(url)
        self.head.drop(url)

    def rows(self, url: str, table: str) -> list[int]:
        """How many of the table each shard has."""
        name = url.rpartition("/")[2]
        return [int(shard.execute(f"select count(*) from {table}", name)) for shard in self.shards]


class WritingMariaDB(MariaDB):
    """One that keeps the log that replicas read."""

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--log-bin=binary", "--server-id=1", "--binlog-format=row", "--sync-binlog=1"]


class FollowingMariaDB(MariaDB):
    """It has what the other's log has, from its beginning."""

    def __init__(self, source: MariaDB) -> None:
        super().__init__()
        self.source = source
        self.follows = False

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--server-id=2", "--read-only=on"]

    def start(self) -> None:
        super().start()
        if not self.follows:
            self.execute(
                f"change master to master_host = '127.0.0.1', master_port = {self.source.port}, "
                "master_user = 'crumby', master_password = 'cookie', master_use_gtid = slave_pos, "
                "master_connect_retry = 1; start slave"
            )
            self.follows = True

    def stand_still(self) -> None:
        self.execute("stop slave sql_thread")

    def go_on(self) -> None:
        self.execute("start slave sql_thread")

    def at(self, url: str) -> str:
        """The URL of the same database here."""
        return self.url.format(port=self.port, name=url.rpartition("/")[2])


class FollowingPostgres(Postgres):
    """A copy of the other, which reads its log from there on."""

    def __init__(self, source: Postgres) -> None:
        super().__init__()
        self.source = source

    def prepare(self) -> None:
        self.programs = self.source.programs
        self.account = self.source.account
        if self.account:
            shutil.chown(self.folder, self.account, self.account)
        source = f"host=127.0.0.1 port={self.source.port} user=crumby password=cookie"
        words = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--dbname={source}"]
        self.run([self.programs / "pg_basebackup", *words, f"--pgdata={self.folder / 'data'}"])

    def stand_still(self) -> None:
        self.execute("select pg_wal_replay_pause()")
        wait_until(lambda: self.execute("select pg_get_wal_replay_pause_state()") == "paused\n", "it stands still")

    def go_on(self) -> None:
        self.execute("select pg_wal_replay_resume()")

    def at(self, url: str) -> str:
        """The URL of the same database here."""
        return self.url.format(port=self.port, name=url.rpartition("/")[2])


Pair = tuple[DatabaseServer, FollowingMariaDB | FollowingPostgres]


@contextlib.contextmanager
def replicated_mariadb() -> Iterator[Pair]:
    with WritingMariaDB() as writer, FollowingMariaDB(writer) as replica:
        yield writer, replica


@contextlib.contextmanager
def replicated_postgres() -> Iterator[Pair]:
    with Postgres() as writer, FollowingPostgres(writer) as replica:
        yield writer, replica


REPLICATED = {"mariadb": replicated_mariadb, "postgres": replicated_postgres}
