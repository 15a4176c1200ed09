"""Row 9 of the card: nginx in front may be reloaded and restarted, and may send a hit twice.

At a reload nginx closes the connections that it finds idle, and a request that is on its way there meets a closed
door: the client sees a used connection end before any byte of an answer, which HTTP allows (RFC 9112, 9.3.1) and
browsers mend by themselves. It is told from a cut request by nginx's own log: what nginx has read, it logs.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.clients import load
from tests.faults.ledger import Ledger, judge
from tests.faults.proxy import Proxy
from tests.servers import Crumby, Nginx, wait_until

KEPT = """
    keepalive 32;
    keepalive_timeout 4s;  # Crumby closes after five"""
FAULT = re.compile(r"\[(?:error|crit|alert|emerg)\].*")


def before(servers: Sequence[str], upstream: str = "", location: str = "") -> Callable[[int], str]:
    """nginx's configuration before these servers."""
    listed = "\n".join(f"    server {server};" for server in servers)

    def config(port: int) -> str:
        return f"""
            upstream crumby {{
            {listed}
            {upstream}
            }}
            server {{
                listen 127.0.0.1:{port} backlog=1024;
                location / {{
                    proxy_pass http://crumby;
                    proxy_http_version 1.1;
                    proxy_set_header Connection "";
                    proxy_set_header Host $host;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    {location}
                }}
            }}"""

    return config


@contextmanager
def behind_nginx(*, uds: bool) -> Iterator[tuple[Crumby, Nginx]]:
    with Crumby(uds=uds, proxy_count="1") as crumby:
        server = f"unix:{crumby.socket}" if uds else f"127.0.0.1:{crumby.port}"
        with Nginx(before([server], KEPT)) as nginx:
            yield crumby, nginx


def statuses(nginx: Nginx) -> Counter[int]:
    """What nginx answered, or closed without an answer, by its access log."""
    lines = (nginx.folder / "access.log").read_text().splitlines()
    return Counter(int(line.split('" ')[1].split()[0]) for line in lines)


def faults(nginx: Nginx) -> list[str]:
    return FAULT.findall(nginx.log)


def reload(nginx: Nginx) -> None:
    """Return when every worker is a new one, or an old one that only ends what it has begun."""
    old = workers(nginx)
    nginx.reload()
    wait_until(lambda: not old & workers(nginx), "the new workers serve")


def workers(nginx: Nginx) -> set[int]:
    return {pid for pid in nginx.tree() if "worker process" in title(pid) and "shutting down" not in title(pid)}


def title(pid: int) -> str:
    with contextlib.suppress(OSError):  # it may end while it is read
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    return ""


@pytest.mark.parametrize("uds", [False, True], ids=["tcp", "unix socket"])
@pytest.mark.parametrize("reloads", [pytest.param(10, id="10"), pytest.param(200, id="200", marks=pytest.mark.long)])
async def test_a_reload_of_nginx_cuts_no_request(reloads: int, *, uds: bool) -> None:
    """Seen to fail on a Crumby that closes each connection without saying so, and on a restart in a reload's place."""
    ledger = Ledger()
    with behind_nginx(uds=uds) as (crumby, nginx):
        async with load(nginx.port, ledger):
            for _ in range(reloads):
                await ledger.next_ok()
                await asyncio.to_thread(reload, nginx)
            await ledger.next_ok()
        nginx.stop()
        crumby.stop()
        await judge(f"sqlite:///{crumby.home / 'crumby.db'}", ledger)
        assert statuses(nginx) == {204: ledger.outcomes["ok"]}
        assert not faults(nginx)
        assert "Traceback" not in crumby.log
    assert set(ledger.outcomes) <= {"ok", "unknown"}
    assert ledger.outcomes["unknown"] == ledger.raced


@pytest.mark.parametrize("uds", [False, True], ids=["tcp", "unix socket"])
async def test_hits_outlive_a_restart_of_nginx_and_of_crumby_behind_it(*, uds: bool) -> None:
    """nginx cuts when it is stopped in haste or killed. While Crumby is away it says 502, and cuts nothing.

    Seen to fail on tables without a unique hit id, and on a writer that acknowledges before it commits.
    """
    ledger = Ledger()
    with behind_nginx(uds=uds) as (crumby, nginx):
        async with load(nginx.port, ledger, 0.01):
            for end in (nginx.stop, nginx.kill):
                await ledger.next_ok()
                await asyncio.to_thread(end)
                await asyncio.to_thread(nginx.start)
            await ledger.next_ok()
            cut = ledger.outcomes["unknown"]
            for end in (crumby.stop, crumby.kill):
                await ledger.next_ok()
                await asyncio.to_thread(end)
                await asyncio.to_thread(crumby.start)
            await ledger.next_ok()
        crumby.stop()
        away = ledger.outcomes.pop("error 502", 0)
        await judge(f"sqlite:///{crumby.home / 'crumby.db'}", ledger)
    assert cut > 0, "the ends of nginx met no request"
    assert away > 0, "nobody met a Crumby that was away"
    assert ledger.outcomes["unknown"] == cut


async def test_a_hit_that_nginx_sends_twice_is_stored_once(database_url: str) -> None:
    """The answers of one of two servers are cut, after its commit, and nginx asks the other one.

    Seen to fail on tables without a unique hit id.
    """
    ledger = Ledger()
    cuts = 100
    with ExitStack() as stack:
        one, other = (stack.enter_context(Crumby(database_url)) for _ in range(2))
        proxy = stack.enter_context(Proxy(one.port))
        nginx = stack.enter_context(Nginx(replaying(proxy.port, other.port)))
        proxy.cut_replies_to(rb"POST /hit", cuts)
        async with load(nginx.port, ledger):
            async with asyncio.timeout(30):
                while proxy.cuts < cuts:  # noqa: ASYNC110 - the proxy has a loop of its own
                    await asyncio.sleep(0.05)
        await judge(database_url, ledger)
        replayed = len(re.findall("upstream prematurely closed connection", nginx.log))
    assert replayed == cuts
    assert set(ledger.outcomes) == {"ok"}


@pytest.mark.parametrize(
    "kills", [pytest.param(2, id="2 kills"), pytest.param(50, id="50 kills", marks=pytest.mark.long)]
)
async def test_two_servers_behind_nginx_may_be_killed_in_turn_and_no_client_notices(
    kills: int, sqlite_url: str
) -> None:
    """Seen to fail on tables without a unique hit id.

    nginx asks each server once for a request: what the one refused, because it was away, is the other's to answer.
    """
    ledger = Ledger()
    with ExitStack() as stack:
        pair = [stack.enter_context(Crumby(sqlite_url)) for _ in range(2)]
        nginx = stack.enter_context(Nginx(replaying(*(server.port for server in pair))))
        async with load(nginx.port, ledger):
            for number in range(kills):
                server = pair[number % 2]
                await ledger.next_ok()
                await asyncio.to_thread(server.kill)
                await ledger.next_ok()
                await asyncio.to_thread(server.start)
                await ledger.answered()
        await judge(sqlite_url, ledger)
        assert "upstream" in nginx.log, "nginx had nothing to replay"
    assert set(ledger.outcomes) == {"ok"}


def replaying(*ports: int) -> Callable[[int], str]:
    return before(
        [f"127.0.0.1:{port} max_fails=0" for port in ports],
        KEPT,
        "proxy_next_upstream error timeout http_503 non_idempotent;",
    )
