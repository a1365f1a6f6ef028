"""Door 1 of goodwill: what other services propose, and what is seen of customers."""

from anliegen.events import (
    Assurance,
    CaseEvent,
    Channel,
    ContactReceived,
    ContactTriaged,
    Flag,
    GoodwillProposalWithdrawn,
    GoodwillProposed,
    InvoiceIssued,
)
from anliegen.kit import Delivery, Handlers, Timer, Timers, Transaction

from . import actions
from .domain import Sign
from .policy import GoodwillKind
from .reckoning import Person, Proposal
from .store import counts
from .store.ways import Way, insert_ways

READ_BY_ALL = frozenset({Channel.REVIEW, Channel.SOCIAL})
UNANSWERABLE = frozenset({Channel.PHONE, Channel.VISIT, Channel.LETTER, Channel.PARTNER})


def enter_handlers(handlers: Handlers, timers: Timers) -> None:
    """Enter what goodwill hears, and its timers, into the service's tables."""
    handlers.on_many(GoodwillProposed, over_person=True)(decide_proposals)
    handlers.on(GoodwillProposalWithdrawn)(withdraw_proposal)
    handlers.on_many(ContactReceived)(note_ways)
    handlers.on_many(ContactTriaged)(note_cancellations)
    handlers.on_many(InvoiceIssued)(note_purchases)
    handlers.on_many(CaseEvent)(note_failures)
    timers.on(actions.LAPSE)(let_lapse)
    timers.on(actions.REMINDER)(remind)
    timers.on(actions.EFFECT)(measure_effect)
    timers.on(actions.WORDS)(tell_later)


async def decide_proposals(deliveries: list[Delivery[GoodwillProposed]], tx: Transaction) -> None:
    """Decide what billing inquiry proposes, and issue at once what is approved: billing books it."""
    # One call for all pots: one after the other they could come in another order than that of their names.
    await tx.lock(*{actions.pot_of(delivery.event.amount.currency) for delivery in deliveries})
    for delivery in deliveries:
        tx.handling(delivery.envelope)
        event = delivery.event
        if event.amount.amount <= 0:
            continue  # nothing is proposed, and nothing may come of it
        if await counts.has_withdrawn_proposal(tx, proposal_id=event.proposal_id):
            continue  # the correction was undone before its proposal was heard of
        proposal = Proposal(
            proposal_id=event.proposal_id,
            journey_id=event.journey_id,
            case_id=event.case_id,
            kind=GoodwillKind(event.kind),
            currency=event.amount.currency,
            product_value=max(event.product_value.amount, 0),
            severity=event.severity,
            failures=event.failures,
            reason=event.reason,
            by=Person(subject=event.proposed_by, roles=frozenset(event.proposer_roles), tier=event.proposer_tier),
            asked=event.amount.amount,
            invoice_number=event.invoice_number,
        )
        await actions.propose(tx, proposal, issues_at_once=True)


async def withdraw_proposal(event: GoodwillProposalWithdrawn, tx: Transaction) -> None:
    """What was proposed, decided or issued for it is taken back, whether or not the proposal is known yet."""
    await actions.withdraw_proposal(
        tx, proposal_id=event.proposal_id, journey_id=event.journey_id, reason=event.reason, by=event.withdrawn_by,
        at=event.withdrawn_at,
    )  # fmt: skip


async def note_ways(deliveries: list[Delivery[ContactReceived]], tx: Transaction) -> None:
    """Remember by which contact a customer can be told what they were given, and by which not."""
    events = {delivery.event.contact_id: delivery.event for delivery in deliveries}
    ways = [
        Way(
            contact_id=event.contact_id,
            journey_id=event.journey_id,
            received_at=event.received_at,
            answerable=event.channel not in UNANSWERABLE,
            # Whoever only claims a number is in its journey all the same.
            safe=event.channel not in READ_BY_ALL
            and not event.automatic
            and (event.customer_number is None or event.assurance is Assurance.VERIFIED),
        )
        for _, event in sorted(events.items())
    ]
    await insert_ways(tx, ways=ways)


async def note_cancellations(deliveries: list[Delivery[ContactTriaged]], tx: Transaction) -> None:
    """A customer who cancels does not stay, unless a purchase follows."""
    seen = {
        (d.event.journey_id, d.event.decided_at)
        for d in deliveries
        if any(Flag.CANCELLATION in concern.flags for concern in d.event.concerns)
    }
    await counts.insert_signs(tx, sign=Sign.CANCELLATION, seen=seen)


async def note_purchases(deliveries: list[Delivery[InvoiceIssued]], tx: Transaction) -> None:
    """Who is charged for something new has bought; a correction of what was charged before is no purchase."""
    seen = {
        (d.event.journey_id, d.event.occurred_at) for d in deliveries if d.event.total > 0 and d.event.replaces is None
    }
    await counts.insert_signs(tx, sign=Sign.PURCHASE, seen=seen)


async def note_failures(deliveries: list[Delivery[CaseEvent]], tx: Transaction) -> None:
    """What went wrong for a customer weighs in what is given."""
    failures = {
        one.failure_id: (one.failure_id, event.journey_id, one.occurred_at)
        for event in (delivery.event for delivery in deliveries)
        if (one := event.failure) is not None
    }
    await counts.insert_failures(tx, failures=list(failures.values()))


async def let_lapse(timer: Timer, tx: Transaction) -> None:
    """Nobody took up the offer, or redeemed the code, in time."""
    await actions.let_lapse(tx, goodwill_id=timer.subject)


async def remind(timer: Timer, tx: Transaction) -> None:
    """A code is about to lapse: its customer hears of it in time."""
    await actions.remind(tx, goodwill_id=timer.subject)


async def tell_later(timer: Timer, tx: Transaction) -> None:
    """Words about an issue that waited for their contact."""
    await actions.tell_later(tx, goodwill_id=timer.subject)


async def measure_effect(timer: Timer, tx: Transaction) -> None:
    """So long after the issue it shows what it was good for."""
    await actions.measure_effect(tx, goodwill_id=timer.subject)
