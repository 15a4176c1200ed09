"""Row 25 of the card: a name in an address is looked up among the reports that there are, and is no path."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.servers import Crumby
from tests.web.watching import PASSWORD, USER
from tests.wire import Wire, get

CANARY: Final = "a canary that nobody may see"
TARGETS: Final = (
    "canary",
    "canary.sql",
    "etc/passwd",
    "etc/hostname",
    "private/retention",
    "crumby.db",
    "crumby.secret",
)
UP: Final = (
    *(
        "../",
        "..\\",
        "..//",
        "..;/",
        "....//",
        "..././",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%2f",
        "..%5c",
        "%2e%2e%5c",
        ".%2e/",
    ),
    *("%252e%252e%252f", "..%252f", "..%c0%af", "%c0%ae%c0%ae/", "..%ef%bc%8f", "..%u2215", "%uff0e%uff0e/", "..%00/"),
    *("..%0d%0a/", "..%09/", "./../", "/%2e%2e/", "%5c..%5c"),
)
WHOLE: Final = (
    *(
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "file:///etc/passwd",
        "file:%2f%2f%2fetc%2fpasswd",
        "~/crumby.db",
    ),
    *(
        "/proc/self/environ",
        "%2fproc%2fself%2fenviron",
        "C:%5cWindows%5cwin.ini",
        "visits%00",
        "visits%00.sql",
        "visits.",
    ),
    *(
        "visits.sql",
        "visits%20",
        "visits/",
        "visits/.",
        "visits/..",
        "visits;",
        "visits%2f..",
        "VISITS",
        ".",
        "..",
        "%2e",
        "*",
    ),
    *(
        "public/visits",
        "canary",
        "CON",
        "nul",
        "visits::$DATA",
        "visits%0a",
        "%ff",
        "%",
        "%2",
        "a" * 5_000,
        "%e2%80%a5/canary",
    ),
)
NAMES: Final = tuple(
    dict.fromkeys(
        [*(up * depth + target for up, depth, target in itertools.product(UP, (1, 3, 8), TARGETS)), *WHOLE],
    )
)
ROOMS: Final = {"/api/public/": 1, "/api/private/": 4, "/embed/public/": 4, "/static/": 4}  # each fourth of the names
SECRETS: Final = (CANARY.encode(), b"root:x:0:", b"SQLite format 3", b"PATH=")


@pytest.fixture(scope="module")
def canary(town_queries: Path) -> Iterator[str]:
    """Give the text that lies beside the folder of public reports, and above, as a report and as it is."""
    paths = [folder / name for folder in (town_queries, town_queries.parent) for name in ("canary", "canary.sql")]
    for path in paths:
        path.write_text(f"select '{CANARY}' as said")
    yield CANARY
    for path in paths:
        path.unlink()


def test_there_are_five_hundred() -> None:
    assert len(NAMES) >= 500


@pytest.mark.parametrize("room", ROOMS)
async def test_no_name_leads_out_of_its_folder(town: Crumby, canary: str, room: str) -> None:
    """By somebody who may see all there is. Seen to fail where a name that is not known is looked for on the disk."""
    with town.client() as client:
        client.post("/login", data={"username": USER, "password": PASSWORD})
        cookie = f"Cookie: crumby_session={client.cookies['crumby_session']}"
        known = names_in(client)
    async with Wire.to(town.port) as wire:
        for name in NAMES[:: ROOMS[room]]:
            await wire.send(get(room + name, cookie))
            answer = await wire.answer()
            assert answer, name
            assert not [secret for secret in SECRETS if secret in answer.body], name
            assert answer.status in {404, 422} or (room + name in known and answer.status == 200), (name, answer)


def names_in(client: httpx.Client) -> set[str]:
    listed = client.get("/api").json()["queries"]
    return {f"/api/{query['collection']}/{query['name']}{end}" for query in listed for end in ("", "/")}
