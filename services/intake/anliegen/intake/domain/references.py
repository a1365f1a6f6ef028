"""The short reference that people say aloud, and signed tokens that stand in addresses and links."""

import base64
import binascii
import hashlib
import hmac
import re
from uuid import UUID

from anliegen.kit import ids

# Without 0/O, 1/I/L: 31 signs, a prime, so one wrong sign or two exchanged ones never leave the sum as it was.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 8
_IN_TEXT = re.compile(
    r"(?<![0-9A-Za-z])([2-9A-HJKMNP-Z]{4})[-\u2010-\u2013 ]?([2-9A-HJKMNP-Z]{4})(?![0-9A-Za-z])", re.I
)
_REPLY_TOKEN = re.compile(r"\bcase\+([a-z2-7]{39})@", re.I)
_ID_BYTES = 16
_MAC_BYTES = 8


def reference_of(contact_id: UUID) -> str:
    """The reference of a contact: seven signs that follow from its id and a check sign, as `K7QM-4X2T`."""
    number = ids.derived("reference", contact_id).int % len(ALPHABET) ** (LENGTH - 1)
    signs = ""
    for _ in range(LENGTH - 1):
        number, digit = divmod(number, len(ALPHABET))
        signs += ALPHABET[digit]
    signs += _check_sign(signs)
    return f"{signs[:4]}-{signs[4:]}"


def _check_sign(signs: str) -> str:
    total = sum(place * ALPHABET.index(sign) for place, sign in enumerate(signs, start=1))
    # Weight 8 for the check sign itself: the one with which the weighted sum is a multiple of 31.
    return next(sign for sign in ALPHABET if (total + LENGTH * ALPHABET.index(sign)) % len(ALPHABET) == 0)


def read_reference(text: str) -> str | None:
    """A reference as somebody wrote or said it, in the one spelling we keep; None where its check sign is wrong."""
    match = _IN_TEXT.fullmatch(text.strip())
    if match is None:
        return None
    signs = (match[1] + match[2]).upper()
    return f"{signs[:4]}-{signs[4:]}" if _check_sign(signs[:-1]) == signs[-1] else None


def references_in(text: str, *, most: int = 5) -> list[str]:
    """The references that a text mentions."""
    found: dict[str, None] = {}
    for match in _IN_TEXT.finditer(text):
        reference = read_reference(match[0])
        if reference is not None:
            found[reference] = None
            if len(found) == most:
                break
    return list(found)


def _mac(secret: bytes, purpose: str, subject: UUID, length: int) -> bytes:
    return hmac.new(secret, f"{purpose} {subject}".encode(), hashlib.sha256).digest()[:length]


def status_token(secret: bytes, contact_id: UUID) -> str:
    """What opens the status page of a contact: only we can make it."""
    return base64.urlsafe_b64encode(_mac(secret, "status", contact_id, 18)).decode()


def opens_status(secret: bytes, contact_id: UUID, token: str) -> bool:
    """Whether this token opens this contact's status page."""
    return hmac.compare_digest(status_token(secret, contact_id).encode(), token.encode("utf-8", "replace"))


def document_token(secret: bytes, reply_id: UUID, sha256: str) -> str:
    """What opens a file that went with these words: whoever got the words has it, and nobody else."""
    return base64.urlsafe_b64encode(_mac(secret, f"document {sha256}", reply_id, 18)).decode()


def opens_document(secret: bytes, reply_id: UUID, sha256: str, token: str) -> bool:
    """Whether this token opens this file of these words."""
    return hmac.compare_digest(document_token(secret, reply_id, sha256).encode(), token.encode("utf-8", "replace"))


def reply_address(secret: bytes, reply_id: UUID, *, domain: str) -> str:
    """The address to which the answer to this reply goes: `case+<token>@…`, in letters that survive lower case."""
    token = base64.b32encode(reply_id.bytes + _mac(secret, "reply", reply_id, _MAC_BYTES)).decode().rstrip("=").lower()
    return f"case+{token}@{domain}"


def read_reply_address(secret: bytes, text: str) -> UUID | None:
    """The reply that an address in this text answers; None where there is none, or where we did not sign it."""
    for match in _REPLY_TOKEN.finditer(text):
        try:
            content = base64.b32decode(match[1].upper() + "=")
        except (binascii.Error, ValueError):
            continue
        reply_id = UUID(bytes=content[:_ID_BYTES])
        if hmac.compare_digest(content[_ID_BYTES:], _mac(secret, "reply", reply_id, _MAC_BYTES)):
            return reply_id
    return None


def message_id_of(reply_id: UUID, *, domain: str) -> str:
    """The Message-ID of a mail: it follows from the reply, so that sending again is the same mail."""
    return f"<{reply_id}@{domain}>"
