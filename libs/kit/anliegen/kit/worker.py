"""The worker of one or several services: consumer, relay, retry, timers, and a service's own parts."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence

import structlog

from . import backoff, ticker
from .consumer.loop import Consumer
from .health import LoopLag
from .migrate import wait_for_migrations
from .operations import gauges
from .relay import Relay
from .service import Context, Service, open_context
from .supervisor import keep_running, supervise
from .telemetry import logs
from .topics import TopicCheck, TopicsDiffer

KAFKA_SECONDS = 2.0
"""For so long a start waits for Kafka to tell of its topics; then the service counts as started, and waits for it."""

log = structlog.get_logger(__name__)


async def work(
    services: Sequence[Service],
    *,
    stop: asyncio.Event | None = None,
    metrics_host: str = "127.0.0.1",
    metrics_port: int = 0,
) -> None:
    """Work for these services until `stop` is set or the process is told to end."""
    stop = stop or _stop_on_signal()
    contexts: list[Context] = []
    lag, topics = LoopLag(), TopicCheck()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_work_for(service, contexts, topics), name=service.name) for service in services]
        tasks.append(group.create_task(lag.watch()))
        if metrics_port:
            from .telemetry.worker_port import serve_worker_port

            names = [service.name for service in services]
            port = serve_worker_port(metrics_port, contexts, lag, host=metrics_host, expected=names)
            tasks.append(group.create_task(port))
        await stop.wait()
        log.info("worker_stops", services=[service.name for service in services])
        for context in contexts:
            context.health.draining = True
        for task in tasks:
            task.cancel()


async def _work_for(service: Service, contexts: list[Context], topics: TopicCheck) -> None:
    """Everything one service needs, apart from the others: its trouble is its own."""
    logs.bind(service=service.name)
    attempts = 0
    while True:
        try:
            async with open_context(service, part="work") as context:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(KAFKA_SECONDS):
                        await topics.wait_until_known(service, context.settings)
                contexts.append(context)
                try:
                    await run_parts(context, topics)
                finally:
                    contexts.remove(context)
        except asyncio.CancelledError:
            raise
        except TopicsDiffer as problem:
            log.error("service_does_not_start", service=service.name, detail=str(problem))
        except Exception as problem:
            log.exception("service_restarts", service=service.name, error=type(problem).__name__)
        await asyncio.sleep(backoff.delay(attempts))
        attempts += 1


async def run_parts(context: Context, topics: TopicCheck | None = None) -> None:
    """Run the parts of one service until cancelled. They end in the order of the flow: what announces ends last.

    The relay looks first whether the database knows everything that was announced. Until it does, or a person has
    released it, nothing is heard and nothing announced; in a database that is another than before, nothing else runs
    either. Where a fence is set meanwhile, everything stops and waits again.
    """
    topics = topics or TopicCheck()

    async def announce() -> None:
        # The consumer waits for the relay, so it is enough that the relay waits for Kafka to tell of its topics.
        await topics.wait_until_known(context.service, context.settings)
        await Relay(context).run()

    async def consume() -> None:
        await context.gate.passed.wait()
        await Consumer(context).run()

    await wait_for_migrations(context)
    context.health.started = True
    parts: dict[str, Callable[[], Awaitable[None]]] = {"ticker": lambda: ticker.run(context)}
    if context.service.handlers.topics_under(context.settings):
        parts["consumer"] = consume
    if context.service.measures:
        parts["gauges"] = lambda: gauges.run(context)
    parts |= {name: _built(build, context) for name, build in context.service.parts.items()}
    while True:
        context.gate.begin()
        relay = asyncio.create_task(keep_running(context.health, "relay", announce))
        try:
            await context.gate.may_begin(context)
            await context.gate.run_until_shut(lambda: supervise(context.health, parts))
        finally:
            relay.cancel()
            await asyncio.wait({relay})


def _built(build: Callable[[Context], Awaitable[None]], context: Context) -> Callable[[], Awaitable[None]]:
    return lambda: build(context)


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
