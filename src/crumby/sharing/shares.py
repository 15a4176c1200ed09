"""The `shares` table."""

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from crumby.accounts import Accounts
from crumby.database import first_line
from crumby.engines import AsyncEngine
from crumby.errors import DatabaseUnavailable
from crumby.reporting.query import Query
from crumby.sharing.drafts import Checked, Pairs, name_of, pairs_of
from crumby.tables import shares

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22}")
OCTETS: Final = 16  # of a token: 128 bits
ID: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Share:
    id: int
    token: str
    title: str
    panels: Sequence[str]
    filters: str
    view: str
    password: str | None  # its hash
    expires: datetime | None  # UTC; so is `created`
    created: datetime
    creator: str

    @property
    def fixed(self) -> Pairs:
        return pairs_of(self.filters)

    @property
    def path(self) -> str:
        return f"/share/{self.token}"

    def shows(self, query: Query) -> bool:
        """A file may have changed since: one that takes no filters any more would show all there is."""
        return name_of(query) in self.panels and (not self.filters or query.filtered)

    def facts(self, url: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "token": self.token,
            "url": url,
            "title": self.title,
            "panels": list(self.panels),
            "filters": self.filters,
            "view": self.view,
            "has_password": self.password is not None,
            "expires": self.expires and f"{self.expires.isoformat(timespec='seconds')}Z",
            "created": f"{self.created.isoformat(timespec='seconds')}Z",
            "creator": self.creator,
        }


def _new_token() -> str:
    """`crumby unshare` would take one that begins with `-` for an option."""
    while (token := secrets.token_urlsafe(OCTETS)).startswith("-"):
        pass
    return token


class Shares:
    """Raises DatabaseUnavailable, whatever it is asked."""

    def __init__(self, engine: AsyncEngine, accounts: Accounts) -> None:
        self._engine = engine
        self._accounts = accounts

    async def add(self, checked: Checked, creator: str) -> Share:
        """Raises AccountError for a password that is empty or too long."""
        row: dict[str, Any] = {
            "token": _new_token(),
            "title": checked.title,
            "filters": checked.filters,
            "view": checked.view,
            "password": None if checked.password is None else await self._accounts.hashed(checked.password),
            "expires": checked.expires,
            "created": _now(),
            "creator": creator,
        }
        panels = msgspec.json.encode(checked.panels).decode()
        with _asked():
            async with self._engine.begin() as connection:
                key = (await connection.execute(insert(shares).values(panels=panels, **row))).inserted_primary_key
        assert key  # noqa: S101 - or nothing was put in
        return Share(id=key[0], panels=checked.panels, **row)

    async def all(self) -> list[Share]:
        """Those that are over as well, the newest first."""
        return await self._found()

    async def of(self, token: str) -> Share | None:
        """The one of that token, if it is not over."""
        if not TOKEN.fullmatch(token):
            return None
        found = await self._found(shares.c.token == token)
        return next((share for share in found if not share.expires or _now() < share.expires), None)

    async def withdraw(self, word: str) -> bool:
        """By its id or its token. Whether there was one."""
        if not TOKEN.fullmatch(word) and not ID.fullmatch(word):
            return False
        which = shares.c.id == int(word) if ID.fullmatch(word) else shares.c.token == word
        with _asked():
            async with self._engine.begin() as connection:
                return bool((await connection.execute(delete(shares).where(which))).rowcount)

    async def _found(self, *conditions: ColumnElement[bool]) -> list[Share]:
        with _asked():
            async with self._engine.connect() as connection:
                rows = await connection.execute(select(shares).where(*conditions).order_by(shares.c.id.desc()))
        return [Share(**{**row, "panels": msgspec.json.decode(row["panels"])}) for row in rows.mappings()]


@contextlib.contextmanager
def _asked() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be reached: {first_line(error)}") from error


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
