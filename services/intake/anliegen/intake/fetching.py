"""Fetch the files that a provider keeps for us."""

import asyncio
from functools import partial

import structlog

from anliegen.events import ContentReference
from anliegen.kit import Context, Transaction

from . import noting
from .clients import SendingFailed
from .domain.replies import wait_after
from .mail.attachments import safe_name, sniff
from .resources import resources_of
from .store import media

log = structlog.get_logger(__name__)

FETCHED_WITHIN = 150.0
"""Seconds that a file may take; well within its claim's time."""
MEDIA_ATTEMPTS = 10


async def fetch(context: Context, waiting: media.WaitingMedia) -> None:
    """Fetch a file and note where it is now, or why it is not there."""
    way: noting.Note
    try:
        way = partial(_keep_stored, waiting=waiting, content=await _fetch_in_time(context, waiting))
    except SendingFailed as trouble:
        log.warning("media_not_fetched", contact_id=str(waiting.contact_id), code=trouble.code)
        way = partial(_keep_trouble, waiting=waiting, trouble=trouble)
    await noting.note(
        context,
        way,
        partial(_keep_trouble, waiting=waiting, trouble=SendingFailed("unexpected", lasting=False)),
        blame=lambda problem: log.error("media_not_noted", contact_id=str(waiting.contact_id), exc_info=problem),
    )


async def _fetch_in_time(context: Context, waiting: media.WaitingMedia) -> ContentReference:
    resources = resources_of(context)
    try:
        if waiting.attempts > MEDIA_ATTEMPTS:
            # Each time before, it took the process with it, or could not be noted.
            raise SendingFailed("attempts_used_up", lasting=True)
        async with asyncio.timeout(FETCHED_WITHIN):
            content = await resources.whatsapp.fetch_media(waiting.media_id)
            return ContentReference(
                sha256=await resources.files.put(content),
                size=len(content),
                media_type=await asyncio.to_thread(sniff, content),
                name=safe_name(waiting.name, ordinal=1),
            )
    except TimeoutError as problem:
        raise SendingFailed("media_too_slow", lasting=False) from problem
    except SendingFailed:
        raise
    except Exception as problem:
        # A fault of ours, or of where files are kept: an attempt like any other, which is given up like any other.
        log.exception("media_broke", contact_id=str(waiting.contact_id))
        raise SendingFailed("unexpected", lasting=False) from problem


async def _keep_stored(tx: Transaction, *, waiting: media.WaitingMedia, content: ContentReference) -> None:
    await media.update_stored(tx, contact_id=waiting.contact_id, media_id=waiting.media_id, content=content)


async def _keep_trouble(tx: Transaction, *, waiting: media.WaitingMedia, trouble: SendingFailed) -> None:
    give_up = trouble.lasting or waiting.attempts >= MEDIA_ATTEMPTS
    due = None if give_up else tx.wall + wait_after(waiting.attempts)
    await media.update_trouble(tx, contact_id=waiting.contact_id, media_id=waiting.media_id, code=trouble.code, due=due)
