"""Metrics have the names that dashboards use, say their service, and ages are reckoned when they are asked for."""

import asyncio
import time

import httpx
import pytest
from prometheus_client.registry import CollectorRegistry

from anliegen.kit.health import Health, LoopLag
from anliegen.kit.telemetry import metrics
from anliegen.kit.telemetry.metrics import Ages
from anliegen.kit.telemetry.worker_port import serve_worker_port, worker_app

NAMES = (
    "http_server_request_duration_seconds", "kafka_consumer_lag_records", "kafka_consumer_lag_seconds",
    "event_end_to_end_seconds", "events_processed_total", "events_dead_lettered_total",
    "consumer_last_poll_age_seconds", "outbox_pending", "outbox_oldest_unsent_seconds", "inbox_duplicates_total",
    "webhook_delivery_attempts_total", "db_pool_in_use", "channel_last_received_age_seconds", "parked_keys",
    "parked_keys_oldest_seconds", "parked_keys_exhausted", "events_parked", "dead_letters_unsettled",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_exposed(name: str):
    assert f"# HELP {name} " in metrics.exposition().decode()


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
        assert 'db_pool_in_use{part="work",service="helpdesk"} 2.0' in (await client.get("/metrics")).text
        nothing = await client.get("/openapi.json")
        assert (nothing.status_code, nothing.headers["content-type"]) == (404, "application/problem+json")
        lag.seconds = 6.0
        late = await client.get("/livez")
        assert late.status_code == 503
        assert "6.0 s late" in late.json()["detail"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_worker_shows_no_more_than_it_has_to():
    assert {route.path for route in worker_app([], LoopLag()).routes} == {"/livez", "/readyz", "/startupz", "/metrics"}


@pytest.fixture
def free_port_number() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
