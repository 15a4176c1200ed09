"""The link that makes the first user: printed by `crumby run`, and known to nobody else.

It ends with the first user, whoever makes that, and a day after it was printed. Each start of a server that nobody can
sign in to prints another one: two machines that start at once before one database have two that work, for one user.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from crumby.accounts.people import Accounts, User, asked, put_in
from crumby.engines import AsyncConnection, AsyncEngine
from crumby.errors import NotFound
from crumby.tables import setups, users

OCTETS: Final = 32  # of a token
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
LASTS: Final = timedelta(days=1)
GONE: Final = (
    "this link makes the first user, once and within a day, and is over: sign in, "
    "or start Crumby anew, which prints another one while there is no user"
)


class Setup:
    """Raises DatabaseUnavailable, whatever it is asked."""

    def __init__(self, engine: AsyncEngine, accounts: Accounts, now: Callable[[], datetime] | None = None) -> None:
        self._engine = engine
        self._accounts = accounts
        self._now = now or _utc

    async def token(self) -> str | None:
        """A new one; None where somebody can sign in."""
        made = secrets.token_urlsafe(OCTETS)
        with asked():
            async with self._engine.begin() as connection:
                await connection.execute(delete(setups).where(setups.c.made < self._now() - LASTS))
                await connection.execute(insert(setups).values(hash=_hash(made), made=self._now()))
                if not await _nobody(connection):
                    await connection.execute(delete(setups))
                    return None
        return made

    async def check(self, token: str) -> None:
        """Raises NotFound, in the same words for whatever is wrong with it."""
        with asked():
            async with self._engine.connect() as connection:
                await self._check(connection, token)

    async def first(self, token: str, name: str, password: str) -> User:
        """The user that it made, of several that are asked for at once one. Raises NotFound, AccountError.

        `check` comes before it, or a hash is computed for nothing.
        """
        kept = await self._accounts.fresh(name, password)
        with asked():
            async with self._engine.begin() as connection:
                await connection.execute(update(setups).values(made=setups.c.made))  # locks all, on each database
                await self._check(connection, token)
                await connection.execute(delete(setups))
                identity = await put_in(connection, name, kept)
        return User(identity, name, kept)

    async def _check(self, connection: AsyncConnection, token: str) -> None:
        now = self._now()
        if TOKEN.fullmatch(token):
            made = await connection.scalar(select(setups.c.made).where(setups.c.hash == _hash(token)))
            if made and abs(now - made) <= LASTS and await _nobody(connection):
                return
        raise NotFound(GONE)


async def _nobody(connection: AsyncConnection) -> bool:
    return not await connection.scalar(select(func.count()).select_from(users))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
