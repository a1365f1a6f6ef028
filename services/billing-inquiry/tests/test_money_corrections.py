"""The telecom command: one call puts a wrong invoice right, and another one undoes it, whatever came in between."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import (
    BillingReplyRequested,
    FailureKind,
    GoodwillProposed,
    InquiryAnswered,
    InvoiceCorrected,
    InvoiceCorrectionReversed,
    InvoiceFoundWrong,
    InvoiceIssued,
    InvoiceLine,
    PaymentAllocation,
    PaymentReceived,
)
from anliegen.events.builders import build
from anliegen.kit.files import Files

JOURNEY = UUID(int=471102)
DOOR = "/billing-inquiry/v1"
WISH = {"lines": [{"line_id": "2", "net": 0}], "reason": "wrong_price"}


def invoice() -> InvoiceIssued:
    lines = (
        build(InvoiceLine, line_id="1", text="Mobil", net=4500, tax_rate=810, tax=365, gross=4865),
        build(InvoiceLine, line_id="2", text="Roaming", net=12000, tax_rate=810, tax=972, gross=12972),
    )
    return build(
        InvoiceIssued, journey_id=JOURNEY, invoice_number="R-1", issued_on=date(2026, 3, 2), due_on=date(2026, 3, 9),
        lines=lines, total=17837,
    )  # fmt: skip


def payment(amount: int = 17837) -> PaymentReceived:
    allocation = PaymentAllocation(invoice_number="R-1", amount=amount)
    return build(
        PaymentReceived, journey_id=JOURNEY, payment_id="P-1", amount=amount, received_on=date(2026, 3, 2),
        allocations=(allocation,),
    )  # fmt: skip


@pytest.fixture
def desk(client: Any, deliver: Callable[..., Awaitable[Any]]) -> Any:
    """An agent with the means to correct `R-1` as it is seen now."""

    class Desk:
        agent = client.as_agent()

        async def command(self, path: str, body: dict[str, Any], *, etag: str, key: str | None = None) -> Any:
            headers = {"If-Match": etag, "Idempotency-Key": f'"{key or uuid4()}"'}
            return await self.agent.post(f"{DOOR}{path}", json=body, headers=headers)

        async def etag(self, number: str = "R-1") -> str:
            return (await self.agent.get(f"{DOOR}/invoices/{number}")).headers["etag"]

        async def correct(self, number: str = "R-1", **more: Any) -> Any:
            etag = await self.etag(number)
            return await self.command(f"/invoices/{number}/correction", {**WISH, **more}, etag=etag)

        async def undo(self, correction: Any) -> Any:
            path = f"/corrections/{correction.json()['correction_id']}/reversal"
            return await self.command(path, {"reason": "corrected_by_mistake"}, etag=correction.headers["etag"])

        async def owed(self) -> dict[str, int]:
            account = (await self.agent.get(f"{DOOR}/accounts/CH471102")).json()["balances"][0]
            page = (await self.agent.get(f"{DOOR}/invoices", params={"customer_number": "CH471102"})).json()["items"]
            found = {one["invoice_number"]: one["open_amount"] for one in page}
            assert account["balance"] == sum(found.values()) + account["account"]
            return found | {"account": account["account"]}

    return Desk()


async def test_one_call_corrects_credits_proposes_and_tells(
    desk: Any, deliver: Any, open_inquiry: Any, load: Any, published: Any, settings_overrides: Any, context: Any
) -> None:
    await deliver(invoice())
    inquiry = await open_inquiry(JOURNEY)
    before = await desk.owed()
    preview = await desk.agent.post(
        f"{DOOR}/invoices/R-1/correction/preview", json={**WISH, "inquiry_id": str(inquiry.case_id)}
    )
    assert preview.status_code == 200, preview.text
    shown = preview.json()
    assert (shown["invoice_number"], shown["total"], shown["difference"]) == ("R-1-K1", 4865, 12972)
    assert (shown["open_amount"], shown["account_credit"], shown["goodwill"]) == (4865, 0, 2594)
    assert await desk.owed() == before
    answer = await desk.correct(inquiry_id=str(inquiry.case_id))
    assert answer.status_code == 201, answer.text
    assert await desk.owed() == {"R-1": 0, "R-1-K1": 4865, "account": 0}
    corrected, proposed, wrong, answered, reply = await published(
        InvoiceCorrected, GoodwillProposed, InvoiceFoundWrong, InquiryAnswered, BillingReplyRequested
    )
    # A failure of the case: whoever counts what a customer suffered hears it, in the inquiry's own journey.
    assert (wrong.case_id, wrong.journey_id) == (inquiry.case_id, inquiry.journey_id)
    assert (wrong.failure.kind, wrong.invoice_number) == (FailureKind.WRONG_INVOICE, "R-1")
    assert (corrected.difference.amount, corrected.open_amount.amount) == (12972, 4865)
    assert proposed.amount.amount == 2594
    assert answered.case_id == inquiry.case_id
    assert reply.attachments == (corrected.document,)
    assert reply.values["difference"] == "12972 CHF"
    pdf = await Files(context.settings.files_url).get(corrected.document.sha256)
    assert pdf.startswith(b"%PDF-")


async def test_a_correction_answers_nobody_but_the_customer_of_the_invoice(
    desk: Any, deliver: Any, open_inquiry: Any, published: Any
) -> None:
    await deliver(invoice())
    stranger = await open_inquiry(uuid4())
    wish = {**WISH, "inquiry_id": str(stranger.case_id)}
    preview = await desk.agent.post(f"{DOOR}/invoices/R-1/correction/preview", json=wish)
    refused = await desk.correct(inquiry_id=str(stranger.case_id))
    for answer in (preview, refused):
        assert (answer.status_code, answer.json()["code"]) == (422, "inquiry_of_somebody_else"), answer.text
    assert await published(InvoiceCorrected, BillingReplyRequested) == []


async def test_what_was_paid_moves_over_and_what_is_too_much_is_the_accounts(desk: Any, deliver: Any) -> None:
    await deliver(invoice(), payment())
    await desk.correct()
    assert await desk.owed() == {"R-1": 0, "R-1-K1": 0, "account": -12972}


@pytest.mark.parametrize("paid", ["before", "between", "after"])
async def test_a_correction_is_undone_whenever_a_payment_came(desk: Any, deliver: Any, paid: str) -> None:
    await deliver(invoice(), *([payment(5000)] if paid == "before" else []))
    correction = await desk.correct()
    if paid == "between":
        await deliver(payment(5000))
    undone = await desk.undo(correction)
    assert undone.status_code == 200, undone.text
    if paid == "after":
        await deliver(payment(5000))
    assert await desk.owed() == {"R-1": 12837, "R-1-K1": 0, "account": 0}
    again = await desk.correct()
    assert again.json()["new_number"] == "R-1-K2"


async def test_of_two_corrections_at_once_one_is_made(desk: Any, deliver: Any, published: Any) -> None:
    await deliver(invoice())
    etag = await desk.etag()
    answers = await asyncio.gather(*(desk.command("/invoices/R-1/correction", WISH, etag=etag) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) in ([201, 409], [201, 412])
    assert len(await published(InvoiceCorrected)) == 1
    assert (await desk.correct()).status_code == 409


async def test_a_payment_during_the_correction_is_counted_once(desk: Any, deliver: Any) -> None:
    await deliver(invoice())
    etag = await desk.etag()
    answer, _ = await asyncio.gather(desk.command("/invoices/R-1/correction", WISH, etag=etag), deliver(payment(1000)))
    if answer.status_code != 201:
        assert answer.status_code in {409, 412}
        assert (await desk.correct()).status_code == 201
    assert await desk.owed() == {"R-1": 0, "R-1-K1": 3865, "account": 0}


async def test_a_repeated_command_is_answered_the_same(desk: Any, deliver: Any, published: Any) -> None:
    await deliver(invoice())
    etag = await desk.etag()
    first = await desk.command("/invoices/R-1/correction", WISH, etag=etag, key="one")
    second = await desk.command("/invoices/R-1/correction", WISH, etag=etag, key="one")
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert len(await published(InvoiceCorrected)) == 1


async def test_a_correction_is_undone_once(desk: Any, deliver: Any, published: Any) -> None:
    await deliver(invoice())
    correction = await desk.correct()
    answers = await asyncio.gather(desk.undo(correction), desk.undo(correction))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert len(await published(InvoiceCorrectionReversed)) == 1


async def test_the_biller_telling_our_invoice_back_changes_nothing(desk: Any, deliver: Any, database: Any) -> None:
    await deliver(invoice())
    await desk.correct()
    told = (await desk.agent.get(f"{DOOR}/invoices/R-1-K1")).json()
    lines = tuple(InvoiceLine(**line) for line in told["lines"])
    before = await desk.owed()
    await deliver(
        build(
            InvoiceIssued, journey_id=JOURNEY, invoice_number="R-1-K1", issued_on=told["issued_on"],
            due_on=told["due_on"], lines=lines, total=told["total"],
        )
    )  # fmt: skip
    assert await desk.owed() == before
    assert not (await database.snapshot("billing_contradictions"))["billing_contradictions"]


async def test_contradictions_are_listed_in_pages_to_people_of_the_task(
    desk: Any, client: Any, deliver: Any, clock: Any
) -> None:
    await deliver(invoice(), payment())
    for amount in (1000, 2000, 3000):
        clock.advance(timedelta(minutes=1))
        await deliver(payment(amount), payment(amount))
    line = build(InvoiceLine, line_id="1", text="Mobil", net=1, tax_rate=0, tax=0, gross=1)
    await deliver(invoice().model_copy(update={"lines": (line,), "total": 1}))
    path, found = f"{DOOR}/contradictions", []
    page = (await desk.agent.get(path, params={"limit": 2, "kind": "payment_received"})).json()
    while True:
        found += [(one["name"], one["said"]["amount"]) for one in page["items"]]
        if page["next"] is None:
            break
        page = (
            await desk.agent.get(path, params={"limit": 2, "cursor": page["next"], "kind": "payment_received"})
        ).json()
    assert found == [("P-1", 3000), ("P-1", 2000), ("P-1", 1000)]
    (other,) = (await desk.agent.get(path, params={"kind": "invoice_issued"})).json()["items"]
    assert (other["name"], other["said"]["total"]) == ("R-1", 1)
    assert (await client.as_customer(JOURNEY).get(path)).status_code == 403
    assert (await desk.agent.get(path, params={"limit": 2, "colour": "red"})).status_code == 400


async def test_what_cannot_be_corrected_is_refused(desk: Any, deliver: Any) -> None:
    await deliver(invoice())
    for lines, code in (
        ([{"line_id": "9", "net": 0}], "line_unknown"),
        ([{"line_id": "1", "net": 4500}], "nothing_corrected"),
        ([{"line_id": "1", "net": 4000}, {"line_id": "1", "net": 3000}], "line_named_twice"),
    ):
        answer = await desk.correct(lines=lines)
        assert answer.status_code == 409 or answer.status_code == 422, answer.text
        assert answer.json()["code"] == code


async def test_nobody_corrects_their_own_invoice(desk: Any, deliver: Any, client: Any, published: Any) -> None:
    await deliver(invoice())
    both = client.as_supervisor(roles=["supervisor", "customer"], sub="sara", journey_id=str(JOURNEY))
    refused = await both.post(f"{DOOR}/invoices/R-1/correction/preview", json=WISH)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_case"), refused.text
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": await desk.etag()}
    refused = await both.post(f"{DOOR}/invoices/R-1/correction", json=WISH, headers=headers)
    assert (refused.status_code, await published(InvoiceCorrected)) == (403, [])
