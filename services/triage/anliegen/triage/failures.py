"""What went wrong for a person: kept, and counted again before the contacts that came after it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from anliegen.events import CaseEvent
from anliegen.kit import Transaction

from . import actions, store


async def note_failure(tx: Transaction, event: CaseEvent) -> None:
    """Keep a failure. Topics arrive in any order: a contact that came after it may be decided already, so it is
    counted again."""
    failure = event.failure
    assert failure is not None
    if not await store.insert_failure(
        tx, journey_id=event.journey_id, case_id=event.case_id, task=event.task, failure=failure
    ):
        return
    window = timedelta(days=actions.packs_of(tx).routing.guard.window_days)
    later = await store.list_contacts_after(
        tx,
        journey_ids=await tx.members(event.journey_id),
        since=failure.occurred_at,
        until=failure.occurred_at + window,
    )
    for contact_id, journey_id in later:
        if journey_id == event.journey_id:
            await recount_failures(tx, contact_id=contact_id)
        else:
            await actions.set_timer(tx, actions.RECOUNT, contact_id, journey_id)


async def recount_person(tx: Transaction, *, journey_ids: Sequence[UUID]) -> None:
    """Who is one person has changed: count again before every contact that the window still reaches."""
    window = timedelta(days=actions.packs_of(tx).routing.guard.window_days)
    members = {member for journey_id in journey_ids for member in await tx.members(journey_id)}
    recent = await store.list_contacts_after(
        tx, journey_ids=sorted(members), since=tx.now - window, until=tx.now + timedelta(days=1)
    )
    for contact_id, journey_id in recent:
        await actions.set_timer(tx, actions.RECOUNT, contact_id, journey_id)


async def recount_failures(tx: Transaction, *, contact_id: UUID) -> None:
    """Count the failures before a decided contact again; where a tier changes, the contact is announced again."""
    contact = await store.get_contact(tx, contact_id=contact_id)
    before = await store.list_concerns(tx, contact_id=contact_id)
    after = await actions.guard_concerns(tx, contact, before)
    if after != before:
        await store.update_tiers(tx, concerns=after)
        await store.update_contact_version(tx, contact_id=contact_id)
        actions.announce(tx, contact, after)
