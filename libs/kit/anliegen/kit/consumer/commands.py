"""`anliegen positions …`: let a service go on that stopped because Kafka does not know its place any more."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from aiokafka.errors import KafkaError

from ..command_line import opened, run, table
from ..operations.cli.group import by_whom, some_services, with_reason
from ..operations.journal import Operator
from ..service import load_service
from .renew import MOST_DAYS, Lost, NothingLost, find_lost
from .renew import renew as renew_positions

NAMES = ("SERVICE", "TOPIC", "PART", "STORED", "CLUSTER", "FOUND", "GOES ON AT")


@click.group()
def positions() -> None:
    """After Kafka was lost, or a service was away for too long: where consumers go on."""


def _ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _row(service: str, one: Lost) -> tuple[object, ...]:
    return service, *one.place, one.offset, one.cluster_id, f"{one.beginning}-{one.end}", one.following


def _show(found: list[tuple[object, ...]]) -> None:
    click.echo(table(NAMES, found) if found else "Kafka knows every position.")


@positions.command("lost")
@some_services
def show_lost(services: list[str]) -> None:
    """Show which positions Kafka does not know, and where `renew` would go on."""

    async def look() -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for service in services:
            async with opened(load_service(service)) as context:
                _, lost = await find_lost(context, since=_ago(MOST_DAYS))
                found += [_row(service, one) for one in lost]
        return found

    _show(_asking_kafka(look))


@positions.command("renew")
@some_services
@by_whom
@with_reason
@click.option(
    "--days", default=MOST_DAYS, show_default=True, type=click.IntRange(1, MOST_DAYS),
    help="Read again what is younger than this; what had its effect has none again.",
)  # fmt: skip
def renew(services: list[str], *, who: str, reason: str, days: int) -> None:
    """Set anew what `lost` shows. Workers that stopped there go on within seconds."""

    async def work() -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for service in services:
            async with opened(load_service(service)) as context:
                try:
                    lost = await renew_positions(context, since=_ago(days), operator=Operator(who, reason))
                except NothingLost:
                    continue
                found += [_row(service, one) for one in lost]
        return found

    _show(_asking_kafka(work))


def _asking_kafka(work: Callable[[], Coroutine[Any, Any, list[tuple[object, ...]]]]) -> list[tuple[object, ...]]:
    try:
        return run(work())
    except (KafkaError, OSError) as problem:
        raise click.ClickException(f"Kafka cannot be asked: {problem}.") from problem


commands = [positions]
