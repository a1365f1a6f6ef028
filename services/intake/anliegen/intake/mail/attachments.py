"""Files that came with a mail: into the object store, limited, with the type that their content says."""

import asyncio
import re
import unicodedata
from collections.abc import Iterable

from anliegen.events import ContentReference
from anliegen.kit.files import Files

from .parse import Attachment

LONGEST_NAME = 150
LEAST_CONFIDENCE = 0.3
"""A signature of three bytes, as JPEG has; two are found in any text."""
UNKNOWN = "application/octet-stream"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def safe_name(name: str, *, ordinal: int) -> str:
    """A file's name without folders and characters that mean something to anybody; at most 150 characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    cleaned = " ".join(_UNSAFE.sub("_", last).split()).strip(". ")
    stem, dot, extension = cleaned.rpartition(".")
    if dot and len(cleaned) > LONGEST_NAME and len(extension) <= 10:
        cleaned = f"{stem[: LONGEST_NAME - len(extension) - 1]}.{extension}"
    return cleaned[:LONGEST_NAME] or f"file-{ordinal}"


def sniff(content: bytes) -> str:
    """The media type that the content says, whatever the sender called it."""
    import puremagic

    try:
        found = puremagic.magic_string(content[:65_536])
    except Exception:
        return _text_or_unknown(content)
    best = next((match.mime_type for match in found if match.mime_type and match.confidence >= LEAST_CONFIDENCE), None)
    return str(best) if best else _text_or_unknown(content)


def _text_or_unknown(content: bytes) -> str:
    try:
        text = content[:4096].decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        return UNKNOWN
    return "text/plain" if text and "\x00" not in text else UNKNOWN


async def keep_files(
    files: Files, attachments: Iterable[Attachment], *, most: int, largest: int
) -> tuple[tuple[ContentReference, ...], int]:
    """Put files into the store; tells their references, and how many were too many or too large to be passed on.

    Those are not lost: they are in the mail's own bytes, which the vault keeps.
    """
    kept: list[ContentReference] = []
    left_out = 0
    for ordinal, attachment in enumerate(attachments, start=1):
        if len(kept) >= most or len(attachment.content) > largest:
            left_out += 1
            continue
        digest = await files.put(attachment.content)
        media_type = await asyncio.to_thread(sniff, attachment.content)
        kept.append(
            ContentReference(
                sha256=digest,
                size=len(attachment.content),
                media_type=media_type[:200],
                name=safe_name(attachment.name, ordinal=ordinal),
            )
        )
    return tuple(kept), left_out
