"""Files that go with words: what they are called, and the signed address of each."""

from collections.abc import Iterator, Sequence

from anliegen.events import ContentReference

from .domain.references import document_token
from .domain.replies import Reply
from .mail.attachments import safe_name
from .settings import IntakeSettings
from .texts import Document


def named(attachments: Sequence[ContentReference]) -> Iterator[tuple[str, ContentReference]]:
    """Each file with a name that means nothing to any program."""
    for ordinal, reference in enumerate(attachments, start=1):
        yield safe_name(reference.name, ordinal=ordinal), reference


def documents_of(settings: IntakeSettings, reply: Reply) -> list[Document]:
    """Where the files are that go with these words, for whoever gets them."""
    return [Document(name, _url_of(settings, reply, reference)) for name, reference in named(reply.attachments)]


def _url_of(settings: IntakeSettings, reply: Reply, reference: ContentReference) -> str:
    token = document_token(settings.identity_key, reply.reply_id, reference.sha256)
    base = settings.public_url.rstrip("/")
    return f"{base}/intake/v1/documents/{reply.reply_id}/{reference.sha256}?token={token}"
