"""Tokens that let programs in: one of scope `read` to the private reports, one of scope `ingest` to send hits.

A token is 256 random bits, and its SHA-256 is what is kept. A slow hash, as passwords have, makes guesses dear where
people choose among few words; of 2**256 nobody finds one, however quick the hash is, and each request computes it.

All tokens are read at once, by whoever asks first, and known for a second. So one that is withdrawn ends everywhere
within a second, and guesses cost the database nothing, however many and however different they are.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from crumby.background import beside, ended
from crumby.database import first_line
from crumby.engines import AsyncEngine
from crumby.errors import AccountError, DatabaseUnavailable
from crumby.tables import tokens

log = logging.getLogger(__name__)

Scope = Literal["read", "ingest"]

PREFIX: Final = "crumby_"  # by which those who look for secrets in public places know it
SECRET: Final = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")
OCTETS: Final = 32  # of its random part
NAME_LENGTH: Final = 75  # characters, the column's
MOST: Final = 1000  # tokens that may be made: each second that one asks, all of them are read
REMEMBERED_S: Final = 1.0
PATIENCE_S: Final = 5.0  # that a look, or a note, may take
NOTED_S: Final = 60.0  # between two notes of what was used


@dataclass(frozen=True, slots=True)
class Token:
    """All but the secret, which whoever made it has alone."""

    id: int
    name: str
    hash: str
    scope: str
    expires: datetime | None  # UTC, and null for never; so are the other two
    created: datetime
    used: datetime | None  # last, or up to a minute before
    creator: str

    def over(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now


Known = Mapping[str, Token]  # by hash


def bearer(header: str | None) -> str | None:
    """What an `Authorization` header bears: `Bearer crumby_…`. None for none, and for others: `Basic …`."""
    scheme, _, rest = (header or "").strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


class Tokens:
    """The `tokens` table. Raises DatabaseUnavailable, whatever it is asked."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._engine = engine
        self._now = now or _utc
        self._latest = _Latest(self._by_hash, clock)
        self.uses = Uses(engine)

    async def allows(self, secret: str, scope: Scope) -> bool:
        """Whether that is a token, of that scope, and not over.

        Its time tells nothing of a token: what is looked for is the hash, and how far that of a guess fits is chance.
        """
        if not SECRET.fullmatch(secret):
            return False
        token = (await self._latest.known()).get(_hashed(secret))
        if not token or token.scope != scope or token.over(self._now()):
            return False
        self.uses.note(token, self._now())
        return True

    async def add(self, name: str, scope: Scope, expires: datetime | None, creator: str) -> str:
        """The secret, which is told this once. Raises AccountError where the name is taken or unfit."""
        if not name or len(name) > NAME_LENGTH or not name.isprintable() or name != name.strip():
            raise AccountError(f"a name has 1 to {NAME_LENGTH} printable characters, and no blanks around them")
        secret = PREFIX + secrets.token_urlsafe(OCTETS)
        row = {"name": name, "hash": _hashed(secret), "scope": scope, "expires": expires, "creator": creator}
        with _asked():
            async with self._engine.begin() as connection:
                try:
                    await connection.execute(insert(tokens).values(created=self._now(), **row))
                except IntegrityError:
                    raise AccountError(f"there is a token {name!r} already; choose another name") from None
                if (await connection.scalar(select(func.count()).select_from(tokens)) or 0) > MOST:
                    raise AccountError(f"there are {MOST:,} tokens already; `crumby token rm NAME` makes room")
        return secret

    async def withdraw(self, name: str) -> None:
        """Raises AccountError for a name that none has."""
        with _asked():
            async with self._engine.begin() as connection:
                found = (await connection.execute(delete(tokens).where(tokens.c.name == name))).rowcount
        if not found:
            raise AccountError(f"there is no token {name!r}; `crumby token list` names those there are")

    async def all(self) -> list[Token]:
        """Those that are over as well, by name."""
        with _asked():
            async with self._engine.connect() as connection:
                rows = await connection.execute(select(tokens).order_by(tokens.c.name))
        return [Token(**row) for row in rows.mappings()]

    async def close(self) -> None:
        await self._latest.close()
        await self.uses.write()

    async def _by_hash(self) -> Known:
        return {token.hash: token for token in await self.all()}


