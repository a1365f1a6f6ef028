"""Invoices, accounts and corrections over HTTP."""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files as files_of
from pathlib import Path as FilePath
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response, status

from anliegen.events import ContentReference, Task
from anliegen.kit import Transaction
from anliegen.kit.documents import LANGUAGES, document
from anliegen.kit.errors import Refusal
from anliegen.kit.files import Files
from anliegen.kit.http import (
    APIRouter,
    Caller,
    IfMatch,
    Page,
    Paging,
    Principal,
    Tx,
    authorize_case,
    authorize_work,
    doors_of,
    idempotent,
    requires,
    set_etag,
    unconditional,
    works_on,
)
from anliegen.kit.transaction import begin

from . import correct
from .drafts import Draft, document_values
from .records import AccountNotFound, Invoice, InvoiceNotFound
from .rules import RULES
from .store import invoices as store
from .store import ledger
from .views import (
    AccountView,
    BalanceView,
    ContradictionView,
    CorrectInvoice,
    CorrectionPreview,
    CorrectionView,
    EntryView,
    InvoiceDetail,
    InvoiceView,
    ReverseCorrection,
)

TASK = Task.BILLING_INQUIRY.value
SHOWN_ENTRIES = 200
TEMPLATE = FilePath(str(files_of("anliegen.billing_inquiry"))) / "documents" / "invoice.typ"
Number = Annotated[str, Path(min_length=1, max_length=60)]
router = APIRouter(prefix="/billing-inquiry/v1", tags=["billing-inquiry"])


@dataclass(frozen=True, slots=True)
class Prepared:
    """A wished correction, and the document that was written for it; none where it was refused, which is said later."""

    wish: correct.Wish
    draft: Draft | None = None
    document: ContentReference | None = None


async def write_document(request: Request, invoice_number: Number, body: CorrectInvoice, caller: Caller) -> Prepared:
    """Write the corrected invoice before the command's transaction begins: no lock waits for a document."""
    authorize_work(caller, task=TASK)
    wish = _wish(invoice_number, body)
    context = doors_of(request.scope).running
    async with begin(context, principal=caller) as tx:
        try:
            draft = await correct.preview_correction(tx, wish)
        except Refusal:
            return Prepared(wish)
    language = wish.language if wish.language in LANGUAGES else LANGUAGES[0]
    values = document_values(draft, rules=RULES, language=language)
    pdf = await document(context, TEMPLATE, values, language=language)
    sha256 = await Files(context.settings.files_url).put(pdf)
    name = f"{draft.invoice.invoice_number}.pdf"
    return Prepared(
        wish, draft, ContentReference(sha256=sha256, size=len(pdf), media_type="application/pdf", name=name)
    )


@router.get("/invoices", name="list_invoices", dependencies=[requires("cases:read")])
async def list_invoices(
    *,
    tx: Tx,
    caller: Caller,
    paging: Paging,
    response: Response,
    customer_number: Annotated[str | None, Query(max_length=40)] = None,
    journey_id: Annotated[UUID | None, Query(description="The person behind this journey.")] = None,
) -> Page[InvoiceView]:
    """Invoices, the latest first. Customers see their own."""
    shown = await tx.members(journey_id) if journey_id else None
    if not works_on(caller, task=TASK):
        own = await tx.members(caller.journey_id) if caller.journey_id else []
        shown = [one for one in own if shown is None or one in shown]
    rows = await store.list_invoices(
        tx, journey_ids=shown, customer_number=customer_number, backwards=paging.backwards,
        after=paging.after(str), limit=paging.fetch,
    )  # fmt: skip
    views = {row.invoice_number: await _view(tx, row) for row in rows}
    return paging.page(
        rows, edge=lambda row: (row.issued_on.isoformat(), row.sorts_as), view=lambda row: views[row.invoice_number],
        response=response,
    )  # fmt: skip


@router.get("/invoices/{invoice_number}", name="get_invoice", dependencies=[requires("cases:read")])
async def get_invoice(*, invoice_number: Number, tx: Tx, caller: Caller, response: Response) -> InvoiceDetail:
    """One invoice with its lines and corrections."""
    invoice = await _seen(tx, caller, invoice_number)
    view = await _view(tx, invoice)
    corrections = await store.list_corrections(tx, invoice_number=invoice_number)
    set_etag(response, invoice.version)
    return InvoiceDetail(
        **view.model_dump(), lines=list(invoice.lines), corrections=[CorrectionView.of(one) for one in corrections]
    )


