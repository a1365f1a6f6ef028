"""The commands that settle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import click

from ...command_line import opened, run, table
from ...service import Context, load_service
from ...transaction import begin
from .. import actions
from ..journal import Operator
from ..letters import Filter
from ..views import RedrivenView
from .group import by_whom, events, filtered, number_of, one_service, with_reason, with_why


@asynccontextmanager
async def _commanding(service: str, *, whole: bool = False) -> AsyncIterator[Context]:
    """The service with its database, where it takes commands: a fenced one does not. Raises Fenced, NotLookedAt."""
    async with opened(load_service(service), whole=whole) as context:
        await context.gate.refuse_commands(context)
        yield context


@events.command("redrive")
@one_service
@click.argument("numbers", nargs=-1, metavar="[ID]…")
@filtered
@by_whom
@with_why
def redrive(service: str, numbers: tuple[str, ...], *, who: str, reason: str | None, **wanted: Any) -> None:
    """Put events back for the service that gave up on them: these, or every unsettled one that fits, the oldest first.

    Each comes once, after the later events of its key that were handled since. What is refused stays, and is named;
    the exit code is 1 then.
    """
    chosen = Filter(**wanted)
    if bool(numbers) != chosen.is_empty:
        raise click.UsageError(
            "Name dead letters, or say by --type, --key, --error, --since or --until which you mean."
        )
    operator = Operator(who, reason)

    async def these() -> RedrivenView:
        async with _commanding(service, whole=True) as context:
            found = [number_of(number) for number in numbers]
            return RedrivenView.of(await actions.redrive_these(context, found, operator=operator))

    async def fitting() -> RedrivenView:
        total = actions.Redriven(following=0)
        async with _commanding(service, whole=True) as context:
            while total.following is not None:
                total.add(await actions.redrive_many(context, wanted=chosen, operator=operator, after=total.following))
                if total.following is not None:
                    click.echo(f"{total.redriven} so far …", err=True)
        return RedrivenView.of(total)

    done = run(these() if numbers else fitting())
    click.echo(
        f"Redriven: {done.redriven}. Taken meanwhile: {done.repeated}. Settled before: {done.settled}. "
        f"Refused: {len(done.refused)}."
    )
    if done.refused:
        click.echo("\n" + table(("ID", "WHY"), ((one.id, one.detail) for one in done.refused)))
        raise SystemExit(1)


@events.command("discard")
@one_service
@click.argument("numbers", nargs=-1, required=True, metavar="ID…")
@by_whom
@with_reason
def discard(service: str, numbers: tuple[str, ...], *, who: str, reason: str) -> None:
    """Give events up for good. All of these, or where one is refused, none."""

    async def work() -> None:
        async with _commanding(service) as context, begin(context) as tx:
            for number in sorted({number_of(number) for number in numbers}):
                await actions.discard(tx, letter_id=number, operator=Operator(who, reason))

    run(work())
    click.echo(f"Discarded: {', '.join(numbers)}.")


@events.command("retry")
@one_service
@click.argument("keys", nargs=-1, required=True, metavar="KEY…")
@by_whom
@with_why
def retry(service: str, keys: tuple[str, ...], *, who: str, reason: str | None) -> None:
    """Have parked keys tried within a second, whenever they were due. All of these, or where one flows again, none."""

    async def work() -> None:
        async with _commanding(service) as context, begin(context) as tx:
            for key in sorted(set(keys)):
                await actions.retry_now(tx, key=key, operator=Operator(who, reason))

    run(work())
    click.echo("The service's worker tries it within a second: see `anliegen events parked`.")


@events.command("set-aside")
@one_service
@click.argument("key")
@click.option("--event", "event_id", type=click.UUID, required=True, help="The oldest event, as `show` tells it.")
@by_whom
@with_reason
def set_aside(service: str, key: str, *, event_id: UUID, who: str, reason: str) -> None:
    """Make the oldest event behind a parked key a dead letter, so that its journey goes on."""

    async def work() -> str:
        async with _commanding(service) as context, begin(context) as tx:
            operator = Operator(who, reason)
            return str((await actions.set_aside(tx, key=key, event_id=event_id, operator=operator)).id)

    click.echo(f"Set aside as dead letter {run(work())}; the rest of the journey goes on.")
