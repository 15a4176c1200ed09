"""What the pages tell to type and no test types: page, how a command begins or the heading that it is under; and why.

Of each it is still seen that bash can read it, and that the verb, the options, the target of make and the files that it
names are there: `parts.py`.
"""

import re
from typing import Final

from tests.docs.pages import Command

CONTAINER = "takes Docker"
DUMP = "asks the server of that machine: tests/deployment/test_dumps.py does it with one of its own"
FOR_EVER = "has no end: tests/reporting/test_events_stream.py, tests/cli/test_tail.py"
FOLLOWS = "has no end: tests/cli/test_import.py, tests/importing/test_access_log_followed.py"
INSTALL = "asks the package index: tests/test_packaging.py installs the wheel"
INTERNET = "asks the internet: tests/cli/test_geoip.py, tests/cli/test_lists.py"
LIST = "a list of the verbs, most of which want more words"
MAKE = "prepares .venv, and serves until it is stopped or takes minutes"
ON_A_SERVER = "for root: tests/deployment/chroot.sh does it on a fresh Debian"
PROMPT = "asks at a terminal before it deletes: tests/cli/test_forget.py"
SERVER = "takes the database server that it names: tests/cli/test_backup.py"
SITE = "serves until it is stopped: test_get_started.py opens its page"

NOT_RUN: Final = {
    ("README.md", "make run"): MAKE,
    ("README.md", "make test"): MAKE,
    ("README.md", "cd && crumby geoip"): INTERNET,
    ("README.md", "# Use it from the terminal"): LIST,
    ("README.md", "docker"): CONTAINER,
    ("docs/bots.md", "crumby lists --refresh"): INTERNET,
    ("docs/deploy.md", "/opt/crumby/bin/crumby init"): ON_A_SERVER,
    ("docs/deploy.md", "docker"): CONTAINER,
    ("docs/deploy.md", "mariadb-dump"): DUMP,
    ("docs/deploy.md", "pg_dump"): DUMP,
    ("docs/deploy.md", "printf"): ON_A_SERVER,
    ("docs/deploy.md", "rm crumby.cfg"): ON_A_SERVER,
    ("docs/deploy.md", "sudo"): ON_A_SERVER,
    ("docs/get-started.md", "python3 -m venv"): INSTALL,
    ("docs/get-started.md", "source"): INSTALL,
    ("docs/get-started.md", "pip install"): INSTALL,
    ("docs/get-started.md", "python3 -m http.server"): SITE,
    ("docs/live.md", "curl -sN"): FOR_EVER,
    ("docs/migrate.md", "crumby import --follow"): FOLLOWS,
    ("docs/places.md", "cd && crumby geoip"): INTERNET,
    ("docs/places.md", "crumby geoip"): INTERNET,
    ("docs/privacy.md", "crumby forget 1234567890123456789"): PROMPT,
    ("docs/scale.md", "export CRUMBY_SQLALCHEMY_DATABASE_URI"): SERVER,
    ("docs/scale.md", "crumby restore"): SERVER,
}

# What would change this machine if root ran the tests, as in a container of CI. It is never run, whether listed or not.
CHANGES_THE_MACHINE: Final = re.compile(
    r"\b(?:sudo|apt-get|docker|systemctl|useradd|usermod|mkswap|sysctl)\b|(?<![\w~.])/(?:etc|opt|usr|var|run|srv)/"
)

# Pages whose commands another test runs, as part of more.
ELSEWHERE: Final = {
    "docs/api.md": "tests/cli/test_tokens.py",
    "docs/tracking.md": "tests/tracker/test_docs_tracking.py",
}


def is_run(command: Command) -> bool:
    return row(command) is None and not CHANGES_THE_MACHINE.search(command.text)


def row(command: Command) -> tuple[str, str] | None:
    """Give the row that says why it is not run."""
    for page, what in NOT_RUN:
        told = command.heading == what[2:] if what.startswith("# ") else command.text.startswith(what)
        if page == command.page and told:
            return page, what
    return None