@router.post(
    "/invoices/{invoice_number}/correction/preview",
    name="preview_correction",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_correction(
    *, invoice_number: Number, body: CorrectInvoice, tx: Tx, caller: Caller
) -> CorrectionPreview:
    """The corrected invoice, the credit and the goodwill as they would be. Nothing is stored."""
    authorize_work(caller, task=TASK)
    draft = await correct.preview_correction(tx, _wish(invoice_number, body))
    return CorrectionPreview.of(draft, goodwill=body.goodwill is not None)


@router.post(
    "/invoices/{invoice_number}/correction",
    name="correct_invoice",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("cases:write"), idempotent],
)
async def correct_invoice(
    *, prepared: Annotated[Prepared, Depends(write_document)], tx: Tx, caller: Caller, version: IfMatch,
    response: Response,
) -> CorrectionView:  # fmt: skip
    """Put a wrong invoice right in one go: reversed, issued anew with its document, credited, dunning cleared, told."""
    correction = await correct.correct_invoice(
        tx, prepared.wish, seen=prepared.draft, document=prepared.document, agent=caller.subject, roles=caller.roles,
        tier=caller.tier, expected=version,
    )  # fmt: skip
    response.headers["Location"] = router.url_path_for("get_correction", correction_id=str(correction.correction_id))
    set_etag(response, correction.version)
    return CorrectionView.of(correction)


@router.get("/corrections/{correction_id}", name="get_correction", dependencies=[requires("cases:read")])
async def get_correction(*, correction_id: UUID, tx: Tx, caller: Caller, response: Response) -> CorrectionView:
    """One correction."""
    authorize_work(caller, task=TASK)
    correction = await store.get_correction(tx, correction_id=correction_id)
    set_etag(response, correction.version)
    return CorrectionView.of(correction)


@router.post(
    "/corrections/{correction_id}/reversal",
    name="reverse_correction",
    dependencies=[requires("cases:write"), idempotent],
)
async def reverse_correction(
    *, correction_id: UUID, body: ReverseCorrection, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> CorrectionView:
    """Undo a correction: the old invoice is owed again, and what was paid meanwhile pays it."""
    authorize_work(caller, task=TASK)
    correction = await correct.reverse_correction(
        tx, correction_id=correction_id, reason=body.reason, agent=caller.subject, expected=version, tell=body.tell
    )
    set_etag(response, correction.version)
    return CorrectionView.of(correction)


@router.get("/contradictions", name="list_contradictions", dependencies=[requires("cases:read")])
async def list_contradictions(
    *,
    tx: Tx,
    caller: Caller,
    paging: Paging,
    response: Response,
    kind: Annotated[list[Annotated[str, Query(max_length=40)]] | None, Query()] = None,
    journey_id: Annotated[UUID | None, Query(description="The person behind this journey.")] = None,
) -> Page[ContradictionView]:
    """What the billing system told twice with different contents, found last first. Nothing was overwritten."""
    authorize_work(caller, task=TASK)
    rows = await store.list_contradictions(
        tx, kinds=kind, journey_ids=await tx.members(journey_id) if journey_id else None, backwards=paging.backwards,
        after=paging.after(datetime), limit=paging.fetch,
    )  # fmt: skip
    return paging.page(
        rows, edge=lambda row: (row.found_at, row.contradiction_id), view=ContradictionView.of, response=response
    )


@router.get("/accounts/{customer_number}", name="get_account", dependencies=[requires("cases:read")])
async def get_account(
    *, customer_number: Annotated[str, Path(min_length=1, max_length=40)], tx: Tx, caller: Caller
) -> AccountView:
    """The statement of a customer's account: what is owed, and the latest entries of the ledger."""
    journey_id = await store.find_account(tx, customer_number=customer_number)
    if journey_id is None:
        raise AccountNotFound
    members = () if works_on(caller, task=TASK) else await tx.members(journey_id)
    authorize_case(caller, task=TASK, journey_id=journey_id, members=members, otherwise=AccountNotFound)
    books = await ledger.get_books(tx, journey_id=journey_id)
    currencies = sorted({entry.currency for entry in books.entries})
    return AccountView(
        customer_number=customer_number,
        journey_id=journey_id,
        balances=[
            BalanceView(
                currency=one, balance=books.balance(one), account=books.account(one),
                open_on_invoices=books.balance(one) - books.account(one),
            )
            for one in currencies
        ],
        entries=[EntryView.of(entry) for entry in books.entries[-SHOWN_ENTRIES:]],
    )  # fmt: skip


def _wish(invoice_number: str, body: CorrectInvoice) -> correct.Wish:
    goodwill = body.goodwill
    return correct.Wish(
        invoice_number=invoice_number, changes=body.changes, reason=body.reason, case_id=body.inquiry_id,
        goodwill=goodwill is not None, severity=goodwill.severity if goodwill else 1,
        failures=goodwill.failures if goodwill else 0, language=body.language, tell=body.tell,
    )  # fmt: skip


async def _seen(tx: Transaction, caller: Principal, invoice_number: str) -> Invoice:
    invoice = await store.get_invoice(tx, invoice_number=invoice_number)
    members = () if works_on(caller, task=TASK) else await tx.members(invoice.journey_id)
    authorize_case(caller, task=TASK, journey_id=invoice.journey_id, members=members, otherwise=InvoiceNotFound)
    return invoice


async def _view(tx: Transaction, invoice: Invoice) -> InvoiceView:
    books = await ledger.get_books(tx, journey_id=invoice.journey_id)
    number = invoice.invoice_number
    return InvoiceView.of(
        invoice, open_amount=invoice.money(books.open_amounts[number]), in_force=books.charges[number].in_force
    )
