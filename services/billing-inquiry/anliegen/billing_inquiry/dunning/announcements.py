"""What dunning tells the others: how it changed, and each step that was taken."""

from collections.abc import Iterable

from anliegen.events import DunningCleared, DunningHeld, DunningReleased, DunningStepReached, Money
from anliegen.kit import Transaction

from .domain import Debt, Dunning, Hold, Stage, Step


def announce(tx: Transaction, before: Dunning | None, after: Dunning, holds: Iterable[Hold]) -> None:
    """Tell what of dunning has changed: cleared, held, released."""
    was_held = before is not None and before.held and before.stage is not Stage.CLEARED
    is_held = after.held and after.stage is not Stage.CLEARED
    what = {"journey_id": after.journey_id, "invoice_number": after.invoice_number}
    if after.stage is Stage.CLEARED:
        if before is not None and before.stage is not Stage.CLEARED and (before.is_running or was_held):
            tx.publish(DunningCleared(**what, level=before.level))
    elif is_held and not was_held:
        # Of several the one that was placed last has just made the difference.
        hold = max((hold for hold in holds if hold.in_force(tx.now)), key=lambda hold: hold.placed_at)
        tx.publish(DunningHeld(**what, reason=hold.reason, case_id=hold.case_id, ends_at=hold.ends_at))
    elif was_held and not is_held:
        tx.publish(DunningReleased(**what, next_step_at=after.next_step_at))


def step_reached(debt: Debt, step: Step, *, provisional: bool) -> DunningStepReached:
    """A step as the others hear of it. `provisional`: the base rate of its day is not published yet."""

    def money(amount: int) -> Money:
        return Money(amount=amount, currency=debt.currency)

    return DunningStepReached(
        journey_id=debt.journey_id, invoice_number=debt.invoice_number, step=step.name, level=step.level,
        round=step.round, open_amount=money(step.open_amount), fee=money(step.fee), interest=money(step.interest),
        lump_sum=money(step.lump_sum), asked=money(step.asked), default_since=step.default_since, pay_by=step.pay_by,
        pack=step.pack, interest_provisional=provisional,
    )  # fmt: skip
