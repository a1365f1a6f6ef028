"""How a customer pays: checked, masked, confirmed by a second person, taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog.testing
from prometheus_client import generate_latest

from anliegen.billing_inquiry.domain import Inquiry
from anliegen.billing_inquiry.four_eyes import NotWaiting, SecondPersonNeeded
from anliegen.billing_inquiry.money import handlers as money
from anliegen.billing_inquiry.payment_methods import actions
from anliegen.billing_inquiry.payment_methods.domain import (
    BicWrong,
    CardNumberGiven,
    Details,
    IbanOutsideSepa,
    IbanWrong,
    PaymentMethod,
    PaymentMethodOver,
    PaymentMethodWaits,
    State,
    by_invoice,
    card,
    sepa_mandate,
)
from anliegen.billing_inquiry.payment_methods.mirror import Whose, masked
from anliegen.events import (
    BillingReplyRequested,
    JourneysMerged,
    JourneysSplit,
    PartnerOrigin,
    PaymentDetailsChanged,
    PaymentMethodChanged,
    PaymentMethodRecorded,
    PaymentMethodReversed,
)
from anliegen.events.builders import build
from anliegen.kit.versions import ANY_VERSION

IBAN = "DE89 3704 0044 0532 0130 00"
SIGNED = date(2026, 3, 2)


def mandate(iban: str = IBAN, bic: str | None = None) -> Details:
    return sepa_mandate(iban=iban, bic=bic, holder="Rosa Beispiel", signed_on=SIGNED)


@pytest.fixture
async def inquiry(open_inquiry: Any, owe: Any, journey: UUID) -> Inquiry:
    await owe(11_900)
    asked: Inquiry = await open_inquiry(journey)
    return asked


@pytest.fixture
def change_to(begin: Any, inquiry: Inquiry) -> Callable[..., Awaitable[PaymentMethod]]:
    async def make(details: Details, agent: str = "agent-1") -> PaymentMethod:
        async with begin() as tx:
            return await actions.change_payment_method(tx, case_id=inquiry.case_id, details=details, agent=agent)

    return make


async def states(begin: Any, journey: UUID) -> list[tuple[str, str]]:
    async with begin() as tx:
        known = await actions.list_methods_of_person(tx, journey_id=journey)
    return [(method.details.kind.value, method.state.value) for method in known]


@pytest.mark.parametrize(
    ("iban", "bic", "trouble"),
    [
        ("DE89 3704 0044 0532 0130 01", None, IbanWrong),
        ("DE89 3704 0044 0532 0130", None, IbanWrong),
        ("XX89 3704 0044 0532 0130 00", None, IbanWrong),
        ("BR18 0036 0305 0000 1000 9795 493C 1", None, IbanOutsideSepa),
        (IBAN, "COBADEXX", BicWrong),
        (IBAN, "UBSWCHZH80A", BicWrong),
        (IBAN, "nonsense!", BicWrong),
    ],
)
def test_wrong_account_is_refused_without_repeating_it(iban: str, bic: str | None, trouble: type[Exception]) -> None:
    with pytest.raises(trouble) as caught:
        mandate(iban, bic)
    assert "3704" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("iban", "account", "bic"),
    [
        ("de89370400440532013000", "DE89 … 3000", "COBADEFFXXX"),
        ("CH93 0076 2011 6238 5295 7", "CH93 … 2957", None),
        ("FR14 2004 1010 0505 0001 3M02 606", "FR14 … 2606", None),
    ],
)
def test_account_is_kept_whole_and_shown_masked(iban: str, account: str, bic: str | None) -> None:
    details = mandate(iban)
    assert details.account == account
    assert details.iban == iban.replace(" ", "").upper()
    if bic:
        assert details.bic == bic
    assert str(details.iban) not in repr(details)
    assert "Rosa" not in repr(details)


@pytest.mark.parametrize("token", ["4242424242424242", "pm 4242 4242 4242 4242", "4242-4242-4242-4242"])
def test_card_number_is_no_reference(token: str) -> None:
    with pytest.raises(CardNumberGiven) as caught:
        card(token=token, last_digits="4242")
    assert "4242" not in str(caught.value)


async def test_change_is_told_masked_and_whole_only_with_words(
    change_to: Any, published: Any, begin: Any, journey: UUID
) -> None:
    method = await change_to(mandate())
    (told,), (whole,) = await published(PaymentMethodChanged), await published(PaymentDetailsChanged)
    assert (told.account, told.confirmed_by) == ("DE89 … 3000", None)
    assert (whole.iban, whole.holder) == ("DE89370400440532013000", "Rosa Beispiel")
    (reply,) = await published(BillingReplyRequested)
    assert reply.values == {
        "kind": "sepa_mandate", "account": "DE89 … 3000", "mandate_reference": method.mandate_reference,
    }  # fmt: skip
    assert type(whole).words
    for event in await published():
        if not type(event).words:
            assert "0532013000" not in event.model_dump_json()
    assert await states(begin, journey) == [("sepa_mandate", "in_force")]


async def test_reversal_restores_what_was_replaced(change_to: Any, published: Any, begin: Any, journey: UUID) -> None:
    first, second = await change_to(mandate()), await change_to(by_invoice())
    assert second.replaces == first.method_id
    async with begin() as tx:
        await actions.reverse_payment_method(
            tx, method_id=second.method_id, reason="not_the_customer", agent="agent-2", expected=ANY_VERSION
        )
    assert await states(begin, journey) == [("sepa_mandate", "in_force"), ("invoice", "reversed")]
    # The biller hears the whole of it again: a mandate that was in force before is collected from as one.
    told_whole = [(one.method_id, one.sequence) for one in await published(PaymentDetailsChanged)]
    assert told_whole == [(first.method_id, "FRST"), (second.method_id, None), (first.method_id, "RCUR")]
    (told,) = await published(PaymentMethodReversed)
    assert (told.restored, told.reason) == (first.method_id, "not_the_customer")
    # The customer hears each time how they pay from now on.
    heard = [reply.values["kind"] for reply in await published(BillingReplyRequested)]
    assert heard == ["sepa_mandate", "invoice", "sepa_mandate"]
    with pytest.raises(PaymentMethodOver):
        async with begin() as tx:
            await actions.reverse_payment_method(
                tx, method_id=second.method_id, reason="again", agent="agent-2", expected=ANY_VERSION
            )


async def test_where_much_is_owed_a_second_person_confirms(
    change_to: Any, owe: Any, published: Any, begin: Any, journey: UUID
) -> None:
    await owe(38_101, number="R-2")
    method = await change_to(mandate())
    assert method.state is State.WAITING
    assert await published(PaymentMethodChanged, BillingReplyRequested) == []
    with pytest.raises(PaymentMethodWaits):
        await change_to(by_invoice())
    with pytest.raises(SecondPersonNeeded):
        async with begin() as tx:
            await actions.confirm_payment_method(tx, method_id=method.method_id, agent="agent-1", expected=ANY_VERSION)
    async with begin() as tx:
        await actions.confirm_payment_method(tx, method_id=method.method_id, agent="agent-2", expected=ANY_VERSION)
    (told,) = await published(PaymentMethodChanged)
    assert (told.asked_by, told.confirmed_by) == ("agent-1", "agent-2")
    assert await states(begin, journey) == [("sepa_mandate", "in_force")]


async def test_limit_itself_needs_nobody_else(change_to: Any, owe: Any) -> None:
    await owe(38_100, number="R-2")
    assert (await change_to(mandate())).state is State.IN_FORCE


async def test_refused_change_has_no_effect(
    change_to: Any, owe: Any, begin: Any, journey: UUID, published: Any
) -> None:
    before = await change_to(by_invoice())
    await owe(90_000, number="R-2")
    method = await change_to(mandate())
    async with begin() as tx:
        await actions.refuse_payment_method(
            tx, method_id=method.method_id, reason="mistyped", agent="agent-2", expected=ANY_VERSION
        )
    assert await states(begin, journey) == [("invoice", "in_force"), ("sepa_mandate", "refused")]
    assert [event.method_id for event in await published(PaymentMethodChanged)] == [before.method_id]
    with pytest.raises(NotWaiting):
        async with begin() as tx:
            await actions.confirm_payment_method(tx, method_id=method.method_id, agent="agent-2", expected=ANY_VERSION)


async def test_two_changes_at_once_leave_one_in_force(
    change_to: Any, begin: Any, journey: UUID, inquiry: Inquiry
) -> None:
    async with begin() as tx:
        await actions.change_payment_method(tx, case_id=inquiry.case_id, details=mandate(), agent="agent-1")
        waiting = asyncio.create_task(change_to(by_invoice(), agent="agent-2"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    await waiting
    assert await states(begin, journey) == [("sepa_mandate", "replaced"), ("invoice", "in_force")]


# What the billing system has -----------------------------------------------------------------------------------------
async def test_of_two_methods_that_joined_journeys_brought_the_next_replaces_both(
    begin: Any, deliver: Any, open_inquiry: Any
) -> None:
    a, b = sorted([uuid4(), uuid4()])
    asked = {journey: await open_inquiry(journey) for journey in (a, b)}

    async def change(journey: UUID, iban: str) -> PaymentMethod:
        async with begin() as tx:
            return await actions.change_payment_method(
                tx, case_id=asked[journey].case_id, details=mandate(iban), agent="agent-1"
            )

    await change(a, IBAN)
    later = await change(b, "CH93 0076 2011 6238 5295 7")
    link = build(JourneysMerged, journey_a=a, journey_b=b)
    await deliver(link)
    new = await change(b, "FR14 2004 1010 0505 0001 3M02 606")
    assert new.replaces == later.method_id
    assert [state for _, state in await states(begin, a)] == ["replaced", "replaced", "in_force"]
    # Parted again, one of them chooses anew; what the other takes back brings nobody's old account into force.
    await deliver(build(JourneysSplit, journey_a=a, journey_b=b, link_id=link.link_id))
    await change(a, IBAN)
    async with begin() as tx:
        await actions.reverse_payment_method(
            tx, method_id=new.method_id, reason="by_mistake", agent="agent-2", expected=ANY_VERSION
        )
    assert [state for _, state in await states(begin, a)] == ["replaced", "in_force"]
    assert [state for _, state in await states(begin, b)] == ["in_force", "reversed"]


@pytest.fixture
def record(begin: Any, clock: Any, journey: UUID) -> Callable[..., Awaitable[None]]:
    """`await record("card", "… 4242", days=1)`: the billing system tells of it, as of so many days from now."""

    async def tell(method: str, shown_as: str | None, *, days: int = 0) -> None:
        at = clock.now() + timedelta(days=days)
        event = build(
            PaymentMethodRecorded, journey_id=journey, method=method, shown_as=shown_as, recorded_on=at.date(),
            occurred_at=at, origin=build(PartnerOrigin, event_id=str(uuid4())),
        )  # fmt: skip
        async with begin() as tx:
            await tx.lock(journey)
            await money.note_payment_method(event, tx)

    return tell


@pytest.mark.parametrize(
    ("method", "shown_as", "days", "whose"),
    [
        ("sepa_direct_debit", "DE89 … 3000", 1, Whose.BOTH),
        ("sepa_direct_debit", None, -5, Whose.BOTH),
        ("sepa_direct_debit", "DE02 … 2051", 1, Whose.BILLING_SYSTEM),
        ("card", "… 4242", 1, Whose.BILLING_SYSTEM),
        ("card", "… 4242", -1, Whose.OURS),
        ("barter", None, 1, Whose.BILLING_SYSTEM),
    ],
)
async def test_later_word_counts_of_ours_and_the_billing_system_s(
    change_to: Any, record: Any, begin: Any, journey: UUID, method: str, shown_as: str | None, days: int, whose: Whose
) -> None:
    ours = await change_to(mandate())
    await record("invoice", None, days=-30)
    await record(method, shown_as, days=days)
    async with begin() as tx:
        current = await actions.get_current(tx, journey_id=journey)
    assert (current.whose, current.ours) == (whose, ours)
    assert current.recorded is not None
    assert current.recorded.method == method


async def test_without_a_change_the_billing_system_counts_and_without_both_nobody(
    record: Any, begin: Any, journey: UUID, client: Any, inquiry: Inquiry
) -> None:
    async with begin() as tx:
        assert (await actions.get_current(tx, journey_id=journey)).whose is Whose.NOBODY
    # A partner that tells a whole account all the same.
    await record("sepa_direct_debit", "DE89 3704 0044 0532 0130 00")
    path = "/billing-inquiry/v1/payment-methods/current"
    shown = await client.as_agent().get(path, params={"journey_id": str(journey)})
    assert (shown.json()["whose"], shown.json()["ours"]) == ("billing_system", None)
    assert shown.json()["billing_system"]["account"] == "DE89 … 3000"
    assert "0532" not in shown.text
    customer = client.as_customer(journey, scopes="cases:read")
    assert (await customer.get(path, params={"journey_id": str(journey)})).status_code == 403


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("4242 4242 4242 4242", "… 4242"), ("DE89370400440532013000", "DE89 … 3000"), ("… 4242", "… 4242"),
        ("DE89 … 3000", "DE89 … 3000"), ("", ""),
    ],
)  # fmt: skip
def test_account_that_comes_whole_is_masked(told: str, shown: str) -> None:
    assert masked(told) == shown


async def test_account_is_in_no_log_and_no_metric(
    change_to: Any, begin: Any, journey: UUID, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with structlog.testing.capture_logs() as lines, caplog.at_level("DEBUG"):
        method = await change_to(mandate())
        async with begin() as tx:
            await actions.reverse_payment_method(
                tx, method_id=method.method_id, reason="mistyped", agent="agent-2", expected=ANY_VERSION
            )
        with pytest.raises(IbanWrong):
            mandate(IBAN.replace("89", "88", 1))
    written = f"{lines} {caplog.text} {capsys.readouterr()} {generate_latest().decode()} {method!r}"
    for secret in ("0532013000", "0532 0130", "Rosa"):
        assert secret not in written
