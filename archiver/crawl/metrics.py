"""What the daemon tells Prometheus: ``archiver run --metrics 127.0.0.1:9464`` serves it at ``/metrics``.

Counters are counted as pages come in. What can be asked for, the queue and the health of sites, is asked for when
somebody scrapes.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from archiver.crawl.health import Health
from archiver.errors import BadRequest
from storage.jobs import Job

_DURATIONS = (1, 5, 15, 60, 300, 900, 3600)
_LATENESS = (1, 5, 15, 60, 300, 900, 3600)


class Metrics:
    """Counts what one daemon does. Thread-safe."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._pages = Counter(
            "archiver_pages", "Pages visited, by site and outcome.", ["site", "outcome"], registry=self._registry
        )
        self._changed = Counter(
            "archiver_articles_changed", "Articles found with another text.", ["site"], registry=self._registry
        )
        self._crawls = Counter(
            "archiver_crawls", "Crawls of sites that ended, by result.", ["site", "result"], registry=self._registry
        )
        self._saves = Counter("archiver_saves", "Queued saves done, by outcome.", ["outcome"], registry=self._registry)
        self._durations = Histogram(
            "archiver_crawl_seconds", "How long crawl processes ran.", registry=self._registry, buckets=_DURATIONS
        )
        self._lateness = Histogram(
            "archiver_crawl_lateness_seconds",
            "How long after their time crawls began.",
            registry=self._registry,
            buckets=_LATENESS,
        )

    def page(self, site: str, outcome: str, version: int | None) -> None:
        """Count a page of a site."""
        self._pages.labels(site, outcome).inc()
        if outcome == "saved" and (version or 1) > 1:
            self._changed.labels(site).inc()

    def crawl_began(self, job: Job) -> None:
        """Count how late a crawl is."""
        if job.started is not None:
            self._lateness.observe(max(0.0, (job.started - job.due).total_seconds()))

    def crawl_ended(self, site: str, result: str) -> None:
        """Count the crawl of a site."""
        self._crawls.labels(site, result).inc()

    def process_ended(self, seconds: float) -> None:
        """Count how long a crawl process ran."""
        self._durations.observe(seconds)

    def save_ended(self, outcome: str) -> None:
        """Count a queued save."""
        self._saves.labels(outcome).inc()

    @contextmanager
    def served(
        self, address: str, waiting: Callable[[], list[Job]], healths: Callable[[], dict[str, Health]]
    ) -> Iterator[str]:
        """Serve the metrics, and yield where; raises :class:`BadRequest` for an address that cannot be used."""
        host, port = parse_address(address)
        self._registry.register(_Standing(waiting, healths))
        try:
            server, thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise BadRequest(f"--metrics {address}: {error.strerror or error}") from None
        try:
            name = f"[{host}]" if ":" in host else host
            yield f"http://{name}:{server.server_port}/metrics"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Standing(Collector):
    """What waits and how the sites are, at the moment of the scrape."""

    def __init__(self, waiting: Callable[[], list[Job]], healths: Callable[[], dict[str, Health]]) -> None:
        self._waiting, self._healths = waiting, healths

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # so that nothing is asked for before the daemon runs

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _of_queue(self._waiting(), datetime.now(UTC))
        yield from _of_sites(self._healths())


def _of_queue(jobs: list[Job], now: datetime) -> Iterator[GaugeMetricFamily]:
    running = GaugeMetricFamily("archiver_running_jobs", "Jobs under way.", labels=["kind"])
    queued = GaugeMetricFamily("archiver_queued_jobs", "Jobs that wait.", labels=["kind"])
    oldest = GaugeMetricFamily(
        "archiver_oldest_queued_job_seconds", "Since when the job waits that has waited longest.", labels=["kind"]
    )
    for kind in ("crawl", "save"):
        of_kind = [job for job in jobs if job.kind == kind]
        waiting = [job for job in of_kind if job.state == "queued"]
        running.add_metric([kind], len(of_kind) - len(waiting))
        queued.add_metric([kind], len(waiting))
        since = min((job.created for job in waiting), default=now)
        oldest.add_metric([kind], max(0.0, (now - since).total_seconds()))
    yield from (running, queued, oldest)


def _of_sites(healths: dict[str, Health]) -> Iterator[GaugeMetricFamily]:
    sites = GaugeMetricFamily("archiver_sites", "Sites on schedule, by health.", labels=["health"])
    states = Tally(health.state for health in healths.values())
    for state in ("new", "ok", "silent", "failing"):
        sites.add_metric([state], states[state])
    bad = GaugeMetricFamily("archiver_site_ok", "1, or 0 for a site that is silent or failing.", labels=["site"])
    failing = GaugeMetricFamily(
        "archiver_failing_documents", "Feeds, sitemaps and sections that could not be read.", labels=["site"]
    )
    last = GaugeMetricFamily(
        "archiver_last_article_timestamp_seconds", "When the last new article came.", labels=["site"]
    )
    for name, health in sorted(healths.items()):
        bad.add_metric([name], not health.is_bad)
        failing.add_metric([name], len(health.failing))
        if health.last is not None:
            last.add_metric([name], health.last.date.timestamp())
    yield from (sites, bad, failing, last)


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; raises :class:`BadRequest`."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise BadRequest(f"--metrics {address}: write HOST:PORT, such as 127.0.0.1:9464")
    return host.removeprefix("[").removesuffix("]"), int(port)
