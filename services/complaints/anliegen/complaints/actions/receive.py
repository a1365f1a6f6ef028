"""How complaints come in: from triage, from agents' notes, again from the same customer, and back from intake."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from anliegen.events import (
    ComplaintAcknowledged,
    ComplaintFollowedUp,
    ComplaintOpened,
    ComplaintReopened,
    Priority,
)
from anliegen.kit import Transaction, ids
from anliegen.kit.cases import carry_over
from anliegen.kit.versions import ExpectedVersion

from .. import store
from ..clocks.packs import PACKS
from ..domain import Complaint, Contact, Matter, follow_up_of, reason_for, reply_id_of
from ..errors import ContactUnknown, MarketUnknown
from ..rules import POLICY
from ..states import FollowUp, Reason, Resolution
from .shared import announce, keep_time, load, load_in_time, save

PUBLIC = ("review",)
"""Channels that everybody reads."""


async def hear_contacts(tx: Transaction, *, contacts: Sequence[Contact]) -> None:
    """Remember whose contacts these are; each topic tells its own part."""
    await store.upsert_contacts(tx, contacts=contacts)


async def take_up_matter(tx: Transaction, *, concern_id: UUID, case_id: UUID | None, matter: Matter) -> None:
    """Open a complaint for a concern, or follow up the case that it continues."""
    known = await store.find_complaint(tx, case_id=case_id) if case_id else None
    # What is settled for too long is so for good: later it could only have been settled later. So no lock is needed.
    if known is None or follow_up_of(known, matter, policy=POLICY) is FollowUp.OPENS_ANOTHER:
        continues = known.case_id if known else case_id  # one that is not ours was handed over
        await open_complaint(tx, concern_id=concern_id, matter=matter, continues=continues)
    elif known.journey_id == matter.journey_id:
        await follow_up_complaint(tx, case_id=known.case_id, matter=matter)
    else:
        await carry_over(tx, case_id=known.case_id, key=known.journey_id, contact_id=matter.contact_id, matter=matter)


async def open_complaint(
    tx: Transaction, *, concern_id: UUID, matter: Matter, continues: UUID | None = None, by: str | None = None
) -> Complaint:
    """Open a complaint, with the promise of a decision; one that is known already stays as it is."""
    await tx.lock(matter.journey_id)
    complaint = Complaint.received(concern_id=concern_id, matter=matter, policy=POLICY, continues=continues)
    known = await store.find_complaint(tx, case_id=complaint.case_id)
    if known is not None:
        return known
    await save(tx, None, complaint, step="received", by=by)
    contact_id = complaint.contact_id
    await store.insert_complaint_contact(tx, case_id=complaint.case_id, contact_id=contact_id, came_at=matter.came_at)
    contact = await store.find_contact(tx, contact_id=contact_id)
    await announce(
        tx, ComplaintOpened, complaint, contact_id=contact_id, concern_id=concern_id, intent=complaint.intent,
        priority=complaint.priority, tier=complaint.tier, remedy_sought=complaint.remedy_sought,
        country=complaint.country, line=complaint.line, continues=continues,
        public=contact is not None and contact.channel in PUBLIC,
    )  # fmt: skip
    if contact is not None and contact.acknowledged_at is not None:
        complaint = await _acknowledge(tx, complaint, at=contact.acknowledged_at, by=None)
    return complaint


async def note_complaint(
    tx: Transaction,
    *,
    contact_id: UUID,
    intent: str,
    priority: Priority,
    tier: int,
    country: str,
    line: str,
    remedy_sought: str | None,
    invoice_number: str | None,
    agent: str,
) -> Complaint:
    """Open a complaint that an agent heard in a contact. Raises ContactUnknown, MarketUnknown, CodeUnknown."""
    contact = await store.find_contact(tx, contact_id=contact_id)
    if contact is None or contact.language is None:
        raise ContactUnknown
    check_market(country, line)
    matter = Matter(
        contact_id=contact_id, journey_id=contact.journey_id, language=contact.language, intent=intent,
        priority=priority, tier=tier, came_at=tx.now, country=country, line=line, remedy_sought=remedy_sought,
        invoice_number=invoice_number,
    )  # fmt: skip
    return await open_complaint(tx, concern_id=ids.uuid7(tx.wall), matter=matter, by=agent)


async def follow_up_complaint(tx: Transaction, *, case_id: UUID, matter: Matter) -> None:
    """Add a contact; reopen the complaint where it had its response. A contact counts once."""
    before = await load(tx, case_id=case_id)
    contact_id = matter.contact_id
    if not await store.insert_complaint_contact(tx, case_id=case_id, contact_id=contact_id, came_at=matter.came_at):
        return
    before = await keep_time(tx, before)
    if follow_up_of(before, matter, policy=POLICY) is FollowUp.ADDED:
        complaint = before.followed_up(matter)
        await save(tx, before, complaint, step="followed_up_by_customer")
        await announce(tx, ComplaintFollowedUp, complaint, contact_id=contact_id)
    else:
        reason = reason_for(before, matter)
        await reopen(tx, before, before.followed_up(matter), reason=reason, at=matter.came_at, contact_id=contact_id)


async def hear_acknowledgements(tx: Transaction, *, contacts: Sequence[Contact]) -> list[tuple[UUID, UUID]]:
    """Intake confirmed the receipt of these contacts; tells by which of them which complaints were brought that nobody
    confirmed yet."""
    if not contacts:
        return []
    await store.upsert_contacts(tx, contacts=contacts)
    return await store.list_unacknowledged(tx, contact_ids=[contact.contact_id for contact in contacts])


async def acknowledge_received(tx: Transaction, *, case_id: UUID, at: datetime) -> None:
    """Whoever complained by a contact that was confirmed knows that the complaint was received."""
    await _acknowledge(tx, await load_in_time(tx, case_id=case_id), at=at, by=None)


async def acknowledge_complaint(tx: Transaction, *, case_id: UUID, agent: str, expected: ExpectedVersion) -> Complaint:
    """The customer was told in person that it was received. Raises ComplaintNotFound, PreconditionFailed."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    return await _acknowledge(tx, before, at=tx.now, by=agent)


