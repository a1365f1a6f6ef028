"""The relay: one leader that empties a filled outbox into Kafka, beside what Kafka's own producer reaches."""

from collections.abc import AsyncIterator

from anliegen.events import ContactReceived, registry

from . import toy
from .children import run_json
from .filling import fill_outbox, sample_records
from .kafka_tools import producer_rate
from .parts import Progress
from .plan import Plan
from .results import Result
from .servers import Servers

TOPIC = registry.topic_of(ContactReceived)
ANOTHER_TOPIC = "anliegen.partner.erp"
"""Nobody here hears it, and it has as many partitions: what lies there is nothing to catch up with."""


async def measure(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    """Events a second, CPU for each, memory."""
    await servers.prepare(toy.toy_service(), more=toy.TABLES)
    await servers.execute("TRUNCATE outbox", service=toy.NAME)
    events = plan.relay_events
    await fill_outbox(servers, service=toy.NAME, events=events)
    lines = await sample_records(servers, service=toy.NAME)
    size = sum(len(line.encode()) for line in lines) / len(lines)
    bounds = []
    # Before and after, so that neither has a warmer broker.
    if plan.peers:
        bounds.append(
            await producer_rate(servers.kafka.bootstrap, topic=ANOTHER_TOPIC, lines=lines, records=events * 2)
        )
    found = await drain(servers, events)
    if plan.peers:
        bounds.append(
            await producer_rate(servers.kafka.bootstrap, topic=ANOTHER_TOPIC, lines=lines, records=events * 2)
        )
    rate, ours, database = found.events / found.seconds, found.cpu["ours"], found.cpu["postgres"]
    yield Result("relay", rate, "events/s", sum(bounds) / 2 if bounds else None,
                 "Kafka's own producer test, same records" if bounds else None)  # fmt: skip
    yield Result("relay: CPU with PostgreSQL's", (ours + database) / events * 1e6, "µs/event")
    yield Result("relay: of that our own", ours / events * 1e6, "µs/event")
    yield Result("relay: memory", found.memory / 1e6, "MB")
    yield Result("relay: size of a record", size, "bytes")


async def drain(servers: Servers, events: int) -> Progress:
    """Have one relay, in a process of its own, publish the toy's outbox, which holds so many events."""
    return Progress(
        **await run_json(
            "benchmarks.parts", "relay", f"--total={events}", f"--beside=postgres={servers.postgres_pid}",
            f"--beside=kafka={servers.kafka.pid}", environment=servers.environment(with_kafka=True),
        )
    )  # fmt: skip
