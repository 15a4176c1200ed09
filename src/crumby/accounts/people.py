"""The `users` table: who they are, and whether a password is theirs."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, ParamSpec, TypeVar

from sqlalchemy import ColumnElement, Delete, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from crumby.accounts import hashing, passwords
from crumby.database import first_line, open_database
from crumby.engines import AsyncConnection, AsyncEngine
from crumby.errors import AccountError, DatabaseUnavailable
from crumby.migrations import migrate
from crumby.settings import Settings
from crumby.tables import sessions, setups, users

NAME_LENGTH: Final = 75  # characters, the column's

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    password: str  # its hash
    totp: str | None = None  # the secret of the second factor, where there is one

    @property
    def mark(self) -> str:
        """Of the password: with another one a session, and a sign-in that waits for its code, are over."""
        return hashlib.sha256(self.password.encode()).hexdigest()[:32]


class Accounts:
    """Hashing runs in a thread, two at once at most: a rush of guesses can't take the memory."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._slots = asyncio.Semaphore(2)

    async def add(self, name: str, password: str) -> None:
        """Raises AccountError where the name is taken or unfit, or the password is one that `passwords.py` refuses."""
        kept = await self.fresh(name, password)
        async with self._engine.begin() as connection:
            await connection.execute(delete(setups))  # before the user: `setup.py` locks them in this order, too
            await put_in(connection, name, kept)

    async def fresh(self, name: str, password: str) -> str:
        """The hash of a new user's password. Raises AccountError as `add` does, but for a name that is taken."""
        if not is_fit(name):
            raise AccountError(f"a name has 1 to {NAME_LENGTH} printable characters")
        await self._in_thread(passwords.check, password, name)
        return await self._in_thread(hashing.hashed, password)

    async def delete(self, name: str) -> None:
        """Raises AccountError for a name that nobody has. The user's sessions end with it."""
        async with self._engine.begin() as connection:
            await connection.execute(_ended(name))
            result = await connection.execute(delete(users).where(users.c.username == name))
        if not result.rowcount:
            raise AccountError(f"there is no user {name!r}")

    async def set_password(self, name: str, password: str) -> None:
        """Raises AccountError as `add` does, and for a name that nobody has. All sessions of the user end."""
        await self.named(name)
        kept = await self.fresh(name, password)
        async with self._engine.begin() as connection:
            await connection.execute(_ended(name))
            await connection.execute(update(users).where(users.c.username == name).values(password=kept))

    async def set_totp(self, name: str, secret: str | None, used: int | None = None) -> None:
        """A second factor, or none from now on; `used` is the half minute of the code that confirmed it."""
        change = update(users).where(users.c.username == name).values(totp=secret, totp_used=used)
        async with self._engine.begin() as connection:
            await connection.execute(change)

    async def use_up(self, user: User, half_minute: int) -> bool:
        """Whether that user's code of that half minute, or of a later one, was not taken before. Now it is."""
        unused = or_(users.c.totp_used.is_(None), users.c.totp_used < half_minute)
        mine = (users.c.id == user.id, users.c.totp == user.totp, unused)
        with asked():
            async with self._engine.begin() as connection:
                change = update(users).where(*mine).values(totp_used=half_minute)
                return bool((await connection.execute(change)).rowcount)

    async def names(self) -> list[str]:
        async with self._engine.connect() as connection:
            return list(await connection.scalars(select(users.c.username).order_by(users.c.username)))

    async def authenticate(self, name: str, password: str) -> User | None:
        """The user of that name and password. A hash of 0.7.1 is replaced by one of today."""
        if len(password) > passwords.LONGEST:
            return None
        user = await self._find(users.c.username == name) if is_fit(name) else None
        # A name that nobody has takes as long as a wrong password. MySQL has `ann ` be `ann`, and nobody else does.
        known = user if user and user.name == name else None
        kept = known.password if known else await self._in_thread(hashing.nobodys_hash)
        valid, fresh = await self._in_thread(hashing.verify, password, kept)
        if not known or not valid:
            return None
        return await self._rehashed(known, fresh) if fresh else known

    async def _rehashed(self, user: User, fresh: str) -> User:
        """Unless the password was changed meanwhile. Sessions of the same password go on."""
        changed = replace(user, password=fresh)
        with asked():
            async with self._engine.begin() as connection:
                mine = (users.c.id == user.id, users.c.password == user.password)
                await connection.execute(update(users).where(*mine).values(password=fresh))
                of_mine = (sessions.c.user_id == user.id, sessions.c.mark == user.mark)
                await connection.execute(update(sessions).where(*of_mine).values(mark=changed.mark))
        return changed

    async def hashed(self, password: str) -> str:
        """Of a share's password, any but an empty one. Raises AccountError."""
        if not password or len(password) > passwords.LONGEST:
            raise AccountError(f"a password has 1 to {passwords.LONGEST} characters")
        return await self._in_thread(hashing.hashed, password)

    async def fits(self, password: str, kept: str) -> bool:
        return len(password) <= passwords.LONGEST and (await self._in_thread(hashing.verify, password, kept))[0]

    async def by_id(self, identity: int) -> User | None:
        return await self._find(users.c.id == identity)

    async def named(self, name: str) -> User:
        """Raises AccountError."""
        user = await self._find(users.c.username == name)
        if not user:
            raise AccountError(f"there is no user {name!r}")
        return user

    async def _find(self, condition: ColumnElement[bool]) -> User | None:
        with asked():
            async with self._engine.connect() as connection:
                row = (await connection.execute(select(users).where(condition))).first()
        return User(row.id, row.username, row.password or "", row.totp) if row else None

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        async with self._slots:
            return await asyncio.to_thread(function, *arguments, **keywords)


def is_fit(name: str) -> bool:
    return 0 < len(name) <= NAME_LENGTH and name.isprintable()


async def put_in(connection: AsyncConnection, name: str, kept: str) -> int:
    """The new user's id. Raises AccountError for a name that is taken."""
    try:
        key = (await connection.execute(insert(users).values(username=name, password=kept))).inserted_primary_key
    except IntegrityError:
        raise AccountError(f"there is a user {name!r} already") from None
    assert key  # noqa: S101 - or nothing was put in
    return int(key[0])


def _ended(name: str) -> Delete:
    """The end of all of a user's sessions."""
    of_name = select(users.c.id).where(users.c.username == name).scalar_subquery()
    return delete(sessions).where(sessions.c.user_id == of_name)


@contextlib.asynccontextmanager
async def opened_accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """Those of the configured database, which is migrated first."""
    async with open_database(settings) as database:
        await migrate(database.engine)
        yield Accounts(database.engine)


@contextlib.contextmanager
def asked() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be reached: {first_line(error)}") from error
