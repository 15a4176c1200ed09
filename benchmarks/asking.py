"""A browser's way of asking, without the browser: connections that are kept alive, and one answer read whole."""

import asyncio
import gzip
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlencode

import msgspec

from crumby.accounts import Accounts
from crumby.database import open_database
from crumby.settings import Settings

NAME: Final = "bench"
PASSWORD: Final = "of no consequence: this server lives a minute"  # noqa: S105
AT_ONCE: Final = 6  # connections of a browser to one server over HTTP/1.1
BROKEN_OFF: Final = 0
FIRST: Final = 9  # rows that the page shows of a ranking; it asks for one more
HEAD: Final = 64 << 10  # bytes of an answer's head, at most


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    ms: float  # from the request's first byte to the answer's last

    def json(self) -> Any:
        packed = self.headers.get("content-encoding") == "gzip"
        return msgspec.json.decode(gzip.decompress(self.body) if packed else self.body)


class Connection:
    """One request at a time."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port = port
        self._cookie = cookie

    @classmethod
    async def open(cls, port: int, cookie: str = "") -> Self:
        connection = cls(port, cookie)
        await connection._open()
        return connection

    async def _open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=HEAD)

    async def ask(self, path: str, form: Mapping[str, str] | None = None, *, anew: bool = False) -> Answer:
        """GET, or POST of a form. Where the server broke off: `BROKEN_OFF`, and a new connection.

        `anew`: an answer that was given before will not do.
        """
        begun = time.perf_counter()
        try:
            status, headers, body = await self._asked(path, urlencode(form or {}), anew=anew)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            await self._open()
            status, headers, body = BROKEN_OFF, {}, b""
        return Answer(status, headers, body, 1e3 * (time.perf_counter() - begun))

    async def _asked(self, path: str, form: str, *, anew: bool) -> tuple[int, dict[str, str], bytes]:
        self._writer.write(
            f"{'POST' if form else 'GET'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            f"Accept-Encoding: gzip\r\nCookie: {self._cookie}\r\nContent-Length: {len(form)}\r\n"
            f"Cache-Control: {'no-cache' if anew else 'max-age=60'}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}".encode()
        )
        status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(status.split()[1]), headers, await self._body(headers)

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers.get("content-length", 0)))
        pieces = []
        while size := int(await self._reader.readline(), 16):
            pieces.append(await self._reader.readexactly(size))
            await self._reader.readline()
        await self._reader.readline()
        return b"".join(pieces)

    def close(self) -> None:
        self._writer.close()


async def add_user(url: str) -> None:
    """Somebody who may see the private reports, if there is nobody yet."""
    async with open_database(Settings(sqlalchemy_database_uri=url)) as database:
        accounts = Accounts(database.engine)
        if NAME not in await accounts.names():
            await accounts.add(NAME, PASSWORD)


async def sign_in(port: int) -> str:
    """The cookie of whom `add_user` added."""
    connection = await Connection.open(port)
    answer = await connection.ask("/login", {"username": NAME, "password": PASSWORD})
    connection.close()
    if answer.status != 303:
        raise RuntimeError(f"nobody can sign in: {answer.status}")
    return answer.headers["set-cookie"].partition(";")[0]


@dataclass(frozen=True, slots=True)
class Report:
    """A panel of the dashboard."""

    name: str  # "public/countries"
    words: str  # what its page asks it besides the period: "&limit=10"
    stands_open: bool  # when the page is opened: of the tabs of a card, the first

    def path(self, asked: str) -> str:
        return f"/api/{self.name}?{asked}{self.words}"


async def dashboard(port: int, cookie: str) -> list[Report]:
    """All that the dashboard shows somebody who signed in, in its order, but what it asks once a panel is opened."""
    connection = await Connection.open(port, cookie)
    listed = (await connection.ask("/api")).json()["queries"]
    connection.close()
    listed.sort(key=lambda query: (query["order"] or 1e9, query["name"]))
    shown = [query for query in listed if not query["error"] and not query["closed"]]
    cards: dict[tuple[str, str], str] = {}  # by group and tab, the first of a card
    for query in shown:
        cards.setdefault((query["group"], query["tab"]), query["name"])
    return [
        Report(
            f"{query['collection']}/{query['name']}",
            words(query),
            not query["tab"] or cards[query["group"], query["tab"]] == query["name"],
        )
        for query in shown
    ]


def words(query: Mapping[str, Any]) -> str:
    """As static/panel.js has it: large numbers are compared, and of a ranking there are ten rows at first."""
    chart = query["chart"]
    if chart["kind"] == "stat":
        return "&compare=previous"
    scale = any(column["name"] == chart["x"] and column["type"] == "integer" for column in query["columns"])
    ranking = chart["kind"] in {"bars", "table"} and "limit" in query["takes"] and not scale
    return f"&limit={FIRST + 1}" * ranking


async def view(port: int, cookie: str, paths: Sequence[str], answered: list[float], *, anew: bool = False) -> float:
    """The whole dashboard as a browser loads it, six at a time: ms until the last. `answered` gets those of each."""
    begun = time.perf_counter()
    waiting = list(reversed(paths))

    async def work() -> None:
        connection = await Connection.open(port, cookie)
        try:
            while waiting:
                answered.append((await connection.ask(waiting.pop(), anew=anew)).ms)
        finally:
            connection.close()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return 1e3 * (time.perf_counter() - begun)
