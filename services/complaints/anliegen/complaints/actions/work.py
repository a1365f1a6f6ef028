"""What people at the desk do until a complaint is decided and made good, and so that it does not happen again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from anliegen.events import (
    ComplaintAssessed,
    ComplaintDecided,
    ComplaintInvoiceNamed,
    ComplaintRemedied,
    ComplaintsReplyRequested,
    ComplaintTaken,
    DecisionReversed,
    DelayExplained,
    Failure,
    InformationRequested,
    InvestigationAssigned,
    InvestigationDone,
    Money,
    PreventionDone,
    PreventionPlanned,
)
from anliegen.kit import Transaction, ids
from anliegen.kit.versions import ExpectedVersion

from .. import store
from ..domain import Assessment, Complaint, Decision, reply_id_of
from ..errors import NoPrivateWay, WorkNotFound
from ..rules import POLICY, check_codes
from ..store import InvestigationRow, PreventionRow
from .receive import PUBLIC, check_market
from .shared import announce, load_in_time, save


async def take_complaint(tx: Transaction, *, case_id: UUID, agent: str, expected: ExpectedVersion) -> Complaint:
    """An agent works on it from now on. Raises ComplaintNotFound, PreconditionFailed, ComplaintSettled."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.taken_by(agent)
    if complaint != before:
        await save(tx, before, complaint, step="taken", by=agent)
        await announce(tx, ComplaintTaken, complaint, taken_by=agent)
    return complaint


async def name_invoice(
    tx: Transaction, *, case_id: UUID, invoice_number: str, agent: str, expected: ExpectedVersion
) -> Complaint:
    """It is about this invoice. Raises ComplaintNotFound, PreconditionFailed, ComplaintSettled."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    if before.invoice_number == invoice_number:
        return before
    complaint = before.about_invoice(invoice_number)
    await save(tx, before, complaint, step="invoice_named", by=agent)
    await announce(tx, ComplaintInvoiceNamed, complaint)
    return complaint


async def assess_complaint(
    tx: Transaction,
    *,
    case_id: UUID,
    assessment: Assessment,
    country: str,
    line: str,
    agent: str,
    expected: ExpectedVersion,
) -> Complaint:
    """How bad, how hard, how many; and whose rules it falls under. Raises MarketUnknown, NotAssessed and as `load`."""
    check_market(country, line)
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.assessed(assessment, country=country, line=line, policy=POLICY)
    await save(tx, before, complaint, step="assessed", by=agent)
    await announce(
        tx, ComplaintAssessed, complaint, severity=assessment.severity, complexity=assessment.complexity,
        impact=assessment.impact, immediate_action=assessment.immediate_action, priority=complaint.priority,
        tier=complaint.tier, country=country, line=line,
    )  # fmt: skip
    return complaint


async def foresee_assessment(
    tx: Transaction, *, case_id: UUID, assessment: Assessment, country: str, line: str
) -> Complaint:
    """What the complaint would be after this assessment; nothing is changed. Raises as `assess_complaint`."""
    check_market(country, line)
    complaint = await store.get_complaint(tx, case_id=case_id)
    return complaint.assessed(assessment, country=country, line=line, policy=POLICY)


# Investigation --------------------------------------------------------------------------------------------------------
async def assign_investigation(
    tx: Transaction, *, case_id: UUID, kind: str, owner: str, due_at: datetime, agent: str, expected: ExpectedVersion
) -> Complaint:
    """Somebody finds something out. Raises CodeUnknown, NotAssessed and as `load`."""
    check_codes(POLICY.investigations, kind)
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.investigated()
    investigation = InvestigationRow(investigation_id=ids.uuid7(tx.wall), kind=kind, owner=owner, due_at=due_at)
    await save(tx, before, complaint, step="investigation_assigned", by=agent, reason=kind)
    await store.insert_investigation(tx, case_id=case_id, investigation=investigation)
    await announce(
        tx, InvestigationAssigned, complaint, investigation_id=investigation.investigation_id, kind=kind, owner=owner,
        due_at=due_at,
    )  # fmt: skip
    return complaint


async def finish_investigation(
    tx: Transaction, *, case_id: UUID, investigation_id: UUID, agent: str, expected: ExpectedVersion
) -> Complaint:
    """It was found out. Raises WorkNotFound and as `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    if not await store.update_investigation_done(tx, case_id=case_id, investigation_id=investigation_id, at=tx.now):
        raise WorkNotFound
    complaint = before.touched()
    await save(tx, before, complaint, step="investigation_done", by=agent)
    await announce(tx, InvestigationDone, complaint, investigation_id=investigation_id)
    return complaint


async def ask_customer(
    tx: Transaction, *, case_id: UUID, question: str, language: str | None, agent: str, expected: ExpectedVersion
) -> Complaint:
    """Ask the customer something; clocks that may pause stand still until the customer comes back.

    Raises NotAssessed, NoPrivateWay and as `load`.
    """
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.asked()
    await save(tx, before, complaint, step="customer_asked", by=agent)
    contact_id = await private_contact(tx, complaint)
    await announce(tx, InformationRequested, complaint, contact_id=contact_id)
    told = reply_about(
        complaint, complaint.version, contact_id=contact_id, values={"answer": question}, language=language
    )
    tx.publish(ComplaintsReplyRequested(template="complaint_question", **told))
    return complaint


async def explain_delay(
    tx: Transaction,
    *,
    case_id: UUID,
    explanation: str,
    until: datetime,
    language: str | None,
    agent: str,
    expected: ExpectedVersion,
) -> Complaint:
    """Tell the customer why it takes longer, and until when: a holding reply. Raises NoPrivateWay and as `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.explained_delay(at=tx.now)
    await save(tx, before, complaint, step="delay_explained", by=agent)
    contact_id = await private_contact(tx, complaint)
    await announce(tx, DelayExplained, complaint, contact_id=contact_id)
    told = reply_about(
        complaint,
        complaint.version,
        contact_id=contact_id,
        values={"answer": explanation, "until": until.date().isoformat()},
        language=language,
    )
    tx.publish(ComplaintsReplyRequested(template="complaint_delay", **told))
    return complaint


