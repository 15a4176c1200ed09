"""What a shell can offer for a word that is begun: names of queries, rollups, lists and users.

It is asked at each press of the key: nothing is written, no server is waited for, and what is not known is not offered.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

PATIENCE_MS: Final = 300  # for an embedded database that somebody keeps locked

Complete = Callable[[str], list[str]]


def offered(names: Callable[[], Sequence[str]]) -> Complete:
    """Those that go on as the word begins. What is amiss is for the verb itself to tell."""

    def complete(incomplete: str) -> list[str]:
        logging.disable()  # a warning would be written across the line
        with contextlib.suppress(Exception):
            return [name for name in names() if name.startswith(incomplete)]
        return []

    return complete


def _queries() -> Sequence[str]:
    """As short as can be: `pages`, but `public/locations`, where there is a private one as well."""
    from crumby.reporting.query import QueryFolders
    from crumby.settings import load_settings

    queries = QueryFolders.laid_over(load_settings().queries).all()
    names = [query.name for query in queries]
    return [
        name if names.count(name) == 1 else f"{query.collection}/{name}"
        for name, query in zip(names, queries, strict=True)
    ]


def _rollups() -> Sequence[str]:
    from crumby.rollups import RollupFolders
    from crumby.settings import load_settings, shipped

    return [each.name for each in RollupFolders(*filter(None, (shipped("queries"), load_settings().queries))).all()]


def _lists() -> Sequence[str]:
    from crumby.ingest.lists import manifest

    return list(manifest())


def _periods() -> Sequence[str]:
    from crumby.reporting.period import PRESETS

    return [*PRESETS, "all"]


def _users() -> Sequence[str]:
    """Of the embedded database alone."""
    from crumby.backup.contents import read_only
    from crumby.database import async_url
    from crumby.settings import load_settings

    url = async_url(load_settings().sqlalchemy_database_uri)
    if url.get_backend_name() != "sqlite":
        return []
    with contextlib.closing(read_only(Path(url.database or ""))) as file:
        file.execute(f"pragma busy_timeout = {PATIENCE_MS}").close()
        return [name for (name,) in file.execute("select username from users order by username")]


query_names: Final = offered(_queries)
rollup_names: Final = offered(_rollups)
list_names: Final = offered(_lists)
periods: Final = offered(_periods)
known_users: Final = offered(_users)
