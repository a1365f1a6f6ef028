"""Accept a contact: whoever it is from, it is identified, threaded, kept, announced and acknowledged."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from anliegen.events import Assurance, Channel, ContactReceived, CustomerLearnt, Handle
from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics, traces

from ..domain.contacts import LONGEST_NAME, LONGEST_SUBJECT, Contact, Message, clean, clean_line
from ..domain.identity import Evidence, Identity, anonymous_journey_id, identify, journey_id_of
from ..domain.references import reference_of
from ..domain.replies import ANSWERED_LATELY, AUTOMATIC_REPLY_EVERY, Cause, Reply
from ..resources import resources_of
from ..store import contacts as store
from ..store import links, outgoing
from . import acknowledge, fail, thread
from .link import link_journeys


@dataclass(frozen=True, slots=True)
class Accepted:
    """A contact that is kept. `is_new` is False where it was there already, as after a provider's retry."""

    contact: Contact
    is_new: bool


async def accept_contact(tx: Transaction, message: Message, evidence: Evidence) -> Accepted:
    """Keep a contact, announce it and queue its acknowledgement. The same message again changes nothing."""
    resources = resources_of(tx)
    identity = identify(evidence)
    origin = await _find_origin(tx, message, evidence, identity)
    journey_id = origin.journey_id
    found = await thread.find_thread(tx, message, sender=evidence.sender)
    bounced = await _find_bounced(tx, message)
    # What the issuer vouches for is linked with a journey that is known to be the caller's, never with a claimed one.
    vouched = [
        (await store.upsert_handle(tx, secret=resources.settings.identity_key, handle=handle))[0]
        for handle in sorted(evidence.vouched, key=lambda handle: (handle.kind, handle.value))
        if identity.assurance is Assurance.VERIFIED
    ]
    await tx.lock(journey_id, *vouched, *([bounced.journey_id] if bounced else []))
    text = clean(message.text)
    account = resources.settings.account(message.channel.value, message.account)
    contact = Contact(
        contact_id=message.contact_id,
        journey_id=journey_id,
        channel=message.channel,
        account=message.account,
        reference=reference_of(message.contact_id),
        received_at=message.received_at,
        text=text,
        assurance=identity.assurance,
        sender=evidence.sender,
        customer_number=evidence.customer_number,
        display_name=clean_line(message.display_name, longest=LONGEST_NAME),
        subject_line=clean_line(message.subject_line, longest=LONGEST_SUBJECT),
        content=message.content,
        language=message.language or resources.languages.detect(text) or account.language,
        attachments=message.attachments,
        stated_task=message.stated_task,
        thread=found,
        automatic=message.automatic,
        message_id=message.message_id,
        references=message.references,
        vault_id=message.vault_id,
        noted_by=message.noted_by,
        may_learn=message.may_learn,
    )
    if not await _keep(tx, contact, message):
        return Accepted(await store.get_contact(tx, contact_id=contact.contact_id), is_new=False)
    received_id = tx.publish(received(contact))
    if origin.new_handle is not None:
        store.add_handle(tx, handle=origin.new_handle, journey_id=journey_id)
        if contact.display_name:
            tx.publish(learnt(contact, origin.new_handle, identity.assurance))
    for other in vouched:
        # Where a person separated these two before, only a person links them again.
        if not await links.has_removed_link(tx, a=min(other, journey_id), b=max(other, journey_id)):
            await link_journeys(tx, contact, other, evidence="verified_by_issuer")
    await acknowledge.acknowledge_contact(
        tx,
        contact,
        cause=Cause(received_id, tx.now, str(received_id), traces.inject()[0]),
        unanswered=message.unanswered or origin.unanswered,
    )
    if bounced is not None:
        await fail.fail_reply(tx, bounced, code="bounced")
    # Channels that fell silent unnoticed are what people complain about most; a silence shows in this age.
    labels = tx.context.service.name, contact.channel.value
    tx.after_commit(partial(metrics.channel_last_received.labels(*labels).set, tx.wall.timestamp()))
    tx.after_commit(metrics.contacts_received.labels(*labels).inc)
    return Accepted(contact, is_new=True)


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose journey a contact belongs to. `unanswered`: why an automatic mail would be one too many (a code)."""

    journey_id: UUID
    new_handle: Handle | None = None
    unanswered: str | None = None


async def _find_origin(tx: Transaction, message: Message, evidence: Evidence, identity: Identity) -> Origin:
    """Look, before anything is locked, whose contact this is and whether its sender had an automatic mail today."""
    secret = resources_of(tx).settings.identity_key
    way = acknowledge.way_of(tx, channel=message.channel, account=message.account, sender=evidence.sender)
    recipient = way.recipient if way.channel is Channel.EMAIL else None
    known, answered = await store.peek_sender(
        tx, handle=identity.handle, recipient=recipient, since=tx.now - AUTOMATIC_REPLY_EVERY
    )
    unanswered = ANSWERED_LATELY if answered else None
    if identity.journey_id is not None:
        return Origin(identity.journey_id, unanswered=unanswered)
    if identity.handle is None:
        return Origin(anonymous_journey_id(secret, message.contact_id), unanswered=unanswered)
    if known is not None:
        return Origin(known, unanswered=unanswered)
    return Origin(journey_id_of(secret, identity.handle, generation=0), identity.handle, unanswered)


async def _keep(tx: Transaction, contact: Contact, message: Message) -> bool:
    """Keep the contact; False where it is there already."""
    if contact.vault_id is None:
        # Its id was made for this request, so nobody can have brought it before.
        store.add_contact(tx, contact)
        return True
    if not await store.insert_contact(tx, contact):
        return False
    await store.insert_media(
        tx, contact_id=contact.contact_id, account=contact.account, media=message.media, due=tx.wall
    )
    return True


async def _find_bounced(tx: Transaction, message: Message) -> Reply | None:
    if message.bounced is None:
        return None
    return await outgoing.find_reply_by_message_id(tx, message_id=message.bounced)


def received(contact: Contact) -> ContactReceived:
    """The announcement of a contact."""
    return ContactReceived(
        journey_id=contact.journey_id,
        contact_id=contact.contact_id,
        channel=contact.channel,
        account=contact.account,
        received_at=contact.received_at,
        sender=contact.sender,
        customer_number=contact.customer_number,
        assurance=contact.assurance,
        display_name=contact.display_name,
        subject_line=contact.subject_line,
        text=contact.text,
        content=contact.content,
        language=contact.language,
        attachments=contact.attachments,
        stated_task=contact.stated_task,
        thread=contact.thread,
        automatic=contact.automatic is not None,
        may_learn=contact.may_learn,
    )


def learnt(contact: Contact, handle: Handle, assurance: Assurance) -> CustomerLearnt:
    """What a contact taught us about the person behind its journey."""
    return CustomerLearnt(
        journey_id=contact.journey_id,
        handle=handle,
        assurance=assurance,
        name=contact.display_name,
        language=contact.language,
    )
