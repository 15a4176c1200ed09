"""When something that was made is to end, as people say it: a share, a token."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

from crumby.errors import InvalidParameter

DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DAYS: Final = re.compile(r"([1-9][0-9]{0,4})d")
LAST_SECOND: Final = time(23, 59, 59)


def ends(said: str, now: datetime) -> datetime:
    """`2027-01-31` → that day's last second, in UTC; a moment may have an offset. Raises InvalidParameter."""
    try:
        moment = datetime.fromisoformat(said)
        if DAY.fullmatch(said):
            moment = datetime.combine(moment, LAST_SECOND)
        ending = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise InvalidParameter(f"expires: {said[:60]!r} is no date such as 2027-01-31, and no time") from None
    if ending <= now:
        raise InvalidParameter(f"expires: {said} is over")
    return ending


def in_days(said: str, now: datetime) -> str:
    """`30d` → the moment so many days ahead, as `ends` takes it. Anything else is left as it is."""
    days = DAYS.fullmatch(said)
    return (now + timedelta(days=int(days[1]))).isoformat() if days else said
