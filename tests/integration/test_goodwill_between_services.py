"""Goodwill between the two services that it takes: what one announces is delivered to the other as it stands, in any
order and again. Billing inquiry proposes, complaints decides, billing books it for the next period and takes it back.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry.main import service as billing_inquiry
from anliegen.billing_inquiry.money import correct
from anliegen.billing_inquiry.money.drafts import LineChange
from anliegen.billing_inquiry.money.store import ledger
from anliegen.complaints.goodwill import actions as engine
from anliegen.complaints.goodwill.domain import State, goodwill_id_of
from anliegen.complaints.goodwill.policy import GoodwillKind
from anliegen.complaints.goodwill.reckoning import Person, Proposal
from anliegen.complaints.goodwill.store import goodwills
from anliegen.complaints.main import service as complaints
from anliegen.events import (
    BillingReplyRequested,
    ContactTriaged,
    ContentReference,
    GoodwillDecided,
    GoodwillExpired,
    GoodwillIssued,
    GoodwillProposalWithdrawn,
    GoodwillProposed,
    GoodwillWithdrawn,
    InvoiceIssued,
    InvoiceLine,
    JourneysMerged,
    codec,
)
from anliegen.events.builders import build
from anliegen.kit import Service, begin
from anliegen.kit.clock import FixedClock
from anliegen.kit.service import Context, open_context
from anliegen.kit.testing.clients import ISSUER, jwks_address
from anliegen.kit.testing.deliveries import Announced, Postman, announced
from anliegen.kit.testing.plugin import IDENTITY_SECRET
from anliegen.kit.ticker import fire_due_timers
from anliegen.kit.versions import ANY_VERSION

DOCUMENT = ContentReference(sha256="0" * 64, size=1, media_type="application/pdf", name="R-1-K1.pdf")
AGENT = frozenset({"agent"})
GOODWILL = (
    GoodwillDecided, GoodwillIssued, GoodwillWithdrawn, GoodwillExpired, GoodwillProposed, GoodwillProposalWithdrawn,
)  # fmt: skip


class Side:
    """One of the two services: its context, what reaches it, and what it announced since it was asked last."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.deliver = Postman(context).deliver
        self._seen = 0

    async def announced(self, *classes: type) -> list[Announced]:
        async with self.context.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT seq, type, payload FROM outbox WHERE seq > $1 ORDER BY seq", self._seen
            )
        self._seen = max((row["seq"] for row in rows), default=self._seen)
        events = [event for row in rows if (event := codec.decode(row["type"], row["payload"])) is not None]
        return [announced(event, at=self.context.clock.now()) for event in events if isinstance(event, classes)]

    async def fire(self) -> None:
        while await fire_due_timers(self.context):
            pass


class Both:
    """The two services and a customer who owes `R-1`."""

    def __init__(self, billing: Side, complaints: Side, clock: FixedClock) -> None:
        self.billing, self.complaints, self.clock = billing, complaints, clock
        self.journey = uuid4()

    async def issue(self, number: str, *, journey: UUID | None = None, days: int = 0) -> None:
        """An invoice of 50.00 and 150.00 francs."""
        lines = tuple(
            build(InvoiceLine, line_id=name, text="Mobil", net=net, tax_rate=0, tax=0, gross=net)
            for name, net in (("1", 5000), ("2", 15_000))
        )
        day = self.clock.now().date() + timedelta(days=days)
        await self.billing.deliver(
            build(
                InvoiceIssued, journey_id=journey or self.journey, invoice_number=number, issued_on=day, due_on=day,
                currency="CHF", lines=lines, total=20_000, replaces=None, customer_number="CH471102",
            )
        )  # fmt: skip

    async def correct(self, *, right: int = 5000, case_id: UUID | None = None, number: str = "R-1") -> Any:
        """The second line should have been so much."""
        changes = (LineChange(line_id="2", net=right),)
        wish = correct.Wish(invoice_number=number, changes=changes, reason="wrong_price", case_id=case_id, severity=4)
        async with begin(self.billing.context) as tx:
            seen = await correct.preview_correction(tx, wish)
        async with begin(self.billing.context) as tx:
            return await correct.correct_invoice(
                tx, wish, seen=seen, document=DOCUMENT, agent="anna", roles=AGENT, tier=1, expected=ANY_VERSION
            )

    async def undo(self, correction: Any) -> None:
        async with begin(self.billing.context) as tx:
            await correct.reverse_correction(
                tx, correction_id=correction.correction_id, reason="by_mistake", agent="anna", expected=ANY_VERSION
            )

    async def to_complaints(self) -> list[Announced]:
        found = await self.billing.announced(*GOODWILL)
        await self.complaints.deliver(*found)
        return found

    async def to_billing(self) -> list[Announced]:
        found = await self.complaints.announced(*GOODWILL)
        await self.billing.deliver(*found)
        await self.billing.fire()
        return found

    async def owed(self, journey: UUID | None = None) -> dict[str, int]:
        async with begin(self.billing.context) as tx:
            books = await ledger.get_books(tx, journey_id=journey or self.journey)
        assert books.balance("CHF") == sum(books.open_amounts.values()) + books.account("CHF")
        return books.open_amounts | {"account": books.account("CHF")}

    async def state(self, proposal_id: UUID) -> State | None:
        async with begin(self.complaints.context) as tx:
            found = await goodwills.find_goodwill(tx, goodwill_id=goodwill_id_of(proposal_id))
        return found.state if found else None


