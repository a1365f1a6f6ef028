"""How this kit talks to Kafka: addresses, security, and the cluster's own id."""

import asyncio
import logging
import ssl
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from .settings import Settings

CONNECT_SECONDS = 3.0
SAID_AGAIN_SECONDS = 10.0
T = TypeVar("T")
TALKATIVE = ("aiokafka", "aiokafka.consumer.fetcher", "aiokafka.consumer.group_coordinator", "aiokafka.producer.sender")


class Spells(logging.Filter):
    """Lets the same complaint of the client library through once in ten seconds.

    It tries again every 100 ms, for every client in the process, and says so as an error each time: while a broker is
    away, everything else in the log would be lost among thousands of lines.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this is said."""
        if record.levelno < logging.WARNING:
            return True
        complaint, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._last.get(complaint, float("-inf")) < SAID_AGAIN_SECONDS:
            return False
        self._last[complaint] = now
        return True


def quieten() -> None:
    """Have the client library complain less often. Again is harmless."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if not any(isinstance(found, Spells) for found in logger.filters):
            logger.addFilter(Spells())


def client_options(settings: Settings) -> dict[str, Any]:
    """What every client of ours says when it connects."""
    quieten()
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": 20_000,
        # A restarted broker is found again within a fraction of a second.
        "retry_backoff_ms": 100,
        "metadata_max_age_ms": 60_000,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file or None)
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


async def in_one_go(work: Coroutine[Any, Any, T]) -> T:
    """Do something that connects. Given up half-way the library would leave a connection that nobody closes, so whoever
    is told to end waits for it, a few seconds at most."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=CONNECT_SECONDS)
        task.cancel()
        raise


async def start(client: Any) -> None:
    """Start one of the library's clients."""
    await in_one_go(client.start())


async def start_reading(client: Any, *, rest_seconds: float) -> None:
    """Start one of the library's consumers that looks through its partitions once in `rest_seconds` without a reason.

    By itself it does so five times a second, though all that concerns it (an answer, a seek, a rebalance) wakes it.
    """
    await start(client)
    client._fetcher._fetcher_timeout = rest_seconds


async def get_cluster_id(settings: Settings) -> str:
    """The id of the cluster: a position is only worth something in the cluster it was read from."""
    return (await in_one_go(_describe(settings, ())))[0]


async def describe(settings: Settings, topics: Iterable[str]) -> tuple[str, dict[str, int]]:
    """The id of the cluster, and how many partitions each of these topics has. Raises KafkaError for a missing one."""
    cluster_id, found = await in_one_go(_describe(settings, list(topics)))
    for topic in found:
        if topic["error_code"]:
            raise for_code(topic["error_code"])(topic["topic"])
    return cluster_id, {topic["topic"]: len(topic["partitions"]) for topic in found}


async def _describe(settings: Settings, topics: Sequence[str]) -> tuple[str, list[Any]]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        cluster_id = str((await admin.describe_cluster())["cluster_id"])
        return cluster_id, await admin.describe_topics(list(topics)) if topics else []
    finally:
        await admin.close()
