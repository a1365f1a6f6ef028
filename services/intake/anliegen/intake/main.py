"""Intake: settings and wiring."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from anliegen.kit import Context, Service
from anliegen.kit.errors import SettingsRefused
from anliegen.kit.files import Files

from . import announcer, api, dispatcher, gauges, sweeper
from .clients import GraphSender, SmtpSender
from .handlers import handlers, timers
from .languages import Languages
from .resources import NAME, Resources
from .rules.packs import load_rules
from .settings import IntakeSettings
from .texts import Texts


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[None]:
    """Open what lives as long as the process. Raises SettingsRefused."""
    settings = cast(IntakeSettings, context.settings)
    if not settings.identity_key:
        raise SettingsRefused(
            "ANLIEGEN_IDENTITY_SECRET is not set: ids and links to a contact's status could be guessed."
        )
    resources = Resources(
        settings=settings,
        texts=Texts(),
        rules=load_rules(),
        files=Files(settings.files_url),
        languages=Languages(),
        mail=SmtpSender(settings),
        whatsapp=GraphSender(settings),
    )
    context.resources[NAME] = resources
    gauges.begin(context.service.name)
    try:
        yield
    finally:
        await resources.mail.close()
        await resources.whatsapp.close()


service = Service(
    name="intake",
    title="Intake",
    description="Every contact on every channel is accepted, identified, kept and acknowledged; replies go out here.",
    settings=IntakeSettings,
    routers=api.routers,
    handlers=handlers,
    timers=timers,
    parts={"announcer": announcer.run, "dispatcher": dispatcher.run, "sweeper": sweeper.run},
    measures=(gauges.measure_partner_events,),
    lifespan=open_resources,
)
