"""Mail out: SMTP."""

import contextlib
import time
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol

import aiosmtplib

from ..settings import IntakeSettings
from .trouble import SendingFailed

TIMEOUT_SECONDS = 30.0
KEPT_OPEN = 8
KEPT_SECONDS = 20.0
"""How long a connection is kept for the next mail: servers close what is silent for longer than some minutes."""
_LASTING = range(500, 600)


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

    def as_message(self) -> EmailMessage:
        """The mail as RFC 5322 has it. An automatic one says so (RFC 3834), so that no machine answers it."""
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(display_name=self.sender_name, addr_spec=self.sender)
        message["To"] = Address(addr_spec=self.recipient)
        message["Subject"] = self.subject
        message["Date"] = format_datetime(self.sent_at)
        message["Message-ID"] = self.message_id
        message["Reply-To"] = Address(display_name=self.sender_name, addr_spec=self.reply_to)
        if self.in_reply_to:
            message["In-Reply-To"] = self.in_reply_to
        if self.references:
            message["References"] = " ".join(self.references)
        if self.automatic:
            message["Auto-Submitted"] = "auto-replied"
            message["X-Auto-Response-Suppress"] = "All"
        message.set_content(self.text, cte="quoted-printable")
        return message


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

    async def send(self, mail: OutgoingMail) -> None:
        """Hand over one mail. Raises SendingFailed."""
        try:
            message = mail.as_message()
        except ValueError as problem:
            raise SendingFailed("address_not_usable", lasting=True) from problem
        try:
            await self._hand_over(message, mail)
        except aiosmtplib.SMTPRecipientsRefused as problem:
            codes = [refused.code for refused in problem.recipients]
            lasting = all(code in _LASTING for code in codes)
            raise SendingFailed("recipient_refused", lasting=lasting) from problem
        except aiosmtplib.SMTPAuthenticationError as problem:
            raise SendingFailed("mail_server_refuses_us", lasting=False) from problem
        except aiosmtplib.SMTPResponseException as problem:
            raise SendingFailed("mail_refused", lasting=problem.code in _LASTING) from problem
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as problem:
            raise SendingFailed("mail_server_unreachable", lasting=False) from problem

    async def _hand_over(self, message: EmailMessage, mail: OutgoingMail) -> None:
        client = await self._connection()
        try:
            await client.send_message(message, sender=mail.sender, recipients=[mail.recipient])
        except BaseException:
            # Whatever went wrong, the conversation may stand anywhere: nobody goes on with it.
            client.close()
            raise
        if len(self._open) < KEPT_OPEN:
            self._open.append((client, time.monotonic()))
        else:
            client.close()

    async def _connection(self) -> aiosmtplib.SMTP:
        """One that was used a moment ago and still answers, else a new one."""
        while self._open:
            client, used_at = self._open.pop()
            if time.monotonic() - used_at < KEPT_SECONDS:
                # A server may have closed it meanwhile. Asked before anything is handed over, that costs nothing.
                with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                    await client.rset()
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
        return client

    async def close(self) -> None:
        """Close what is open."""
        while self._open:
            self._open.pop()[0].close()
