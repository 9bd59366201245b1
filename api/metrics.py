"""The metrics of this process as Prometheus text. No label may contain patient data or a path from a client."""

import asyncio
from collections.abc import Iterator
from dataclasses import fields
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from patient_visit_engine.live.counters import DELAY_BOUNDS, Delays
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.counts import DatabaseCounts, read_counts

BUCKETS = (0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Seconds within which the database has to return its numbers.
COUNT_TIMEOUT_SECONDS = 2.0
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: The fields of `StreamCounters` that are gauges. All others are counters.
GAUGES = frozenset({"holding", "lag"})


class Metrics:
    """The registry of one process."""

    def __init__(self, hub: Hub | None) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "visit_http_requests", "Requests answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "visit_http_request_seconds", "Time to answer", ["route"], buckets=BUCKETS, registry=self._registry
        )
        self._starts = Counter(
            "visit_start_decisions", "Answers to a start, by code", ["code"], registry=self._registry
        )
        self._answer_sources = Counter(
            "visit_answers",
            "Answers to commands, by what came first: the commit or the update's result",
            ["source"],
            registry=self._registry,
        )
        self._undecided = Counter(
            "visit_undecided", "Answers 503 undecided, by reason", ["reason"], registry=self._registry
        )
        self._sign_ins = Counter(
            "visit_sign_ins", "Answers to a sign-in by password, by code", ["result"], registry=self._registry
        )
        self._requests_set_aside = Gauge(
            "visit_requests_set_aside",
            "Asynchronous requests whose decisions cannot be recorded, in the whole database",
            registry=self._registry,
        )
        self._rescues = Gauge(
            "visit_rescues",
            "Visits that could no longer decide and were opened again, in the whole database",
            registry=self._registry,
        )
        self._refused_connections = Counter(
            "visit_http_refused",
            "Connections and requests refused by the server itself",
            ["code"],
            registry=self._registry,
        )
        if hub is not None:
            self._registry.register(StreamCollector(hub))

    def count_answer(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. `route` is the template of the path, never the path itself. `seconds` is the time to answer."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_start(self, code: str) -> None:
        """Count one answer to a start."""
        self._starts.labels(code).inc()

    def count_answer_source(self, source: str) -> None:
        """Count one answer to a command: `commit` when its commit came first, `update` when the update's result did."""
        self._answer_sources.labels(source).inc()

    def count_undecided(self, reason: str) -> None:
        """Count one answer 503 `undecided`."""
        self._undecided.labels(reason).inc()

    def count_sign_in(self, result: str) -> None:
        """Count one sign-in: `signed_in`, or the code of its problem."""
        self._sign_ins.labels(result).inc()

    def count_refused_connection(self, code: str) -> None:
        """Count a connection or a request that was refused before the application saw it."""
        self._refused_connections.labels(code).inc()

    async def read_text(self, database: Database) -> bytes:
        """All metrics as Prometheus text, with the numbers of the whole database when it answers in time."""
        return self.text(await _read_counts_in_time(database))

    def text(self, counts: DatabaseCounts) -> bytes:
        """All metrics as Prometheus text."""
        self._requests_set_aside.set(counts.requests_set_aside)
        self._rescues.set(counts.rescues)
        return generate_latest(self._registry)


async def _read_counts_in_time(database: Database) -> DatabaseCounts:
    """The numbers of the whole database. Without them, when it does not answer: the metrics of this process are still true."""
    try:
        async with asyncio.timeout(COUNT_TIMEOUT_SECONDS):
            return await database.read(read_counts)
    except Exception:  # noqa: BLE001 - any error means that the database does not answer
        return DatabaseCounts()


class StreamCollector(Collector):
    """Reads the hub's counters at each scrape."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("visit_stream_subscribers", "Open streams", value=self._hub.subscribers)
        yield GaugeMetricFamily("visit_stream_behind", "Streams that are catching up", value=self._hub.behind)
        yield GaugeMetricFamily(
            "visit_stream_lag_seconds",
            "Upper bound for the age of the oldest undelivered event",
            value=self._hub.lag_seconds,
        )
        counters = self._hub.counters
        for counter in fields(counters):
            value, name = getattr(counters, counter.name), f"visit_stream_{counter.name}"
            if isinstance(value, Delays):
                yield _histogram("visit_stream_delay_seconds", value)
            elif counter.name in GAUGES:
                yield GaugeMetricFamily(name, f"The stream's {counter.name} now", value=float(value))
            elif isinstance(value, dict):
                family = CounterMetricFamily(name, f"The stream's {counter.name}, by reason", labels=["reason"])
                for reason, count in value.items():
                    family.add_metric([reason], count)
                yield family
            else:
                yield CounterMetricFamily(name, f"The stream's {counter.name}", value=value)


def _histogram(name: str, delays: Delays) -> HistogramMetricFamily:
    bounds = [*map(str, DELAY_BOUNDS), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(delays.classes)), strict=True))
    return HistogramMetricFamily(name, "From an event's decision to its subscribers", buckets, sum_value=delays.total)
