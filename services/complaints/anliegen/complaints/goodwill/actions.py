"""What is done with goodwill: lock, load, decide, save, announce.

Whom two of them at once meet, and who goes first:
- Everything about a goodwill happens under the lock of its journey, and is read after it. So two commands, a command
  and a timer, a redemption and a withdrawal come one after the other; the second finds what the first left.
- What is decided (a proposal, an approval) counts over a person and over a currency: the person's limits and the cost
  of winning a customer over all journeys of the person, budget and the deciders' months over all persons. So a decision
  locks the journey, the person's root and then the pot of its currency, in this order: the pot's key sorts after every
  journey's. Two decisions of one currency come one after the other, whoever they are for, and what counts is reckoned
  from the rows of all that were committed before.
- What ends a goodwill (withdrawal, lapse) only makes room, so it takes no pot: whoever decides at the same moment sees
  the room or does not, and stays within the limits either way. Redemption changes nothing of what counts.
- A handler of many proposals locks all their pots in one call, after the journeys, which the kit has locked.
"""

import base64
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from anliegen.kit import Transaction
from anliegen.kit.cases import refuse_own
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from . import announcements, telling
from .domain import Goodwill, Sign, State, effect_of, goodwill_id_of
from .limits import Given
from .policy import GoodwillKind, policy_in_force
from .reckoning import Decision, Person, Proposal, decide
from .store import counts, goodwills

PROPOSAL_WITHDRAWN = "proposal_withdrawn"
LAPSE = "goodwill_lapse"
EFFECT = "goodwill_effect"
REMINDER = "goodwill_reminder"
WORDS = "goodwill_words"
LOOKALIKES = str.maketrans("018", "OIB")
FEW_DAYS = timedelta(days=7)
"""Added to the 28th of any month, it leads into the next."""
CODE_BYTES = 10
"""80 bits: nobody guesses one in the life of a voucher."""


def pot_of(currency: str) -> str:
    """The key under which everything of one currency is decided. It sorts after every journey's."""
    return f"goodwill/{currency}"


# Deciding -------------------------------------------------------------------------------------------------------------
async def preview_proposal(tx: Transaction, proposal: Proposal) -> Decision:
    """What would be decided now; nothing is changed."""
    return decide(proposal, await _given(tx, proposal, decider=proposal.by.subject), policy_in_force())


async def count_failures(tx: Transaction, journey_id: UUID) -> int:
    """How many failures the person behind this journey is known to have suffered in the window."""
    window = timedelta(days=policy_in_force().share.window_days)
    return await counts.count_failures(tx, journey_ids=await tx.members(journey_id), since=tx.now - window)


async def propose(tx: Transaction, proposal: Proposal, *, issues_at_once: bool = False) -> Goodwill:
    """Decide a proposal; one that was decided already stays as it is."""
    await tx.lock_person(proposal.journey_id, also=[pot_of(proposal.currency)])
    known = await goodwills.find_goodwill(tx, goodwill_id=goodwill_id_of(proposal.proposal_id))
    if known is not None:
        return known
    policy = policy_in_force()
    decision = decide(proposal, await _given(tx, proposal, decider=proposal.by.subject), policy)
    goodwill = Goodwill.proposed(proposal, decision, at=tx.now, policy=policy, issues_at_once=issues_at_once)
    await goodwills.insert_goodwill(tx, goodwill)
    await _set_timers(tx, goodwill)
    announcements.announce_decision(tx, goodwill)
    if goodwill.state is State.APPROVED and issues_at_once:
        return await _issue(tx, goodwill, kind=goodwill.proposal.kind)
    return goodwill


async def approve(
    tx: Transaction, *, goodwill_id: UUID, by: Person, amount: int | None, expected: ExpectedVersion
) -> Goodwill:
    """Somebody whose competence reaches it approves all of it, or less.

    Raises GoodwillNotFound, PreconditionFailed, NotWaiting, OwnProposal, MoreThanProposed, NotCompetent, LimitReached.
    """
    before = await _load_to_decide(tx, goodwill_id, expected)
    given = await _given(tx, before.proposal, decider=by.subject)
    goodwill = before.approved(by, given, at=tx.now, policy=policy_in_force(), amount=amount)
    await _save(tx, goodwill)
    announcements.announce_decision(tx, goodwill)
    return await _issue(tx, goodwill, kind=goodwill.proposal.kind) if goodwill.issues_at_once else goodwill


