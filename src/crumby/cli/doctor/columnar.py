"""The ClickHouse that reports ask: whether it answers, is new enough, may do what it has to, and has all of it."""

from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import text

from crumby.cli.doctor.finding import Finding, Patient
from crumby.columnar.parcels import ALL_DAYS
from crumby.columnar.server import LEAST, Away, ClickHouse
from crumby.rollups import AWAY
from crumby.rollups.copied import MARKS, OUTBOX

SUBJECT: Final = "clickhouse"
BEHIND: Final = 20_000  # visits, events and totals
WAITING: Final = 500  # rows of the outbox: some minutes
RIGHTS: Final = (
    "SELECT",
    "INSERT",
    "ALTER DELETE",
    "CREATE TABLE",
    "CREATE VIEW",
    "DROP TABLE",
    "DROP VIEW",
    "OPTIMIZE",
)
GONE: Final = "is it up, and is REPORTS_DATABASE_URI right? Until then reports are answered 503, and hits are stored"
GRANT: Final = "grant {} on its database to that account"
COPIES: Final = "`crumby run` copies, and so does `crumby rollup`"
NOTED: Final = f"select name, day, visits, events, totals from {MARKS}"  # noqa: S608 - names of ours
WAIT: Final = f"select count(*) from {OUTBOX}"  # noqa: S608
OF: Final = " + ".join(f"coalesce((select max(id) from {table}), 0)" for table in ("visits", "events", "totals"))  # noqa: S608


async def look(patient: Patient) -> AsyncIterator[Finding]:
    try:
        clickhouse = await ClickHouse.connect(str(patient.settings.reports_database_uri))
    except Away as error:
        yield Finding("fault", SUBJECT, str(error), GONE)
    else:
        try:
            async for finding in _of(clickhouse):
                yield finding
        except Away as error:
            yield Finding("fault", SUBJECT, str(error), GONE)
        finally:
            await clickhouse.close()
    yield await _copied(patient)


async def _of(clickhouse: ClickHouse) -> AsyncIterator[Finding]:
    ((version, database),) = await clickhouse.rows("select version(), currentDatabase()")
    if tuple(map(int, version.split(".")[:2])) < LEAST:
        least = ".".join(map(str, LEAST))
        yield Finding("fault", SUBJECT, f"version {version} is older than {least}", f"upgrade it to {least} or later")
    else:
        yield Finding("ok", SUBJECT, f"reports ask the database {database} of a ClickHouse {version}, which answers")
    missing = [right for right in RIGHTS if not (await clickhouse.rows(f"check grant {right} on *"))[0][0]]
    if missing:
        yield Finding("fault", SUBJECT, f"Crumby may not {', '.join(missing)}", GRANT.format(", ".join(missing)))
    window = (
        "select name from system.tables where database = currentDatabase() and startsWith(name, 'rollup_') "
        "and endsWith(engine, 'MergeTree') and not match(engine_full, 'deduplication_window = [1-9]')"
    )
    without = [name for (name,) in await clickhouse.rows(window)]
    if without:
        said = f"{', '.join(without[:3])} do not know a block that comes twice"
        yield Finding("fault", SUBJECT, said, "non_replicated_deduplication_window was set to 0: drop these tables")


async def _copied(patient: Patient) -> Finding:
    """By the main database's own word; nothing is made by looking."""
    try:
        async with patient.database.reading.connect() as connection:
            (waiting,) = (await connection.execute(text(WAIT))).one()
            noted = (await connection.execute(text(NOTED))).all()
            (of,) = (await connection.execute(text(f"select {OF}"))).one()
    except AWAY:
        return Finding("warning", SUBJECT, "nothing has been copied yet", COPIES)
    without = sum(each.name != "" and each.day != ALL_DAYS for each in noted)
    done = sum(each.visits + each.events + each.totals for each in noted if each.name == "")
    if without:
        said = f"it has not got {without} rollups yet, and {done:,} of {of:,} visits and events"
        return Finding("warning", SUBJECT, said, COPIES)
    said = f"{max(0, of - done):,} visits and events are yet to be copied, and {waiting:,} blocks wait"
    late = of - done > BEHIND or waiting > WAITING
    return Finding("warning" if late else "ok", SUBJECT, said, COPIES if late else "")
