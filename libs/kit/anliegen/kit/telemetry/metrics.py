"""What is counted and measured, under the names that dashboards and alerts use. Several services share a process, so
every series says its `service`."""

import time
from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class Ages(Collector):
    """A gauge of seconds since something last happened, reckoned when it is asked for.

    `ages.labels("intake").set(time.time())` says that it happened now.
    """

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._last: dict[tuple[str, ...], Moment] = {}
        registry.register(self)

    def labels(self, *values: str) -> "Moment":
        """The moment of these label values."""
        if len(values) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {', '.join(self._labels)}")
        moment = self._last.get(values)
        if moment is None:
            moment = self._last[values] = Moment()
        return moment

    def describe(self) -> Iterator[Metric]:
        """The family without samples."""
        yield GaugeMetricFamily(self._name, self._documentation, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        """The ages at this moment."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
        now = time.time()
        for values, moment in list(self._last.items()):
            family.add_metric(values, max(0.0, now - moment.at))
        yield family


class Moment:
    """When something last happened, in seconds of the wall clock."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = time.time()

    def set(self, at: float) -> None:
        """It happened then."""
        self.at = at


request_duration = Histogram(
    "http_server_request_duration_seconds", "Time from a request to the end of its answer.",
    ("service", "method", "route", "status"), buckets=_SECONDS,
)  # fmt: skip
requests_in_progress = Gauge("http_server_active_requests", "Requests that are being answered.", ("service",))
streams_open = Gauge("http_server_streams_open", "Server-sent event streams that are open.", ("service",))

consumer_lag_records = Gauge(
    "kafka_consumer_lag_records", "Records that wait for this consumer.", ("service", "topic", "partition")
)
consumer_lag_seconds = Gauge(
    "kafka_consumer_lag_seconds", "Age of the next record that waits for this consumer.",
    ("service", "topic", "partition"),
)  # fmt: skip
consumer_last_poll = Ages(
    "consumer_last_poll_age_seconds", "Time since the consumer last asked Kafka.", ("service",), REGISTRY
)
event_end_to_end = Histogram(
    "event_end_to_end_seconds", "Time from an event to the end of its handling.", ("service",), buckets=_EVENT_SECONDS
)
events_processed = Counter("events_processed_total", "Events handled, by result.", ("service", "result"))
events_dead_lettered = Counter("events_dead_lettered_total", "Events given up on.", ("service",))
inbox_duplicates = Counter("inbox_duplicates_total", "Deliveries that had been handled before.", ("service",))
parked_keys = Gauge("parked_keys", "Journeys whose events wait behind one that failed.", ("service",))
parked_keys_oldest = Gauge(
    "parked_keys_oldest_seconds", "For how long the longest waiting of them has waited.", ("service",)
)
parked_keys_exhausted = Gauge(
    "parked_keys_exhausted", "Those that failed as often as they may and stay until a person decides.", ("service",)
)
events_parked = Gauge("events_parked", "Events that wait behind these journeys, counted to 10,000.", ("service",))
dead_letters_unsettled = Gauge(
    "dead_letters_unsettled", "Dead letters that nobody has settled, counted to 10,000.", ("service",)
)

outbox_published = Counter("outbox_published_total", "Events the relay brought to Kafka.", ("service",))
outbox_pending = Gauge("outbox_pending", "Events that wait for the relay.", ("service",))
outbox_oldest_unsent = Gauge(
    "outbox_oldest_unsent_seconds", "Age of the oldest event that waits for the relay.", ("service",)
)
topic_differences = Gauge(
    "topic_differences", "1 where a topic was not as the manifest says when the worker started.",
    ("service", "topic", "what"),
)  # fmt: skip
fenced = Gauge("fenced", "1 while the service waits for a person's release, after a restore.", ("service",))
timers_fired = Counter("timers_fired_total", "Timers whose time came.", ("service", "kind"))
pool_in_use = Gauge("db_pool_in_use", "Database connections in use.", ("service", "part"))

channel_last_received = Ages(
    "channel_last_received_age_seconds", "Time since a channel brought its last message.", ("service", "channel"),
    REGISTRY,
)  # fmt: skip
webhook_attempts = Counter(
    "webhook_delivery_attempts_total", "Attempts to bring a message out, by outcome.", ("service", "outcome")
)
partner_events_waiting = Gauge(
    "partner_events_waiting", "Partners' events that are kept and not yet announced, counted to 10,000.", ("service",)
)
partner_events_oldest = Gauge(
    "partner_events_oldest_seconds", "For how long the longest waiting of them has waited.", ("service",)
)
customer_records_contradicted = Counter(
    "customer_records_contradicted_total",
    "Addresses in partners' records that a person said are another customer's, and that stay so.", ("service",),
)  # fmt: skip


def exposition() -> bytes:
    """All series, in the text form Prometheus reads."""
    return generate_latest(REGISTRY)
