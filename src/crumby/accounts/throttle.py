"""How often somebody may guess: ten times for an account, and a hundred times in all, from one address.

A guess is counted before its hash is computed, in the database, so that all workers count together. Once ten are
counted, the next comes 15 minutes after the last of them; until then nothing is counted, and no hash computed. So no 15
minutes have more than ten. Only that address is kept waiting: from elsewhere the account's owner gets in.

A code of a second factor is counted for its account wherever it comes from. Of a million there are few, and only who
has the password comes to guess one.

What is counted is a keyed hash of whom it was for and from where: no name that was typed, and no address, is kept.
"""

import hashlib
import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Integer, bindparam, case, delete, or_, select, update

from crumby.accounts.people import asked
from crumby.database import insert_into
from crumby.engines import AsyncEngine
from crumby.errors import TooManyGuesses
from crumby.tables import guesses

WAIT_S: Final = 15 * 60
OF_ACCOUNT: Final = 10  # guesses from one address; of codes, from all of them
OF_ADDRESS: Final = 100
SKEW_S: Final = 5 * 60  # that another machine's clock may be ahead; more, and it was wrong
NETWORK: Final = 64  # bits of an IPv6 address that one customer has at least


@dataclass(frozen=True, slots=True)
class Guess:
    """One that was counted."""

    address: str  # the keys of what it counts for
    account: str
    tries: int  # at that account, this one among them


class Throttle:
    """Raises DatabaseUnavailable, whatever it is asked."""

    def __init__(self, engine: AsyncEngine, secret: str, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._secret = hashlib.sha256(secret.encode()).digest()
        self._now = now
        self._count = _counting(engine.dialect.name)
        self._cleaned: float | None = None

    async def password(self, name: str, address: str | None) -> Guess:
        """Count a guess at that user's password. Raises TooManyGuesses."""
        return await self._counted(("password", name, network(address)), network(address))

    async def share(self, token: str, address: str | None) -> Guess:
        """Count a guess at that link's password. Raises TooManyGuesses."""
        return await self._counted(("share", token, network(address)), network(address))

    async def code(self, user_id: int, address: str | None) -> Guess:
        """Count a guess at that user's code. Raises TooManyGuesses."""
        return await self._counted(("code", str(user_id)), network(address))

    async def right(self, guess: Guess) -> None:
        """Take it back, and those at its account that were not: who signs in for a whole office uses nothing up."""
        fewer = case((guesses.c.tries > guess.tries, guesses.c.tries - guess.tries), else_=0)
        taken_back = update(guesses).where(guesses.c.what == guess.address).values(tries=fewer)
        forgotten = delete(guesses).where(guesses.c.what == guess.account)
        both = [(guess.address, taken_back), (guess.account, forgotten)]
        with asked():
            async with self._engine.begin() as connection:
                for _, change in sorted(both, key=lambda pair: pair[0]):  # all lock them in this order
                    await connection.execute(change)

    async def _counted(self, account: tuple[str, ...], from_: str) -> Guess:
        limits = {self._key(*account): OF_ACCOUNT, self._key("address", from_): OF_ADDRESS}
        of_account, of_address = limits
        now = math.floor(self._now())
        rows = [{"key": key, "most": limits[key], **_moments(now)} for key in sorted(limits)]
        found = select(guesses).where(guesses.c.what.in_(limits))
        with asked():
            async with self._engine.connect() as connection:
                _refuse((await connection.execute(found)).all(), {key: most - 1 for key, most in limits.items()}, now)
            async with self._engine.begin() as connection:
                for row in rows:
                    await connection.execute(self._count, row)
                counted = (await connection.execute(found)).all()
        _refuse(counted, limits, now)
        tries = {row.what: row.tries for row in counted}
        return Guess(of_address, of_account, tries[of_account])

    def _key(self, *words: str) -> str:
        said = "\0".join(words).encode(errors="surrogatepass")
        return hashlib.blake2b(said, key=self._secret, digest_size=16).hexdigest()

    async def clean(self) -> None:
        """Delete what counts no more, by the clock of now and by that of the last time: one of them may be wrong."""
        now = self._now()
        last, self._cleaned = self._cleaned, now
        if last is not None:
            with asked():
                async with self._engine.begin() as connection:
                    await connection.execute(delete(guesses).where(guesses.c.last <= min(now, last) - WAIT_S))


def network(address: str | None) -> str:
    """What one customer has of addresses: `1.2.3.4`, `2001:db8:1:2::7` → `2001:db8:1:2::`. Unknown ones are one."""
    if not address or ":" not in address:
        return address or ""
    return str(ipaddress.ip_network(f"{address}/{NETWORK}", strict=False).network_address)


def _moments(now: int) -> dict[str, int]:
    """What is older is forgotten, and what is of a time to come."""
    return {"at": now, "oldest": now - WAIT_S, "newest": now + SKEW_S}


def _refuse(rows: Any, limits: dict[str, int], now: int) -> None:
    """Raises TooManyGuesses where more than those many are counted."""
    waits = [
        row.last + WAIT_S - now
        for row in rows
        if row.tries > limits[row.what] and now - WAIT_S < row.last <= now + SKEW_S
    ]
    if waits:
        raise TooManyGuesses(max(1, min(WAIT_S, max(waits))))


def _counting(dialect: str) -> Any:
    """Count one more, from 1 where the last is long ago, and up to one more than the most, which is refused.

    In one statement: what two workers count at once is counted twice. MySQL works the columns out one after the
    other, and knows the new number when it comes to the time; the other two know what was.
    """
    number = {name: bindparam(name, type_=BigInteger) for name in ("at", "oldest", "newest")}
    most = bindparam("most", type_=Integer)
    forgotten = or_(guesses.c.last <= number["oldest"], guesses.c.last > number["newest"])
    tries = case((forgotten, 1), (guesses.c.tries <= most, guesses.c.tries + 1), else_=guesses.c.tries)
    new = insert_into(guesses, dialect).values(what=bindparam("key"), last=number["at"], tries=1)
    if dialect == "mysql":
        last = case((guesses.c.tries <= most, number["at"]), else_=guesses.c.last)
        return new.on_duplicate_key_update([("tries", tries), ("last", last)])
    last = case((or_(forgotten, guesses.c.tries < most), number["at"]), else_=guesses.c.last)
    return new.on_conflict_do_update(index_elements=["what"], set_={"tries": tries, "last": last})
