"""What happens in dunning: reconsider, take steps, hold, release.

Who meets whom, and who goes first:
- Everything about the dunning of an invoice is done under the lock of the journey of its customer, and read after it.
  A payment, a credit, a correction, a step and a hold by hand come one after the other; each ends with `reconsider`,
  which concludes from all that is there. So it does not matter which of them was first.
- A case of another journey that holds (an inquiry by mail of somebody unknown, a complaint) cannot take that lock too.
  It writes its hold under its own, and has a timer reconsider the invoice under the invoice's. Hold and invoice meet in
  the invoice's row: whoever comes second waits for the first one's commit, and sees what it wrote.
- A step that is due and a hold that is not reconsidered yet: the step reads the holds itself, and does not happen.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from anliegen.kit import Transaction, ids
from anliegen.kit.cases import refuse_own
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from ..agreements.domain import State
from ..agreements.watch import review_agreement
from . import store
from .announcements import announce, step_reached
from .domain import (
    Debt,
    Dunning,
    DunningNotFound,
    Hold,
    HoldEndsTooEarly,
    HoldNotFound,
    HoldOfCase,
    HoldReason,
    NothingToHold,
    Stage,
    is_due,
    reconsidered,
    take_step,
)
from .rules import rules_for
from .store import Standing

STEP = "dunning_step"
"""The kind of the timer that takes the next step."""
HOLD_ENDS = "dunning_hold_ends"
"""The kind of the timer that ends a hold which was placed until then."""
RECONSIDER = "dunning_reconsider"
"""The kind of the timer that reconsiders under the lock of the invoice's own journey."""


# What money brings about ----------------------------------------------------------------------------------------------
async def reconsider(tx: Transaction, invoice_numbers: Iterable[str]) -> None:
    """Conclude anew how dunning of these invoices stands; to be called whenever what is owed on them has changed.

    The lock of their customer's journey is held. A number of which no invoice is known yet is left alone.
    """
    found = await store.find_debts(tx, invoice_numbers=sorted(set(invoice_numbers)))
    for debt in found:
        await tx.lock(debt.journey_id)
        number = debt.invoice_number
        agreement = await review_agreement(tx, invoice_number=number, open_amount=debt.open_amount)
        if agreement is not None:
            await _note_case(
                tx, case_id=agreement.agreement_id, reason=HoldReason(agreement.kind),
                unsettled=agreement.state is State.ACTIVE, invoice_number=number, sequence=agreement.version,
            )  # fmt: skip
        await _conclude(tx, debt)


async def let_time_pass(tx: Transaction, *, invoice_number: str) -> None:
    """Take the next step, if its time has come and nothing holds it."""
    standing = await load_standing(tx, invoice_number=invoice_number)
    # What was written under another journey's lock, such as a hold, is taken into account before anything is sent.
    dunning = await _conclude(tx, standing.debt)
    rules = rules_for(standing.debt.currency)
    if rules is None or not is_due(dunning, now=tx.now):
        return
    standing = await load_standing(tx, invoice_number=invoice_number)
    taken = any(step.lump_sum for step in standing.steps)
    step = take_step(
        dunning, debt=standing.debt, steps=standing.current_steps, rules=rules, now=tx.now, lump_sum_taken=taken
    )
    await store.insert_step(tx, invoice_number=invoice_number, step=step)
    provisional = rules.is_provisional(step.interest, rules.day_of(tx.now))
    tx.publish(step_reached(standing.debt, step, provisional=provisional))
    await _conclude(tx, standing.debt)


# What holds -----------------------------------------------------------------------------------------------------------
async def follow_case(
    tx: Transaction, *, case_id: UUID, journey_id: UUID, reason: HoldReason, unsettled: bool,
    invoice_number: str | None, sequence: int,
) -> None:  # fmt: skip
    """Hold the invoice that a case is about while it is unsettled, and release it once it is settled.

    The case's journey is locked. `sequence` rises with what the case says; what was said earlier and comes later
    changes nothing. So a release that comes before its hold is remembered.
    """
    affected = await _note_case(
        tx, case_id=case_id, reason=reason, unsettled=unsettled, invoice_number=invoice_number, sequence=sequence
    )
    for number in affected:
        await _reconsider_under_its_lock(tx, invoice_number=number, locked=journey_id)


