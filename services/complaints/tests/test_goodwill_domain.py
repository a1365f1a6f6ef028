"""The goodwill policy, its worked examples, and what holds of every decision, whatever is proposed."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.complaints.goodwill.domain import Answer, Goodwill, Sign, State, effect_of
from anliegen.complaints.goodwill.errors import (
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
    SegmentUnknown,
)
from anliegen.complaints.goodwill.limits import Given, Rule, segment_bound, shown
from anliegen.complaints.goodwill.policy import FOLDER, GoodwillKind, policy_in_force, read_policy
from anliegen.complaints.goodwill.reckoning import Outcome, Person, Proposal, decide, share_of

POLICY = policy_in_force()
TEXT = (FOLDER / "goodwill.toml").read_text(encoding="utf-8")
EXAMPLES: list[dict[str, Any]] = tomllib.loads((FOLDER / "examples" / "goodwill.toml").read_text("utf-8"))["example"]
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AGENT = Person(subject="anna", roles=frozenset({"agent"}))
BEAT = Person(subject="beat", roles=frozenset({"agent"}))
SUPERVISOR = Person(subject="sara", roles=frozenset({"supervisor"}))
NOTHING = Given()


def proposal(**fields: Any) -> Proposal:
    usual: dict[str, Any] = {
        "proposal_id": uuid4(), "journey_id": uuid4(), "case_id": uuid4(), "kind": GoodwillKind.VOUCHER,
        "currency": "EUR", "product_value": 12_500, "severity": 3, "failures": 1, "reason": "late_delivery",
        "by": AGENT,
    }  # fmt: skip
    return Proposal(**usual | fields)


def decided(given: Given = NOTHING, **fields: Any) -> Goodwill:
    wanted = proposal(**fields)
    return Goodwill.proposed(wanted, decide(wanted, given, POLICY), at=NOW, policy=POLICY)


def issued(**fields: Any) -> Goodwill:
    goodwill = decided(**fields)
    return goodwill.issued(kind=goodwill.proposal.kind, code="CODE", at=NOW, policy=POLICY)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"])
def test_worked_example_comes_out_as_agreed(example: dict[str, Any]) -> None:
    by = Person(subject="anna", roles=frozenset(example["proposer"]["roles"]), tier=example["proposer"]["tier"])
    names = ("currency", "product_value", "severity", "failures", "segment", "asked")
    fields = {name: example[name] for name in names if name in example}
    decision = decide(
        proposal(kind=GoodwillKind(example["kind"]), by=by, **fields), Given(**example.get("given", {})), POLICY
    )
    assert (decision.outcome, decision.amount) == (example["outcome"], example["amount"])
    assert decision.waits_for == example.get("waits_for")
    assert decision.declined_by == example.get("declined_by")
    if "rules" in example:
        assert [step.rule for step in decision.steps] == example["rules"]
    assert decision.steps[-1].amount == decision.amount
    assert decision.pack == POLICY.pack


# Whatever is proposed ---------------------------------------------------------------------------------------------
currencies = st.sampled_from(sorted(POLICY.currencies))
amounts = st.integers(0, 1_000_000)


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    currency = draw(currencies)
    return proposal(
        currency=currency,
        kind=draw(st.sampled_from(sorted(POLICY.kinds))),
        product_value=draw(amounts),
        severity=draw(st.integers(1, 4)),
        failures=draw(st.integers(0, 9)),
        segment=draw(st.sampled_from([None, *sorted(POLICY.currencies[currency].acquisition_cost)])),
        asked=draw(st.none() | st.integers(1, 1_000_000)),
        by=Person(
            subject="anna",
            roles=frozenset(draw(st.sets(st.sampled_from(["agent", "supervisor", "administrator", "customer"])))),
            tier=draw(st.integers(1, 3)),
        ),
    )


givens = st.builds(
    Given,
    customer_times=st.integers(0, 4),
    customer_amount=amounts,
    agent_month=amounts,
    budget=amounts,
    together=amounts,
)


@given(proposals(), givens)
def test_no_decision_goes_beyond_any_limit(wanted: Proposal, counted: Given) -> None:
    rules = POLICY.currencies[wanted.currency]
    decision = decide(wanted, counted, POLICY)
    if decision.outcome is Outcome.DECLINED:
        assert decision.amount == 0 and decision.declined_by and decision.other_ways
        return
    assert decision.amount > 0
    assert decision.amount + counted.customer_amount < rules.cost_of_winning(wanted.segment)
    assert decision.amount + counted.customer_amount <= rules.most_for_customer
    assert counted.customer_times < POLICY.customer.most_times
    assert decision.amount + counted.budget <= rules.budget_per_month
    assert decision.amount <= max(wanted.product_value, rules.minimum) or wanted.asked is None
    if POLICY.kinds[wanted.kind].steps:
        assert decision.amount in rules.steps
    own = POLICY.competence(wanted.currency, wanted.by.roles, wanted.by.tier)
    competent = decision.amount + counted.together <= own
    unproven = segment_bound(wanted.currency, wanted.segment, counted, POLICY)
    competent = competent and (unproven is None or decision.amount <= unproven.room)
    month = POLICY.most_per_month(wanted.currency, wanted.by.roles, wanted.by.tier)
    waits = decision.outcome is Outcome.WAITS_FOR_APPROVAL
    assert waits is not (competent and decision.amount + counted.agent_month <= month)
    assert waits is (decision.waits_for is not None)


@given(proposals(), givens)
def test_every_decision_is_explained_to_its_end(wanted: Proposal, counted: Given) -> None:
    decision = decide(wanted, counted, POLICY)
    assert decision.steps[-1].amount == decision.amount
    assert all(step.says and len(step.says) <= 500 for step in decision.steps)
    assert decide(wanted, counted, POLICY) == decision


@given(proposals(), st.integers(1, 3), st.integers(0, 8))
def test_worse_never_gives_less(wanted: Proposal, severity: int, failures: int) -> None:
    mild = decide(replace(wanted, severity=severity, failures=failures), NOTHING, POLICY)
    worse = decide(replace(wanted, severity=severity + 1, failures=failures + 1), NOTHING, POLICY)
    assert worse.amount >= mild.amount


@pytest.mark.parametrize(
    ("amount", "shares", "result"), [(5, (1000,), 1), (4, (1000,), 0), (-5, (1000,), -1), (3333, (5000, 15_000), 2500)]
)
def test_a_share_is_rounded_once_half_away_from_zero(amount: int, shares: tuple[int, ...], result: int) -> None:
    assert share_of(amount, *shares) == result


@pytest.mark.parametrize(
    ("amount", "digits", "text"),
    [(2500, 2, "25.00 EUR"), (-5, 2, "-0.05 EUR"), (700, 0, "700 EUR"), (1, 3, "0.001 EUR")],
)
def test_amounts_are_shown_in_plain_figures(amount: int, digits: int, text: str) -> None:
    assert shown(amount, "EUR", digits) == text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("of_value = [500, 1000, 2000, 3500]", "of_value = [500, 1000, 2000, 1500]"),
        ("of_failures = [10000, 15000, 20000]", "of_failures = [10000, 5000, 20000]"),
        ("minimum = 500\n", "minimum = 600\n"),
        ("consumer = 8000", "consumer = 500"),
        ("competence = { agent = [2500, 5000, 10000]", "competence = { agent = [400, 5000, 10000]"),
        ("competence = { agent = [2500, 5000, 10000]", "competence = { agent = [2500, 5000]"),
        ("supervisor = [20000], administrator = [50000]", "supervisor = [60000], administrator = [50000]"),
        ("supervisor = [300000], administrator", "manager = [300000], administrator"),
        ('role = "supervisor"', 'role = "manager"'),
        ("steps = [500, 1000, 1500", "steps = [500, 1500, 1000"),
        ('credit = ["voucher"]', 'credit = ["flowers"]'),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match="validation error"):
        read_policy(TEXT.replace(old, new, 1))


def test_words_that_the_policy_does_not_know_are_refused() -> None:
    with pytest.raises(ReasonUnknown):
        proposal(reason="because").checked(POLICY)
    with pytest.raises(SegmentUnknown):
        proposal(segment="royal").checked(POLICY)
    assert proposal(segment="premium").checked(POLICY)


# The ways of one goodwill ---------------------------------------------------------------------------------------------
def waiting() -> Goodwill:
    goodwill = decided(product_value=20_000)
    assert (goodwill.state, goodwill.amount, goodwill.decided_by) == (State.WAITING, 4000, None)
    return goodwill


def test_somebody_competent_approves_what_waits() -> None:
    approved = waiting().approved(SUPERVISOR, NOTHING, at=NOW, policy=POLICY)
    assert (approved.state, approved.amount, approved.decided_by) == (State.APPROVED, 4000, "sara")
    assert waiting().approved(SUPERVISOR, NOTHING, at=NOW, policy=POLICY, amount=3000).amount == 3000


def test_nobody_decides_their_own_proposal_or_beyond_their_competence() -> None:
    promoted = replace(AGENT, roles=frozenset({"agent", "supervisor"}))
    with pytest.raises(OwnProposal):
        waiting().approved(promoted, NOTHING, at=NOW, policy=POLICY)
    with pytest.raises(OwnProposal):
        waiting().declined(promoted, "abuse", at=NOW, policy=POLICY)
    with pytest.raises(NotCompetent):
        waiting().approved(BEAT, NOTHING, at=NOW, policy=POLICY)
    with pytest.raises(NotCompetent):
        waiting().declined(BEAT, "abuse", at=NOW, policy=POLICY)
    with pytest.raises(MoreThanProposed):
        waiting().approved(SUPERVISOR, NOTHING, at=NOW, policy=POLICY, amount=4001)
    assert waiting().approved(BEAT, NOTHING, at=NOW, policy=POLICY, amount=2500).decided_by == "beat"


@pytest.mark.parametrize(
    ("counted", "rule"),
    [
        (Given(customer_times=3), Rule.CUSTOMER_TIMES),
        (Given(customer_times=1, customer_amount=4000), Rule.ACQUISITION_COST),
        (Given(budget=496_001), Rule.BUDGET),
        (Given(agent_month=296_001, budget=296_001), Rule.AGENT_MONTH),
    ],
)
def test_a_limit_that_was_reached_meanwhile_keeps_an_approval_back(counted: Given, rule: Rule) -> None:
    with pytest.raises(LimitReached) as refused:
        waiting().approved(SUPERVISOR, counted, at=NOW, policy=POLICY)
    assert refused.value.extra["rule"] == rule


def test_what_is_decided_is_decided_once() -> None:
    declined = waiting().declined(SUPERVISOR, "not_our_failure", at=NOW, policy=POLICY)
    assert (declined.state, declined.counts, declined.ended_at) == (State.DECLINED, 0, NOW)
    for again in (declined, decided()):
        with pytest.raises(NotWaiting):
            again.approved(SUPERVISOR, NOTHING, at=NOW, policy=POLICY)
    with pytest.raises(NotOffered):
        waiting().issued(kind=GoodwillKind.VOUCHER, code="X", at=NOW, policy=POLICY)


def test_the_customer_chooses_among_what_was_offered() -> None:
    goodwill = decided().issued(kind=GoodwillKind.GIFT, code="CODE", at=NOW, policy=POLICY)
    assert (goodwill.kind, goodwill.code, goodwill.valid_until) == (
        GoodwillKind.GIFT, "CODE", NOW + timedelta(days=90),
    )  # fmt: skip
    with pytest.raises(KindNotOffered):
        decided().issued(kind=GoodwillKind.CREDIT, code="CODE", at=NOW, policy=POLICY)
    with pytest.raises(NotOffered):
        decided().issued(kind=GoodwillKind.GIFT, code="CODE", at=NOW + timedelta(days=30), policy=POLICY)
    credit = issued(kind=GoodwillKind.CREDIT)
    assert (credit.code, credit.valid_until, credit.lapses_at) == (None, None, None), "what is booked does not lapse"
    with pytest.raises(NotRedeemable):
        credit.redeemed(credit.left, at=NOW, policy=POLICY)


def test_a_voucher_is_redeemed_once_and_whole() -> None:
    goodwill = issued()
    with pytest.raises(MoreThanLeft):
        goodwill.redeemed(2501, at=NOW, policy=POLICY)
    with pytest.raises(RedeemedWhole):
        goodwill.redeemed(2499, at=NOW, policy=POLICY)
    used = goodwill.redeemed(2500, at=NOW, policy=POLICY)
    assert (used.state, used.left, used.counts) == (State.REDEEMED, 0, 2500)
    for over in (used, goodwill.expired(at=NOW), goodwill.withdrawn("abuse", at=NOW, policy=POLICY)):
        with pytest.raises(NotRedeemable):
            over.redeemed(2500, at=NOW, policy=POLICY)
    with pytest.raises(NotRedeemable):
        goodwill.redeemed(2500, at=NOW + timedelta(days=365), policy=POLICY)


def test_a_divisible_voucher_is_redeemed_in_parts_and_counts_what_was_used_once_it_ended() -> None:
    policy = read_policy(TEXT.replace("divisible = false", "divisible = true", 1))
    part = issued().redeemed(1000, at=NOW, policy=policy)
    assert (part.state, part.left, part.counts) == (State.ISSUED, 1500, 2500)
    assert part.expired(at=NOW).counts == 1000
    assert part.redeemed(1500, at=NOW, policy=policy).state is State.REDEEMED


def test_what_is_taken_back_no_longer_counts() -> None:
    for goodwill in (waiting(), decided(), issued()):
        assert goodwill.withdrawn("given_by_mistake", at=NOW, policy=POLICY).counts == 0
    with pytest.raises(ReasonUnknown):
        issued().withdrawn("because", at=NOW, policy=POLICY)
    with pytest.raises(NotWithdrawable):
        issued().redeemed(2500, at=NOW, policy=POLICY).withdrawn("abuse", at=NOW, policy=POLICY)


@pytest.mark.parametrize(
    ("signs", "seen", "kept", "again"),
    [
        (set(), False, Answer.UNKNOWN, Answer.UNKNOWN),
        (set(), True, Answer.UNKNOWN, Answer.NO),
        ({Sign.PURCHASE}, True, Answer.YES, Answer.YES),
        ({Sign.CANCELLATION}, False, Answer.NO, Answer.UNKNOWN),
        ({Sign.CANCELLATION, Sign.PURCHASE}, True, Answer.UNKNOWN, Answer.YES),
    ],
)
def test_the_effect_is_told_as_far_as_it_is_known(signs: set[Sign], seen: bool, kept: Answer, again: Answer) -> None:
    effect = effect_of(signs, purchases_are_seen=seen, at=NOW)
    assert (effect.kept, effect.bought_again) == (kept, again)


def test_a_proposal_leads_to_one_goodwill() -> None:
    one, other = UUID(int=1), UUID(int=2)
    assert decided(proposal_id=one).goodwill_id == decided(proposal_id=one).goodwill_id
    assert decided(proposal_id=one).goodwill_id != decided(proposal_id=other).goodwill_id