@pytest.fixture
async def both(migrated: Callable[[Service], Awaitable[Any]], clock: FixedClock, tmp_path: Path) -> AsyncIterator[Both]:
    async with AsyncExitStack() as stack:
        sides = []
        for one in (billing_inquiry, complaints):
            database = await migrated(one)
            stack.push_async_callback(database.empty)
            chosen = one.settings(
                environment="test", database_url=database.address, identity_secret=IDENTITY_SECRET,
                oidc_issuer=ISSUER, oidc_jwks_url=jwks_address(), files_url=f"file://{tmp_path}/files",
            )  # fmt: skip
            sides.append(Side(await stack.enter_async_context(open_context(one, chosen, part="test", clock=clock))))
        both = Both(*sides, clock)
        await both.issue("R-1")
        yield both


def types(found: Sequence[Announced]) -> list[str]:
    return [type(one.event).__name__ for one in found]


async def test_proposed_decided_issued_booked_for_the_next_period_and_told(both: Both) -> None:
    contact = build(
        ContactTriaged, journey_id=both.journey, contact_id=uuid4(), concerns=(), decided_at=both.clock.now()
    )
    await both.billing.deliver(contact)
    correction = await both.correct()
    assert types(await both.to_complaints()) == ["GoodwillProposed"]
    assert types(await both.to_billing()) == ["GoodwillDecided", "GoodwillIssued"]
    assert await both.state(correction.proposal_id) is State.ISSUED
    assert await both.owed() == {"R-1": 0, "R-1-K1": 10_000, "account": -2000}
    told = [one.event for one in await both.billing.announced(BillingReplyRequested)]
    assert [(one.template, one.contact_id) for one in told] == [("goodwill_credit", contact.contact_id)]
    assert told[0].values["amount"] == "2000 CHF"
    await both.issue("R-2", days=31)
    assert await both.owed() == {"R-1": 0, "R-1-K1": 10_000, "R-2": 18_000, "account": 0}


async def test_what_waits_for_approval_is_booked_with_it_and_what_is_declined_never(both: Both) -> None:
    for number, decide, state, credit in (("R-1", "approve", State.ISSUED, -3000), ("R-9", "decline", None, -3000)):
        if number != "R-1":
            await both.issue(number)
        # 30 francs are more than an agent of the first tier may give.
        correction = await both.correct(right=0, number=number)
        await both.to_complaints()
        assert types(await both.to_billing()) == ["GoodwillDecided"]
        more: dict[str, Any] = {"amount": None} if decide == "approve" else {"reason": "not_our_failure"}
        async with begin(both.complaints.context) as tx:
            await getattr(engine, decide)(
                tx, goodwill_id=goodwill_id_of(correction.proposal_id),
                by=Person(subject="sara", roles=frozenset({"supervisor"})), expected=ANY_VERSION, **more,
            )  # fmt: skip
        await both.to_billing()
        assert await both.state(correction.proposal_id) is (state or State.DECLINED)
        assert (await both.owed())["account"] == credit


@pytest.mark.parametrize("right", [5000, 0], ids=["issued", "waiting"])
@pytest.mark.parametrize("order", ["in order", "withdrawn first"])
async def test_undoing_a_correction_takes_its_goodwill_back_in_any_order(both: Both, order: str, right: int) -> None:
    correction = await both.correct(right=right)
    await both.undo(correction)
    found = await both.billing.announced(*GOODWILL)
    assert types(found) == ["GoodwillProposed", "GoodwillProposalWithdrawn"]
    if order != "in order":
        found.reverse()
    for despite_inbox in (False, True):
        await both.complaints.deliver(*found, one_by_one=True, despite_inbox=despite_inbox)
    # Heard of too late, it is never decided.
    assert await both.state(correction.proposal_id) is (State.WITHDRAWN if order == "in order" else None)
    await both.to_billing()
    assert await both.owed() == {"R-1": 20_000, "R-1-K1": 0, "account": 0}


async def test_what_was_issued_and_withdrawn_is_booked_and_reversed_in_any_order(both: Both) -> None:
    correction = await both.correct()
    await both.to_complaints()
    told = await both.complaints.announced(*GOODWILL)
    await both.undo(correction)
    await both.to_complaints()
    told += await both.complaints.announced(*GOODWILL)
    assert types(told) == ["GoodwillDecided", "GoodwillIssued", "GoodwillWithdrawn"]
    known = await both.owed()
    for order in permutations([*told, *told[1:]], 5):
        await both.billing.deliver(*order, one_by_one=True, despite_inbox=True)
        assert await both.owed() == known == {"R-1": 20_000, "R-1-K1": 0, "account": 0}
        async with both.billing.context.pool.acquire() as connection:
            await connection.execute("DELETE FROM goodwill_credits")