class _Latest:
    """What a look at the database found, for all who ask within a second of its beginning; a failure as well."""

    def __init__(self, look: Callable[[], Awaitable[Known]], clock: Callable[[], float]) -> None:
        self._look = look
        self._clock = clock
        self._began = float("-inf")
        self._looking: asyncio.Task[Known | DatabaseUnavailable] | None = None

    async def known(self) -> Known:
        """What there was at some time since a second before this question. Raises DatabaseUnavailable."""
        oldest = self._clock() - REMEMBERED_S
        while not self._looking or self._began <= oldest:
            if self._looking and not self._looking.done():
                await self._end(self._looking)  # one that takes long: no other beside it
            else:
                self._began = self._clock()
                self._looking = asyncio.create_task(self._found(), name="crumby-tokens")
        looking = self._looking
        await self._end(looking)
        found = looking.result()
        if isinstance(found, DatabaseUnavailable):
            raise DatabaseUnavailable(str(found)) from found
        return found

    async def _end(self, looking: asyncio.Task[Any]) -> None:
        """A frozen server keeps even a cancelled task: until that ends, who comes later does not wait for it."""
        if not looking.done():
            await asyncio.wait({looking}, timeout=max(0, self._began + PATIENCE_S - self._clock()))
        if not looking.done() or looking.cancelled():
            looking.cancel()
            raise DatabaseUnavailable(f"the tokens could not be read within {PATIENCE_S:g} s")

    async def _found(self) -> Known | DatabaseUnavailable:
        try:
            return await self._look()
        except DatabaseUnavailable as error:
            return error

    async def close(self) -> None:
        await ended(self._looking)


class Uses:
    """When which token was used last: noted in memory, and written at once and then a minute later at the soonest."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._noted: dict[int, datetime] = {}  # by token
        self._news = asyncio.Event()

    def note(self, token: Token, now: datetime) -> None:
        self._noted[token.id] = now
        self._news.set()

    async def keep_writing(self) -> None:
        while True:
            await self._news.wait()
            await self.write()
            await asyncio.sleep(NOTED_S)

    async def write(self) -> None:
        """Or keep it for the next time, where the database is away."""
        self._news.clear()
        if self._noted:
            writing = asyncio.create_task(self._write(), name="crumby-tokens-used")
            done, _ = await asyncio.wait({writing}, timeout=PATIENCE_S)
            if not done:
                writing.cancel()

    async def _write(self) -> None:
        taken, self._noted = self._noted, {}
        rows = [{"which": which, "at": at} for which, at in sorted(taken.items())]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(LATER, rows)
        except BaseException as error:  # drivers have odd ones for a server that dies
            self._noted = taken | self._noted
            self._news.set()
            log.debug("when tokens were used waits in memory: %s", error or type(error).__name__)
            if not isinstance(error, Exception):
                raise


LATER: Final = (  # another worker may have noted a later one
    update(tokens)
    .where(tokens.c.id == bindparam("which"), or_(tokens.c.used.is_(None), tokens.c.used < bindparam("at")))
    .values(used=bindparam("at"))
)


@contextlib.asynccontextmanager
async def open_tokens(engine: AsyncEngine) -> AsyncIterator[Tokens]:
    """Those of that database; when they are used is written down until the context is left."""
    opened = Tokens(engine)
    try:
        async with beside(opened.uses.keep_writing(), "crumby-tokens-uses"):
            yield opened
    finally:
        await opened.close()


@contextlib.contextmanager
def _asked() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be reached: {first_line(error)}") from error


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
