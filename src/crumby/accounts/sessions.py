"""How a browser stays signed in: a random id in its cookie, and its SHA-256 in the `sessions` table.

A session ends at the logout, with its user, with its user's password, two weeks after it was last used and 90 days
after it began. What the table said is known for a second, so that it has ended on every worker by then.

The clock may jump. Nothing is deleted for what the clock says once: a session is over for as long as it says so, and
goes on when it was wrong. One that began or was used in what is now the future is no less valid for that.
"""

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, delete, insert, or_, select, update

from crumby.accounts.people import User, asked
from crumby.background import ended
from crumby.database import first_line
from crumby.engines import AsyncEngine
from crumby.errors import DatabaseUnavailable
from crumby.tables import sessions, users

log = logging.getLogger(__name__)

COOKIE: Final = "crumby_session"
OCTETS: Final = 32  # of an id
ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")
IDLE: Final = timedelta(days=14)
LONGEST: Final = timedelta(days=90)
NOTED: Final = timedelta(hours=1)  # between two notes that a session is in use
REMEMBERED_S: Final = 1.0  # a page asks once for each panel who it is; an ended session goes on for as long
REMEMBERED: Final = 1000  # sessions, or what was given out as one
PATIENCE_S: Final = 5.0  # that a look may take


@dataclass(frozen=True, slots=True)
class Session:
    key: str  # its hash
    user: User
    begun: datetime  # UTC; so is `seen`
    seen: datetime

    def over(self, now: datetime) -> bool:
        """One of a future as far away as it could last is over as well, or it would last until then."""
        return now - self.begun > LONGEST or now - self.seen > IDLE or self.begun - now > LONGEST


class Sessions:
    """Raises DatabaseUnavailable, whatever it is asked."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._now = now or _utc
        self._looks: dict[str, tuple[float, _Look]] = {}  # by hash, since when
        self._used: dict[str, datetime] = {}  # what is to be noted
        self._cleaned: datetime | None = None

    async def begin(self, user: User, old: str | None = None) -> str:
        """The cookie's value. The session of the `old` one ends: nobody goes on by an id from before the login."""
        made = secrets.token_urlsafe(OCTETS)
        now = self._now()
        row = {"hash": _hash(made), "user_id": user.id, "mark": user.mark, "begun": now, "seen": now}
        with asked():
            async with self._engine.begin() as connection:
                await connection.execute(insert(sessions).values(row))
                if old and ID.fullmatch(old):
                    await connection.execute(delete(sessions).where(sessions.c.hash == _hash(old)))
        self._forget(old)
        return made

    async def end(self, cookie: str | None) -> None:
        if cookie and ID.fullmatch(cookie):
            with asked():
                async with self._engine.begin() as connection:
                    await connection.execute(delete(sessions).where(sessions.c.hash == _hash(cookie)))
            self._forget(cookie)

    async def user(self, cookie: str | None) -> User | None:
        """Whose session that is; None for none, and for a forged, expired or ended one."""
        if not cookie or not ID.fullmatch(cookie):
            return None
        session = await self._known(_hash(cookie))
        now = self._now()
        if not session or session.over(now):
            return None
        if now - session.seen > NOTED:
            self._used[session.key] = now
        return session.user

    async def _known(self, key: str) -> Session | None:
        """As the table had it at some time since a second before this question."""
        began, look = self._looks.get(key, (0.0, None))
        if look is None or self._clock() >= began + REMEMBERED_S:
            self._looks.pop(key, None)
            while len(self._looks) >= REMEMBERED:
                del self._looks[next(iter(self._looks))]
            look = asyncio.create_task(self._look(key), name="crumby-session")
            self._looks[key] = (self._clock(), look)
        if not look.done():
            await asyncio.wait({look}, timeout=PATIENCE_S)
        if not look.done() or look.cancelled():
            look.cancel()
            raise DatabaseUnavailable(f"the sessions could not be read within {PATIENCE_S:g} s")
        found = look.result()
        if isinstance(found, DatabaseUnavailable):
            self._looks.pop(key, None)  # a database that is back is asked at once
            raise DatabaseUnavailable(str(found)) from found
        return found

    async def _look(self, key: str) -> "Session | DatabaseUnavailable | None":
        both = select(sessions, users).join(users, users.c.id == sessions.c.user_id)
        try:
            with asked():
                async with self._engine.connect() as connection:
                    row = (await connection.execute(both.where(sessions.c.hash == key))).first()
        except DatabaseUnavailable as error:
            return error
        if not row:
            return None
        user = User(row.id, row.username, row.password or "", row.totp)
        return Session(key, user, row.begun, row.seen) if secrets.compare_digest(row.mark, user.mark) else None

    async def close(self) -> None:
        for _, look in self._looks.values():
            await ended(look)

    def _forget(self, cookie: str | None) -> None:
        if cookie:
            self._looks.pop(_hash(cookie), None)

    async def note(self) -> None:
        """Write down which sessions were used, an hour after the last time at the soonest."""
        taken, self._used = self._used, {}
        rows = [{"key": key, "at": at, "before": at - NOTED} for key, at in sorted(taken.items())]
        if rows:
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(LATER, rows)
            except Exception as error:  # noqa: BLE001 - drivers have odd ones for a server that dies
                log.debug("when sessions were used is not noted: %s", first_line(error))

    async def clean(self) -> None:
        """Delete what is over by the clock of now and by that of the last time, an hour ago.

        A clock that is ahead for a moment deletes nothing that is valid when it is set right.
        """
        now = self._now()
        last, self._cleaned = self._cleaned, now
        if last:
            sure = min(now, last)
            over = or_(sessions.c.begun < sure - LONGEST, sessions.c.seen < sure - IDLE)
            with asked():
                async with self._engine.begin() as connection:
                    await connection.execute(delete(sessions).where(over))


_Look = asyncio.Task[Session | DatabaseUnavailable | None]

LATER: Final = (
    update(sessions)
    .where(sessions.c.hash == bindparam("key"), sessions.c.seen < bindparam("before"))
    .values(seen=bindparam("at"))
)


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
