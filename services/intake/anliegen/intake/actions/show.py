"""Show a contact, its files, and how its matter stands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from anliegen.events import Channel, ContentReference
from anliegen.kit import Principal, Transaction
from anliegen.kit.files import FileNotKept
from anliegen.kit.principal import ADMINISTRATOR, AGENT, SERVICE, SUPERVISOR

from ..documents import FileDamaged, bytes_of, documents_of, named, open_until
from ..domain.contacts import CaseState, Contact, ContactNotFound
from ..domain.references import opens_document, opens_status
from ..domain.replies import ACKNOWLEDGEMENT, Reply, ReplyState, language_for
from ..resources import resources_of
from ..store import contacts as store
from ..store import media, outgoing
from ..texts import Document, TextMissing

log = structlog.get_logger(__name__)

_STAFF = frozenset({AGENT, SUPERVISOR, ADMINISTRATOR, SERVICE})


@dataclass(frozen=True, slots=True)
class Status:
    """How a contact's matter stands, for the one who brought it."""

    contact: Contact
    language: str
    zone: str
    acknowledgement: str | None
    answers: Sequence[str]
    documents: Sequence[Document]
    cases: Sequence[CaseState]


async def show_contact(tx: Transaction, *, contact_id: UUID, principal: Principal) -> Contact:
    """A contact, for staff and for the customer whose journey it is. Raises ContactNotFound."""
    contact = await store.get_contact(tx, contact_id=contact_id)
    is_own = principal.journey_id is not None and principal.journey_id in await tx.members(contact.journey_id)
    if not principal.roles & _STAFF and not is_own:
        raise ContactNotFound
    fetched = await media.list_stored(tx, contact_id=contact_id)
    return replace(contact, attachments=(*contact.attachments, *fetched))


async def show_attachment(
    tx: Transaction, *, contact_id: UUID, sha256: str, principal: Principal
) -> tuple[ContentReference, bytes]:
    """A file of a contact. Raises ContactNotFound, FileNotKept."""
    contact = await show_contact(tx, contact_id=contact_id, principal=principal)
    references = (*contact.attachments, *([contact.content] if contact.content else []))
    for reference in references:
        if reference.sha256 == sha256:
            return reference, await resources_of(tx).files.get(sha256)
    raise FileNotKept


async def show_status(tx: Transaction, *, contact_id: UUID, token: str) -> Status:
    """How a matter stands, for whoever has the signed token. Raises ContactNotFound."""
    resources = resources_of(tx)
    if not opens_status(resources.settings.identity_key, contact_id, token):
        raise ContactNotFound
    contact = await store.get_contact(tx, contact_id=contact_id)
    replies = await outgoing.list_replies(tx, contact_id=contact_id)
    zone = resources.rules.zone_of(contact.channel)
    shown = [
        reply
        for reply in replies
        if reply.template == ACKNOWLEDGEMENT or (reply.way.recipient is None and _on_page(reply))
    ]
    texts = [(reply.template == ACKNOWLEDGEMENT, _render(tx, reply, zone)) for reply in shown]
    return Status(
        contact=contact,
        language=language_for(contact.language, resources.settings.default_language),
        zone=zone,
        acknowledgement=next((text for is_acknowledgement, text in texts if is_acknowledgement and text), None),
        answers=[text for is_acknowledgement, text in texts if not is_acknowledgement and text],
        documents=[
            document
            for reply in shown
            if reply.way.recipient is None
            for document in documents_of(resources.settings, reply, now=tx.now)
        ],
        cases=await store.list_cases(tx, contact_id=contact_id),
    )


async def show_document(tx: Transaction, *, reply_id: UUID, sha256: str, token: str) -> tuple[str, bytes]:
    """A file that went with words, by its name, for whoever got the words, for a while. Raises FileNotKept."""
    resources = resources_of(tx)
    if not opens_document(resources.settings.identity_key, reply_id, sha256, token):
        raise FileNotKept
    reply = await outgoing.find_reply(tx, reply_id=reply_id)
    if reply is None or open_until(resources.settings, reply, now=tx.now) <= tx.now:
        raise FileNotKept
    for name, reference in named(reply.attachments):
        if reference.sha256 == sha256:
            try:
                return name, await bytes_of(resources.files, reference)
            except FileDamaged as problem:
                log.error("file_damaged", reply_id=str(reply_id))
                raise FileNotKept from problem
    raise FileNotKept


def _on_page(reply: Reply) -> bool:
    """Answers are shown here only where the form left no address: the page is the one way to its sender."""
    return reply.way.channel in {Channel.WEB_FORM, Channel.APP} and reply.state is ReplyState.SENT


def _render(tx: Transaction, reply: Reply, zone: str) -> str | None:
    resources = resources_of(tx)
    try:
        rendered = resources.texts.render(
            reply.template,
            language=reply.language,
            channel="page" if reply.way.recipient is None else reply.way.channel.value,
            zone=zone,
            values={**reply.values, "sender_name": resources.settings.mail_from_name, "status_url": ""},
        )
    except TextMissing:
        return None
    return rendered.text
