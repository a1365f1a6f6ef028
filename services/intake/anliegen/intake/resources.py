"""What lives as long as intake's process: templates, rules, files, clients."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

from anliegen.kit import Context, Transaction
from anliegen.kit.files import Files

from .clients import MailSender, WhatsAppSender
from .languages import Languages
from .rules.packs import Rules
from .settings import IntakeSettings
from .texts import Texts

NAME = "intake"


@dataclass(kw_only=True)
class Resources:
    """Opened once, in `main.py`."""

    settings: IntakeSettings
    texts: Texts
    rules: Rules
    files: Files
    languages: Languages
    mail: MailSender
    whatsapp: WhatsAppSender
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where words were queued in this process, so that the dispatcher need not wait for its next look."""
    wake_announcer: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where something of a partner was taken in this process."""


def resources_of(holder: Context | Transaction) -> Resources:
    """The resources behind a context or a transaction."""
    context = holder.context if isinstance(holder, Transaction) else holder
    return cast(Resources, context.resources[NAME])