async def reopen_undelivered(tx: Transaction, *, case_id: UUID, journey_id: UUID, reply_id: UUID) -> None:
    """A final response did not reach the customer: it was none. Its decision stands, and is to be sent again."""
    known = await store.find_complaint(tx, case_id=case_id)
    # What becomes of a reply is told under the journey that it was asked for under, whose lock is held.
    if known is None or known.journey_id != journey_id:
        return
    before = await load(tx, case_id=case_id)
    is_latest = before.response_id is not None and reply_id_of(case_id, before.response_id) == reply_id
    if is_latest and before.resolution in {None, Resolution.NO_OBJECTION}:
        await reopen(tx, before, before, reason=Reason.RESPONSE_NOT_DELIVERED, at=tx.now)


async def reopen(
    tx: Transaction,
    before: Complaint,
    complaint: Complaint,
    *,
    reason: Reason,
    at: datetime,
    contact_id: UUID | None = None,
    by: str | None = None,
) -> Complaint:
    """It goes on. Raises ComplaintStillOpen."""
    complaint, failure = complaint.reopened_for(reason, at=at, policy=POLICY)
    await save(tx, before, complaint, step="reopened", by=by, reason=reason)
    await announce(tx, ComplaintReopened, complaint, contact_id=contact_id, failure=failure, reason=reason)
    return complaint


def check_market(country: str, line: str) -> None:
    """Refuse a country or a product line that is not listed. Raises MarketUnknown."""
    if country not in PACKS.markets.markets or line not in PACKS.markets.lines:
        raise MarketUnknown(countries=sorted(PACKS.markets.markets), lines=sorted(PACKS.markets.lines))


async def _acknowledge(tx: Transaction, before: Complaint, *, at: datetime, by: str | None) -> Complaint:
    complaint = before.acknowledged(at=at)
    if complaint != before:
        await save(tx, before, complaint, step="acknowledged", by=by)
        await announce(tx, ComplaintAcknowledged, complaint, acknowledged_at=at)
    return complaint
