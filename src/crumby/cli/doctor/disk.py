"""Where hits are written: whether there is room, and who may write there; and what waits in the spool."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from crumby.backup.contents import read_only
from crumby.cli.doctor.finding import Finding, Patient, Verdict

ROOM: Final = 1024  # MiB, about three million hits
TIGHT: Final = 100  # MiB
SPOOLED: Final = ("hits", "refused")  # the spool's tables


def look(patient: Patient) -> Iterator[Finding]:
    embedded, spool = patient.database.sqlite_path, patient.settings.spool
    yield from _folder((embedded or spool).parent, "database" if embedded else "spool")
    if not embedded:
        yield from _spool(spool)


def _folder(folder: Path, subject: str) -> Iterator[Finding]:
    if not folder.exists():
        said = f"there is no folder {folder} for the {subject} yet"
        yield Finding("warning", "disk", said, "`crumby run` makes it, if it may: see who owns what it is to be in")
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        said = f"nothing can be written into {folder}: {error.strerror}"
        remedy = f"let Crumby's account write there, or name another: {_key(subject)}. Else hits are answered 503"
        yield Finding("fault", subject, said, remedy)
        return
    free = shutil.disk_usage(folder).free // 1024**2
    verdict: Verdict = "fault" if free < TIGHT else "warning" if free < ROOM else "ok"
    remedy = "" if verdict == "ok" else "make room: when none is left, hits are answered 503"
    yield Finding(verdict, "disk", f"{free:,} MiB free in {folder}", remedy)


def _key(subject: str) -> str:
    return "SPOOL" if subject == "spool" else "SQLALCHEMY_DATABASE_URI"


def _spool(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("ok", "spool", f"{path} is not there yet, so nothing waits in it")
        return
    try:
        with closing(read_only(path)) as spool:
            waiting, set_aside = (spool.execute(f"select count(*) from {table}").fetchone()[0] for table in SPOOLED)  # noqa: S608 - ours
    except sqlite3.Error as error:
        yield Finding("fault", "spool", f"{path}: {error}", "move the file away, and keep it: it may hold hits")
        return
    if waiting:
        said = f"hits that wait for the database: {waiting:,}"
        yield Finding("warning", "spool", said, "see to the database: they move on by themselves when it is back")
    else:
        yield Finding("ok", "spool", f"nothing waits in {path}")
    if set_aside:
        said = f"hits that the database refused: {set_aside:,}"
        yield Finding("warning", "spool", said, f"see the table `refused` of {path}")
