"""The engine of a ClickHouse that reports ask: its URL, and the package that speaks with it.

The package is imported when an engine is made, by whoever has named such a server; nobody else pays for it.
"""

from typing import Any, Final

from sqlalchemy import URL
from sqlalchemy.exc import NoSuchModuleError

from crumby.engines import AsyncEngine, create_async_engine
from crumby.errors import ConfigurationError

DRIVER: Final = "clickhousedb+async"
NAMES: Final = frozenset({"clickhouse", "clickhouses", "clickhousedb"})  # the second by TLS
DIALECT: Final = "clickhouse"  # as Crumby calls it
EXTRA: Final = "pip install 'crumby[clickhouse]'"
CONNECT_S: Final = 5
POOL: Final = 5  # connections, and as many again while there is much to do: each knows all of its server's settings


def is_clickhouse(url: URL) -> bool:
    return url.drivername.partition("+")[0] in NAMES


def clickhouse_url(url: URL) -> URL:
    """`clickhouse://reader:pw@host:8123/crumby` → `clickhousedb+async://…`; of `clickhouses://` by TLS."""
    if url.drivername.partition("+")[0] == "clickhouses":
        url = url.update_query_dict({"secure": "true"})
    return url.set(drivername=DRIVER)


def open_clickhouse(url: URL, *, timeout_s: float, echo: bool) -> AsyncEngine:
    """`timeout_s`: of one answer, a little more than its limit. Raises ConfigurationError without the package."""
    options: dict[str, Any] = {
        "client_name": "crumby",
        "connect_timeout": CONNECT_S,
        "send_receive_timeout": timeout_s,
        "autogenerate_session_id": False,  # a session has one query at a time
        "compress": False,
        "query_retries": 1,  # a connection that was kept may have been closed meanwhile
    }
    try:
        return create_async_engine(
            url, connect_args=options, echo=echo, hide_parameters=True, pool_size=POOL, max_overflow=POOL
        )
    except (NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(f"REPORTS_DATABASE_URI: to speak with ClickHouse takes a package: {EXTRA}") from error
