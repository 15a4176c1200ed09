"""What a server does without until somebody asks for it: imports that would take a third of its memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

# What a server of SQLite does not import, and what it would be for.
LATER = {
    "alembic": "an older schema",
    "argon2": "a password",
    "asyncmy": "MariaDB",
    "asyncpg": "PostgreSQL",
    "bcrypt": "a password of 0.7.1",
    "crumby.backup": "crumby backup",
    "crumby.ingest.geofile": "crumby geoip",
    "crumby.ingest.operations": "the OpenAPI document",
    "crumby.cli.verbs": "the command line",
    "crumby.reporting.adhoc": "SQL_EDITOR",
    "crumby.reporting.openapi": "the OpenAPI document",
    "difflib": "a mistyped word",
    "fastapi": "the OpenAPI document",
    "geoip2": "crumby geoip",
    "httpx": "crumby geoip",
    "passlib": "a password",
    "pydantic": "FastAPI, and typer where there is more to a value",
    "pygments": "Alembic's and httpx's own command lines",
    "rich": "the terminal's tables",
    "sqlalchemy.dialects.mysql": "MariaDB",
    "sqlalchemy.dialects.postgresql": "PostgreSQL",
    "sqlalchemy.orm": "nobody: Crumby has no sessions",
    "typer": "the command line",
}
OF_WORKERS = ("aiosqlite", "crumby.app", "crumby.database", "jinja2", "prometheus_client", "sqlalchemy", "starlette")

SERVED = """
import asyncio, json, sys
from pathlib import Path

import uvicorn

def serve(*_arguments, **options):
    import crumby.cli.protocol
    from crumby.app import create_app
    from asgi_lifespan import LifespanManager

    async def live():
        async with LifespanManager(create_app(), startup_timeout=60) as running:
            await asyncio.sleep(1)  # the queries are looked over meanwhile
    asyncio.run(live())
    print(json.dumps(list(sys.modules)))

uvicorn.run = serve
sys.argv[1:] = ["run"]
from crumby.cli import main
main()
"""
LOOKED_AFTER = """
import json, sys
from crumby.cli import workers
workers.Parent.run = lambda _self: print(json.dumps(list(sys.modules)))
sys.argv[1:] = ["run", "--workers", "2", "--port", "0"]
from crumby.cli import main
main()
"""


def imported(code: str, home: str) -> set[str]:
    """The modules that the code tells of in its last line, in a process with an SQLite file of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CRUMBY_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environ, "HOME": home},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_server_of_sqlite_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """Planted: `import httpx` in ingest/geo.py; `from sqlalchemy.orm import Session` in days.py; Alembic at the top;
    `from fastapi import FastAPI` in app.py; cli/anew.py serves in the process that it is called in.
    """
    there = imported(SERVED, str(tmp_path))
    assert there.issuperset(OF_WORKERS)
    assert {name: LATER[name] for name in LATER if name in there} == {}


def test_the_parent_of_several_workers_imports_no_application(tmp_path: Path) -> None:
    """Planted: cli/serve.py calls `prepare` itself."""
    there = imported(LOOKED_AFTER, str(tmp_path))
    assert "uvicorn" in there
    assert [name for name in (*OF_WORKERS, *LATER) if name in there] == []


def test_the_orm_is_there_for_whom_asks(tmp_path: Path) -> None:
    """Planted: engines.py sets no `__getattr__`."""
    asked = """
import json, sys
import crumby.engines
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
assert AsyncSession.__module__ == "sqlalchemy.ext.asyncio.session"
assert async_scoped_session.__module__ == "sqlalchemy.ext.asyncio.scoping"
print(json.dumps(list(sys.modules)))
"""
    assert "sqlalchemy.orm" in imported(asked, str(tmp_path))
