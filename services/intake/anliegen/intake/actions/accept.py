"""Accept a contact: whoever it is from, it is identified, threaded, kept, announced and acknowledged."""

from dataclasses import dataclass

from anliegen.events import (
    Assurance,
    ContactReceived,
    CustomerLearnt,
    Handle,
)
from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics

from ..domain.contacts import LONGEST_NAME, LONGEST_SUBJECT, Contact, Message, clean, clean_line
from ..domain.identity import Evidence, anonymous_journey_id, identify
from ..domain.references import reference_of
from ..domain.replies import Cause, Reply
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
    is_new_handle = False
    if identity.journey_id is not None:
        journey_id = identity.journey_id
    elif identity.handle is not None:
        journey_id, is_new_handle = await store.upsert_handle(
            tx, secret=resources.settings.identity_key, handle=identity.handle
        )
    else:
        journey_id = anonymous_journey_id(resources.settings.identity_key, message.contact_id)
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
    )
    if not await store.insert_contact(tx, contact):
        return Accepted(await store.get_contact(tx, contact_id=contact.contact_id), is_new=False)
    await store.insert_media(
        tx, contact_id=contact.contact_id, account=contact.account, media=message.media, due=tx.wall
    )
    received_id = tx.publish(received(contact))
    if is_new_handle and contact.display_name and identity.handle is not None:
        tx.publish(learnt(contact, identity.handle, identity.assurance))
    for other in vouched:
        # Where a person separated these two before, only a person links them again.
        if not await links.has_removed_link(tx, a=min(other, journey_id), b=max(other, journey_id)):
            await link_journeys(tx, contact, other, evidence="verified_by_issuer")
    await acknowledge.acknowledge_contact(
        tx, contact, cause=Cause(received_id, tx.now, str(received_id)), unanswered=message.unanswered
    )
    if bounced is not None:
        await fail.fail_reply(tx, bounced, code="bounced")
    # Channels that fell silent unnoticed are what people complain about most; a silence shows in this age.
    metrics.channel_last_received.labels(tx.context.service.name, contact.channel.value).set(tx.wall.timestamp())
    return Accepted(contact, is_new=True)


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
