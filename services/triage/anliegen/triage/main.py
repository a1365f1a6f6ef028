"""Triage, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anliegen.kit import Context, Service

from . import api, handlers
from .classifier import RuleClassifier
from .packs import load_packs


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[None]:
    """Load the rule packs and what reads by them; a mistake in a pack stops the start."""
    packs = load_packs()
    context.resources["packs"] = packs
    context.resources["classifier"] = RuleClassifier(packs)
    yield


service = Service(
    name="triage",
    title="Triage",
    description="What a contact is about, how urgent it is, and which task settles it.",
    routers=(api.router,),
    handlers=handlers.handlers,
    timers=handlers.timers,
    lifespan=open_resources,
)