async def preview_hold(
    tx: Transaction, *, invoice_number: str, ends_at: datetime, reason: str, agent: str, expected: ExpectedVersion
) -> Standing:
    """How dunning would stand if it were held by hand until then, for this reason. Nothing is stored.

    Raises DunningNotFound, PreconditionFailed, NothingToHold, HoldEndsTooEarly.
    """
    standing = await load_standing(tx, invoice_number=invoice_number, expected=expected)
    await refuse_own(tx, standing.debt.journey_id)
    if standing.dunning.stage is Stage.CLEARED:
        raise NothingToHold
    if ends_at <= tx.now:
        raise HoldEndsTooEarly
    hold = Hold(
        hold_id=ids.uuid7(tx.wall), invoice_number=invoice_number, reason=HoldReason.MANUAL, case_id=None,
        placed_at=tx.now, placed_by=agent, ends_at=ends_at, placed_because=reason,
    )  # fmt: skip
    return _as_held_by(standing, (*standing.holds, hold), tx.now)


async def place_hold(
    tx: Transaction, *, invoice_number: str, ends_at: datetime, reason: str, agent: str, expected: ExpectedVersion
) -> Standing:
    """Hold dunning by hand until then. Raises as `preview_hold` does."""
    drawn = await preview_hold(
        tx, invoice_number=invoice_number, ends_at=ends_at, reason=reason, agent=agent, expected=expected
    )
    hold = drawn.holds[-1]
    await store.insert_hold(tx, hold=hold)
    await tx.set_timer(
        HOLD_ENDS, key=drawn.debt.journey_id, subject=hold.hold_id, due_at=ends_at,
        payload={"invoice_number": invoice_number},
    )  # fmt: skip
    await _conclude(tx, drawn.debt)
    return await get_standing(tx, invoice_number=invoice_number)


