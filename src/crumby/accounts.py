"""People: who may see the private reports, how their passwords are kept, and how a browser stays signed in."""

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from crumby.database import first_line, open_database
from crumby.engines import AsyncEngine
from crumby.errors import AccountError, DatabaseUnavailable
from crumby.migrations import migrate
from crumby.settings import Settings
from crumby.tables import users

if TYPE_CHECKING:
    from passlib.context import CryptContext

COOKIE: Final = "crumby_session"
SESSION_AGE: Final = 14 * 24 * 60 * 60  # seconds
SKEW: Final = 5 * 60  # seconds that a clock may have been set back since, or that another machine's may be ahead
NAME_LENGTH: Final = 75  # characters, the column's
PASSWORD_LENGTH: Final = 1024  # characters; longer ones would only cost time
BCRYPT_LENGTH: Final = 72  # bytes that bcrypt looks at; 0.7.1 cut the rest, the library of today refuses it

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    password: str  # its hash


class Accounts:
    """The `users` table. Hashing runs in a thread, two at once at most: a rush of guesses can't take the memory."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._slots = asyncio.Semaphore(2)

    async def add(self, name: str, password: str) -> None:
        """Raises AccountError where the name is taken or unfit, or the password is empty."""
        if not name or len(name) > NAME_LENGTH or not name.isprintable():
            raise AccountError(f"a name has 1 to {NAME_LENGTH} printable characters")
        if not password or len(password) > PASSWORD_LENGTH:
            raise AccountError(f"a password has 1 to {PASSWORD_LENGTH} characters")
        hashed = await self._in_thread(_hash, password)
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(users).values(username=name, password=hashed))
        except IntegrityError:
            raise AccountError(f"there is a user {name!r} already") from None

    async def delete(self, name: str) -> None:
        """Raises AccountError for a name that nobody has. The user's sessions end with it."""
        async with self._engine.begin() as connection:
            result = await connection.execute(delete(users).where(users.c.username == name))
        if not result.rowcount:
            raise AccountError(f"there is no user {name!r}")

    async def names(self) -> list[str]:
        async with self._engine.connect() as connection:
            return list(await connection.scalars(select(users.c.username).order_by(users.c.username)))

    async def authenticate(self, name: str, password: str) -> User | None:
        """The user of that name and password. A hash of 0.7.1 is replaced by one of today."""
        if len(password) > PASSWORD_LENGTH:
            return None
        user = await self._find(users.c.username == name)
        # A name that nobody has takes as long as a wrong password.
        hashed = user.password if user else await self._in_thread(_nobodys_hash)
        valid, fresh = await self._in_thread(_verify, password, hashed)
        if not user or not valid:
            return None
        if not fresh:
            return user
        async with self._engine.begin() as connection:
            await connection.execute(update(users).where(users.c.id == user.id).values(password=fresh))
        return User(user.id, user.name, fresh)

    async def by_id(self, identity: int) -> User | None:
        return await self._find(users.c.id == identity)

    async def _find(self, condition: ColumnElement[bool]) -> User | None:
        try:
            async with self._engine.connect() as connection:
                row = (await connection.execute(select(users).where(condition))).first()
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(f"the database can't be reached: {first_line(error)}") from error
        return User(row.id, row.username, row.password or "") if row else None

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        async with self._slots:
            return await asyncio.to_thread(function, *arguments, **keywords)


@contextlib.asynccontextmanager
async def opened_accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """Those of the configured database, which is migrated first."""
    async with open_database(settings) as database:
        await migrate(database.engine)
        yield Accounts(database.engine)


@cache
def _hashes() -> "CryptContext":
    """argon2id at the figures of OWASP's ASVS 5.0: 19 MiB, two passes, one lane. bcrypt is what 0.7.1 kept.

    Imported with the first password: 2 MiB that a server without visitors to its login does not need.
    """
    from passlib.context import CryptContext

    return CryptContext(
        schemes=["argon2", "bcrypt"],
        deprecated="auto",
        argon2__memory_cost=19456,
        argon2__time_cost=2,
        argon2__parallelism=1,
    )


def _hash(password: str) -> str:
    hashed: str = _hashes().hash(password)
    return hashed


@cache
def _nobodys_hash() -> str:
    return _hash("a password that nobody has")


def _verify(password: str, hashed: str) -> tuple[bool, str | None]:
    """Whether it fits, and the hash to keep from now on where the old one is out of date."""
    if not _hashes().identify(hashed):
        return False, None
    if not hashed.startswith("$2"):
        valid, fresh = _hashes().verify_and_update(password, hashed)
        return bool(valid), fresh
    valid = _hashes().verify(password.encode()[:BCRYPT_LENGTH], hashed)
    return bool(valid), _hash(password) if valid else None


class Sessions:
    """A signed cookie that names a user and ends when the user, or the user's password, is changed."""

    def __init__(self, secret: str, accounts: Accounts) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt="crumby.session")
        self._secret = secret.encode()
        self._accounts = accounts

    def begin(self, user: User) -> str:
        """The cookie's value."""
        return self._signer.dumps([user.id, self._fingerprint(user)])

    async def user(self, cookie: str | None) -> User | None:
        """Whose session that is; None for none, and for a forged, expired or ended one."""
        if not cookie:
            return None
        try:
            (identity, fingerprint), begun = self._signer.loads(cookie, return_timestamp=True)
        except BadData:
            return None
        if not -SKEW <= time.time() - begun.timestamp() <= SESSION_AGE:
            return None
        user = await self._accounts.by_id(int(identity))
        if user and hmac.compare_digest(str(fingerprint), self._fingerprint(user)):
            return user
        return None

    def _fingerprint(self, user: User) -> str:
        """Of the password's hash, so that a new password ends the sessions of the old one."""
        return hmac.new(self._secret, user.password.encode(), hashlib.sha256).hexdigest()[:32]
