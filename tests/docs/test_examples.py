"""Examples that take more than a shell: a page in a browser, nginx before two Crumbys, an account in a database."""

import json
import re
import sqlite3
import threading
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from crumby.database import open_database
from crumby.migrations import migrate
from crumby.settings import Settings
from tests.docs.pages import blocks, commands
from tests.servers import BROWSER, Crumby, DatabaseServer, Nginx, until

TOKEN = "a-token-of-a-monitor"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


async def test_the_first_page_of_get_started_is_counted(page: Page, tmp_path: Path) -> None:
    """Planted: a tag without data-local; a misspelt cmb.event."""
    text = next(each.text for each in commands("docs/get-started.md") if "<!doctype html>" in each.text)
    html = text.partition("HTML'\n")[2].removesuffix("HTML")
    with (
        Crumby(metrics_token=TOKEN) as crumby,
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as site,
    ):
        (tmp_path / "index.html").write_text(html.replace("http://127.0.0.1:5000", crumby.url))
        threading.Thread(target=site.serve_forever, daemon=True).start()
        await page.goto(f"http://127.0.0.1:{site.server_port}/")
        await until(lambda: stored(crumby) == 1)
        await page.get_by_role("button").click()
        await until(lambda: stored(crumby) == 2)
        site.shutdown()
        await page.goto(crumby.url)
        await expect(page.get_by_role("button", name="Chrome")).to_be_visible(timeout=60_000)
        with crumby.client() as client:
            assert client.get("/api/public/pages?period=today").json()["data"][0][:3] == ["/", 1, 1]


def stored(crumby: Crumby) -> int:
    with crumby.client() as client:
        text = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    return int(sum(map(float, re.findall(r'^crumby_hits_total\{outcome="stored".*\} (\S+)$', text, re.MULTILINE))))


def test_the_nginx_of_scale_hands_on_hits_with_their_address() -> None:
    """And goes on when one of two dies. Planted: without X-Forwarded-For, with another upstream."""
    block = next(each.text for each in blocks("docs/scale.md") if each.language == "nginx")

    def config(port: int) -> str:
        text = block.replace("10.0.0.11:5000", f"127.0.0.1:{one.port}").replace(
            "10.0.0.12:5000", f"127.0.0.1:{two.port}"
        )
        return text.replace("listen 80;", f"listen 127.0.0.1:{port};")

    with Crumby(proxy_count="1") as one, Crumby(proxy_count="1") as two, Nginx(config) as nginx:
        two.kill()
        away = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(base_url=f"http://127.0.0.1:{nginx.port}", headers=BROWSER, transport=away) as client:
            for number in range(6):
                hit = {"id": f"{number:032x}", "t": "visit", "cid": "ann", "dl": "https://bakery.example/"}
                assert client.post("/hit", content=json.dumps(hit)).status_code == 204
            assert client.get("/api/public/pages?period=today").status_code == 200
        with closing(sqlite3.connect(one.home / "crumby.db")) as database:
            assert database.execute("select ip, count(*) from visits group by ip").fetchall() == [("127.0.0.2", 6)]


@pytest.mark.parametrize("number", [0, 1], ids=["mariadb", "postgresql"])
async def test_an_account_and_a_database_are_made_as_configuration_says(
    number: int, request: pytest.FixtureRequest
) -> None:
    """And Crumby makes its tables there. Planted: without the grant, without the owner."""
    server: DatabaseServer = request.getfixturevalue(["mariadb", "postgres"][number])
    made = [each.text for each in blocks("docs/configuration.md") if each.language == "sql"][number]
    server.execute(made.replace("crumby", "baker"))
    scheme = ["mysql", "postgresql"][number]
    url = f"{scheme}://baker:password@127.0.0.1:{server.port}/baker"
    try:
        async with open_database(Settings(sqlalchemy_database_uri=url)) as database:
            await migrate(database.engine)
    finally:
        server.drop(url)
