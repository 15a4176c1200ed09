"""What is found: a sentence, and what to do about it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from crumby.database import Database
from crumby.settings import Settings

Verdict = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault costs hits, answers or their truth now; a warning may one day, or costs somebody's secrets."""

    verdict: Verdict
    subject: str
    said: str
    remedy: str = ""  # none where it is "ok"


class Patient(NamedTuple):
    settings: Settings
    database: Database
