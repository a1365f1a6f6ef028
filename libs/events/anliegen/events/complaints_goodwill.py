"""What complaints announces of goodwill: what was decided, given, used, taken back, and what it was good for."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import JourneyEvent, Money, Part


class GoodwillStep(Part):
    """One step of a decision about goodwill."""

    rule: str = Field(max_length=40)
    """The rule of the policy: `share_of_value`, `acquisition_cost`, `budget` …"""
    says: str = Field(max_length=500)
    """What it says here, in English: figures of the policy and of this case."""
    amount: int
    """The amount after this step, in minor units."""


class GoodwillEvent(JourneyEvent):
    """A fact about one goodwill: something that a customer is given to make good what went wrong."""

    goodwill_id: UUID
    """Names the goodwill."""
    proposal_id: UUID
    """The proposal that it came from."""
    case_id: UUID
    """The case in which something is made good, of any task."""

    @property
    def subject(self) -> str:
        return str(self.case_id)


class GoodwillDecided(GoodwillEvent, type="complaints.goodwill_decided.v1"):
    """A proposal was decided, by the policy or by a person in the approval chain."""

    outcome: str = Field(max_length=40)
    """`approved`, `reduced`, `waits_for_approval` or `declined`."""
    kind: str = Field(max_length=40)
    """`voucher`, `credit`, `credit_next_period`, `discount`, `gift` or `extra_service`."""
    amount: Money
    """What was decided; what is waited for where it waits, nothing where it is declined by the policy."""
    explanation: tuple[GoodwillStep, ...]
    """Every step of the policy, in order."""
    pack: str = Field(max_length=100)
    """The policy and its version."""
    decided_by: str | None = Field(default=None, max_length=200)
    """Who decided: an agent's id; none where it waits or the policy declined it."""
    decided_at: AwareDatetime
    """When."""
    waits_for: str | None = Field(default=None, max_length=60)
    """Who in the approval chain can decide it, where it waits: `supervisor`, `agent_tier_3` …"""
    decline_reason: str | None = Field(default=None, max_length=40)
    """The rule that left nothing, or the reason that a person gave."""
    other_ways: tuple[Annotated[str, Field(max_length=40)], ...] = ()
    """What is offered instead where it is declined: nobody hears only no."""
    alternatives: tuple[Annotated[str, Field(max_length=40)], ...] = ()
    """Which other kinds the customer may choose."""
    invoice_number: str | None = Field(default=None, max_length=60)
    """The invoice that was wrong, where it is about one."""


class GoodwillIssued(GoodwillEvent, type="complaints.goodwill_issued.v1"):
    """The customer has it. Whoever books credits books it now."""

    kind: str = Field(max_length=40)
    """The kind that was proposed, or that the customer chose instead."""
    amount: Money
    """What it is worth."""
    valid_from: AwareDatetime
    """From when on."""
    valid_until: AwareDatetime | None = None
    """Until when it can be redeemed, this moment not included; none for credits, which do not lapse."""
    code: str | None = Field(default=None, max_length=40)
    """What redeems it: who knows the code has the money. Credits have none."""
    invoice_number: str | None = Field(default=None, max_length=60)
    """The invoice that was wrong, where it is about one."""


class GoodwillRedeemed(GoodwillEvent, type="complaints.goodwill_redeemed.v1"):
    """An order used it, or a part of it."""

    kind: str = Field(max_length=40)
    """As it was issued."""
    amount: Money
    """What the order used."""
    left: Money
    """What is left of it."""
    order_reference: str = Field(max_length=100)
    """The order, as the shop names it."""
    redeemed_at: AwareDatetime
    """When."""


class GoodwillExpired(GoodwillEvent, type="complaints.goodwill_expired.v1"):
    """An offer that nobody took up, or a code that nobody redeemed in time, is worth nothing any more."""

    kind: str = Field(max_length=40)
    """As it was proposed or issued."""
    left: Money
    """What was left of it."""
    was_issued: bool
    """Whether the customer had it already."""
    expired_at: AwareDatetime
    """When."""


class GoodwillWithdrawn(GoodwillEvent, type="complaints.goodwill_withdrawn.v1"):
    """It was taken back. Whoever booked a credit reverses it now."""

    kind: str = Field(max_length=40)
    """As it was proposed or issued."""
    amount: Money
    """What is taken back: what was not redeemed."""
    reason: str = Field(max_length=40)
    """A code of the policy: `given_by_mistake`, `goods_returned` …"""
    withdrawn_by: str = Field(max_length=200)
    """Who took it back: an agent's id."""
    was_issued: bool
    """Whether the customer had it already."""
    withdrawn_at: AwareDatetime
    """When."""
    invoice_number: str | None = Field(default=None, max_length=60)
    """The invoice that was wrong, where it is about one."""


class GoodwillEffectMeasured(GoodwillEvent, type="complaints.goodwill_effect_measured.v1"):
    """Some time after the issue it was looked at what it was good for, as far as that can be known."""

    kind: str = Field(max_length=40)
    """As it was issued."""
    amount: Money
    """What was given."""
    kept: str = Field(max_length=20)
    """Whether the customer stayed: `yes`, `no` or `unknown`."""
    bought_again: str = Field(max_length=20)
    """Whether the customer bought again: `yes`, `no` or `unknown`."""
    issued_at: AwareDatetime
    """When it was issued."""
    measured_at: AwareDatetime
    """When it was looked at."""
