"""What a goodwill is, which ways it can go, and who may send it there. Pure: time, ids and codes are arguments."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from anliegen.kit import ids

from .errors import (
    KindNotOffered,
    LimitReached,
    MoreThanLeft,
    MoreThanProposed,
    NotCompetent,
    NotOffered,
    NotRedeemable,
    NotWaiting,
    NotWithdrawable,
    OwnProposal,
    ReasonUnknown,
    RedeemedWhole,
)
from .limits import Bound, Given, bounds, competence_bounds, segment_bound
from .policy import GoodwillKind, Policy
from .reckoning import Decision, Outcome, Person, Proposal


class State(StrEnum):
    """Where a goodwill stands."""

    WAITING = "waiting_for_approval"
    DECLINED = "declined"
    APPROVED = "approved"
    ISSUED = "issued"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Answer(StrEnum):
    """What is known about an effect."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Sign(StrEnum):
    """What was seen of a customer. A purchase is an invoice or something redeemed with an order."""

    CANCELLATION = "cancellation"
    PURCHASE = "purchase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What became of the customer: measured once, over the days after the issue."""

    kept: Answer
    bought_again: Answer
    measured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodwill:
    """One goodwill. `amount` is what was decided; `taken` is what was redeemed of it. `version` rises with changes.

    `issues_at_once`: another service waits for it, so it is issued as soon as it is approved, with no choice of kind.
    """

    goodwill_id: UUID
    proposal: Proposal
    decision: Decision
    kind: GoodwillKind
    state: State
    amount: int
    proposed_at: datetime
    issues_at_once: bool = False
    decided_by: str | None = None
    decided_at: datetime | None = None
    decline_reason: str | None = None
    offered_until: datetime | None = None
    issued_at: datetime | None = None
    valid_until: datetime | None = None
    code: str | None = None
    taken: int = 0
    ended_at: datetime | None = None
    withdrawal_reason: str | None = None
    effect: Effect | None = None
    version: int = 1

    @classmethod
    def proposed(
        cls, proposal: Proposal, decision: Decision, *, at: datetime, policy: Policy, issues_at_once: bool = False
    ) -> Self:
        """What becomes of a proposal; its id follows from the proposal's, so the same one is never decided twice."""
        states = {Outcome.WAITS_FOR_APPROVAL: State.WAITING, Outcome.DECLINED: State.DECLINED}
        state = states.get(decision.outcome, State.APPROVED)
        approved = state is State.APPROVED
        return cls(
            goodwill_id=goodwill_id_of(proposal.proposal_id),
            proposal=proposal,
            decision=decision,
            kind=proposal.kind,
            state=state,
            amount=decision.amount,
            proposed_at=at,
            issues_at_once=issues_at_once,
            decided_by=proposal.by.subject if approved else None,
            decided_at=None if state is State.WAITING else at,
            decline_reason=decision.declined_by,
            offered_until=at + timedelta(days=policy.offer_days) if approved else None,
            ended_at=at if state is State.DECLINED else None,
        )

    @property
    def left(self) -> int:
        """What is not redeemed yet."""
        return self.amount - self.taken

    @property
    def is_withdrawable(self) -> bool:
        """Whether there is anything to take back."""
        return self.state in {State.WAITING, State.APPROVED, State.ISSUED}

    @property
    def counts(self) -> int:
        """What it takes from budget and limits: the amount while it is given, what was redeemed once it ended."""
        if self.state in {State.WAITING, State.DECLINED}:
            return 0
        return self.taken if self.state in {State.EXPIRED, State.WITHDRAWN} else self.amount

    # What the next in the chain does ----------------------------------------------------------------------------------
    def approved(self, by: Person, given: Given, *, at: datetime, policy: Policy, amount: int | None = None) -> Self:
        """Somebody competent approves all of it or less.

        Raises NotWaiting, OwnProposal, MoreThanProposed, NotCompetent, LimitReached.
        """
        self._decidable_by(by)
        wanted = self.amount if amount is None else amount
        if wanted > self.amount:
            raise MoreThanProposed
        currency, segment = self.proposal.currency, self.proposal.segment
        competence, month = competence_bounds(by.roles, by.tier, currency, given, policy)
        unproven = segment_bound(currency, segment, given, policy)
        vouches = unproven is not None and unproven.room < wanted
        if competence.room < wanted or (vouches and not by.roles & policy.segment_vouched_by):
            raise NotCompetent(waits_for=policy.first_who_may(currency, wanted, vouches=vouches).name)
        for bound in (month, *bounds(currency, segment, given, policy)):
            _refuse_beyond(bound, wanted)
        return self._changed(
            state=State.APPROVED,
            amount=wanted,
            decided_by=by.subject,
            decided_at=at,
            offered_until=at + timedelta(days=policy.offer_days),
        )

    def declined(self, by: Person, reason: str, *, at: datetime, policy: Policy) -> Self:
        """Somebody else than the proposer declines it. Raises NotWaiting, OwnProposal, NotCompetent, ReasonUnknown."""
        self._decidable_by(by)
        if reason not in policy.decline_reasons:
            raise ReasonUnknown(known=sorted(policy.decline_reasons))
        if policy.competence(self.proposal.currency, by.roles, by.tier) < self.amount:
            raise NotCompetent(waits_for=policy.first_who_may(self.proposal.currency, self.amount).name)
        return self._changed(
            state=State.DECLINED, decided_by=by.subject, decided_at=at, decline_reason=reason, ended_at=at
        )

    def _decidable_by(self, by: Person) -> None:
        if self.state is not State.WAITING:
            raise NotWaiting
        if by.subject == self.proposal.by.subject:
            raise OwnProposal

    # The way to the customer and back ---------------------------------------------------------------------------------
    def issued(self, *, kind: GoodwillKind, code: str | None, at: datetime, policy: Policy) -> Self:
        """The customer has it, in the kind that was chosen. Raises NotOffered, KindNotOffered."""
        over = self.offered_until is not None and at >= self.offered_until
        if self.state is not State.APPROVED or over:
            raise NotOffered
        if kind is not self.proposal.kind and kind not in self.decision.alternatives:
            raise KindNotOffered(offered=[self.proposal.kind, *self.decision.alternatives])
        rules = policy.kinds[kind]
        return self._changed(
            state=State.ISSUED,
            kind=kind,
            code=code if rules.redeemable else None,
            issued_at=at,
            valid_until=None if rules.valid_days is None else at + timedelta(days=rules.valid_days),
        )

    def redeemed(self, amount: int, *, at: datetime, policy: Policy) -> Self:
        """The customer used it, or a part of it. Raises NotRedeemable, MoreThanLeft, RedeemedWhole."""
        rules = policy.kinds[self.kind]
        over = self.valid_until is not None and at >= self.valid_until
        if self.state is not State.ISSUED or not rules.redeemable or over:
            raise NotRedeemable
        if amount > self.left:
            raise MoreThanLeft(left=self.left)
        if amount < self.left and not rules.divisible:
            raise RedeemedWhole(left=self.left)
        whole = amount == self.left
        return self._changed(
            taken=self.taken + amount,
            state=State.REDEEMED if whole else State.ISSUED,
            ended_at=at if whole else None,
        )

    def withdrawn(self, reason: str, *, at: datetime, policy: Policy) -> Self:
        """It is taken back, or what is left of it. Raises NotWithdrawable, ReasonUnknown."""
        if reason not in policy.withdrawal_reasons:
            raise ReasonUnknown(known=sorted(policy.withdrawal_reasons))
        if not self.is_withdrawable:
            raise NotWithdrawable
        return self._changed(state=State.WITHDRAWN, withdrawal_reason=reason, ended_at=at)

    def reminds_at(self, policy: Policy) -> datetime | None:
        """When the customer is reminded of a code that is about to lapse."""
        if self.state is not State.ISSUED or self.valid_until is None:
            return None
        return self.valid_until - timedelta(days=policy.remind_days)

    # What time does ---------------------------------------------------------------------------------------------------
    @property
    def lapses_at(self) -> datetime | None:
        """When it ends by itself: an offer that nobody takes up, a code that nobody redeems. A credit never does."""
        if self.state is State.APPROVED:
            return self.offered_until
        return self.valid_until if self.state is State.ISSUED else None

    def expired(self, *, at: datetime) -> Self:
        """Its time passed."""
        return self._changed(state=State.EXPIRED, ended_at=at)

    def measured(self, effect: Effect) -> Self:
        """It is known what became of the customer, as far as it can be."""
        return self._changed(effect=effect)

    def _changed(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


def goodwill_id_of(proposal_id: UUID) -> UUID:
    """The id of the goodwill that a proposal leads to."""
    return ids.derived("goodwill", proposal_id)


def effect_of(after: "frozenset[Sign] | set[Sign]", *, purchases_are_seen: bool, at: datetime) -> Effect:
    """What the signs after the issue say; where they say nothing, that is what is said.

    Without a purchase it can be told that nobody bought again only where this person's purchases are seen at all. A
    contact alone does not show that somebody stays, and a cancellation that was followed by a purchase shows nothing.
    """
    bought, cancelled = Sign.PURCHASE in after, Sign.CANCELLATION in after
    again = Answer.YES if bought else Answer.NO if purchases_are_seen else Answer.UNKNOWN
    kept = Answer.UNKNOWN if bought is cancelled else Answer.YES if bought else Answer.NO
    return Effect(kept=kept, bought_again=again, measured_at=at)


def _refuse_beyond(bound: Bound, amount: int) -> None:
    if amount > bound.room:
        raise LimitReached(f"{LimitReached.__doc__} {bound.says}", rule=bound.rule, room=max(bound.room, 0))