async def decline(
    tx: Transaction, *, goodwill_id: UUID, by: Person, reason: str, expected: ExpectedVersion
) -> Goodwill:
    """Somebody else than the proposer declines it; the customer is offered another way.

    Raises GoodwillNotFound, PreconditionFailed, NotWaiting, OwnProposal, NotCompetent, ReasonUnknown.
    """
    before = await _load_to_decide(tx, goodwill_id, expected)
    goodwill = before.declined(by, reason, at=tx.now, policy=policy_in_force())
    await _save(tx, goodwill)
    announcements.announce_decision(tx, goodwill)
    return goodwill


# The way to the customer and back -------------------------------------------------------------------------------------
async def issue(
    tx: Transaction, *, goodwill_id: UUID, kind: GoodwillKind | None, expected: ExpectedVersion
) -> Goodwill:
    """Give the customer what was approved, in the kind that the customer chose.

    Raises GoodwillNotFound, PreconditionFailed, NotOffered, KindNotOffered.
    """
    before = await _load(tx, goodwill_id, expected)
    return await _issue(tx, before, kind=kind or before.proposal.kind)


async def redeem(tx: Transaction, *, code: str, order_reference: str, amount: int | None, by: str) -> Goodwill:
    """An order uses a code, for its whole worth where no amount is said; the same order again changes nothing.

    Raises CodeUnknown, NotRedeemable, MoreThanLeft, RedeemedWhole.
    """
    goodwill_id = await goodwills.get_goodwill_id_of_code(tx, code=plain_code(code))
    before = await _load(tx, goodwill_id)
    if any(
        one.order_reference == order_reference for one in await counts.list_redemptions(tx, goodwill_id=goodwill_id)
    ):
        return before
    used = before.left if amount is None else amount
    goodwill = before.redeemed(used, at=tx.now, policy=policy_in_force())
    await _save(tx, goodwill)
    await counts.insert_redemption(
        tx,
        counts.Redemption(
            goodwill_id=goodwill_id, order_reference=order_reference, amount=used, redeemed_by=by, redeemed_at=tx.now
        ),
    )
    await counts.insert_signs(tx, sign=Sign.PURCHASE, seen={(goodwill.proposal.journey_id, tx.now)})
    announcements.announce_redemption(tx, goodwill, used=used, order_reference=order_reference)
    return goodwill


async def withdraw(tx: Transaction, *, goodwill_id: UUID, reason: str, by: str, expected: ExpectedVersion) -> Goodwill:
    """Take it back, or what is left of it.

    Raises GoodwillNotFound, PreconditionFailed, NotWithdrawable, ReasonUnknown.
    """
    before = await _load(tx, goodwill_id, expected)
    goodwill = before.withdrawn(reason, at=tx.now, policy=policy_in_force())
    await _save(tx, goodwill)
    announcements.announce_withdrawal(tx, goodwill, by=by)
    # Who was never given anything hears nothing of it.
    if goodwill.issued_at is not None:
        await telling.tell_of_withdrawal(tx, goodwill)
    return goodwill


async def withdraw_proposal(
    tx: Transaction, *, proposal_id: UUID, journey_id: UUID, reason: str, by: str, at: datetime
) -> None:
    """What the proposal rested on does not hold: it is never decided, or what was decided is taken back.

    What is declined, over or wholly redeemed stays as it is: what a customer has used is the customer's.
    """
    await tx.lock(journey_id)
    await counts.insert_withdrawn_proposal(
        tx, proposal_id=proposal_id, journey_id=journey_id, reason=reason, by=by, at=at
    )
    known = await goodwills.find_goodwill(tx, goodwill_id=goodwill_id_of(proposal_id))
    if known is not None and known.is_withdrawable:
        await withdraw(tx, goodwill_id=known.goodwill_id, reason=PROPOSAL_WITHDRAWN, by=by, expected=ANY_VERSION)


# What time brings about -----------------------------------------------------------------------------------------------
async def let_lapse(tx: Transaction, *, goodwill_id: UUID) -> None:
    """End what nobody took up or redeemed in time."""
    before = await _load(tx, goodwill_id)
    ends_at = before.lapses_at
    if ends_at is None or ends_at > tx.now:
        return
    goodwill = before.expired(at=tx.now)
    await _save(tx, goodwill)
    announcements.announce_lapse(tx, goodwill)


async def remind(tx: Transaction, *, goodwill_id: UUID) -> None:
    """Remind the customer of a code that is about to lapse, once."""
    goodwill = await _load(tx, goodwill_id)
    remind_at, ends_at = goodwill.reminds_at(policy_in_force()), goodwill.valid_until
    if remind_at is None or ends_at is None or not remind_at <= tx.now < ends_at:
        return
    await telling.remind_of_end(tx, goodwill)


