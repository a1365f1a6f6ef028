"""An SMTP server that accepts every mail and puts it into the mailbox. It never sends anything on."""

from __future__ import annotations

import asyncio
from typing import Any

from aiosmtpd.smtp import SMTP

from anliegen.stack.outside.mailbox import Mailbox

LARGEST_MAIL = 35 * 1024 * 1024  # bytes; what large providers accept, and the size of an encoded 25 MB attachment


class _Keeper:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        recipients = [str(recipient) for recipient in envelope.rcpt_tos]
        try:
            kept = await asyncio.to_thread(
                self._mailbox.keep, str(envelope.mail_from or ""), recipients, envelope.content
            )
        except OSError as trouble:
            return f"451 4.3.0 The mail could not be kept: {trouble.strerror}"
        return f"250 2.0.0 Kept as {kept.id}"


async def serve_mail(mailbox: Mailbox, *, host: str, port: int) -> asyncio.Server:
    """Listen for mail in the running event loop."""
    loop = asyncio.get_running_loop()
    # The name is given because aiosmtpd would ask the network for ours, for seconds where there is none.
    return await loop.create_server(
        lambda: SMTP(
            _Keeper(mailbox), hostname="localhost", data_size_limit=LARGEST_MAIL, enable_SMTPUTF8=True,
            ident="Anliegen development mailbox", loop=loop,
        ),
        host,
        port,
    )  # fmt: skip
