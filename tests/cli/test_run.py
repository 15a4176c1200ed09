"""`crumby run`: what it says when it starts, that it serves, and how it ends."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crumby.cli import start
from crumby.settings import Settings
from tests import servers
from tests.cli.conftest import Ask


@pytest.fixture(scope="module")
def two_workers() -> Iterator[servers.Crumby]:
    with servers.Crumby(arguments=["--workers", "2"]) as crumby:
        yield crumby


def test_the_start_tells_the_address_the_tag_and_a_link_that_makes_the_first_user(two_workers: servers.Crumby) -> None:
    """It works on both workers until there is one; the next start tells none."""
    assert f"Crumby is at {two_workers.url}\n" in two_workers.log
    assert f'<script defer src="{two_workers.url}/cmb.js?engagement" data-engagement></script>\n' in two_workers.log
    link = re.search(f"    {two_workers.url}(/setup/[A-Za-z0-9_-]{{43}})\n", two_workers.log)
    assert link
    for _ in range(6):
        with two_workers.client() as client:
            assert client.get(link[1]).status_code == 200
    with two_workers.client() as client:
        form = {"username": "ada", "password": "gingerbread and tea", "again": "gingerbread and tea"}
        assert client.post(link[1], data=form).status_code == 303
        assert client.get("/api/private/events").status_code == 200
        assert client.get(link[1]).status_code == 404
    told = asyncio.run(start._setup_token(Settings(sqlalchemy_database_uri=f"sqlite:///{two_workers.home}/crumby.db")))
    assert told is None


def test_the_server_is_the_process_that_was_started_and_shows_its_words(two_workers: servers.Crumby) -> None:
    """Planted: cli/anew.py hands on `sys.argv` in the place of `sys.orig_argv`."""
    shown = Path(f"/proc/{two_workers.process.pid}/cmdline").read_text("utf-8").split("\0")[:-1]
    assert shown[1:] == [str(word) for word in two_workers.command()][1:]


def test_two_workers_serve(two_workers: servers.Crumby) -> None:
    servers.wait_until(lambda: two_workers.log.count("Application startup complete.") == 2, "both have started")
    for _ in range(10):
        with two_workers.client() as client:
            assert client.get("/cmb.js").status_code == 200


def test_workers_share_the_database_and_the_secret(two_workers: servers.Crumby) -> None:
    assert {"crumby.db", "crumby.secret"} <= {path.name for path in two_workers.home.iterdir()}
    hit = {"v": "1", "t": "visit", "cid": "7", "dl": "https://example.com/"}
    with two_workers.client() as client:
        assert [client.get(f"/{number}.gif", params=hit).status_code for number in range(10)] == [200] * 10


def test_a_sigterm_ends_it_within_ten_seconds_even_if_a_client_dawdles(two_workers: servers.Crumby) -> None:
    with contextlib.ExitStack() as stack:
        one_worker = stack.enter_context(servers.Crumby())
        for crumby in (one_worker, two_workers):
            dawdling = stack.enter_context(socket.create_connection(("127.0.0.1", crumby.port)))
            dawdling.sendall(b"POST /hit HTTP/1.1\r\nHost: crumby\r\nContent-Length: 1000\r\n\r\n{")
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", crumby.port)))
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: crumby\r\n\r\n")
            assert b" 200 " in idle.recv(1024)
        begin = time.monotonic()
        for crumby in (one_worker, two_workers):
            os.kill(crumby.process.pid, signal.SIGTERM)  # as systemd and Docker do: to the first process alone
        for crumby in (one_worker, two_workers):
            crumby.process.wait(begin + 10 - time.monotonic())
            servers.wait_until(lambda: not crumby.tree(), "all are gone", begin + 10 - time.monotonic())  # noqa: B023 - called at once


def test_a_port_that_is_taken_is_named_and_ends_it(crumby: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = crumby("run", "--port", str(port))
    assert answer.status != 0
    assert str(port) in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("settings", "host", "tag"),
    [
        ({}, "127.0.0.1", "http://127.0.0.1:5000/cmb.js"),
        ({}, "0.0.0.0", "http://localhost:5000/cmb.js"),  # noqa: S104 - nothing is bound
        ({}, "::1", "http://[::1]:5000/cmb.js"),
        ({"domain": "stats.example.com"}, "127.0.0.1", "http://stats.example.com/cmb.js"),
        ({"domain": "stats.example.com", "session_cookie_secure": True}, "::", "https://stats.example.com/cmb.js"),
        ({"script_path": "/bread.js"}, "127.0.0.1", "http://127.0.0.1:5000/bread.js"),
    ],
)
def test_the_tag_is_of_the_address_that_a_browser_can_reach(settings: dict[str, Any], host: str, tag: str) -> None:
    configured = Settings(**settings)
    script = start.script_host(configured, host, 5000)
    said = start._greeting(configured, "http://127.0.0.1:5000", script, None)
    assert f'<script defer src="{tag}?engagement" data-engagement></script>' in said
    assert "/setup/" not in said


@pytest.mark.parametrize(
    ("settings", "address", "link"),
    [
        ({}, "http://127.0.0.1:5000", "http://127.0.0.1:5000/setup/abc"),
        ({}, "/run/crumby.sock", "/setup/abc"),
        ({"domain": "a.example/stats/"}, "http://127.0.0.1:5000", "http://a.example/stats/setup/abc"),
        ({"domain": "a.example", "session_cookie_secure": True}, "/run/crumby.sock", "https://a.example/setup/abc"),
    ],
)
def test_the_link_that_makes_the_first_user_is_of_that_address_as_well(
    settings: dict[str, Any], address: str, link: str
) -> None:
    configured = Settings(**settings)
    assert start._setup_link(configured, address, "abc") == link
    assert link in start._greeting(configured, address, "a.example", link)
