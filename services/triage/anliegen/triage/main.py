"""Triage, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from pydantic import Field

from anliegen.events import Task
from anliegen.kit import Context, Service, Settings

from . import api, gauges, handlers
from .learned import load_classifier
from .learning import api as learning_api
from .modes import api as modes_api
from .modes.actions import begin_counting
from .packs import load_packs, with_accounts
from .questions import api as questions_api


class TriageSettings(Settings):
    """Triage's own settings: `ANLIEGEN_TRIAGE_…`."""

    tasks: frozenset[Task] = frozenset()
    """The tasks that this deployment has a service for; empty: those that `routing.toml` names."""
    markets: dict[str, str] = Field(default_factory=dict)
    """The market (ISO 3166-1) of each of our accounts: mailboxes, numbers, forms. Beside those in `routing.toml`."""
    keep_words_days: int = Field(default=365, gt=0)
    """For how long words are kept that may be learned from, in days."""


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[None]:
    """Load the rule packs and what reads by them; a mistake in a pack stops the start."""
    assert isinstance(context.settings, TriageSettings)
    packs = load_packs()
    if context.settings.tasks:
        routing = packs.routing.model_copy(update={"served_tasks": context.settings.tasks})
        packs = packs.model_copy(update={"routing": routing})
    if context.settings.markets:
        packs = with_accounts(packs, context.settings.markets)
    context.resources["packs"] = packs
    begin_counting(context.service.name)
    context.resources["keep_words"] = timedelta(days=context.settings.keep_words_days)
    context.resources["classifier"] = load_classifier(packs)
    yield


service = Service(
    name="triage",
    title="Triage",
    description="What a contact is about, how urgent it is, and which task settles it.",
    settings=TriageSettings,
    routers=(api.router, modes_api.router, learning_api.router, questions_api.router),
    handlers=handlers.handlers,
    timers=handlers.timers,
    measures=(gauges.measure_reviews,),
    lifespan=open_resources,
)
