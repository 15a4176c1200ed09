"""What is to be exported: days, a site, a visitor; all of it, where nothing is said. Made conditions of SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crumby.errors import InvalidParameter
from crumby.exporting.manifest import Chosen
from crumby.reporting.period import DATE, midnight
from crumby.subjects import Subject

NAMES: Final = ("from", "to", "tz", "site", "visitor")  # of parameters
EVERYBODYS: Final = ("refusals", "totals")  # tables of which nobody can say whose their rows are
Condition = tuple[str, dict[str, Any]]  # of a `where`, and what is bound in it


@dataclass(frozen=True, slots=True)
class Selection:
    zone: ZoneInfo
    first: date | None = None
    last: date | None = None
    site: str | None = None
    subject: Subject | None = None
    people: Sequence[str] = ()  # cids of those who came from the subject's address

    @classmethod
    def of(cls, asked: Mapping[str, str], zone: ZoneInfo) -> "Selection":
        """By the parameters of NAMES. Raises InvalidParameter, NobodyInParticular."""
        zone = _zone(asked["tz"]) if "tz" in asked else zone
        first, last = (_day(name, asked[name]) if name in asked else None for name in ("from", "to"))
        if first and last and first > last:
            raise InvalidParameter(f"from ({first}) is after to ({last})")
        if any("\0" in value for value in asked.values()):
            raise InvalidParameter("site and visitor hold no NUL")
        subject = Subject.of(asked["visitor"]) if "visitor" in asked else None
        return cls(zone, first, last, asked.get("site"), subject)

    @property
    def whole(self) -> bool:
        """Whether visitors who did nothing of it are in it."""
        return not (self.first or self.last or self.somebodys)

    @property
    def somebodys(self) -> bool:
        return self.site is not None or self.subject is not None

    @property
    def days(self) -> tuple[int, int]:
        """20260131, as totals have them."""
        first, last = self.first or date.min, self.last or date.max
        return int(first.strftime("%Y%m%d")), int(last.strftime("%Y%m%d"))

    @property
    def chosen(self) -> Chosen:
        """As the manifest tells it."""
        first, last = (str(day) if day else None for day in (self.first, self.last))
        return Chosen(first, last, self.zone.key, self.site, self.subject.said if self.subject else None)

    def with_people(self, cids: Sequence[str]) -> "Selection":
        return replace(self, people=cids)

    def condition(self, table: str) -> Condition | None:
        """Which rows of it; none of them, where nothing comes back."""
        if table in EVERYBODYS and self.somebodys:
            return None
        parts: list[str] = []
        bound: dict[str, Any] = {}
        if table == "totals":
            return "day >= :first and day <= :last", dict(zip(("first", "last"), self.days, strict=True))
        if self.first:
            parts.append("datetime >= :start")
            bound["start"] = midnight(self.first, self.zone)
        if self.last:
            parts.append("datetime < :end")
            bound["end"] = midnight(self.last + timedelta(days=1), self.zone)
        if table in EVERYBODYS:
            return _all(parts), bound
        if self.site is not None:
            parts.append("site = :site")
            bound["site"] = self.site
        if self.subject:
            own, values = _theirs(self.subject, self.people)
            parts.append(own)
            bound |= values
        return _all(parts), bound


def _theirs(subject: Subject, people: Sequence[str]) -> Condition:
    """As `Subject.rows` has it, but that whoever came from the address is known by now."""
    cids = {f"cid{number}": cid for number, cid in enumerate(people)}
    bound: dict[str, Any] = {"cid": subject.said, **cids}
    alternatives = ["cid = :cid"]
    if cids:
        alternatives.append(f"cid in ({', '.join(f':{name}' for name in cids)})")
    if subject.ip:
        alternatives.append("ip = :ip")
        bound["ip"] = subject.ip
    return f"({' or '.join(alternatives)})", bound


def _all(parts: Sequence[str]) -> str:
    return " and ".join(parts)


def _day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text if DATE.fullmatch(text) else "")
    except ValueError:
        raise InvalidParameter(f"{name}: {text[:60]!r} is not a date such as 2026-01-31") from None
    if not 1900 <= day.year <= 9000:  # noqa: PLR2004 - room for a day more in any zone
        raise InvalidParameter(f"{name}: {text} is out of range")
    return day


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidParameter(f"tz: there is no time zone {name[:60]!r}; one is 'Europe/Berlin'") from None
