"""What the write path counts of itself, in Prometheus's form.

Each application has a registry of its own. Where `crumby run --workers` starts several processes, the library shares
their numbers through files in a folder, and whichever of them is asked answers for all.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from crumby.errors import CrumbyError, Unavailable

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"  # the library's name for the folder that several processes share
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128)  # hits
COMMITS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)  # seconds


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._hits = Counter(
            "crumby_hits", "Hits by what became of them and why", ["outcome", "reason"], registry=self._registry
        )
        self._stored = self._hits.labels("stored", "")
        self._engagements = Counter(
            "crumby_engagements", "Messages of how long a visit's page was looked at", registry=self._registry
        )
        self.batch_hits = Histogram(
            "crumby_batch_hits", "Hits that one transaction stores", buckets=BATCHES, registry=self._registry
        )
        self.commit_seconds = Histogram(
            "crumby_commit_seconds", "Seconds until a batch is durable", buckets=COMMITS, registry=self._registry
        )
        self.queue_hits = Gauge(
            "crumby_queue_hits",
            "Hits that wait to be stored",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        if SHARED not in os.environ:
            ProcessCollector(registry=self._registry)

    def stored(self, hits: int, engagements: int = 0) -> None:
        """Acknowledged, and so durable: in the database, or in the spool while it is away."""
        self._stored.inc(hits)
        self._engagements.inc(engagements)

    def not_stored(self, error: CrumbyError, hits: int) -> None:
        """`refused` for good, or `busy` and to be sent again. The reason is the error's, or the `error` of the body."""
        outcome = "busy" if isinstance(error, Unavailable) else "refused"
        self._hits.labels(outcome, error.reason or type(error).__name__).inc(hits)

    def exposition(self, now: Iterable[GaugeMetricFamily]) -> bytes:
        """The text that Prometheus reads: what was counted, and the values of this moment."""
        counted = self._registry
        if SHARED in os.environ:
            _forget_the_dead(Path(os.environ[SHARED]))
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        current = CollectorRegistry()
        current.register(_Now(now))
        return generate_latest(counted) + generate_latest(current)


class _Now(Collector):
    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


def _forget_the_dead(folder: Path) -> None:
    """A worker that was killed leaves its gauges behind. Its counters count on."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
