"""Hand words to their channel: rendered, addressed, with what makes a repetition recognisable."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from obstore.exceptions import BaseError as StoreTrouble

from anliegen.events import Channel, ContentReference
from anliegen.kit import Context
from anliegen.kit.files import FileNotKept

from .clients import MailFile, OutgoingMail, OutgoingText, SendingFailed
from .documents import FileDamaged, bytes_of, documents_of, named
from .domain.references import message_id_of, reply_address
from .domain.replies import Reply, Sent, window_is_open
from .resources import Resources, resources_of
from .texts import Rendered, TextMissing

MOST_REFERENCES = 20


async def hand_over(context: Context, reply: Reply) -> Sent:
    """Hand words to their channel. Raises SendingFailed, with a code for the cause."""
    resources = resources_of(context)
    rendered = _render(resources, reply)
    brings = reply.way.channel is Channel.EMAIL and fits_into_a_mail(resources, reply)
    if reply.attachments:
        about = _about_files(context, resources, reply, brings=brings)
        rendered = replace(rendered, text=f"{rendered.text}\n\n{about}")
    # Looked at where the words only say where they are, too: nobody is sent to a file that is not there.
    files = [file async for file in _files(resources, reply, brings=brings)]
    match reply.way.channel:
        case Channel.EMAIL:
            return await _mail(context, resources, reply, rendered, files)
        case Channel.WHATSAPP:
            return await _whatsapp(context, resources, reply, rendered)
        case _:
            raise SendingFailed("no_channel", lasting=True)


def _render(resources: Resources, reply: Reply) -> Rendered:
    account = resources.settings.account(reply.way.channel.value, reply.way.account)
    try:
        return resources.texts.render(
            reply.template,
            language=reply.language,
            channel=reply.way.channel.value,
            zone=resources.rules.zone_of(reply.way.channel),
            values={**reply.values, "sender_name": account.name},
        )
    except TextMissing as problem:
        raise SendingFailed("template_not_usable", lasting=True) from problem


def fits_into_a_mail(resources: Resources, reply: Reply) -> bool:
    """Whether the files that go with these words are small enough to be brought by a mail."""
    return sum(reference.size for reference in reply.attachments) <= resources.settings.largest_mail


def _about_files(context: Context, resources: Resources, reply: Reply, *, brings: bool) -> str:
    if brings:
        return resources.texts.enclosed([name for name, _ in named(reply.attachments)], language=reply.language)
    # The files are there for a while from when the words were asked for; words that come later have nothing to show.
    documents = documents_of(resources.settings, reply, now=context.clock.now())
    if not documents:
        raise SendingFailed("files_expired", lasting=True)
    zone = resources.rules.zone_of(reply.way.channel)
    return resources.texts.linked(documents, language=reply.language, zone=zone)


async def _files(resources: Resources, reply: Reply, *, brings: bool) -> AsyncIterator[MailFile]:
    for name, reference in named(reply.attachments):
        file = await _file(resources, name, reference)
        if brings:
            yield file


async def _file(resources: Resources, name: str, reference: ContentReference) -> MailFile:
    """The file, as its reference says it is: words are never sent without what they bring, nor with anything else."""
    try:
        content = await bytes_of(resources.files, reference)
    except FileNotKept as problem:
        raise SendingFailed("file_missing", lasting=False) from problem
    except FileDamaged as problem:
        raise SendingFailed("file_damaged", lasting=False) from problem
    except (StoreTrouble, OSError) as problem:
        raise SendingFailed("files_unreachable", lasting=False) from problem
    return MailFile(name, reference.media_type, content)


async def _mail(
    context: Context, resources: Resources, reply: Reply, rendered: Rendered, files: Sequence[MailFile]
) -> Sent:
    settings = resources.settings
    account = settings.account("email", reply.way.account)
    assert reply.way.recipient is not None
    domain = account.address.rpartition("@")[2]
    message_id = message_id_of(reply.reply_id, domain=domain)
    # RFC 5322: the parent's references, then the parent; ours hold the nearest first.
    references = [*reversed(reply.references[: MOST_REFERENCES - 1]), reply.in_reply_to]
    await resources.mail.send(
        OutgoingMail(
            sender=account.address,
            sender_name=account.name,
            recipient=reply.way.recipient,
            subject=rendered.subject,
            text=rendered.text,
            message_id=message_id,
            reply_to=reply_address(settings.identity_key, reply.reply_id, domain=domain),
            sent_at=context.clock.now(),
            in_reply_to=_as_id(reply.in_reply_to),
            references=tuple(dict.fromkeys(each for one in references if (each := _as_id(one)))),
            automatic=reply.automatic,
            files=tuple(files),
        )
    )
    return Sent(reply, provider_id=message_id, message_id=message_id)


def _as_id(text: str | None) -> str | None:
    """A message id as it may stand in a header: in angle brackets, without blanks; else it is left out."""
    if text is None or not (text.startswith("<") and text.endswith(">")) or any(c.isspace() for c in text):
        return None
    return text if text.isascii() and text.isprintable() else None


async def _whatsapp(context: Context, resources: Resources, reply: Reply, rendered: Rendered) -> Sent:
    assert reply.way.recipient is not None
    template = None
    if not window_is_open(reply.last_heard_at, context.clock.now()):
        template = resources.settings.whatsapp_templates.get(reply.template)
        if template is None:
            raise SendingFailed("whatsapp_window_closed", lasting=True)
    provider_id = await resources.whatsapp.send(
        OutgoingText(
            reply_id=reply.reply_id,
            account=reply.way.account,
            recipient=reply.way.recipient,
            text=rendered.text,
            context_id=reply.in_reply_to,
            template=template,
            language=reply.language,
        )
    )
    return Sent(reply, provider_id=provider_id)
