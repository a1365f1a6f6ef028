"""Read a mail (RFC 5322, MIME). Whatever the bytes are, this ends with what could be understood."""

import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import EmailPolicy, compat32
from email.utils import getaddresses
from itertools import islice

from ..domain.identity import normalise_email
from . import text as words
from .charsets import decode
from .fingerprint import own_headers, split

DEEPEST = 20
MOST_PARTS = 200
MOST_REFERENCES = 50
_ID = re.compile(r"<[^<>\s]{1,500}>")
_RECIPIENTS = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")
LONGEST_HEADER = 4_000
"""Characters of one header that are taken apart; Python's parser takes much more than linear time."""
LONGEST_OF = {"references": 50_000, "in-reply-to": 50_000, "content-type": 1_000, "content-disposition": 1_000}
MOST_HEADERS = 20
MOST_BOUNDARIES = 100
"""Each level of nesting is looked for in every line of the mail."""
MOST_BLANK_LINES = 5_000
BEGINNING_OF_REPORT = 16_000
"""Bytes of a report with more blank lines than that: the parser makes a mail of its own of each block between two."""
_FAILED = re.compile(r"^[ \t]*action:[ \t]*failed", re.I | re.M)
_MIME_LINES = re.compile(r"^(--\S.*|content-[a-z-]+:.*(\r?\n[ \t].*)*)$\n?", re.I | re.M)
_READABLE = re.compile(r"\w{2,}")


class MailUnreadable(Exception):
    """There is neither a sender nor a word in it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail, as its sender calls it."""

    name: str
    content: bytes


