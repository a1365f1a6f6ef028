"""What dunning hears: complaints hold the invoice they are about and let it go, in any order and told twice."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry.dunning.handlers import HOLDING
from anliegen.events import (
    CaseEvent,
    CaseStatus,
    ComplaintClosed,
    ComplaintInvoiceNamed,
    ComplaintOpened,
    ComplaintReopened,
    ComplaintTaken,
    DunningHeld,
    DunningReleased,
    DunningStepReached,
    InvoiceIssued,
    InvoiceLine,
    PaymentReceived,
    PaymentReturned,
    Task,
    registry,
)
from anliegen.events.builders import build
from anliegen.kit.testing import announced, interleavings

Deliver = Callable[..., Awaitable[Any]]
STRANGER = UUID(int=815)


def complaint(cls: type, status: CaseStatus, *, case_id: UUID, journey_id: UUID, number: str | None = None) -> Any:
    return build(
        cls, case_id=case_id, journey_id=journey_id, task=Task.COMPLAINTS, status=status, invoice_number=number
    )


def invoice(journey: UUID) -> InvoiceIssued:
    line = build(InvoiceLine, line_id="1", text="Mobil", net=11_900, tax=0, gross=11_900)
    return build(
        InvoiceIssued, journey_id=journey, invoice_number="R-1", issued_on=date(2026, 3, 2), due_on=date(2026, 3, 16),
        currency="EUR", lines=(line,), total=11_900, replaces=None,
    )  # fmt: skip


@pytest.fixture
def settled(begin: Any, run_timers: Any) -> Callable[[], Awaitable[tuple[Any, ...]]]:
    """`await settled()`: how dunning stands once what waits was done, without ids that follow from the order."""

    async def read() -> tuple[Any, ...]:
        while await run_timers():
            pass
        async with begin() as tx:
            dunnings = await tx.fetch("SELECT stage, round, level, held, next_step_at, due_on FROM dunnings")
            holds = await tx.fetch(
                "SELECT DISTINCT case_id FROM dunning_holds WHERE released_at IS NULL ORDER BY case_id"
            )
        return tuple(tuple(row) for row in [*dunnings, *holds])

    return read


@pytest.mark.parametrize("ends", [True, False], ids=["all are settled", "one goes on"])
@pytest.mark.parametrize("order", range(8))
async def test_topics_in_any_order(
    deliver: Deliver, settled: Any, journey: UUID, order: int, ends: bool, published: Any
) -> None:
    own, other = UUID(int=1), UUID(int=2)
    paid = build(
        PaymentReceived, journey_id=journey, payment_id="P-1", received_on=date(2026, 3, 2), currency="EUR",
        amount=11_900, allocations=(),
    )  # fmt: skip
    back = build(PaymentReturned, journey_id=journey, payment_id="P-1", returned_on=date(2026, 3, 2))
    told = {"case_id": own, "journey_id": journey}
    strange = {"case_id": other, "journey_id": STRANGER}
    things = [
        complaint(ComplaintOpened, CaseStatus.OPENED, **told, number="R-1"),
        complaint(ComplaintTaken, CaseStatus.IN_PROGRESS, **told, number="R-1"),
        complaint(ComplaintClosed, CaseStatus.CLOSED, **told),
        invoice(journey),
        paid,
        back,
        complaint(ComplaintOpened, CaseStatus.OPENED, **strange),
        complaint(ComplaintInvoiceNamed, CaseStatus.OPENED, **strange, number="R-1"),
        complaint(ComplaintClosed, CaseStatus.CLOSED, **strange, number="R-1"),
        *([] if ends else [complaint(ComplaintReopened, CaseStatus.REOPENED, **strange, number="R-1")]),
    ]
    await deliver(*list(interleavings(map(announced, things)))[order], one_by_one=True)
    stage, *_ = await settled()
    assert stage[0] == "watched"
    assert stage[3] is not ends
    assert (stage[4] is not None) is ends
    assert len(await settled()) == (1 if ends else 2)


async def test_second_delivery_changes_nothing(deliver: Deliver, settled: Any, journey: UUID, published: Any) -> None:
    case = uuid4()
    told = {"case_id": case, "journey_id": journey, "number": "R-1"}
    mail = await deliver(
        invoice(journey),
        complaint(ComplaintOpened, CaseStatus.OPENED, **told),
        complaint(ComplaintClosed, CaseStatus.CLOSED, **told),
        one_by_one=True,
    )
    before, announced_before = await settled(), len(await published())
    for thing in (*mail, *reversed(mail)):
        await deliver(thing, despite_inbox=True)
    assert (await settled(), len(await published())) == (before, announced_before)


async def test_complaint_holds_until_it_is_closed(
    deliver: Deliver, journey: UUID, pass_days: Any, published: Any
) -> None:
    case = uuid4()
    told = {"case_id": case, "journey_id": journey, "number": "R-1"}
    await deliver(invoice(journey), complaint(ComplaintOpened, CaseStatus.OPENED, **told))
    await pass_days(60)
    assert await published(DunningStepReached) == []
    await deliver(complaint(ComplaintClosed, CaseStatus.CLOSED, **told))
    (held,), (released,) = await published(DunningHeld), await published(DunningReleased)
    assert (held.reason, held.case_id, released.invoice_number) == ("complaint", case, "R-1")
    await pass_days(14)
    assert len(await published(DunningStepReached)) == 1


def test_cases_of_every_other_service_about_an_invoice_hold_it() -> None:
    about_invoices = [
        cls
        for cls in registry.classes_of(CaseEvent)
        if "invoice_number" in cls.model_fields and registry.service_of(cls.event_type) != "billing-inquiry"
    ]
    assert about_invoices
    assert [cls for cls in about_invoices if not issubclass(cls, tuple(HOLDING))] == [], "one entry in HOLDING each"
