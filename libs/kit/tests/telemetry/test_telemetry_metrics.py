"""Metrics have the names that dashboards use, say their service, and ages are reckoned when they are asked for."""

import asyncio
import time

import httpx
import pytest
from prometheus_client import REGISTRY, Histogram
from prometheus_client.registry import CollectorRegistry

from anliegen.events import AnswerOverdue, Failure, FailureKind, QuestionOpened
from anliegen.events.builders import build
from anliegen.kit.health import Health, LoopLag
from anliegen.kit.supervisor import keep_running
from anliegen.kit.telemetry import metrics
from anliegen.kit.telemetry.metrics import Ages
from anliegen.kit.telemetry.worker_port import END_SECONDS, serve_worker_port, worker_app

LABELS = {
    "http_server_request_duration_seconds": {"service", "method", "route", "status"},
    "kafka_consumer_lag_records": {"service", "topic", "partition"},
    "kafka_consumer_lag_seconds": {"service", "topic", "partition"},
    "consumer_last_poll_age_seconds": {"service"},
    "event_end_to_end_seconds": {"service", "type"},
    "events_processed_total": {"service", "result"},
    "events_dead_lettered_total": {"service"},
    "events_announced_total": {"service", "type"},
    "inbox_duplicates_total": {"service"},
    "outbox_pending": {"service"},
    "outbox_oldest_unsent_seconds": {"service"},
    "outbox_relay_leads": {"service"},
    "parked_keys": {"service"},
    "parked_keys_oldest_seconds": {"service"},
    "parked_keys_exhausted": {"service"},
    "events_parked": {"service"},
    "dead_letters_unsettled": {"service"},
    "fenced": {"service"},
    "topic_differences": {"service", "topic", "what"},
    "worker_part_restarts_total": {"service", "part"},
    "db_pool_in_use": {"service", "part"},
    "db_pool_size": {"service", "part"},
    "db_pool_waiting": {"service", "part"},
    "event_loop_lag_seconds": {"service", "part"},
    "reply_delivery_attempts_total": {"service", "channel", "outcome"},
    "reply_first_attempt_seconds": {"service", "channel"},
    "channel_last_received_age_seconds": {"service", "channel"},
    "contacts_received_total": {"service", "channel"},
    "cases_open": {"service", "status"},
    "cases_overdue": {"service"},
    "case_first_response_seconds": {"service"},
    "customer_failures_total": {"service", "kind"},
    "reviews_open": {"service"},
    "reviews_oldest_seconds": {"service"},
}
"""What dashboards and alarms go by: a name or a label that is changed breaks them in silence."""


@pytest.mark.parametrize("name", LABELS)
def test_every_metric_has_its_name_and_labels(name: str):
    assert f"# HELP {name} " in metrics.exposition().decode()
    (labels,) = {
        frozenset(getattr(collector, "_labelnames", ()) or collector._labels)
        for collector, names in REGISTRY._collector_to_names.items()
        if name in names or (isinstance(collector, Ages) and collector._name == name)
    }
    assert labels == LABELS[name]


@pytest.mark.parametrize(
    ("histogram", "bounds"),
    [
        (metrics.request_duration, {0.3}),
        (metrics.event_end_to_end, {10.0, 30.0}),
        (metrics.delivery_wait, {60.0}),
    ],
)
def test_objectives_are_bounds_of_buckets(histogram: Histogram, bounds: set[float]):
    assert bounds <= set(histogram._kwargs["buckets"])


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_counters_are_there_before_anything_happens():
    metrics.begin("helpdesk")
    assert sample("events_announced_total", service="helpdesk", type="helpdesk.question_opened.v1") is not None
    assert sample("events_announced_total", service="helpdesk", type="intake.contact_received.v1") is None
    assert sample("customer_failures_total", service="helpdesk", kind="broken_promise") is not None
    assert sample("events_dead_lettered_total", service="helpdesk") is not None


