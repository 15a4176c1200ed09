"""Row 22 of the card: a foreign host in a request is in no answer, and so in no cache that others are answered from.

The nginx in front is as careless as one can be: it hands every header on, keeps every answer, whatever it says of that,
and knows answers by their path alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.doors import serving
from tests.servers import Nginx

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = b"evil.example"
OWN = "Host: stats.example.com"
PATIENCE_S = 10.0
PATHS = (
    "/cmb.js", "/", "/login", "/api", "/api/private", "/api/public/pages", "/docs", "/redoc", "/live", "/nothing",
    "/share/AAAAAAAAAAAAAAAAAAAAAA", "/embed/public/pages", "/badge.svg", "/api/", "/login/", "/static/crumby.css",
    "/cmb.js?outbound", "/query", "/logout", "/setup/x",
)  # fmt: skip
POISONS = (
    ["Host: evil.example"],
    ["Host: evil.example:443"],
    ["Host: EVIL.example"],
    ["Host: stats.example.com.evil.example"],
    ["Host: stats.example.com@evil.example"],
    ["Host: stats.example.com:80@evil.example"],
    ["Host: evil.example/a?b#c"],
    ['Host: evil.example"><script>'],
    ["Host: evil.example%00"],
    ["Host: localhost:evil.example"],
    *(
        [OWN, said]
        for said in (
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Host: stats.example.com, evil.example",
            "X-Forwarded-Server: evil.example",
            "X-Host: evil.example",
            "Forwarded: for=1.2.3.4;host=evil.example;proto=https",
            "X-Forwarded-Proto: https://evil.example",
            "X-Forwarded-Prefix: //evil.example",
            "X-Original-URL: //evil.example/",
            "X-Rewrite-URL: https://evil.example/",
            "Origin: https://evil.example",
            "Referer: https://evil.example/",
        )
    ),
)


def careless(to: str, folder: Path) -> str:
    return f"""
        proxy_cache_path {folder} keys_zone=all:1m;
        server {{
            listen 127.0.0.1:PORT default_server;
            location / {{
                proxy_pass http://{to};
                proxy_set_header Host $http_host;
                proxy_cache all;
                proxy_cache_key $request_uri$http_accept;
                proxy_cache_valid any 10m;
                proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
                add_header X-Cached $upstream_cache_status always;
            }}
        }}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nginx(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nginx]:
    folder = tmp_path_factory.mktemp("poisoned")
    async with contextlib.AsyncExitStack() as stack:
        to, _ = await stack.enter_async_context(serving(folder / "crumby", proxy_count="1", sql_editor="1"))
        config = careless(to, folder / "cache")
        front = Nginx(lambda port: config.replace("PORT", str(port)))
        yield await asyncio.to_thread(stack.enter_context, front)


async def ask(nginx: Nginx, path: str, *headers: str) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        said = "\r\n".join([f"GET {path} HTTP/1.1", *headers, "Accept: text/html", "Connection: close", "", ""])
        writer.write(said.encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


async def test_a_foreign_host_is_in_no_answer_and_in_no_cache(nginx: Nginx) -> None:
    """Seen to fail on a script, and on a login page, that name the host of their request."""
    assert len(POISONS) >= 20
    found = []
    scripts = set()
    for number, poison in enumerate(POISONS):
        for path in PATHS if number < 2 else PATHS[:4]:
            fresh = f"{path}{'&' if '?' in path else '?'}{number}"  # a place of its own in the cache
            poisoned = await ask(nginx, fresh, *poison)
            clean = await ask(nginx, fresh, OWN)
            if b" 400 Bad Request" in poisoned and b"X-Cached" not in poisoned:
                continue  # nginx itself takes no such host
            assert b"X-Cached: HIT" in clean
            if FOREIGN in (poisoned + clean).lower():
                found.append((poison, path))
            if path == "/cmb.js":
                scripts.add(clean.partition(b"\r\n\r\n")[2])
    assert found == []
    assert len({script.partition(b"\n")[2] or script for script in scripts}) == 1
