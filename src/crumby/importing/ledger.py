"""How far each input was read: a row of `imports`, by which whoever comes again goes on there.

It is written every other second, behind what is stored, so that a kill has some thousand records read again; they are
known by their ids.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from crumby.database import Database
from crumby.importing.input import Input
from crumby.importing.source import Wanted, kind_of
from crumby.tables import imports

EVERY_S: Final = 2.0
NAME: Final = 255  # characters


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(slots=True)
class Entry:
    """What has come of an input so far."""

    name: str
    source: str
    mark: int = 0
    done: bool = False
    first: datetime | None = None  # UTC, of what is stored
    last: datetime | None = None
    visits: int = 0
    events: int = 0
    totals: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    begun: datetime = field(default_factory=now)

    def forget(self) -> None:
        """It is read from the beginning; what is stored stays."""
        self.mark, self.done = 0, False
        self.skipped.clear()

    def saw(self, at: datetime) -> None:
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)


class Ledger:
    """Of one input, as it is wanted."""

    def __init__(self, database: Database, given: Input, source: str, wanted: Wanted) -> None:
        self._engine = database.engine
        asked = [source, wanted.zone.key, wanted.site, str(wanted.since), str(wanted.until), wanted.format, wanted.bots]
        fingerprint = given.fingerprint(grows=kind_of(source).grows)
        self._input = hashlib.sha256(f"{fingerprint} {json.dumps(asked)}".encode()).hexdigest()
        self.entry = Entry(given.name[:NAME], source)
        self._there = False
        self._written = 0.0

    async def find(self) -> Entry:
        """How far it was read before: nothing of it, if it never was."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(imports).where(imports.c.input == self._input))).one_or_none()
        if row:
            self.entry, self._there = _entry(row), True
        return self.entry

    async def write_now_and_then(self) -> None:
        if time.monotonic() - self._written > EVERY_S:
            await self.write()

    async def write(self) -> None:
        values = _values(self.entry)
        async with self._engine.begin() as connection:
            if self._there:
                await connection.execute(update(imports).where(imports.c.input == self._input).values(values))
            else:
                await connection.execute(insert(imports).values(values | {"input": self._input}))
        self._there = True
        self._written = time.monotonic()


async def listed(database: Database) -> Sequence[Entry]:
    """All imports that there were, in their order."""
    async with database.engine.connect() as connection:
        return [_entry(row) for row in await connection.execute(select(imports).order_by(imports.c.id))]


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        name=row.name,
        source=row.source,
        mark=row.mark,
        done=bool(row.done),
        first=row.first,
        last=row.last,
        visits=row.visits,
        events=row.events,
        totals=row.totals,
        skipped=Counter(json.loads(row.skipped)),
        begun=row.begun,
    )


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "source": entry.source,
        "mark": entry.mark,
        "done": int(entry.done),
        "begun": entry.begun,
        "changed": now(),
        "first": entry.first,
        "last": entry.last,
        "visits": entry.visits,
        "events": entry.events,
        "totals": entry.totals,
        "skipped": json.dumps(entry.skipped),
    }
