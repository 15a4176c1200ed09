"""What a monitor asks: is it alive, does it take hits, how is it.

`/healthz` is for the one who restarts a dead process. `/readyz` is for a balancer, and says 200 for as long as hits
are taken: a machine that keeps them in its spool while the database is away is `degraded`, and a balancer that
turned away from it would lose them. Its details, and `/metrics`, tell too much for the public internet: they are
for a signed-in user, the bearer of METRICS_TOKEN or of a token of scope `read`.
"""

import asyncio
import hmac
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.core import GaugeMetricFamily
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crumby import __version__
from crumby.asking import reader
from crumby.errors import CrumbyError, InvalidToken, SignInRequired
from crumby.ingest.geo import Geo
from crumby.ingest.metrics import Metrics
from crumby.ingest.store import Condition, WatchedStore
from crumby.ingest.writer import Writer

LASTS: Final = 1.0  # seconds that an answer of the database is good for, however often one asks
PATIENCE: Final = 5.0  # seconds; a store says within two that its server is away, and whether the spool takes hits


@dataclass(frozen=True, slots=True)
class Report:
    status: Literal["ready", "degraded", "unavailable"]
    why: str | None  # of the latter two
    queue: int  # hits that wait in this process
    condition: Condition
    geo_built: datetime | None  # UTC

    @property
    def geo_age_s(self) -> float | None:
        return (datetime.now(UTC) - self.geo_built).total_seconds() if self.geo_built else None


class Health:
    def __init__(self, writer: Writer, store: WatchedStore, geo: Geo, metrics: Metrics) -> None:
        self.metrics = metrics
        self._writer = writer
        self._store = store
        self._geo = geo
        self._condition = Condition()
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def report(self) -> Report:
        condition = await self._ask()
        refusing = self._writer.refusing
        takes_hits = not refusing and (condition.away is None or condition.spooling)
        return Report(
            status="unavailable" if not takes_hits else "degraded" if condition.away else "ready",
            why=refusing or condition.away,
            queue=self._writer.waiting,
            condition=condition,
            geo_built=self._geo.built,
        )

    async def _ask(self) -> Condition:
        async with self._asking:
            if time.monotonic() - self._asked > LASTS:
                self._condition = await self._condition_in_time()
                self._asked = time.monotonic()
            return self._condition

    async def _condition_in_time(self) -> Condition:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._store.condition()
        except TimeoutError:
            return Condition(away=f"no answer within {PATIENCE:g} s")

    async def exposition(self) -> bytes:
        return self.metrics.exposition(_gauges(await self.report()))


async def alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive", "version": __version__})


async def ready(request: Request) -> Response:
    report: Report = await request.state.health.report()
    body: dict[str, Any] = {"status": report.status}
    try:
        inside = await _may_look_inside(request)
    except CrumbyError:  # the database, which knows who asks, is away: no reason to turn away from this machine
        inside = False
    if inside:
        body |= {"why": report.why, "queue": report.queue, **asdict(report.condition)}
        body["geo"] = report.geo_built and {
            "built": f"{report.geo_built:%Y-%m-%d}",
            "age_days": int((report.geo_age_s or 0) // 86_400),
        }
    status = 503 if report.status == "unavailable" else 200
    return JSONResponse(body, status, {"Cache-Control": "no-store"})


async def metrics(request: Request) -> Response:
    if not await _may_look_inside(request):
        raise SignInRequired(
            "sign in, or send the METRICS_TOKEN, or a token of scope read, as `Authorization: Bearer …`"
        )
    text = await request.state.health.exposition()
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"})


async def _may_look_inside(request: Request) -> bool:
    """The token first: with it one can look while the database, which knows the users, is away."""
    token = request.state.settings.metrics_token
    given = request.headers.get("authorization", "")
    if token and hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return True
    try:
        return await reader(request) is not None
    except InvalidToken:
        return False


def _gauges(report: Report) -> list[GaugeMetricFamily]:
    condition = report.condition
    values = {
        ("crumby_ready", "1 while hits are taken"): report.status != "unavailable",
        ("crumby_database_up", "1 while the database answers; else hits go to the spool"): condition.away is None,
        ("crumby_spool_hits", "Hits that wait in the spool for the database"): condition.spooled,
        ("crumby_spool_oldest_seconds", "Seconds that the oldest of them has waited"): condition.oldest_s,
        ("crumby_spool_refused_hits", "Hits that the database will never take, set aside"): condition.set_aside,
    }
    if report.geo_age_s is not None:
        values["crumby_geo_age_seconds", "Seconds since the City database in use was built"] = report.geo_age_s
    gauges = [GaugeMetricFamily(name, meaning, value=float(value)) for (name, meaning), value in values.items()]
    build = GaugeMetricFamily("crumby_build_info", "The version that runs", labels=["version"])
    build.add_metric([__version__], 1)
    return [*gauges, build]


routes: Final = (
    Route("/healthz", alive),
    Route("/readyz", ready),
    Route("/metrics", metrics),
)
