"""What a customer hears of their goodwill, by which contact, and what they see of it: their own and nobody else's."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.complaints.goodwill import actions
from anliegen.complaints.goodwill.domain import Goodwill
from anliegen.complaints.goodwill.policy import GoodwillKind
from anliegen.complaints.goodwill.reckoning import Person, Proposal
from anliegen.events import (
    Assurance,
    Channel,
    ComplaintsReplyRequested,
    ContactReceived,
    GoodwillIssued,
    GoodwillProposed,
    JourneysMerged,
    Money,
)
from anliegen.events.builders import build
from anliegen.kit import Transaction
from anliegen.kit.clock import FixedClock
from anliegen.kit.testing.clients import TestClient
from anliegen.kit.versions import ANY_VERSION

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
Read = Callable[..., Awaitable[list[Any]]]
Deliver = Callable[..., Awaitable[Any]]
AGENT = Person(subject="anna", roles=frozenset({"agent"}))
SARA = Person(subject="sara", roles=frozenset({"supervisor"}))
DAY = timedelta(days=1)
OWN = "/complaints/v1/goodwill/own"


def contact(journey_id: UUID, clock: FixedClock, **fields: Any) -> ContactReceived:
    usual: dict[str, Any] = {
        "channel": Channel.EMAIL, "customer_number": None, "assurance": Assurance.CLAIMED, "automatic": False,
        "received_at": clock.now(),
    }  # fmt: skip
    return build(ContactReceived, journey_id=journey_id, contact_id=uuid4(), **usual | fields)


async def heard(deliver: Deliver, clock: FixedClock) -> dict[str, UUID]:
    """Somebody who wrote, and by which contact."""
    event = contact(uuid4(), clock)
    await deliver(event)
    return {"journey_id": event.journey_id, "contact_id": event.contact_id}


async def give(begin: Begin, journey_id: UUID, *, issues: bool = True, **fields: Any) -> Goodwill:
    usual: dict[str, Any] = {
        "proposal_id": uuid4(), "journey_id": journey_id, "case_id": uuid4(), "kind": GoodwillKind.VOUCHER,
        "currency": "EUR", "product_value": 12_500, "severity": 3, "failures": 1, "reason": "late_delivery",
        "by": AGENT,
    }  # fmt: skip
    async with begin() as tx:
        given = await actions.propose(tx, Proposal(**usual | fields))
    if not issues:
        return given
    async with begin() as tx:
        return await actions.issue(tx, goodwill_id=given.goodwill_id, kind=None, expected=ANY_VERSION)


async def told(published: Read) -> list[tuple[str, UUID]]:
    return [(reply.template, reply.contact_id) for reply in await published(ComplaintsReplyRequested)]


# By which contact -----------------------------------------------------------------------------------------------------
async def test_who_was_given_something_without_a_contact_hears_it_by_their_newest(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock
) -> None:
    a, b = sorted([uuid4(), uuid4()])
    old = contact(a, clock)
    clock.advance(DAY)
    written, called = contact(b, clock), contact(a, clock, channel=Channel.PHONE, received_at=clock.now() + DAY)
    await deliver(old, written, called, contact(uuid4(), clock))
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b))
    await give(begin, a, kind=GoodwillKind.CREDIT)
    (reply,) = await published(ComplaintsReplyRequested)
    assert (reply.template, reply.contact_id, reply.journey_id) == ("goodwill_credit", written.contact_id, a)
    assert reply.values["amount"] == "2500 EUR" and "code" not in reply.values


async def test_what_billing_proposed_billing_tells_the_customer_itself(
    deliver: Deliver, published: Read, clock: FixedClock
) -> None:
    journey_id = uuid4()
    amount, value = Money(amount=1000, currency="CHF"), Money(amount=7900, currency="CHF")
    proposed = build(
        GoodwillProposed, journey_id=journey_id, amount=amount, product_value=value, proposer_roles=("agent",)
    )
    await deliver(contact(journey_id, clock), proposed)
    assert len(await published(GoodwillIssued)) == 1
    assert await told(published) == []


@pytest.mark.parametrize(
    "unsafe",
    [
        {"channel": Channel.REVIEW}, {"channel": Channel.SOCIAL}, {"automatic": True},
        {"customer_number": "K471142", "assurance": Assurance.CLAIMED},
    ],
)  # fmt: skip
async def test_a_code_goes_to_nobody_who_reads_along_or_only_claims_to_be_the_customer(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock, unsafe: dict[str, Any]
) -> None:
    journey_id = uuid4()
    named = contact(journey_id, clock, **unsafe)
    await deliver(named)
    await give(begin, journey_id, contact_id=named.contact_id)
    assert await told(published) == []
    safe = contact(journey_id, clock, customer_number="K471142", assurance=Assurance.VERIFIED)
    await deliver(safe)
    await give(begin, journey_id, contact_id=named.contact_id, by=SARA)
    assert await told(published) == [("goodwill_code", safe.contact_id)]


async def test_a_code_never_goes_to_the_contact_of_somebody_else(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock
) -> None:
    journey_id = uuid4()
    own, strangers = contact(journey_id, clock), contact(uuid4(), clock)
    await deliver(own, strangers)
    await give(begin, journey_id, contact_id=strangers.contact_id)
    assert await told(published) == [("goodwill_code", own.contact_id)]


async def test_the_contact_that_was_named_is_answered_even_if_a_newer_one_is_there(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock
) -> None:
    journey_id = uuid4()
    named, newer = contact(journey_id, clock), contact(journey_id, clock, received_at=clock.now() + DAY)
    await deliver(named, newer)
    await give(begin, journey_id, contact_id=named.contact_id)
    assert await told(published) == [("goodwill_code", named.contact_id)]


async def test_a_code_waits_for_a_contact_that_nobody_heard_of_and_goes_to_nobody_else(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock, run_timers: Callable[[], Awaitable[int]]
) -> None:
    named, never = contact(uuid4(), clock), uuid4()
    await give(begin, named.journey_id, contact_id=named.contact_id)
    await give(begin, uuid4(), contact_id=never)
    assert await told(published) == []
    await deliver(named)
    clock.advance(timedelta(minutes=6))
    await run_timers()
    assert await told(published) == [("goodwill_code", named.contact_id)]


# When -----------------------------------------------------------------------------------------------------------------
async def test_a_code_that_is_about_to_lapse_is_reminded_of_once(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock, run_timers: Callable[[], Awaitable[int]]
) -> None:
    given = await give(begin, **await heard(deliver, clock))
    used = await give(begin, **await heard(deliver, clock))
    async with begin() as tx:
        await actions.redeem(tx, code=used.code or "", order_reference="A-1", amount=None, by="shop")
    clock.advance(350 * DAY)
    await run_timers()
    assert [key for key, _ in await told(published)] == ["goodwill_code"] * 2
    clock.advance(DAY)
    await run_timers()
    *_, reply = await published(ComplaintsReplyRequested)
    assert (reply.template, reply.contact_id) == ("goodwill_expiring", given.proposal.contact_id)
    assert reply.values["valid_until"] == "2027-03-02" and reply.values["amount"] == "2500 EUR"
    async with begin() as tx:
        await actions.remind(tx, goodwill_id=used.goodwill_id)
    clock.advance(20 * DAY)
    await run_timers()
    assert len(await published(ComplaintsReplyRequested)) == 3


async def test_nothing_is_said_where_nothing_is_given(begin: Begin, published: Read) -> None:
    declined = await give(begin, uuid4(), issues=False, currency="SEK", contact_id=uuid4())
    waits = await give(begin, uuid4(), issues=False, product_value=20_000, contact_id=uuid4())
    for one in (waits, await give(begin, uuid4(), issues=False, contact_id=uuid4())):
        async with begin() as tx:
            await actions.withdraw(
                tx, goodwill_id=one.goodwill_id, reason="given_by_mistake", by="anna", expected=ANY_VERSION
            )
    assert (declined.amount, await told(published)) == (0, [])


async def test_a_credit_that_is_taken_back_is_told_without_a_code(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock
) -> None:
    given = await give(begin, **await heard(deliver, clock), kind=GoodwillKind.CREDIT)
    async with begin() as tx:
        await actions.withdraw(tx, goodwill_id=given.goodwill_id, reason="abuse", by="anna", expected=ANY_VERSION)
    assert [key for key, _ in await told(published)] == ["goodwill_credit", "goodwill_credit_withdrawn"]


# What customers see ---------------------------------------------------------------------------------------------------
async def test_customers_see_what_they_were_given_and_nothing_else(
    client: TestClient, begin: Begin, deliver: Deliver
) -> None:
    a, b, stranger = *sorted([uuid4(), uuid4()]), uuid4()
    given, used = await give(begin, a), await give(begin, b, product_value=5000)
    await give(begin, a, issues=False, by=SARA)
    await give(begin, stranger)
    async with begin() as tx:
        await actions.redeem(tx, code=used.code or "", order_reference="A-1", amount=None, by="shop")
    own = (await client.as_customer(a).get(OWN)).json()["items"]
    assert [(one["goodwill_id"], one["code"], one["left"]["amount"]) for one in own] == [
        (str(given.goodwill_id), given.code, 2500)
    ]
    assert not {"decision", "proposed_by", "decided_by", "reason", "severity"} & set(own[0])
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b))
    both = (await client.as_customer(b).get(OWN)).json()["items"]
    assert {(one["status"], one["code"], one["left"]["amount"]) for one in both} == {
        ("issued", given.code, 2500), ("redeemed", None, 0),
    }  # fmt: skip
    assert (await client.as_customer(uuid4()).get(OWN)).json()["items"] == []


async def test_nobody_reads_a_strangers_codes_by_asking_otherwise(client: TestClient, begin: Begin) -> None:
    victim, own = uuid4(), uuid4()
    given = await give(begin, victim)
    customer = client.as_customer(own)
    for query in ({"journey_id": str(victim)}, {"case_id": str(given.proposal.case_id)}, {"cursor": "AAAA"}):
        page = await customer.get(OWN, params=query)
        assert (page.status_code, (given.code or "") in page.text) == (400, False)
    everything = "cases:read cases:write journeys:read goodwill:redeem"
    for caller in (customer, client.as_("customer", scopes=everything, journey_id=own)):
        path = f"/complaints/v1/goodwill/{given.goodwill_id}"
        for place in (path, f"{path}/explanation", "/complaints/v1/goodwill"):
            assert (await caller.get(place)).status_code == 403
    nobodys = client.as_("customer", scopes="journeys:read")
    for caller in (nobodys, client.as_agent(), client.as_("partner", scopes="journeys:read", journey_id=str(victim))):
        assert (await caller.get(OWN)).status_code == 403
    assert (await client.anonymous.get(OWN)).status_code == 401
    assert (await client.as_("customer", scopes="contacts:write", journey_id=str(victim)).get(OWN)).status_code == 403


async def test_nobody_gives_themselves_something_whatever_else_they_are(
    client: TestClient, begin: Begin, deliver: Deliver
) -> None:
    a, b = sorted([uuid4(), uuid4()])
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b))
    both = client.as_supervisor(roles=["supervisor", "customer"], sub="sara", journey_id=str(a))
    body = {
        "journey_id": str(b), "case_id": str(uuid4()), "severity": 3, "reason": "late_delivery",
        "product_value": {"amount": 20_000, "currency": "EUR"},
    }  # fmt: skip
    key = {"Idempotency-Key": f'"{uuid4()}"'}
    refused = await both.post("/complaints/v1/goodwill", json=body, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_case")
    waits = await give(begin, b, issues=False, product_value=20_000)
    path = f"/complaints/v1/goodwill/{waits.goodwill_id}/approval"
    refused = await both.post(path, json={}, headers=key | {"If-Match": f'"{waits.version}"'})
    assert (refused.status_code, refused.json()["code"]) == (403, "own_case")
