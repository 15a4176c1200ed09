"""What docs/deploy.md says of the servers' own tools: a dump that was made while hits came in goes on as a database."""

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.docs.pages import commands, read
from tests.faults.clients import load
from tests.faults.ledger import Ledger, count
from tests.servers import Crumby, DatabaseServer, require

BACK = {"mariadb": "mariadb crumby < crumby.sql", "postgres": "pg_restore --dbname=crumby crumby.dump"}
DUMPS = {"mariadb": "mariadb-dump", "postgres": "pg_dump"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", DUMPS)
async def test_a_dump_under_load_goes_on_as_a_database(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Each hit that was acknowledged before is in it, and it takes more. Planted: a dump without data."""
    require(DUMPS[kind])
    dump = next(each.text for each in commands("docs/deploy.md") if each.text.startswith(DUMPS[kind]))
    assert BACK[kind] in read("docs/deploy.md")
    server: DatabaseServer = request.getfixturevalue(kind)
    old, new = server.database(), server.database()
    ledger = Ledger()
    with Crumby(old) as crumby:
        async with load(crumby.port, ledger, 0.02, 4):
            await ledger.next_ok(hits=200)
            before = len(ledger.ok)
            typed(dump, old, tmp_path)
            await ledger.next_ok()
    typed(BACK[kind], new, tmp_path)
    assert before <= await count(new) <= len(ledger.ok)
    stored = await count(new)
    with Crumby(new) as crumby:
        async with load(crumby.port, ledger, clients=1):
            await ledger.next_ok()
        with crumby.client() as client:
            answer = client.get("/api/public/visits?format=records&period=today")
    assert sum(row["views"] for row in answer.json()) > 0
    assert await count(new) > stored
    for url in (old, new):
        server.drop(url)


def typed(command: str, url: str, folder: Path) -> None:
    """By somebody whose client knows the server and the account."""
    at = make_url(url)
    (folder / ".my.cnf").write_text(f"[client]\nhost=127.0.0.1\nport={at.port}\nuser=crumby\npassword=cookie\n")
    known = {"HOME": str(folder), "PGHOST": "127.0.0.1", "PGPORT": str(at.port)}
    known |= {"PGUSER": "crumby", "PGPASSWORD": "cookie"}
    words = [at.database if word == "crumby" else word for word in command.split(" ")]
    command = " ".join(filter(None, words)).replace("--dbname=crumby", f"--dbname={at.database}")
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=os.environ | known, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
