"""ClickHouse, as the sender talks to it: statements, and blocks of rows that have a name."""

from typing import Any, Final, Self

from sqlalchemy import make_url

from crumby.errors import CrumbyError

CONNECT_S: Final = 5
ANSWER_S: Final = 20  # less than the turn lasts
LEAST: Final = (24, 8)
FORM: Final = "JSONCompactEachRow"
OF_A_BLOCK: Final = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_partitions_per_insert_block": 0,
    "input_format_parallel_parsing": 0,  # one block, of which ClickHouse takes all or nothing
    "max_insert_block_size": 10_000_000,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 1 << 30,
    "date_time_input_format": "best_effort",
}


class Away(CrumbyError):
    """It does not answer, or says no."""

    status = 503


class ClickHouse:
    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    async def connect(cls, uri: str) -> Self:
        """Raises Away."""
        url = make_url(uri)
        secure = str(url.query.get("secure", "")).lower() in {"1", "true"} or url.drivername.startswith("clickhouses")
        try:
            from clickhouse_connect import get_async_client
        except ImportError as error:
            raise Away("clickhouse-connect is not installed: pip install 'crumby[clickhouse]'") from error
        try:
            client = await get_async_client(
                host=url.host or "localhost",
                port=url.port or (8443 if secure else 8123),
                username=url.username or "default",
                password=url.password or "",
                database=url.database or "default",
                secure=secure,
                connect_timeout=CONNECT_S,
                send_receive_timeout=ANSWER_S,
                autogenerate_session_id=False,
                query_limit=0,
            )
        except Exception as error:  # aiohttp's, urllib3's and its own
            raise Away(said(error)) from error
        return cls(client)

    async def do(self, sql: str) -> None:
        """Raises Away."""
        try:
            await self._client.command(sql)
        except Exception as error:
            raise Away(said(error)) from error

    async def rows(self, sql: str) -> list[Any]:
        """Raises Away."""
        try:
            return list((await self._client.query(sql)).result_rows)
        except Exception as error:
            raise Away(said(error)) from error

    async def insert(self, table: str, columns: list[str], block: bytes, token: str) -> None:
        """Once: the same token a second time changes nothing. Raises Away."""
        settings = OF_A_BLOCK | {"insert_deduplication_token": token}
        try:
            await self._client.raw_insert(table, columns or None, block, settings=settings, fmt=FORM)
        except Exception as error:
            raise Away(said(error)) from error

    async def close(self) -> None:
        await self._client.close()


def said(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
