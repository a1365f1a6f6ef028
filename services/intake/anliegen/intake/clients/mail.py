"""Mail out: SMTP."""

import asyncio
import base64
import contextlib
import re
import time
from dataclasses import dataclass
from datetime import datetime
from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.policy import Policy, compat32
from email.utils import format_datetime, formataddr
from typing import Protocol

import aiosmtplib

from ..settings import IntakeSettings
from .trouble import SendingFailed

TIMEOUT_SECONDS = 30.0
KEPT_SECONDS = 20.0
"""How long a connection is kept for the next mail: servers close what is silent for longer than some minutes."""
_LASTING = range(500, 600)
_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"(?!.*=\?){_WORD}(\.{_WORD})*@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""RFC 5321 without quoted names and addresses in brackets, and without what looks like an encoded word (RFC 2047): mail
servers were seen to decode it into another address, and the standard library's parser ends there in errors of any kind.
Anybody may put such an address into a form."""
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+", re.I)
_QUOTED_PRINTABLE = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP


@dataclass(frozen=True, slots=True)
class MailFile:
    """A file that a mail brings."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """One mail. `message_id`, `in_reply_to` and `references` are ids with their angle brackets."""

    sender: str
    sender_name: str
    recipient: str
    subject: str
    text: str
    message_id: str
    reply_to: str
    sent_at: datetime
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    automatic: bool = False
    files: tuple[MailFile, ...] = ()

    def as_bytes(self) -> bytes:
        """The mail as RFC 5322 has it. An automatic one says so (RFC 3834), so that no machine answers it.

        Raises ValueError for an address that is none, and for a line break in a header.
        """
        # The older of the standard library's two classes: it writes the same bytes in a fifth of the time, since it
        # does not parse what it is given. So addresses are looked at here, and line breaks refused.
        if not _ADDRESS.fullmatch(self.recipient):
            raise ValueError("no address that a mail can go to")
        headers: dict[str, str | Header | None] = {
            "From": formataddr((self.sender_name, self.sender)),
            "To": self.recipient,
            "Subject": self.subject if self.subject.isascii() else Header(self.subject, "utf-8", header_name="Subject"),
            "Date": format_datetime(self.sent_at),
            "Message-ID": self.message_id,
            "Reply-To": formataddr((self.sender_name, self.reply_to)),
            "In-Reply-To": self.in_reply_to,
            "References": " ".join(self.references),
            "Auto-Submitted": "auto-replied" if self.automatic else None,
            "X-Auto-Response-Suppress": "All" if self.automatic else None,
        }
        policy = compat32.clone(linesep="\r\n")
        message = (
            MIMEMultipart(boundary=f"={self.message_id.strip('<>')}", policy=policy) if self.files else Message(policy)
        )
        for name, value in headers.items():
            if value:
                # What `splitlines` takes for the end of a line, the library does, too: more than RFC 5322 knows.
                if str(value).splitlines() != [str(value)]:
                    raise ValueError(f"a line break in {name}")
                message[name] = value  # type: ignore[assignment]  # a Header is what this class expects, too
        if not self.files:
            message.set_payload(self.text, _QUOTED_PRINTABLE)
            return message.as_bytes()
        words = Message(policy)
        words.set_payload(self.text, _QUOTED_PRINTABLE)
        message.attach(words)
        for file in self.files:
            message.attach(_part(file, policy))
        return message.as_bytes()


def _part(file: MailFile, policy: Policy) -> Message:
    part = Message(policy)
    part["Content-Type"] = file.media_type if _MEDIA_TYPE.fullmatch(file.media_type) else "application/octet-stream"
    if file.name.splitlines() != [file.name]:
        raise ValueError("a line break in a file's name")
    # RFC 2231 where the name needs it.
    name = file.name if file.name.isascii() else ("utf-8", "", file.name)
    part.add_header("Content-Disposition", "attachment", filename=name)
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(base64.encodebytes(file.content).decode("ascii"))
    return part


class MailSender(Protocol):
    """Hands mails to a mail server."""

    async def send(self, mail: OutgoingMail) -> None:
        """Hand over one mail. Raises SendingFailed."""

    async def close(self) -> None:
        """Give back what is open."""


class SmtpSender:
    """Hands mails to the server in the settings, over connections that stay open for a few seconds' next mail."""

    def __init__(self, settings: IntakeSettings) -> None:
        self._settings = settings
        self._open: list[tuple[aiosmtplib.SMTP, float]] = []
        self._free = asyncio.Semaphore(settings.smtp_connections)

    async def send(self, mail: OutgoingMail) -> None:
        """Hand over one mail. Raises SendingFailed."""
        try:
            message = mail.as_bytes()
        except ValueError as problem:
            raise SendingFailed("address_not_usable", lasting=True) from problem
        try:
            async with self._free:
                await self._hand_over(message, mail)
        except aiosmtplib.SMTPRecipientRefused as problem:
            raise SendingFailed("recipient_refused", lasting=problem.code in _LASTING) from problem
        except aiosmtplib.SMTPAuthenticationError as problem:
            raise SendingFailed("mail_server_refuses_us", lasting=False) from problem
        except aiosmtplib.SMTPResponseException as problem:
            raise SendingFailed("mail_refused", lasting=problem.code in _LASTING) from problem
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as problem:
            raise SendingFailed("mail_server_unreachable", lasting=False) from problem

    async def _hand_over(self, message: bytes, mail: OutgoingMail) -> None:
        client = await self._begin(mail, size=len(message))
        try:
            await client.rcpt(mail.recipient)
            await client.data(message)
        except BaseException:
            # Whatever went wrong, the conversation may stand anywhere: nobody goes on with it.
            client.close()
            raise
        self._open.append((client, time.monotonic()))

    async def _begin(self, mail: OutgoingMail, *, size: int) -> aiosmtplib.SMTP:
        """A conversation in which this mail is begun: one that was used a moment ago and still answers, else a new one.

        A server may have closed it meanwhile. It is noticed before anything is handed over, so that costs no mail.
        """
        while self._open:
            client, used_at = self._open.pop()
            if time.monotonic() - used_at < KEPT_SECONDS:
                with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                    await _say_mail(client, mail, size=size)
                    return client
            client.close()
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username or None,
            password=settings.smtp_password.get_secret_value() or None,
            start_tls=True if settings.smtp_starttls else None,
            timeout=TIMEOUT_SECONDS,
        )
        await client.connect()
        try:
            await client.ehlo()
            await _say_mail(client, mail, size=size)
        except BaseException:
            client.close()
            raise
        return client

    async def close(self) -> None:
        """Close what is open."""
        while self._open:
            self._open.pop()[0].close()


async def _say_mail(client: aiosmtplib.SMTP, mail: OutgoingMail, *, size: int) -> None:
    await client.mail(mail.sender, options=[f"SIZE={size}"] if client.supports_extension("size") else [])
