"""What is kept of a visitor's address and of the place that it tells, before anything is written: database or spool.

    IP_STORAGE   address        coordinates        radius
    full         81.2.69.160    51.5142, -0.0931   10 km
    masked       81.2.69.0      51.5, -0.1         10 km or more
    none         -              -                  -

The place is looked up by the whole address, in memory, and all of it that is no finer than a city stays. The visitor's
name, the limits and the judgement of bots need the whole address as well, and write it nowhere.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from crumby.ingest.addresses import Storage, stored_address
from crumby.ingest.client import Client
from crumby.ingest.geo import Place

DECIMALS: Final = 1  # of a degree, which is 11 km
# Rounding moves a point by up to 8 km: a smaller circle would promise what it may not hold any more.
LEAST_KM: Final = 10


def coarse(place: Place) -> Place:
    return replace(
        place,
        latitude=None if place.latitude is None else round(place.latitude, DECIMALS),
        longitude=None if place.longitude is None else round(place.longitude, DECIMALS),
        accuracy_radius=None if place.accuracy_radius is None else max(place.accuracy_radius, LEAST_KM),
    )


def by_name(place: Place) -> Place:
    return replace(place, latitude=None, longitude=None, accuracy_radius=None)


class Kept(NamedTuple):
    """What a row is made of, of a client and of their place."""

    client: Callable[[Client], Client]
    place: Callable[[Place], Place]


KEPT: Final[dict[Storage, Kept]] = {
    "full": Kept(lambda client: client, lambda place: place),
    "masked": Kept(lambda client: replace(client, ip=stored_address(client.ip, "masked")), coarse),
    "none": Kept(lambda client: replace(client, ip=None), by_name),
}
