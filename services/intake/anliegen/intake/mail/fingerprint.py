"""What makes a mail the same mail, whichever way it came."""

import hashlib
import re

# What the sender wrote. Everything else is added or changed on the way: Received, Return-Path, DKIM-Signature,
# Authentication-Results, ARC-…, X-….
_OWN_HEADERS = (b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n|\r\r")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_BLANKS = re.compile(rb"[ \t]+")


def split(raw: bytes) -> tuple[bytes, bytes]:
    """The block of headers and the body of a mail; bytes without an empty line are all headers."""
    match = _END_OF_HEADERS.search(raw)
    return (raw, b"") if match is None else (raw[: match.start()], raw[match.end() :])


def own_headers(raw: bytes) -> dict[bytes, list[bytes]]:
    """The sender's own headers, unfolded, by name in small letters."""
    found: dict[bytes, list[bytes]] = {}
    for line in _FOLDED.sub(b" ", split(raw)[0]).replace(b"\r", b"\n").split(b"\n"):
        name, colon, value = line.partition(b":")
        name = name.strip().lower()
        if colon and name in _OWN_HEADERS:
            found.setdefault(name, []).append(_BLANKS.sub(b" ", value.strip()))
    return found


def fingerprint(raw: bytes) -> str:
    """SHA-256 over the body and the sender's own headers: a provider's retry has the same, whatever it added."""
    body = split(raw)[1].replace(b"\r\n", b"\n").rstrip()
    digest = hashlib.sha256(body)
    for name, values in sorted(own_headers(raw).items()):
        for value in values:
            digest.update(b"\0" + name + b":" + value)
    return digest.hexdigest()
