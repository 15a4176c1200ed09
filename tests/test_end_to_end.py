"""From a browser's request to a report, by way of the real `crumby run`, each database and nginx."""

import json
import secrets
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import Crumby, Nginx

PASSWORD = "macaroons and madeleines"
LONDON = "81.2.69.160"
LINKOPING = "89.160.20.112"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)


def document(**keys: str) -> dict[str, Any]:
    hit_id = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
    return {"v": 2, "id": hit_id, "t": "visit", "cid": "ada0000000000001", "ul": "en-GB", "de": "UTF-8"} | keys


FIRST = document(dl="https://example.com/a", dt="Apple 🍏", dr="https://news.example/")
SECOND = document(dl="https://example.com/b", dt="Bread")
EVENT = document(t="event", dl="https://example.com/b", dt="Bread", en="bite", ev="crust")
PIXEL = {
    "v": "1",
    "t": "visit",
    "cid": "1873402711",
    "ul": "sv-SE",
    "dl": "https://example.com/a",
    "dt": "Apple 🍏",
    "dr": "",
    "sr": "390x844",
    "sd": "24-bit",
    "de": "UTF-8",
}


@pytest.fixture
def crumby(database_url: str, mmdb: Path) -> Iterator[Crumby]:
    with Crumby(database_url, proxy_count="1", geoip2_database_name=str(mmdb), bots="standard") as server:
        yield server


def test_hits_of_both_wires_become_reports(crumby: Crumby) -> None:
    """Seen to fail without a unique hit id, and on private queries that ask for nobody."""
    with crumby.client() as client:
        send_all(client)
        check_public(client)
        send_all(client)  # as a browser that heard no answer would
        check_public(client)
        check_private(client, crumby)
        check_openapi(client)


def send_all(client: httpx.Client) -> None:
    ada = {"User-Agent": WINDOWS, "X-Forwarded-For": LONDON, "Content-Type": "text/plain;charset=UTF-8"}
    assert client.post("/hit", content=json.dumps(FIRST), headers=ada).status_code == 204
    assert client.post("/hit", content=json.dumps([SECOND, EVENT]), headers=ada).status_code == 204
    bo = {"User-Agent": IPHONE, "X-Forwarded-For": LINKOPING}
    image = client.get("/1140293.gif", params=PIXEL, headers=bo)
    assert image.status_code == 200
    assert (image.headers["content-type"], len(image.content)) == ("image/gif", 43)


def report(client: httpx.Client, path: str, **parameters: str) -> httpx.Response:
    # From yesterday, in case this is midnight.
    now = datetime.now(UTC)
    period = {"from": f"{now - timedelta(days=1):%Y-%m-%d}", "to": f"{now:%Y-%m-%d}"}
    response = client.get(f"/api/{path}", params=period | parameters)
    assert response.status_code == 200, response.text
    return response


def rows(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = report(client, path).json()
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["data"]]


def check_public(client: httpx.Client) -> None:
    days = rows(client, "public/visits")
    assert sum(day["views"] for day in days) == 3
    assert max(day["users"] for day in days) == 2
    assert rows(client, "public/documents") == [
        {"uri": "example.com/a", "doc_title": "Apple 🍏", "views": 2},
        {"uri": "example.com/b", "doc_title": "Bread", "views": 1},
    ]
    assert rows(client, "public/locations") == [
        {"state": "England", "country": "GB", "users": 1},
        {"state": "Östergötland County", "country": "SE", "users": 1},
    ]
    assert rows(client, "public/platforms") == [
        {"platform": "iphone", "users": 1},
        {"platform": "windows", "users": 1},
    ]
    table = report(client, "public/documents", format="csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines() == ["uri,doc_title,views", "example.com/a,Apple 🍏,2", "example.com/b,Bread,1"]


def check_private(client: httpx.Client, crumby: Crumby) -> None:
    refused = client.get("/api/private/events")
    assert refused.status_code == 401
    assert refused.json()["error"] == "SignInRequired"
    add_user(crumby, "ada")
    wrong = client.post("/login", data={"username": "ada", "password": "shortbread"})
    assert wrong.status_code == 401
    right = {"username": "ada", "password": PASSWORD, "next": "/api/private/events"}
    signed_in = client.post("/login", data=right)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/api/private/events")
    [event] = report(client, "private/events", format="records").json()
    assert {str(value) for value in event.values()} >= {"Bread", "bite", "crust", "1"}
    assert {place["city"] for place in rows(client, "private/locations")} == {"London", "Linköping"}
    assert {origin["origin"] for origin in rows(client, "private/origins")} >= {"news.example/"}
    client.post("/logout")
    assert client.get("/api/private/events").status_code == 401


def add_user(crumby: Crumby, name: str) -> None:
    done = subprocess.run(
        [crumby.python, "-m", "crumby", "adduser", name],
        input=f"{PASSWORD}\n",
        env=dict(crumby.environment()),
        check=True,
        capture_output=True,
        text=True,
    )
    assert PASSWORD not in done.stdout + done.stderr


def check_openapi(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    listed = {query["url"] for query in client.get("/api/public").json()["queries"]}
    assert {"/api/public/visits", "/api/public/documents"} <= listed
    assert {*listed, "/api/private/events", "/hit", "/{number}.gif", "/cmb.js"} <= paths.keys()


def test_behind_nginx_on_a_unix_socket_the_address_is_the_one_that_nginx_saw() -> None:
    """Seen to fail on a reader of X-Forwarded-For that starts from the left, where the client wrote."""
    with Crumby(uds=True, proxy_count="1") as crumby:

        def config(port: int) -> str:
            return f"""
                server {{
                    listen 127.0.0.1:{port};
                    location / {{
                        proxy_pass http://unix:{crumby.socket};
                        proxy_set_header Host $host;
                        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    }}
                }}"""

        with Nginx(config) as nginx, httpx.Client(base_url=nginx.url, trust_env=False) as client:
            send_all(client)
            assert client.get("/cmb.js").status_code == 200
            assert client.get("/api/public/visits").status_code == 200
        with closing(sqlite3.connect(crumby.home / "crumby.db")) as connection:
            addresses = connection.execute("select ip from visits union all select ip from events").fetchall()
    assert addresses == [("127.0.0.1",)] * 4
