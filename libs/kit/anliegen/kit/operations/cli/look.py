"""The commands that look."""

from typing import Any
from uuid import UUID

import click

from ...command_line import age, run, table
from ...transaction import Transaction
from .. import actions, journal, letters, parked
from ..journal import Operator
from ..letters import Filter
from ..views import ActionView, ContentView, DeadLetterDetail, DeadLetterView, ParkedEventView, ParkedKeyView
from .group import (
    at_work,
    by_whom,
    dump,
    events,
    filtered,
    in_json,
    limited,
    number_of,
    one_service,
    print_json,
    show_one,
    some_services,
    tell_of_each,
    with_why,
)

EVENTS_SHOWN = 20


@events.command("dead-letters")
@some_services
@filtered
@click.option("--settled", "which", flag_value="settled", help="Those that were redriven or discarded.")
@click.option("--all", "which", flag_value="all", help="Settled or not.")
@limited
@in_json
def list_dead_letters(services: list[str], *, which: str | None, limit: int, as_json: bool, **wanted: Any) -> None:
    """List events that were given up on, the newest first; without --settled or --all those that wait for you."""
    chosen = Filter(**wanted)
    settled = {"settled": True, "all": None}.get(which or "", False)

    async def look(_service: str, tx: Transaction, most: int) -> list[DeadLetterView]:
        found = await letters.list_letters(tx, wanted=chosen, settled=settled, before=None, limit=most)
        return [DeadLetterView.of(one) for one in found]

    tell_of_each(
        services,
        look,
        limit=limit,
        names=("ID", "DIED", "TYPE", "KEY", "ERROR", "TRIES", "SETTLED"),
        row=lambda one: (
            one.id, age(one.died_at), one.type, one.key, one.error_type, one.attempts,
            one.settled and f"{one.settled.how} by {one.settled.by}",
        ),
        as_json=as_json,
        nothing="No dead letters.",
    )  # fmt: skip


@events.command("parked")
@some_services
@limited
@in_json
def list_parked(services: list[str], *, limit: int, as_json: bool) -> None:
    """List keys whose events wait behind one that failed, the longest waiting first."""

    async def look(service: str, tx: Transaction, most: int) -> list[ParkedKeyView]:
        found = await parked.list_keys(tx, group=service, after=None, limit=most)
        return [ParkedKeyView.of(tx.context, one) for one in found]

    tell_of_each(
        services,
        look,
        limit=limit,
        names=("KEY", "SINCE", "TRIES", "REASON", "WAITING", "OLDEST EVENT"),
        row=lambda one: (
            one.key, age(one.since), f"{one.attempts}, the last" if one.exhausted else one.attempts, one.reason,
            one.waiting, one.oldest and f"{one.oldest.event_id} {one.oldest.type}",
        ),
        as_json=as_json,
        nothing="Nothing is parked.",
    )  # fmt: skip


@events.command("show")
@one_service
@click.argument("what")
@in_json
def show(service: str, what: str, *, as_json: bool) -> None:
    """Show a dead letter by its number, or a parked key with what waits behind it. What people wrote is not in it."""

    async def letter() -> DeadLetterDetail:
        async with at_work(service) as tx:
            found = await letters.get_letter(tx, letter_id=int(what))
            done = await journal.list_actions(tx, about=found.about, limit=EVENTS_SHOWN)
            return DeadLetterDetail.look(tx.context, found, await letters.get_record(tx, letter_id=found.id), done)

    async def key() -> tuple[ParkedKeyView, list[ParkedEventView]]:
        async with at_work(service) as tx:
            state = ParkedKeyView.of(tx.context, await parked.get_key(tx, group=service, key=what))
            rows = await parked.list_events(tx, group=service, key=what, after=None, limit=EVENTS_SHOWN)
            return state, [ParkedEventView.of(row) for row in rows]

    if what.isascii() and what.isdigit():
        show_one(run(letter()), as_json=as_json)
        return
    state, waiting = run(key())
    if as_json:
        print_json({**dump(state), "events": [dump(one) for one in waiting]})
        return
    show_one(state, as_json=False)
    rows = ((one.event_id, one.type, one.topic, one.partition, one.offset, one.size) for one in waiting)
    click.echo("\n" + table(("EVENT", "TYPE", "TOPIC", "PARTITION", "OFFSET", "BYTES"), rows))


@events.command("content")
@one_service
@click.argument("what")
@click.option("--event", "event_id", type=click.UUID, help="Of a parked key: which of its events.")
@by_whom
@with_why
def show_content(service: str, what: str, *, event_id: UUID | None, who: str, reason: str | None) -> None:
    """Print what stands in a dead letter or a parked event. A person may have written it: your look is written down."""

    async def work() -> ContentView:
        operator = Operator(who, reason)
        async with at_work(service) as tx:
            if event_id is None:
                return ContentView.of(await actions.read_letter(tx, letter_id=number_of(what), operator=operator))
            return ContentView.of(await actions.read_parked(tx, key=what, event_id=event_id, operator=operator))

    print_json(dump(run(work())))


@events.command("log")
@some_services
@limited
@in_json
def list_log(services: list[str], *, limit: int, as_json: bool) -> None:
    """List what people did and looked at by hand, the newest first."""

    async def look(_service: str, tx: Transaction, most: int) -> list[ActionView]:
        return [ActionView.of(one) for one in await journal.list_actions(tx, limit=most)]

    tell_of_each(
        services,
        look,
        limit=limit,
        names=("WHEN", "WHO", "DID", "ABOUT", "REASON"),
        row=lambda one: (age(one.at), one.who, one.did, one.about, one.reason),
        as_json=as_json,
        nothing="Nobody did anything.",
    )
