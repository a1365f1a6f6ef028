"""Keep a long text whole in the object store; its beginning travels."""

from anliegen.events import ContentReference
from anliegen.kit.files import Files

from ..domain.contacts import LONGEST_TEXT, clean


async def shorten(files: Files, text: str) -> tuple[str, ContentReference | None]:
    """The text, or its beginning and a reference to the whole of it where it is longer than 50,000 characters."""
    text = clean(text)
    if len(text) <= LONGEST_TEXT:
        return text, None
    whole = text.encode()
    digest = await files.put(whole)
    reference = ContentReference(sha256=digest, size=len(whole), media_type="text/plain", name="text.txt")
    return text[:LONGEST_TEXT], reference