def test_announcements_are_counted_by_type_and_failures_by_kind():
    failure = build(Failure, kind=FailureKind.BROKEN_PROMISE)
    facts = [build(QuestionOpened), build(QuestionOpened), build(AnswerOverdue, failure=failure)]
    metrics.announced("counted", facts)
    opened, overdue = QuestionOpened.event_type, AnswerOverdue.event_type
    assert sample("events_announced_total", service="counted", type=opened) == 2
    assert sample("events_announced_total", service="counted", type=overdue) == 1
    assert sample("customer_failures_total", service="counted", kind="broken_promise") == 1


async def test_a_stall_of_the_loop_is_seen_for_a_minute():
    lag = LoopLag(every=0.01)
    watching = asyncio.create_task(lag.watch())
    await asyncio.sleep(0.03)
    time.sleep(0.2)  # noqa: ASYNC251 - it is what this is about
    await asyncio.sleep(0.05)
    watching.cancel()
    assert lag.seconds < 0.1, "now it turns again"
    assert lag.longest > 0.15


async def test_a_part_that_is_built_anew_is_counted():
    ended = asyncio.Event()

    async def part() -> None:
        if sample("worker_part_restarts_total", service="restarted", part="toy") == 2:
            ended.set()
            await asyncio.sleep(60)
        raise RuntimeError

    health = Health("restarted")
    running = asyncio.create_task(keep_running(health, "toy", part))
    await asyncio.sleep(0)
    assert sample("worker_part_restarts_total", service="restarted", part="toy") is not None
    async with asyncio.timeout(10):
        await ended.wait()
    running.cancel()


def test_ages_grow_until_it_happens_again():
    registry = CollectorRegistry()
    ages = Ages("age_seconds", "Age.", ("service", "channel"), registry)
    ages.labels("intake", "email").set(time.time() - 100)
    labels = {"service": "intake", "channel": "email"}
    assert registry.get_sample_value("age_seconds", labels) == pytest.approx(100, abs=1)
    ages.labels("intake", "email").set(time.time())
    assert registry.get_sample_value("age_seconds", labels) == pytest.approx(0, abs=1)
    with pytest.raises(ValueError, match="labels service, channel"):
        ages.labels("intake")


class Context:
    """What the probes look at, without a database behind it."""

    def __init__(self) -> None:
        self.health = Health("helpdesk")
        self.health.started = True
        self.service = type("Named", (), {"name": "helpdesk"})

    class pool:  # noqa: N801
        @staticmethod
        def acquire():
            raise ConnectionError("away")

        @staticmethod
        def get_size() -> int:
            return 3

        @staticmethod
        def get_idle_size() -> int:
            return 1

        @staticmethod
        def get_max_size() -> int:
            return 4

    class turns:  # noqa: N801
        waiting = 5


async def test_a_workers_port(free_port_number: int):
    context, lag = Context(), LoopLag()
    task = asyncio.create_task(serve_worker_port(free_port_number, [context], lag))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port_number}") as client:
        async with asyncio.timeout(10):
            while True:
                try:
                    live = await client.get("/livez")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.02)
        assert live.status_code == 200
        assert (await client.get("/startupz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        told = (await client.get("/metrics")).text
        assert 'db_pool_in_use{part="work",service="helpdesk"} 2.0' in told
        assert 'db_pool_size{part="work",service="helpdesk"} 4.0' in told
        assert 'db_pool_waiting{part="work",service="helpdesk"} 5.0' in told
        assert 'event_loop_lag_seconds{part="work",service="helpdesk"} ' in told
        nothing = await client.get("/openapi.json")
        assert (nothing.status_code, nothing.headers["content-type"]) == (404, "application/problem+json")
        lag.seconds = 6.0
        late = await client.get("/livez")
        assert late.status_code == 503
        assert "6.0 s late" in late.json()["detail"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(END_SECONDS - 0.5):
            await task


def test_a_worker_shows_no_more_than_it_has_to():
    assert {route.path for route in worker_app([], LoopLag()).routes} == {"/livez", "/readyz", "/startupz", "/metrics"}


@pytest.fixture
def free_port_number() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