async def preview_release(
    tx: Transaction, *, invoice_number: str, hold_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Standing:
    """How dunning would stand if a hold by hand ended now. Nothing is stored.

    Raises DunningNotFound, PreconditionFailed, HoldNotFound, HoldOfCase.
    """
    standing = await load_standing(tx, invoice_number=invoice_number, expected=expected)
    await refuse_own(tx, standing.debt.journey_id)
    hold = next((hold for hold in standing.holds if hold.hold_id == hold_id), None)
    if hold is None:
        raise HoldNotFound
    if hold.case_id is not None:
        raise HoldOfCase
    over = replace(hold, released_at=tx.now, released_by=agent, released_because=reason)
    released = over if hold.released_at is None else hold
    return _as_held_by(standing, tuple(released if one is hold else one for one in standing.holds), tx.now)


async def release_hold(
    tx: Transaction, *, invoice_number: str, hold_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Standing:
    """End a hold that was placed by hand. Raises as `preview_release` does."""
    drawn = await preview_release(
        tx, invoice_number=invoice_number, hold_id=hold_id, reason=reason, agent=agent, expected=expected
    )
    await store.update_hold_released(tx, hold_ids=[hold_id], at=tx.now, by=agent, because=reason)
    await tx.cancel_timer(HOLD_ENDS, subject=hold_id)
    await _conclude(tx, drawn.debt)
    return await get_standing(tx, invoice_number=invoice_number)


def _as_held_by(standing: Standing, holds: tuple[Hold, ...], now: datetime) -> Standing:
    dunning = reconsidered(
        standing.dunning, debt=standing.debt, holds=holds, steps=standing.current_steps,
        rules=rules_for(standing.debt.currency), now=now,
    )  # fmt: skip
    next_step_at = dunning.next_step_at.astimezone(UTC) if dunning.next_step_at else None
    return replace(standing, dunning=replace(dunning, next_step_at=next_step_at), holds=holds)


# What all of them share -----------------------------------------------------------------------------------------------
async def get_standing(tx: Transaction, *, invoice_number: str) -> Standing:
    """Everything that dunning of this invoice rests on. Raises DunningNotFound."""
    dunning = await store.find_dunning(tx, invoice_number=invoice_number)
    if dunning is None:
        raise DunningNotFound
    (debt,) = await store.find_debts(tx, invoice_numbers=[invoice_number])
    return Standing(
        dunning=dunning,
        debt=debt,
        holds=tuple(await store.list_holds(tx, invoice_number=invoice_number)),
        steps=tuple(await store.list_steps(tx, invoice_number=invoice_number)),
    )


async def load_standing(tx: Transaction, *, invoice_number: str, expected: ExpectedVersion = ANY_VERSION) -> Standing:
    """Lock the invoice's journey, and read what dunning rests on. Raises DunningNotFound, PreconditionFailed."""
    # The journey of an invoice never changes, so it may be read before the lock; all else is read after it.
    known = await store.find_dunning(tx, invoice_number=invoice_number)
    if known is None:
        raise DunningNotFound
    await tx.lock(known.journey_id)
    standing = await get_standing(tx, invoice_number=invoice_number)
    expected.check(standing.dunning.version)
    return standing


async def _conclude(tx: Transaction, debt: Debt) -> Dunning:
    """Conclude how it stands, store it with its timer, and announce what changed."""
    number = debt.invoice_number
    await store.upsert_meeting_row(tx, invoice_number=number)
    before = await store.find_dunning(tx, invoice_number=number)
    holds = await store.list_holds(tx, invoice_number=number)
    steps = await store.list_steps(tx, invoice_number=number)
    current = [step for step in steps if before is not None and step.round == before.round]
    rules = rules_for(debt.currency)
    dunning = reconsidered(before, debt=debt, holds=holds, steps=current, rules=rules, now=tx.now)
    if dunning == before:
        return dunning
    await store.update_dunning(tx, dunning=dunning)
    subject = ids.derived(STEP, number)
    if dunning.next_step_at is None:
        await tx.cancel_timer(STEP, subject=subject)
    elif before is None or before.next_step_at != dunning.next_step_at:
        told = {"invoice_number": number}
        await tx.set_timer(STEP, key=debt.journey_id, subject=subject, due_at=dunning.next_step_at, payload=told)
    announce(tx, before, dunning, holds)
    return dunning


async def _note_case(
    tx: Transaction, *, case_id: UUID, reason: HoldReason, unsettled: bool, invoice_number: str | None, sequence: int
) -> list[str]:
    """Place and release holds as the case says, and tell which invoices that concerns."""
    case = await store.upsert_holding_case(
        tx, case_id=case_id, reason=reason, unsettled=unsettled, invoice_number=invoice_number, sequence=sequence
    )
    wanted = {case.invoice_number} if case.unsettled and case.invoice_number else set()
    placed = await store.list_holds_of_case(tx, case_id=case_id)
    over = {hold.invoice_number: hold.hold_id for hold in placed if hold.invoice_number not in wanted}
    new = wanted - {hold.invoice_number for hold in placed}
    for number in sorted(new | over.keys()):
        await store.upsert_meeting_row(tx, invoice_number=number)
    await store.update_hold_released(tx, hold_ids=over.values(), at=tx.now, by=reason)
    for number in new:
        hold = Hold(
            hold_id=ids.derived("hold", case_id, number, sequence), invoice_number=number, reason=case.reason,
            case_id=case_id, placed_at=tx.now, placed_by=reason,
        )  # fmt: skip
        await store.insert_hold(tx, hold=hold)
    return sorted(new | over.keys())


async def _reconsider_under_its_lock(tx: Transaction, *, invoice_number: str, locked: UUID) -> None:
    dunning = await store.find_dunning(tx, invoice_number=invoice_number)
    if dunning is None:
        return  # the invoice is reconsidered when it comes, and finds what was written here
    if dunning.journey_id == locked:
        await reconsider(tx, [invoice_number])
        return
    subject = ids.derived(RECONSIDER, invoice_number)
    told = {"invoice_number": invoice_number}
    await tx.set_timer(RECONSIDER, key=dunning.journey_id, subject=subject, due_at=tx.now, payload=told)