# Decision and remedy --------------------------------------------------------------------------------------------------
async def decide_complaint(
    tx: Transaction, *, case_id: UUID, decision: Decision, agent: str, expected: ExpectedVersion
) -> Complaint:
    """Decide, with reasons; a rejection names another way (R69). Raises as `Complaint.decided` and `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint, failure = await _decided(tx, before, decision)
    await save(tx, before, complaint, step="decided", by=agent, reason=decision.outcome)
    await announce(
        tx, ComplaintDecided, complaint, outcome=decision.outcome, reasons=decision.reasons,
        other_ways=decision.other_ways, decided_by=agent, failure=failure,
    )  # fmt: skip
    return complaint


async def foresee_decision(tx: Transaction, *, case_id: UUID, decision: Decision) -> Complaint:
    """What the complaint would be after this decision; nothing is changed. Raises as `decide_complaint`."""
    return (await _decided(tx, await store.get_complaint(tx, case_id=case_id), decision))[0]


async def reverse_decision(
    tx: Transaction, *, case_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Complaint:
    """Take a decision back before the customer knows of it. Raises NotDecided, CodeUnknown and as `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.undecided(reason=reason, policy=POLICY)
    await save(tx, before, complaint, step="decision_reversed", by=agent, reason=reason)
    await announce(tx, DecisionReversed, complaint, reason=reason)
    return complaint


async def remedy_complaint(
    tx: Transaction, *, case_id: UUID, remedy: str, amount: Money | None, agent: str, expected: ExpectedVersion
) -> Complaint:
    """What the decision promises was set going. Raises NotDecided, CodeUnknown and as `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.remedied(remedy, amount=amount, policy=POLICY)
    await save(tx, before, complaint, step="remedied", by=agent, reason=remedy)
    await announce(tx, ComplaintRemedied, complaint, remedy=remedy, amount=amount)
    return complaint


# Prevention -----------------------------------------------------------------------------------------------------------
async def plan_prevention(
    tx: Transaction,
    *,
    case_id: UUID,
    cause: str,
    measure: str,
    owner: str,
    due_at: datetime,
    agent: str,
    expected: ExpectedVersion,
) -> Complaint:
    """Name the root cause and what is done about it, in whatever state (R54). Raises CodeUnknown and as `load`."""
    check_codes(POLICY.causes, cause)
    check_codes(POLICY.preventions, measure)
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.touched()
    prevention = PreventionRow(
        prevention_id=ids.uuid7(tx.wall), cause=cause, measure=measure, owner=owner, due_at=due_at
    )
    await save(tx, before, complaint, step="prevention_planned", by=agent, reason=cause)
    await store.insert_prevention(tx, case_id=case_id, prevention=prevention)
    await announce(
        tx, PreventionPlanned, complaint, prevention_id=prevention.prevention_id, cause=cause, measure=measure,
        owner=owner, due_at=due_at,
    )  # fmt: skip
    return complaint


async def finish_prevention(
    tx: Transaction, *, case_id: UUID, prevention_id: UUID, agent: str, expected: ExpectedVersion
) -> Complaint:
    """A measure was carried out. Raises WorkNotFound and as `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    if not await store.update_prevention_done(tx, case_id=case_id, prevention_id=prevention_id, at=tx.now):
        raise WorkNotFound
    complaint = before.touched()
    await save(tx, before, complaint, step="prevention_done", by=agent)
    await announce(tx, PreventionDone, complaint, prevention_id=prevention_id)
    return complaint


# What goes to the customer --------------------------------------------------------------------------------------------
async def private_contact(tx: Transaction, complaint: Complaint) -> UUID:
    """The newest contact of the person that nobody else reads along with. Raises NoPrivateWay."""
    person = await tx.members(complaint.journey_id)
    contact_id = await store.find_private_contact_id(tx, case_id=complaint.case_id, journey_ids=person, public=PUBLIC)
    if contact_id is None:
        raise NoPrivateWay
    return contact_id


def reply_about(
    complaint: Complaint, about: object, *, contact_id: UUID, values: dict[str, str], language: str | None
) -> dict[str, Any]:
    """What every request to bring words to the customer says; the reply's id follows from what it is about."""
    return {
        "journey_id": complaint.journey_id, "reply_id": reply_id_of(complaint.case_id, about),
        "case_id": complaint.case_id, "task": complaint.task, "contact_id": contact_id, "values": values,
        "language": language,
    }  # fmt: skip


async def _decided(tx: Transaction, before: Complaint, decision: Decision) -> tuple[Complaint, Failure | None]:
    open_investigations = await store.count_open_investigations(tx, case_id=before.case_id)
    return before.decided(decision, open_investigations=open_investigations, policy=POLICY)