async def tell_later(tx: Transaction, *, goodwill_id: UUID) -> None:
    """The contact that was named was not heard of at the issue; by now it was, or there is none."""
    goodwill = await _load(tx, goodwill_id)
    if goodwill.state is State.ISSUED:
        await telling.tell_of_issue(tx, goodwill)


async def measure_effect(tx: Transaction, *, goodwill_id: UUID) -> None:
    """Look whether the customer stayed and bought again since the issue; what nobody can know stays unknown."""
    before = await _load(tx, goodwill_id)
    if before.issued_at is None or before.effect is not None or before.state is State.WITHDRAWN:
        return
    until = before.issued_at + timedelta(days=policy_in_force().effect_days)
    if until > tx.now:
        return
    members = await tx.members(before.proposal.journey_id)
    signs, seen = await counts.list_signs(tx, journey_ids=members, after=before.issued_at, until=until)
    effect = effect_of(signs, purchases_are_seen=seen, at=tx.now)
    goodwill = before.measured(effect)
    await goodwills.update_goodwill(tx, goodwill)
    announcements.announce_effect(tx, goodwill, effect)


# What all of them share -----------------------------------------------------------------------------------------------
def plain_code(code: str) -> str:
    """A code as it is kept, however a person typed it: it has no 0, 1 and 8, which are read for O, I and B."""
    return "".join(sign for sign in code.upper() if sign.isalnum()).translate(LOOKALIKES)


def begin_of_month(moment: datetime) -> datetime:
    """When the month of budgets began, in UTC."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


async def _given(tx: Transaction, proposal: Proposal, *, decider: str) -> Given:
    return await counts.get_given(
        tx,
        journey_ids=await tx.members(proposal.journey_id),
        currency=proposal.currency,
        decider=decider,
        since=tx.now - policy_in_force().window,
        together=tx.now - timedelta(days=policy_in_force().customer.together_days),
        month=begin_of_month(tx.now),
    )


async def _load(tx: Transaction, goodwill_id: UUID, expected: ExpectedVersion | None = None) -> Goodwill:
    # Whose a goodwill is never changes, so that may be read before the lock; all else is read after it.
    await tx.lock((await goodwills.get_goodwill(tx, goodwill_id=goodwill_id)).proposal.journey_id)
    goodwill = await goodwills.get_goodwill(tx, goodwill_id=goodwill_id)
    await refuse_own(tx, goodwill.proposal.journey_id)
    if expected is not None:
        expected.check(goodwill.version)
    return goodwill


async def _load_to_decide(tx: Transaction, goodwill_id: UUID, expected: ExpectedVersion) -> Goodwill:
    proposal = (await goodwills.get_goodwill(tx, goodwill_id=goodwill_id)).proposal
    await tx.lock_person(proposal.journey_id, also=[pot_of(proposal.currency)])
    return await _load(tx, goodwill_id, expected)


async def _issue(tx: Transaction, before: Goodwill, *, kind: GoodwillKind) -> Goodwill:
    code = base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()
    goodwill = before.issued(kind=kind, code=code, at=tx.now, policy=policy_in_force())
    await _save(tx, goodwill)
    effect_at = tx.now + timedelta(days=policy_in_force().effect_days)
    await tx.set_timer(EFFECT, key=goodwill.proposal.journey_id, subject=goodwill.goodwill_id, due_at=effect_at)
    announcements.announce_issue(tx, goodwill)
    if not await telling.tell_of_issue(tx, goodwill) and goodwill.proposal.contact_id is not None:
        due_at = tx.now + telling.HEARD_BY_THEN
        await tx.set_timer(WORDS, key=goodwill.proposal.journey_id, subject=goodwill.goodwill_id, due_at=due_at)
    return goodwill


async def _save(tx: Transaction, goodwill: Goodwill) -> None:
    await goodwills.update_goodwill(tx, goodwill)
    await _set_timers(tx, goodwill)


async def _set_timers(tx: Transaction, goodwill: Goodwill) -> None:
    lapses_at = goodwill.lapses_at
    if lapses_at is None:
        await tx.cancel_timer(LAPSE, subject=goodwill.goodwill_id)
    else:
        await tx.set_timer(LAPSE, key=goodwill.proposal.journey_id, subject=goodwill.goodwill_id, due_at=lapses_at)
    remind_at = goodwill.reminds_at(policy_in_force())
    if remind_at is None:
        await tx.cancel_timer(REMINDER, subject=goodwill.goodwill_id)
    elif remind_at > tx.now:
        await tx.set_timer(REMINDER, key=goodwill.proposal.journey_id, subject=goodwill.goodwill_id, due_at=remind_at)
    if goodwill.state is State.WITHDRAWN:
        await tx.cancel_timer(EFFECT, subject=goodwill.goodwill_id)