@dataclass(slots=True)
class Mail:
    """What was understood of a mail."""

    sender: str | None = None
    sender_name: str | None = None
    subject: str | None = None
    text: str = ""
    message_id: str | None = None
    references: tuple[str, ...] = ()
    recipients: str = ""
    """All headers that name a recipient, to find our reply address in."""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that say who or what sent it, by name in small letters."""
    verdicts: tuple[str, ...] = ()
    attachments: list[Attachment] = field(default_factory=list)
    bounced: str | None = None
    """The Message-ID of the mail that this report says was not delivered."""
    faults: list[str] = field(default_factory=list)
    """What was repaired on the way, as codes."""

    def header(self, name: str) -> str | None:
        """One of the headers that say who or what sent it."""
        return self.headers.get(name.lower())


_KEPT = (
    "Auto-Submitted", "Precedence", "List-Id", "List-Unsubscribe", "Return-Path", "X-Autoreply", "X-Autorespond",
    "X-Auto-Response-Suppress", "Content-Language",
)  # fmt: skip


class _ShortHeaders(EmailPolicy):
    def header_fetch_parse(self, name: str, value: str) -> str:
        """A header, taken apart; of a long one the beginning."""
        beginning = value[: LONGEST_OF.get(name.lower(), LONGEST_HEADER)].replace("\x00", "")
        return str(super().header_fetch_parse(name, beginning))


_POLICY = _ShortHeaders()


def read_mail(raw: bytes) -> Mail:
    """What can be understood of these bytes. Raises MailUnreadable where that is nothing at all."""
    mail = Mail()
    try:
        if raw.lower().count(b"boundary") > MOST_BOUNDARIES:
            mail.faults.append("too_many_parts")
            message: Message = message_from_bytes(split(raw)[0] + b"\r\n\r\n", policy=_POLICY)
        else:
            message = message_from_bytes(raw[: _longest_structure(raw)], policy=_POLICY)
    except Exception:
        message = EmailMessage()
        mail.faults.append("mime_unreadable")
    _read_headers(mail, message, raw)
    parts = _Parts(mail)
    try:
        parts.walk(message, 0)
    except Exception:
        # Python's parser is lenient, not infallible; what it found so far counts.
        mail.faults.append("structure_broken")
    whole = parts.best_text()
    if not whole.strip() and not mail.attachments:
        whole = decode(split(raw)[1], None)[0]
        mail.faults.append("text_from_raw_bytes")
    mail.text = words.own_words(whole)
    if mail.sender is None and not _READABLE.search(f"{mail.subject or ''} {mail.text}".replace("\ufffd", " ")):
        raise MailUnreadable(MailUnreadable.__doc__)
    return mail


def _longest_structure(raw: bytes) -> int:
    is_costly = raw.count(b"\n\n") + raw.count(b"\n\r\n") > MOST_BLANK_LINES and b"delivery-status" in raw.lower()
    return BEGINNING_OF_REPORT if is_costly else len(raw)


def _read_headers(mail: Mail, message: Message, raw: bytes) -> None:
    own = own_headers(raw)
    mail.subject = _header(message, "Subject") or _raw_header(own, b"subject")
    sender = (_header(message, "From") or _raw_header(own, b"from") or "")[:LONGEST_HEADER]
    mail.sender_name, mail.sender = _address(sender)
    mail.message_id = _first_id(_header(message, "Message-ID") or _raw_header(own, b"message-id"))
    answered = _ids(_header(message, "In-Reply-To") or _raw_header(own, b"in-reply-to"))
    thread = _ids(_header(message, "References") or _raw_header(own, b"references"))
    # The nearest first: what it answers, then the thread backwards.
    mail.references = tuple(dict.fromkeys([*answered, *reversed(thread)]))[:MOST_REFERENCES]
    mail.recipients = " ".join(value for name in _RECIPIENTS for value in _all_headers(message, name))
    mail.headers = {name.lower(): value for name in _KEPT if (value := _header(message, name)) is not None}
    mail.verdicts = tuple(_all_headers(message, "Authentication-Results"))
    try:
        mail.content_type = message.get_content_type()
    except Exception:
        mail.faults.append("content_type_unreadable")


def _header(message: Message, name: str) -> str | None:
    return next(iter(_all_headers(message, name)), None)


def _all_headers(message: Message, name: str) -> list[str]:
    try:
        return [str(message.policy.header_fetch_parse(key, value)) for key, value in _raw_items(message, name)]
    except Exception:
        # A header that the modern policy cannot take apart is still text to the old one.
        try:
            return [
                str(compat32.header_fetch_parse(key, value[:LONGEST_HEADER]))
                for key, value in _raw_items(message, name)
            ]
        except Exception:
            return []


def _raw_items(message: Message, name: str) -> list[tuple[str, str]]:
    return list(islice((item for item in message.raw_items() if item[0].lower() == name.lower()), MOST_HEADERS))


def _raw_header(own: dict[bytes, list[bytes]], name: bytes) -> str | None:
    values = own.get(name)
    return decode(values[0][:LONGEST_HEADER], None)[0] if values else None


def _address(header: str) -> tuple[str | None, str | None]:
    try:
        pairs = getaddresses([header])
    except Exception:
        pairs = []
    for name, address in pairs:
        found = normalise_email(address)
        if found:
            return name or None, found
    match = re.search(r"[^\s<>@,;\"']+@[^\s<>@,;\"']+", header)
    return None, normalise_email(match[0]) if match else None


def _ids(header: str | None) -> list[str]:
    return _ID.findall(header or "")


def _first_id(header: str | None) -> str | None:
    found = _ids(header)
    if found:
        return found[0]
    return (header or "").strip()[:500] or None


class _Parts:
    """Walks the parts of a mail."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._plain: list[str] = []
        self._html: list[str] = []
        self._count = 0

    def walk(self, part: Message, depth: int) -> None:
        self._count += 1
        if depth > DEEPEST or self._count > MOST_PARTS:
            self._fault("too_many_parts")
            return
        kind = part.get_content_type()
        if kind in {"message/delivery-status", "text/rfc822-headers"}:
            self._read_report(part, kind)
        elif kind == "message/rfc822":
            self._attached_message(part)
        elif part.is_multipart():
            for inner in part.get_payload():
                if isinstance(inner, Message):
                    self.walk(inner, depth + 1)
        else:
            self._leaf(part, kind)

    def _leaf(self, part: Message, kind: str) -> None:
        content = self._bytes(part)
        if kind.startswith("multipart/"):
            # Its boundary is not where it said: what stands between the lines of MIME is the text.
            self._fault("structure_broken")
            self._plain.append(_MIME_LINES.sub("", decode(content, None)[0]))
            return
        name = self._name(part)
        if kind in {"text/plain", "text/html"} and name is None and self._disposition(part) != "attachment":
            text, as_said = decode(content, self._charset(part))
            if not as_said:
                self._fault("charset_repaired")
            (self._plain if kind == "text/plain" else self._html).append(text)
        elif content or name:
            self._mail.attachments.append(Attachment(name or "", content))

    def _read_report(self, part: Message, kind: str) -> None:
        text = part.as_string() if part.is_multipart() else decode(self._bytes(part), None)[0]
        if kind == "message/delivery-status":
            if _FAILED.search(text):
                self._mail.headers["x-report-failed"] = "yes"
        else:
            self._returned(text)

    def _attached_message(self, part: Message) -> None:
        inner = part.get_payload()
        message = inner[0] if isinstance(inner, list) and inner else None
        content = message.as_bytes() if isinstance(message, Message) else self._bytes(part)
        if self._mail.content_type == "multipart/report":
            self._returned(decode(split(content)[0], None)[0])
            return
        self._mail.attachments.append(Attachment(self._name(part) or "message.eml", content))

    def _returned(self, headers: str) -> None:
        match = re.search(r"^message-id:\s*(<[^<>\s]+>)", headers, re.I | re.M)
        if match:
            self._mail.headers["x-returned-id"] = match[1]

    def _bytes(self, part: Message) -> bytes:
        try:
            payload = part.get_payload(decode=True)
        except Exception:
            self._fault("encoding_broken")
            payload = None
        if isinstance(payload, bytes):
            return payload
        plain = part.get_payload()
        return plain.encode("utf-8", "surrogateescape") if isinstance(plain, str) else b""

    def _charset(self, part: Message) -> str | None:
        try:
            found = part.get_content_charset()
        except Exception:
            return None
        return str(found) if found else None

    def _name(self, part: Message) -> str | None:
        try:
            return part.get_filename()
        except Exception:
            self._fault("file_name_unreadable")
            return "file"

    def _disposition(self, part: Message) -> str | None:
        try:
            return part.get_content_disposition()
        except Exception:
            return None

    def _fault(self, code: str) -> None:
        if code not in self._mail.faults:
            self._mail.faults.append(code)

    def best_text(self) -> str:
        """The plain text, else the HTML as text; and which mail came back, where this is a report of that."""
        if self._mail.headers.get("x-report-failed") and self._mail.headers.get("x-returned-id"):
            self._mail.bounced = self._mail.headers["x-returned-id"]
        plain = "\n\n".join(text.strip() for text in self._plain if text.strip())
        if plain or not self._html:
            return plain
        return "\n\n".join(words.from_html(html) for html in self._html)