async def test_a_credit_that_has_paid_an_invoice_is_reversed_whole_and_the_customer_told(both: Both) -> None:
    await both.billing.deliver(build(ContactTriaged, journey_id=both.journey, concerns=()))
    correction = await both.correct()
    await both.to_complaints()
    await both.to_billing()
    await both.issue("R-2", days=31)
    assert (await both.owed())["R-2"] == 18_000
    await both.billing.announced()
    await both.undo(correction)
    await both.to_complaints()
    assert types(await both.to_billing()) == ["GoodwillWithdrawn"]
    assert await both.owed() == {"R-1": 20_000, "R-1-K1": 0, "R-2": 20_000, "account": 0}
    replies = [one.event.template for one in await both.billing.announced(BillingReplyRequested)]
    assert replies[-1] == "goodwill_credit_withdrawn"


async def test_goodwill_that_has_expired_is_not_to_the_customers_credit(both: Both) -> None:
    await both.correct()
    await both.to_complaints()
    (issued,) = [one for one in await both.to_billing() if isinstance(one.event, GoodwillIssued)]
    given = issued.event
    expired = build(
        GoodwillExpired, journey_id=both.journey, goodwill_id=given.goodwill_id, proposal_id=given.proposal_id,
        case_id=given.case_id, kind=given.kind, left=given.amount, was_issued=True, expired_at=both.clock.now(),
    )  # fmt: skip
    await both.billing.deliver(expired, announced(expired))
    assert (await both.owed())["account"] == 0


# Another journey of the same person -----------------------------------------------------------------------------------
async def give(both: Both, journey: UUID, *, invoice_number: str | None = None) -> list[Announced]:
    """Complaints gives 10 francs for the next period under this journey, as it heard of that customer there."""
    proposal = Proposal(
        proposal_id=uuid4(), journey_id=journey, case_id=uuid4(), kind=GoodwillKind.CREDIT_NEXT_PERIOD, currency="CHF",
        product_value=20_000, severity=2, failures=1, reason="late_delivery", asked=1000,
        by=Person(subject="anna", roles=AGENT), invoice_number=invoice_number,
    )  # fmt: skip
    async with begin(both.complaints.context) as tx:
        await engine.propose(tx, proposal, issues_at_once=True)
    return await both.complaints.announced(GoodwillIssued)


def merged(one: UUID, other: UUID) -> JourneysMerged:
    return build(JourneysMerged, journey_a=min(one, other), journey_b=max(one, other))


@pytest.mark.parametrize("order", list(permutations(["merge", "goodwill", "withdrawal"])), ids="-".join)
@pytest.mark.parametrize("withdrawn", [False, True], ids=["stays", "withdrawn"])
async def test_goodwill_under_another_journey_finds_the_account(
    both: Both, order: tuple[str, ...], withdrawn: bool
) -> None:
    other = uuid4()
    (issued,) = await give(both, other)
    async with begin(both.complaints.context) as tx:
        goodwill_id = issued.event.goodwill_id
        await engine.withdraw(tx, goodwill_id=goodwill_id, reason="given_by_mistake", by="anna", expected=ANY_VERSION)
    (back,) = await both.complaints.announced(GoodwillWithdrawn)
    things = {"merge": announced(merged(both.journey, other)), "goodwill": issued, "withdrawal": back}
    for name in order:
        if name != "withdrawal" or withdrawn:
            await both.billing.deliver(things[name], announced(things[name].event))
            await both.billing.fire()
    both.clock.advance(timedelta(hours=2))
    await both.billing.fire()
    assert await both.owed() == {"R-1": 20_000, "account": 0 if withdrawn else -1000}
    assert await both.owed(other) == {"account": 0}


async def test_goodwill_waits_for_the_first_invoice_of_the_person(both: Both) -> None:
    first, second = uuid4(), uuid4()
    await both.billing.deliver(merged(first, second))
    await both.billing.deliver(*await give(both, second))
    await both.issue("R-7", journey=first, days=2)
    assert await both.owed(first) == {"R-7": 19_000, "account": 0}


async def test_goodwill_is_never_credited_to_somebody_else_whatever_invoice_was_named(both: Both) -> None:
    stranger = uuid4()
    await both.billing.deliver(*await give(both, stranger, invoice_number="R-1"))
    await both.billing.fire()
    assert await both.owed() == {"R-1": 20_000, "account": 0}
    assert await both.owed(stranger) == {"account": 0}


async def test_a_correction_without_case_and_contact_proposes_goodwill_all_the_same(both: Both) -> None:
    correction = await both.correct()
    assert correction.case_id is None
    await both.to_complaints()
    await both.to_billing()
    assert (await both.owed())["account"] == -2000
