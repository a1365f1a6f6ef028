"""`anliegen fence …`: stop a service before a restore, see what it forgot, let it go on.

It works on the services' databases, like `anliegen events`, so it works while nothing serves.
"""

import click

from ..command_line import run, table
from ..operations.cli.group import (
    at_work,
    by_whom,
    dump,
    in_json,
    one_service,
    print_json,
    some_services,
    tell_of_each,
    with_reason,
)
from ..operations.journal import Operator
from ..transaction import Transaction
from . import actions, lists, store
from .views import AnnouncedView, FenceStatus

MOST_LISTED = 100_000


@click.group()
def fence() -> None:
    """After a restore: what a service announced and does not know any more, and its release."""


@fence.command("status")
@some_services
@in_json
def show_status(services: list[str], *, as_json: bool) -> None:
    """Which services are fenced, and what for."""

    async def look(_service: str, tx: Transaction, _limit: int) -> list[FenceStatus]:
        return [await FenceStatus.look(tx)]

    def row(status: FenceStatus) -> tuple[object, ...]:
        found = status.fence
        if found is None or not status.fenced:
            return ("free" if status.looked_at else "not looked at", None, None, None, None, None)
        listed = "fenced" if found.listed_at else "fenced, reads the log"
        since = found.fenced_at.isoformat(sep=" ", timespec="seconds")
        return listed, found.fence_id, since, found.events, found.by_hand, found.reason

    names = ("STATE", "FENCE", "SINCE", "EVENTS", "BY HAND", "REASON")
    tell_of_each(services, look, limit=1, names=names, row=row, as_json=as_json, nothing="There is no service.")


@fence.command("list")
@one_service
@click.option("--by-hand", is_flag=True, help="Only what commands announced: a person has to do it again.")
@click.option("--fence", "fence_id", type=click.IntRange(1, 2**63 - 1), help="Another fence than the last.")
@click.option("--limit", default=500, show_default=True, type=click.IntRange(1, MOST_LISTED), help="How many.")
@in_json
def list_events(service: str, *, by_hand: bool, fence_id: int | None, limit: int, as_json: bool) -> None:
    """What the service announced and does not know, by time; it stays after the release."""

    async def look() -> list[AnnouncedView]:
        async with at_work(service) as tx:
            last = await store.find_last_fence(tx) if fence_id is None else None
            number = fence_id or (last.fence_id if last else 0)
            found = await lists.list_announced(tx, fence_id=number, by_hand=by_hand or None, limit=limit + 1)
            return [AnnouncedView.of(event) for event in found]

    found = run(look())
    if len(found) > limit:
        click.echo(f"There are more than these {limit}: say --limit.", err=True)
    if as_json:
        print_json([dump(event) for event in found[:limit]])
    elif found:
        rows = [
            (e.time.isoformat(sep=" ", timespec="seconds"), e.type, "by hand" if e.by_hand else "comes again", e.key,
             e.subject, e.sequence, e.event_id)
            for e in found[:limit]
        ]  # fmt: skip
        click.echo(table(("TIME", "TYPE", "AGAIN", "KEY", "SUBJECT", "SEQUENCE", "EVENT"), rows))
    else:
        click.echo("Nothing is listed.")


@fence.command("set")
@one_service
@by_whom
@with_reason
def set_(service: str, *, who: str, reason: str) -> None:
    """Stop a service: it serves reads, and neither takes commands nor hears nor sends anything until it is released."""

    async def work() -> int:
        async with at_work(service) as tx:
            return (await actions.set_fence(tx, operator=Operator(who, reason))).fence_id

    click.echo(f"Fence {run(work())}: {service} stops within two seconds. `anliegen fence release` lets it go on.")


@fence.command("release")
@one_service
@by_whom
@with_reason
def release(service: str, *, who: str, reason: str) -> None:
    """Let a fenced service go on, after the list was worked off."""

    async def work() -> actions.Released:
        async with at_work(service) as tx:
            return await actions.release(tx, operator=Operator(who, reason))

    done = run(work())
    click.echo(
        f"Fence {done.fence_id} is released: {service} takes up its events. Keys that go on after numbers only others "
        f"knew: {done.streams}."
    )


commands = [fence]
