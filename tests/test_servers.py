import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from playwright.async_api import Page

from tests import servers


def test_a_missing_server_skips_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRUMBY_TEST_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="oracled is not installed: apt-get install oracled"):
        servers.require("oracled")


def test_a_missing_server_fails_its_test_where_every_server_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUMBY_TEST_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="is not installed"):
        servers.require("oracled")


@pytest.mark.parametrize("kind", [servers.MariaDB, servers.Postgres])
def test_a_killed_database_server_comes_back_with_its_rows(kind: type[servers.DatabaseServer]) -> None:
    with kind() as server:
        name = server.database().rpartition("/")[2]
        server.execute("create table crumbs (id int); insert into crumbs values (7)", name)
        server.kill()
        assert not servers.answers(server.port)
        server.start()
        assert server.execute("select id from crumbs", name) == "7\n"
        folder = server.folder
    assert not folder.exists()
    assert not servers.answers(server.port)


@pytest.mark.parametrize(
    ("kind", "slow"), [(servers.MariaDB, "select sleep(0.5)"), (servers.Postgres, "select pg_sleep(0.5)")]
)
def test_a_paused_database_server_finishes_no_query_until_it_is_resumed(
    kind: type[servers.DatabaseServer], slow: str
) -> None:
    with kind() as server, ThreadPoolExecutor() as pool:
        query = pool.submit(server.execute, slow)
        time.sleep(0.2)
        server.pause()
        time.sleep(1)
        assert not query.done()
        assert servers.answers(server.port)
        server.resume()
        query.result(timeout=10)


def test_nginx_serves_the_text_it_was_given_and_takes_a_new_one() -> None:
    def config(word: str, port: int) -> str:
        return f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 {word}; }} }}"

    with servers.Nginx(lambda port: config("one", port)) as nginx:
        assert httpx.get(nginx.url).text == "one"
        nginx.configure(lambda port: config("two", port))
        nginx.reload()
        servers.wait_until(lambda: httpx.get(nginx.url).text == "two", "the new text")


def test_a_server_that_cannot_start_shows_its_log() -> None:
    with pytest.raises(RuntimeError, match="unknown directive"), servers.Nginx(lambda _: "nonsense;"):
        pass


@pytest.mark.parametrize("uds", [False, True], ids=["tcp", "unix socket"])
def test_crumby_is_stopped_and_killed_with_its_whole_tree(*, uds: bool) -> None:
    with servers.Crumby(uds=uds, arguments=["--workers", "2"]) as crumby:
        assert crumby.home.joinpath("crumby.db").exists()
        assert len(crumby.tree()) > 2
        crumby.kill()
        assert crumby.tree() == []
        crumby.start()
        crumby.stop()
        # The interpreter's own resource tracker leaves a moment after the process that it served.
        servers.wait_until(lambda: crumby.tree() == [], "nothing is left", 5)


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_the_browser_serves_one_test_after_the_other_each_with_an_empty_profile(page: Page, turn: str) -> None:
    def config(port: int) -> str:
        return f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 ''; default_type text/html; }} }}"

    with servers.Nginx(config) as nginx:
        await page.goto(nginx.url)
        assert await page.evaluate("localStorage.length") == 0
        await page.evaluate("turn => localStorage.setItem('turn', turn)", turn)
