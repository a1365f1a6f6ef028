"""Understand what came in on a channel: from parsed bytes to a message and what we know of its sender."""

import asyncio
import re

from anliegen.events import Channel, HandleKind

from ..domain.contacts import Message
from ..domain.identity import Evidence, contact_id_of, handle_of
from ..domain.references import read_reply_address
from ..mail.attachments import keep_files
from ..mail.fingerprint import fingerprint
from ..mail.hygiene import why_automatic, why_unanswered
from ..mail.parse import Mail, read_mail
from ..resources import Resources
from ..store.vault import Entry
from ..whatsapp.parse import SILENT_TYPES, InboundMessage
from .excerpt import shorten

_DMARC_PASSED = re.compile(r"\bdmarc\s*=\s*pass\b", re.I)


async def understand_mail(resources: Resources, entry: Entry, raw: bytes) -> tuple[Message, Evidence]:
    """A mail's message and evidence; its files are put into the object store. Raises MailUnreadable."""
    settings = resources.settings
    # A mail of 25 MB takes long enough to hold up everybody else's requests.
    mail = read_mail(raw) if len(raw) < 50_000 else await asyncio.to_thread(read_mail, raw)
    text, content = await shorten(resources.files, mail.text)
    attachments, _ = await keep_files(
        resources.files, mail.attachments, most=settings.most_attachments, largest=settings.largest_attachment
    )
    own = settings.own_addresses
    automatic = why_automatic(mail.header, sender=mail.sender, content_type=mail.content_type, own_addresses=own)
    language = (mail.header("Content-Language") or "").strip().lower()[:2]
    message = Message(
        contact_id=contact_id_of(
            settings.identity_key, "email", entry.account, mail.message_id or "", fingerprint(raw)
        ),
        channel=Channel.EMAIL,
        account=entry.account,
        text=text,
        content=content,
        received_at=entry.received_at,
        subject_line=mail.subject,
        display_name=mail.sender_name,
        language=language if language in {"de", "en", "fr", "it"} else None,
        attachments=attachments,
        message_id=mail.message_id,
        references=mail.references,
        reply_id=read_reply_address(settings.identity_key, mail.recipients),
        automatic=automatic,
        unanswered=why_unanswered(mail.header, sender=mail.sender, own_addresses=own),
        bounced=mail.bounced,
        vault_id=entry.vault_id,
    )
    sender = handle_of(HandleKind.EMAIL, mail.sender, region="") if mail.sender else None
    return message, Evidence(sender=sender, sender_verified=_vouched_for(mail, settings.mail_authserv_id))


def _vouched_for(mail: Mail, authserv_id: str) -> bool:
    """Whether our own mail server found the sender's domain to be genuine (DMARC, RFC 7489)."""
    if not authserv_id:
        return False
    # Our server puts its verdict on top; any below it came with the mail and may be invented.
    first = mail.verdicts[0] if mail.verdicts else ""
    return first.split(";")[0].strip().lower() == authserv_id.lower() and bool(_DMARC_PASSED.search(first))


async def understand_whatsapp(resources: Resources, entry: Entry, inbound: InboundMessage) -> tuple[Message, Evidence]:
    """A WhatsApp message and its evidence: the provider vouches for the number."""
    settings = resources.settings
    text, content = await shorten(resources.files, inbound.text)
    message = Message(
        contact_id=contact_id_of(settings.identity_key, "whatsapp", inbound.account, inbound.message_id),
        channel=Channel.WHATSAPP,
        account=inbound.account[:320],
        text=text,
        content=content,
        received_at=entry.received_at,
        display_name=inbound.name,
        media=inbound.media,
        message_id=inbound.message_id,
        references=(inbound.answers,) if inbound.answers else (),
        automatic="system" if inbound.kind == "system" else None,
        unanswered=inbound.kind if inbound.kind in SILENT_TYPES else None,
        vault_id=entry.vault_id,
    )
    sender = handle_of(HandleKind.WHATSAPP, inbound.sender, region="")
    return message, Evidence(sender=sender, sender_verified=sender is not None)
