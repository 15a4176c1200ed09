"""The query files, as `crumby query --check` has them; a file's own fault needs no database to be found."""

from collections.abc import AsyncIterator, Sequence

from crumby.cli.doctor.finding import Finding, Patient
from crumby.errors import DatabaseUnavailable
from crumby.reporting.checking import faults
from crumby.reporting.query import Query, QueryFolders

MEND = "mend the file; `crumby query --check` looks it over again"


async def look(patient: Patient) -> AsyncIterator[Finding]:
    own = patient.settings.queries
    if own and not own.is_dir():
        yield Finding("fault", "queries", f"QUERIES: there is no folder {own}", "make it, or leave QUERIES out")
        return
    folders = QueryFolders.laid_over(own)
    queries = folders.all()
    sound = True
    for path, why in folders.passed_over.items():
        yield Finding("warning", "queries", f"{path}: {why}", "rename the file")
    try:
        async for fault in _faults(patient, queries):
            sound = False
            yield Finding("fault", "queries", fault, MEND)
    except DatabaseUnavailable as error:
        yield Finding("warning", "queries", f"not all could be checked: {error}", "see to the database first")
    if sound:
        yield Finding("ok", "queries", f"{len(queries)} reports")


async def _faults(patient: Patient, queries: Sequence[Query]) -> AsyncIterator[str]:
    database = patient.database
    if database.sqlite_path and not database.sqlite_path.exists():
        for query in filter(lambda query: query.error, queries):
            yield str(query.error)
        return
    async for fault in faults(database, queries, patient.settings.zone):
        yield str(fault)
