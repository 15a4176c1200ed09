"""Reports that ask a replica: which rollups they may read is what the replica's own state table says.

    the writer ── engine.py ──► rollup_x_…, rollup_state ── replication ──► the replica ──► reports

A rollup's rows and the row that tells how far it has come are of one transaction, and stay so on the way. So a report
reads a rollup that is whole, as of some moments ago, or the visits of that time; never half of either. It waits for
nothing: what the writer has counted meanwhile reaches it when the replica has it.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, text

from crumby.database import Database
from crumby.engines import AsyncEngine
from crumby.rollups import AWAY, Listed, Rollups, totals
from crumby.rollups.copied import Copy
from crumby.rollups.files import Rollup, RollupFolders
from crumby.rollups.tables import STATE
from crumby.rollups.totals import Imported
from crumby.rollups.work import ServerWork

LOOK_S: Final = 1.0  # between two looks at what the replica has
PATIENCE_S: Final = 2.0  # of a look: then reports read the visits, or hear that there is no replica
ASKED: Final = f"select name, hash, zone, complete, version, totals from {STATE}"


class FollowedRollups(Rollups):
    """Kept up on the writer as ever, and read where they arrive."""

    def __init__(
        self,
        database: Database,
        replica: AsyncEngine,
        zone: str,
        folders: RollupFolders,
        copy: Copy | None = None,
    ) -> None:
        super().__init__(database, zone, folders, copy)
        self._replica = replica
        self._files_of = folders
        self._there: frozenset[tuple[str, str, str]] = frozenset()  # (name, hash, zone) of those that are complete
        self._version_there = 0
        self._imported_there = Imported()
        self._looked = -math.inf
        self._looking = asyncio.Lock()

    @property
    def ready(self) -> Mapping[str, Rollup]:
        """Those that are complete on the replica, by its own word, of the files as they are here."""
        files = self._files_of.all()
        return {file.name: file for file in files if (file.name, file.hash, self.zone) in self._there}

    @property
    def version(self) -> int:
        return self._version_there

    @property
    def imported(self) -> Imported:
        return self._imported_there

    def sight(self) -> None:
        """What is committed on the writer tells nothing of what has arrived."""

    async def listed(self) -> list[Listed]:
        await self.catch_up()
        return await super().listed()

    async def catch_up(self) -> None:
        """Look which ones there are by now. Raises nothing, and asks nothing of the writer."""
        async with self._looking:
            if time.monotonic() - self._looked < LOOK_S:
                return
            rows: list[Any] = []
            with contextlib.suppress(TimeoutError, *AWAY):  # none there, or no replica: the report will say so
                async with asyncio.timeout(PATIENCE_S):
                    rows = await self._asked()
            self._there = frozenset((row.name, row.hash, row.zone) for row in rows if row.complete)
            self._version_there = max((self._version_there, *(row.version for row in rows)))
            self._looked = time.monotonic()

    async def _asked(self) -> list[Any]:
        async with self._replica.connect() as connection:
            return await connection.run_sync(self._read)

    def _read(self, connection: Connection) -> list[Any]:
        rows = [*connection.execute(text(ASKED))]
        last = connection.scalar(text("select max(id) from totals")) or 0
        known = self._imported_there
        if last != known.last:
            known = totals.seen(ServerWork(connection), known, last)
        taken_in = min((row.totals for row in rows if row.complete), default=0)
        self._imported_there = known._replace(whole=taken_in >= last)
        return rows
