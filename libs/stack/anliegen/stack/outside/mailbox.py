"""The mailbox: every mail that was accepted for delivery, one file each, newest last."""

from __future__ import annotations

import os
import re
import threading
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart
from email.utils import getaddresses
from pathlib import Path
from typing import Any

ID = re.compile(r"[0-9]{8}T[0-9]{12}Z-[0-9a-f]{8}")
SUMMARY_BYTES = 64 * 1024  # headers longer than this are not looked at for the list


@dataclass(frozen=True)
class Summary:
    """One mail as a list shows it. `recipients` are those of the envelope, in small letters."""

    id: str
    received_at: str
    sender: str
    recipients: list[str]
    subject: str
    message_id: str


@dataclass
class Mailbox:
    """Mails below one folder. The files are the truth; the list of summaries follows from them."""

    folder: Path

    def __post_init__(self) -> None:
        self._summaries: dict[str, Summary] | None = None
        self._reading = threading.Lock()

    def keep(self, sender: str, recipients: list[str], content: bytes) -> Summary:
        """Write one accepted mail, with its envelope in two header lines before its own; return its summary."""
        moment = datetime.now(UTC)
        name = f"{moment:%Y%m%dT%H%M%S%f}Z-{uuid.uuid4().hex[:8]}"
        envelope = f"X-Envelope-From: <{sender}>\r\nX-Envelope-To: {', '.join(f'<{to}>' for to in recipients)}\r\n"
        target = self.folder / f"{name}.eml"
        temporary = target.with_suffix(".partial")
        with temporary.open("wb") as file:
            file.write(envelope.encode() + content)
            file.flush()
            os.fsync(file.fileno())
        # The list is read before the file gets its name, or the mail would be entered twice.
        known = self._index()
        temporary.replace(target)
        summary = _summary(target)
        known[name] = summary
        return summary

    def list(self, *, to: str | None = None, message_id: str | None = None, limit: int = 200) -> list[Summary]:
        """Newest first; only those to an address, or with a Message-ID (with or without its angle brackets)."""
        found = []
        wanted_id = message_id.strip("<> ") if message_id else None
        for summary in reversed(list(self._index().values())):
            if to and to.strip().lower() not in summary.recipients:
                continue
            if wanted_id and summary.message_id.strip("<>") != wanted_id:
                continue
            found.append(summary)
            if len(found) == limit:
                break
        return found

    def raw(self, mail_id: str) -> bytes | None:
        """The bytes of one mail; None when there is none with this id."""
        if not ID.fullmatch(mail_id):
            return None
        try:
            return (self.folder / f"{mail_id}.eml").read_bytes()
        except FileNotFoundError:
            return None

    def read(self, mail_id: str) -> dict[str, Any] | None:
        """One mail with its headers, its texts and the names and sizes of its attachments."""
        raw = self.raw(mail_id)
        if raw is None:
            return None
        message = parse(raw)
        return {
            **asdict(_summary(self.folder / f"{mail_id}.eml")),
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": _text(message, "plain"),
            "html": _text(message, "html"),
            "attachments": [
                {"name": part.get_filename() or "", "type": part.get_content_type(), "bytes": len(content_of(part))}
                for part in attachments(message)
            ],
        }

    def _index(self) -> dict[str, Summary]:
        with self._reading:  # mails are kept in threads
            if self._summaries is None:
                self._summaries = {path.stem: _summary(path) for path in sorted(self.folder.glob("*.eml"))}
            return self._summaries


def parse(raw: bytes) -> EmailMessage:
    """A mail's parts and headers, decoded."""
    return message_from_bytes(raw, policy=policy.default)


def attachments(message: EmailMessage) -> list[MIMEPart]:
    """The attached parts, in order."""
    return list(message.iter_attachments()) if message.is_multipart() else []


def content_of(part: MIMEPart) -> bytes:
    """The bytes of an attachment."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else part.as_bytes()


def _text(message: EmailMessage, kind: str) -> str | None:
    body = message.get_body((kind,))
    if body is None:
        return None
    try:
        return str(body.get_content())
    except (LookupError, KeyError):  # a charset nobody knows
        return content_of(body).decode("latin-1")


def _summary(path: Path) -> Summary:
    with path.open("rb") as file:
        head = file.read(SUMMARY_BYTES).replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    # Not `parse`: that takes a millisecond for a mail, and a folder may hold thousands.
    headers = message_from_bytes(head + b"\n\n", policy=policy.compat32)
    moment = datetime.strptime(path.stem[:22], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    return Summary(
        id=path.stem,
        received_at=moment.isoformat(timespec="milliseconds"),
        sender=_decoded(headers["From"]) or _decoded(headers["X-Envelope-From"]),
        recipients=[address.lower() for _, address in getaddresses([_decoded(headers["X-Envelope-To"])])],
        subject=_decoded(headers["Subject"]),
        message_id=_decoded(headers["Message-ID"]).strip(),
    )


def _decoded(header: Any) -> str:
    """A header's text, unfolded; what cannot be decoded stays as it is."""
    text = re.sub(r"\r?\n", "", str(header or ""))
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text
