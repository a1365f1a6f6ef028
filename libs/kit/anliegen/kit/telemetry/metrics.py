"""What is counted and measured, under the names that dashboards and alerts use; docs/metrics.md lists it.

Several services share a process, so every series says its `service`. Labels have few values: the template of a route
and not its path, the type of an event and not its id, `sent`, `failed` or `rejected` and not a provider's code.
"""

import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from anliegen.events import CaseEvent, Event, FailureKind, registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The objectives (deploy/observability/rules/slos.yaml) ask for the bounds 0.3 s, 10 s, 30 s and 60 s.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_DELIVERY_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_RESPONSE_SECONDS = (
    5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR, _DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY,
)  # fmt: skip


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

    def known(self, *values: str, at: float) -> None:
        """It happened then, as is kept somewhere: an earlier process heard it, or this one something later."""
        moment = self._last.get(values)
        if moment is None or moment.at < at:
            self.labels(*values).set(at)

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
    "event_end_to_end_seconds", "Time from an event to the end of its handling.", ("service", "type"),
    buckets=_EVENT_SECONDS,
)  # fmt: skip
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

events_announced = Counter("events_announced_total", "Facts the service announced.", ("service", "type"))

outbox_published = Counter("outbox_published_total", "Events the relay brought to Kafka.", ("service",))
outbox_pending = Gauge("outbox_pending", "Events that wait for the relay.", ("service",))
outbox_oldest_unsent = Gauge(
    "outbox_oldest_unsent_seconds", "Age of the oldest event that waits for the relay.", ("service",)
)
relay_leads = Gauge("outbox_relay_leads", "1 where this process publishes the outbox.", ("service",))
part_restarts = Counter(
    "worker_part_restarts_total", "Parts of a worker that ended and were built anew.", ("service", "part")
)
topic_differences = Gauge(
    "topic_differences", "1 where a topic was not as the manifest says when the worker started.",
    ("service", "topic", "what"),
)  # fmt: skip
fenced = Gauge("fenced", "1 while the service waits for a person's release, after a restore.", ("service",))
timers_fired = Counter("timers_fired_total", "Timers whose time came.", ("service", "kind"))
pool_in_use = Gauge("db_pool_in_use", "Database connections in use.", ("service", "part"))
pool_size = Gauge("db_pool_size", "Database connections that may be in use.", ("service", "part"))
pool_waiting = Gauge("db_pool_waiting", "Transactions that wait for a database connection.", ("service", "part"))
loop_lag = Gauge(
    "event_loop_lag_seconds", "By how much the event loop of the process was late, at most, within the last minute.",
    ("service", "part"),
)  # fmt: skip

open_cases = Gauge("cases_open", "Cases that are not settled, by what they wait for.", ("service", "status"))
cases_overdue = Gauge("cases_overdue", "Cases that wait for an answer for longer than was promised.", ("service",))
first_response = Histogram(
    "case_first_response_seconds", "Time from a case's opening to the first answer.", ("service",),
    buckets=_RESPONSE_SECONDS,
)  # fmt: skip
failures = Counter(
    "customer_failures_total", "What went wrong for a customer on our side, by kind, such as a broken promise.",
    ("service", "kind"),
)  # fmt: skip
reviews_open = Gauge("reviews_open", "Contacts that wait for a person to say what they are about.", ("service",))
reviews_oldest = Gauge("reviews_oldest_seconds", "For how long the longest waiting of them has waited.", ("service",))
readings = Counter(
    "readings_total",
    "Contacts that triage read, by the task of the main matter, how sure that is, in tenths, and how far triage went.",
    ("service", "task", "confidence", "mode"),
)
readings_judged = Counter(
    "readings_judged_total",
    "Tasks read that a person decided (review) or their task handed on (handover): confirmed or overridden.",
    ("service", "task", "source", "result"),
)
routing_questions = Counter(
    "routing_questions_total",
    "Questions to customers which task it is, by who asked, and what became: asked, answered, unclear, undelivered.",
    ("service", "asked_by", "result"),
)
contacts_received = Counter("contacts_received_total", "Contacts that came, by channel.", ("service", "channel"))

channel_last_received = Ages(
    "channel_last_received_age_seconds", "Time since a channel brought its last message.", ("service", "channel"),
    REGISTRY,
)  # fmt: skip
delivery_attempts = Counter(
    "reply_delivery_attempts_total",
    "Attempts to hand words to a channel: sent, failed (tried again), rejected (for good), not_noted (sent, see log).",
    ("service", "channel", "outcome"),
)
delivery_wait = Histogram(
    "reply_first_attempt_seconds", "Time from words being ready to the first attempt to hand them over.",
    ("service", "channel"), buckets=_DELIVERY_SECONDS,
)  # fmt: skip
partner_events_waiting = Gauge(
    "partner_events_waiting", "Partners' events that are kept and not yet announced, counted to 10,000.", ("service",)
)
partner_events_oldest = Gauge(
    "partner_events_oldest_seconds", "For how long the longest waiting of them has waited.", ("service",)
)
billing_facts_contradicted = Counter(
    "billing_facts_contradicted_total",
    "Facts of the billing system that contradict what it told before under the same name, by their kind.",
    ("service", "kind"),
)
dunning_base_rate_missing = Gauge(
    "dunning_base_rate_missing_days",
    "For how many days a pack of dunning has lacked the base rate of the half-year, and carried the last one on.",
    ("service", "pack"),
)
customer_records_contradicted = Counter(
    "customer_records_contradicted_total",
    "Addresses in partners' records that a person said are another customer's, and that stay so.", ("service",),
)  # fmt: skip


def begin(service: str) -> None:
    """Let a service's counters be there from the start: a rise can only be seen from something to rise from."""
    events_dead_lettered.labels(service)
    for kind in FailureKind:
        failures.labels(service, kind.value)
    for cls in registry.classes_in("anliegen.events"):
        if registry.service_of(cls.event_type) == service:
            events_announced.labels(service, cls.event_type)


def announced(service: str, events: Sequence[Event]) -> None:
    """Count what a transaction announced, once it is committed."""
    for kind, times in Tally(event.event_type for event in events).items():
        events_announced.labels(service, kind).inc(times)
    for event in events:
        if isinstance(event, CaseEvent) and event.failure is not None:
            failures.labels(service, event.failure.kind.value).inc()


def exposition() -> bytes:
    """All series, in the text form Prometheus reads."""
    return generate_latest(REGISTRY)
