"""What is told about goodwill: to all services, and to the customer."""

from typing import Any

from anliegen.events import (
    GoodwillDecided,
    GoodwillEffectMeasured,
    GoodwillExpired,
    GoodwillIssued,
    GoodwillRedeemed,
    GoodwillStep,
    GoodwillWithdrawn,
    Money,
)
from anliegen.kit import Transaction

from .domain import Effect, Goodwill, State
from .reckoning import Outcome


def announce_decision(tx: Transaction, goodwill: Goodwill) -> None:
    """Tell what was decided, and by which steps."""
    decision = goodwill.decision
    tx.publish(
        GoodwillDecided(
            **_about(goodwill),
            outcome=_outcome_of(goodwill),
            kind=goodwill.kind,
            amount=_money(goodwill, goodwill.amount),
            explanation=tuple(GoodwillStep(rule=s.rule, says=s.says, amount=s.amount) for s in decision.steps),
            pack=decision.pack,
            decided_by=goodwill.decided_by,
            decided_at=tx.now,
            waits_for=decision.waits_for if goodwill.state is State.WAITING else None,
            decline_reason=goodwill.decline_reason,
            other_ways=decision.other_ways if goodwill.state is State.DECLINED else (),
            alternatives=decision.alternatives,
            invoice_number=goodwill.proposal.invoice_number,
        )
    )


def announce_issue(tx: Transaction, goodwill: Goodwill) -> None:
    """Tell that the customer has it."""
    assert goodwill.issued_at is not None
    tx.publish(
        GoodwillIssued(
            **_about(goodwill),
            kind=goodwill.kind,
            amount=_money(goodwill, goodwill.amount),
            valid_from=goodwill.issued_at,
            valid_until=goodwill.valid_until,
            code=goodwill.code,
            invoice_number=goodwill.proposal.invoice_number,
        )
    )


def announce_redemption(tx: Transaction, goodwill: Goodwill, *, used: int, order_reference: str) -> None:
    """Tell what an order used of it."""
    tx.publish(
        GoodwillRedeemed(
            **_about(goodwill),
            kind=goodwill.kind,
            amount=_money(goodwill, used),
            left=_money(goodwill, goodwill.left),
            order_reference=order_reference,
            redeemed_at=tx.now,
        )
    )


def announce_withdrawal(tx: Transaction, goodwill: Goodwill, *, by: str) -> None:
    """Tell that it was taken back."""
    tx.publish(
        GoodwillWithdrawn(
            **_about(goodwill),
            kind=goodwill.kind,
            amount=_money(goodwill, goodwill.left),
            reason=goodwill.withdrawal_reason or "",
            withdrawn_by=by,
            withdrawn_at=tx.now,
            was_issued=goodwill.issued_at is not None,
            invoice_number=goodwill.proposal.invoice_number,
        )
    )


def announce_lapse(tx: Transaction, goodwill: Goodwill) -> None:
    """Tell that an offer or a code has lapsed."""
    tx.publish(
        GoodwillExpired(
            **_about(goodwill),
            kind=goodwill.kind,
            left=_money(goodwill, goodwill.left),
            was_issued=goodwill.issued_at is not None,
            expired_at=tx.now,
        )
    )


def announce_effect(tx: Transaction, goodwill: Goodwill, effect: Effect) -> None:
    """Tell what became of the customer."""
    assert goodwill.issued_at is not None
    tx.publish(
        GoodwillEffectMeasured(
            **_about(goodwill),
            kind=goodwill.kind,
            amount=_money(goodwill, goodwill.amount),
            kept=effect.kept,
            bought_again=effect.bought_again,
            issued_at=goodwill.issued_at,
            measured_at=effect.measured_at,
        )
    )


def shown_code(code: str) -> str:
    """A code in groups, as a person reads and types it."""
    return "-".join(code[place : place + 4] for place in range(0, len(code), 4))


def _about(goodwill: Goodwill) -> dict[str, Any]:
    proposal = goodwill.proposal
    return {
        "journey_id": proposal.journey_id,
        "case_id": proposal.case_id,
        "goodwill_id": goodwill.goodwill_id,
        "proposal_id": proposal.proposal_id,
    }


def _money(goodwill: Goodwill, amount: int) -> Money:
    return Money(amount=amount, currency=goodwill.proposal.currency)


def _outcome_of(goodwill: Goodwill) -> Outcome:
    """As it stands now: a proposal that waited may have been approved, with less perhaps, or declined since."""
    if goodwill.state is State.WAITING:
        return Outcome.WAITS_FOR_APPROVAL
    if goodwill.state is State.DECLINED:
        return Outcome.DECLINED
    if goodwill.decision.outcome is not Outcome.WAITS_FOR_APPROVAL:
        return goodwill.decision.outcome
    return Outcome.REDUCED if goodwill.amount < goodwill.decision.amount else Outcome.APPROVED
