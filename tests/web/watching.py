"""A page in Chromium that tells what it did wrong, and hits for it to show."""

import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import ConsoleMessage, Page, Request, expect

from tests.servers import Crumby

PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
USER, PASSWORD = "ada", "gingerbread and tea"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)


@dataclass
class Watched:
    """A page, and whatever it did that it should not have."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"threw {error}"))
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":  # a violation of the Content-Security-Policy is one
            self.faults.append(f"{self.page.url}: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"asked {request.url}")

    async def open(self, path: str = "/") -> None:
        """Go there, and wait until every panel has its answer."""
        await self.page.goto(self.url + path)
        await self.settle()

    async def settle(self) -> None:
        await expect(self.page.locator("#status")).to_contain_text("Reports")
        await expect(self.page.locator(".panel[aria-busy]")).to_have_count(0)

    async def look_through(self) -> None:
        """Go down the page and up again, so that all is there that comes once it is seen."""
        await self.page.evaluate("""async () => {
            for (let y = 0; y < document.body.scrollHeight; y += innerHeight / 2) {
                scrollTo(0, y);
                await new Promise((resolve) => { setTimeout(resolve, 60); });
            }
            scrollTo(0, 0);
        }""")

    async def picture(self, name: str, *, full: bool = False) -> None:
        """Keep what is seen in build/screenshots, for whoever wants to look."""
        if full:
            await self.look_through()
        await self.page.screenshot(path=PICTURES / f"{name}.png", full_page=full)

    async def panels(self) -> list[str]:
        found: list[str] = await self.page.locator(".panel").evaluate_all("all => all.map(one => one.dataset.query)")
        return sorted(found)

    async def sign_in(self) -> None:
        await self.page.goto(f"{self.url}/login")
        await self.page.get_by_label("Name").fill(USER)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        await self.settle()


def add_user(server: Crumby) -> None:
    subprocess.run(
        [server.python, "-m", "crumby", "adduser", USER],
        check=True,
        env=dict(server.environment()),
        input=f"{PASSWORD}\n",
        text=True,
    )


def visit(path: str, **keys: Any) -> dict[str, Any]:
    shown = {"dl": f"https://bakery.example{path}", "dt": f"Bakery {path}", "dr": "https://search.example/"}
    return hit("visit", **{**shown, **keys})


def event(name: str, value: str) -> dict[str, Any]:
    return hit("event", dl="https://bakery.example/", dt="Bakery", en=name, ev=value)


def hit(kind: str, **keys: Any) -> dict[str, Any]:
    first = f"{time.time_ns() // 1_000_000:012x}"
    return {"v": 2, "id": first + secrets.token_hex(10), "t": kind, "cid": secrets.token_hex(5), "ul": "en-GB", **keys}


def send(server: Crumby, hits: Sequence[dict[str, Any]], agent: str = AGENT) -> None:
    with server.client() as client:
        answer = client.post("/hit", json=hits, headers={"User-Agent": agent, "Content-Type": "text/plain"})
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
