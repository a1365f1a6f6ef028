"""Files that go with words: what they are called, their bytes, and for how long the signed address of each opens."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from anliegen.events import ContentReference
from anliegen.kit.files import Files

from .domain.references import document_token
from .domain.replies import Reply
from .mail.attachments import safe_name
from .settings import IntakeSettings
from .texts import Document


class FileDamaged(ValueError):
    """What is kept under this content's hash is something else."""


def named(attachments: Sequence[ContentReference]) -> Iterator[tuple[str, ContentReference]]:
    """Each file with a name that means nothing to any program."""
    for ordinal, reference in enumerate(attachments, start=1):
        yield safe_name(reference.name, ordinal=ordinal), reference


async def bytes_of(files: Files, reference: ContentReference) -> bytes:
    """The bytes that a reference stands for, and no others. Raises FileNotKept, FileDamaged."""
    content = await files.get(reference.sha256)
    if (await asyncio.to_thread(hashlib.sha256, content)).hexdigest() != reference.sha256:
        raise FileDamaged
    return content


def open_until(settings: IntakeSettings, reply: Reply, *, now: datetime) -> datetime:
    """When the addresses of these words' files end: an address that somebody forwarded is not a key for ever."""
    return (reply.created_at or now) + timedelta(days=settings.documents_open_days)


def documents_of(settings: IntakeSettings, reply: Reply, *, now: datetime) -> list[Document]:
    """Where the files are that go with these words, for whoever gets them; none where their time is over."""
    until = open_until(settings, reply, now=now)
    if until <= now:
        return []
    return [Document(name, _url_of(settings, reply, reference), until) for name, reference in named(reply.attachments)]


def _url_of(settings: IntakeSettings, reply: Reply, reference: ContentReference) -> str:
    token = document_token(settings.identity_key, reply.reply_id, reference.sha256)
    base = settings.public_url.rstrip("/")
    return f"{base}/intake/v1/documents/{reply.reply_id}/{reference.sha256}?token={token}"
