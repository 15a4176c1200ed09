"""The configured zone's days, in SQL, of instants that are seconds since 1970."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from crumby.offsets import offsets

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout
EARLIER = 10  # years before now that are told apart at least: a stamp may be of a visit that is gone


@dataclass(frozen=True)
class Clock:
    dialect: str
    zone: str
    first: int  # years
    last: int

    @classmethod
    def about(cls, dialect: str, zone: str, first: int, now: datetime) -> "Clock":
        """For visits since the year `first`."""
        return cls(dialect, zone, max(1970, min(first, now.year - EARLIER)), now.year + 1)

    def local(self, seconds: str) -> str:
        """Seconds since 1970 by the zone's clocks."""
        *changes, (_, newest) = _pieces(self)
        if not changes:
            return f"({seconds} + {newest})" if newest else seconds
        cases = "".join(
            f" when {seconds} >= {until} then {offset}"
            for (until, _), (_, offset) in reversed(list(zip(changes, [*changes[1:], (0, newest)], strict=True)))
        )
        return f"({seconds} + case{cases} else {changes[0][1]} end)"

    def day(self, seconds: str) -> str:
        """Its day, 20260131."""
        return self.written(self.local(seconds))

    def day_before(self, seconds: str) -> str:
        """The same of a stamp, which is 0 where there was nothing before; then so is the day."""
        return f"case when {seconds} = 0 then 0 else {self.day(seconds)} end"

    def written(self, local: str) -> str:
        match self.dialect:
            case "sqlite":
                return f"cast(strftime('%Y%m%d', {local}, 'unixepoch') as integer)"
            case "mysql":
                return f"(from_days(719528 + {local} div 86400) + 0)"
            case _:
                return f"cast(to_char(date '1970-01-01' + cast({local} / 86400 as integer), 'YYYYMMDD') as integer)"

    def hour(self, local: str) -> str:
        return f"({self.quotient(f'{local} % 86400', 3600)})"

    def weekday(self, local: str) -> str:
        """1, Monday, to 7. The first of January 1970 was a Thursday."""
        return f"(({self.quotient(local, 86400)} + 3) % 7 + 1)"

    def quotient(self, number: str, divisor: int) -> str:
        return f"({number}) {'div' if self.dialect == 'mysql' else '/'} {divisor}"

    def seconds(self, instant: str) -> str:
        """Of a column of instants: since 1970, whole ones; null for what is none."""
        match self.dialect:
            case "sqlite":  # cut, since it would round 23:59:59.9995 up to the next day
                return f"cast(strftime('%s', substr({instant}, 1, 19)) as integer)"
            case "mysql":
                return f"timestampdiff(second, '1970-01-01', {instant})"
            case _:
                return f"cast(floor(extract(epoch from {instant})) as bigint)"


@lru_cache(maxsize=16)
def _pieces(clock: Clock) -> list[tuple[int, int]]:
    start, end = datetime(clock.first, 1, 1), datetime(clock.last + 1, 1, 1)  # noqa: DTZ001
    return [
        (round((until - EPOCH).total_seconds()), offset) for until, offset in offsets(start, end, ZoneInfo(clock.zone))
    ]
