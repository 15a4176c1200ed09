"""The City database: whether there is one, how old it is, and whether newer ones come."""

from datetime import UTC, datetime
from typing import Final

from crumby.cli.doctor.finding import Finding
from crumby.georefresh import tries
from crumby.ingest.geo import Geo
from crumby.settings import Settings

GEO_AGE: Final = 60  # days; both MaxMind and DB-IP bring a new file each month


async def look(settings: Settings) -> Finding:
    path = settings.geoip2_database_name
    geo = Geo(path)
    await geo.locate([])
    failed = tries(path).failed if settings.geoip2_refresh_days else 0
    if not geo.built:
        said = f"visits have none: {path} is absent or damaged"
        return Finding(
            "warning", "places", said, "`crumby geoip --upgrade` gets one, GEOIP2_REFRESH_DAYS = 7 one a week"
        )
    days = (datetime.now(UTC) - geo.built).days
    said = f"{path} is of {geo.built:%Y-%m-%d}"
    if failed:
        said += f", and a newer one could not be had, {failed} time{'s' if failed > 1 else ''} in a row"
        return Finding("warning", "places", said, "`crumby geoip --upgrade` tries again, and says what is wrong")
    if days > GEO_AGE:
        remedy = "`crumby geoip --upgrade` gets a new one, GEOIP2_REFRESH_DAYS = 7 one a week"
        return Finding("warning", "places", f"{said}, {days} days old", remedy)
    return Finding("ok", "places", said)
