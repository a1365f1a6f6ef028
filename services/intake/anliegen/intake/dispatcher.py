"""The dispatcher: takes words that are due, hands them to their channel outside any transaction, notes what became.

If the process ends between handing over and noting, the words are handed over again as soon as it is back, with the
same Message-ID or the same `biz_opaque_callback_data`; channels have nothing better to offer.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import structlog

from anliegen.events import ContentReference
from anliegen.kit import Context, backoff, begin
from anliegen.kit.database import ACQUIRE_SECONDS, connect, is_passing
from anliegen.kit.notifier import CHANNEL
from anliegen.kit.settings import address_for
from anliegen.kit.telemetry import metrics

from .actions import speak
from .clients import SendingFailed
from .domain.replies import Reply, Sent, wait_after
from .mail.attachments import safe_name, sniff
from .resources import resources_of
from .sending import hand_over
from .store import media

log = structlog.get_logger(__name__)

AT_ONCE = 96
HOLD = timedelta(minutes=4)
HANDED_OVER_WITHIN = 150.0
"""Seconds that a channel may take, the wait for a free conversation included; well within the claim's time, HOLD."""
NOTED_WITHIN = 30.0
"""Seconds for which it is tried to note what was sent; well within the claim's time."""
STOP_SECONDS = 12.0
"""How long a worker that is told to stop waits for what is under way."""
LOOK_EVERY = 2.0
"""Seconds between two looks without a hint: for words whose hint was lost, and for those whose wait is over."""
LOOK_AGAIN = (0.0, 0.03, 0.12)
"""Seconds after a hint: it may come before the transaction that queued the words is committed."""
MEDIA_AT_ONCE = 4
MEDIA_ATTEMPTS = 10


async def run(context: Context) -> None:
    """Dispatch for as long as the worker lives."""
    wake = resources_of(context).wake
    address = address_for(context.settings.database_url, context.service.package, context.service.package)
    async with connect(address, application="anliegen intake dispatcher") as listening:
        # Every new contact is announced, so the relay's hint is ours, too; it costs the writer nothing more.
        await listening.add_listener(CHANNEL, lambda *_: wake.set())
        async with begin(context) as tx:
            # Its own slot's alone: what another worker has taken is on its way.
            await speak.release_claims(tx)
        while not listening.is_closed():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), LOOK_EVERY)
            hinted = wake.is_set()
            wake.clear()
            for pause in LOOK_AGAIN if hinted else (0.0,):
                await asyncio.sleep(pause)
                if sent := await dispatch_due(context):
                    await backoff.breathe(sent)
                    break
    raise ConnectionError(f"the database went away, or did not answer within {ACQUIRE_SECONDS} s")


async def dispatch_due(context: Context) -> int:
    """Send everything that is due and fetch the files that wait; tells how many."""
    total = 0
    while True:
        async with begin(context) as tx:
            replies = await speak.claim_replies(tx, limit=AT_ONCE, hold=HOLD)
            files = await media.claim_due(tx, limit=MEDIA_AT_ONCE, hold=HOLD)
        if not replies and not files:
            return total
        await _finish([_dispatch(context, replies), *(_fetch(context, each) for each in files)])
        total += len(replies) + len(files)


async def _finish(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Let each come to its own end, also when the worker is told to stop: what is broken off while a channel takes it
    over is handed over again later. Raises the first trouble afterwards."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done = await asyncio.shield(asyncio.gather(*tasks, return_exceptions=True))
    except asyncio.CancelledError:
        await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in tasks:
            task.cancel()
        raise
    for problem in done:
        if isinstance(problem, BaseException):
            raise problem


async def _dispatch(context: Context, replies: Sequence[Reply]) -> None:
    """Hand these over side by side. What a channel takes while others are being noted is noted with the next."""
    tasks = {asyncio.create_task(_hand_over(context, reply)) for reply in replies}
    troubles: list[BaseException] = []
    try:
        while tasks:
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            troubles += [trouble for task in done if (trouble := task.exception())]
            sent = [found for task in done if not task.exception() and (found := task.result())]
            try:
                await _note_sent(context, sent)
            except Exception as trouble:
                troubles.append(trouble)
    finally:
        for task in tasks:
            task.cancel()
    if troubles:
        raise troubles[0]


async def _hand_over(context: Context, reply: Reply) -> Sent | None:
    try:
        sent = await _hand_over_in_time(context, reply)
    except SendingFailed as trouble:
        log.warning(
            "reply_not_sent", reply_id=str(reply.reply_id), channel=reply.way.channel.value, code=trouble.code,
            attempts=reply.attempts,
        )  # fmt: skip
        metrics.webhook_attempts.labels(context.service.name, trouble.code).inc()
        async with begin(context) as tx:
            await speak.retry_or_give_up(tx, reply, code=trouble.code, lasting=trouble.lasting)
        return None
    metrics.webhook_attempts.labels(context.service.name, "sent").inc()
    return sent


async def _hand_over_in_time(context: Context, reply: Reply) -> Sent:
    try:
        async with asyncio.timeout(HANDED_OVER_WITHIN):
            return await hand_over(context, reply)
    except TimeoutError as problem:
        raise SendingFailed("channel_too_slow", lasting=False) from problem
    except SendingFailed:
        raise
    except Exception as problem:
        # A fault of ours: tried again and given up like a channel's, or these words would stop everybody else's.
        log.exception("reply_broke", reply_id=str(reply.reply_id), channel=reply.way.channel.value)
        raise SendingFailed("unexpected", lasting=False) from problem


async def _note_sent(context: Context, sent: Sequence[Sent]) -> None:
    """Note what a channel took over; while the database is away, again: else it would be handed over twice."""
    loop, attempt = asyncio.get_running_loop(), 0
    deadline = loop.time() + NOTED_WITHIN
    while sent:
        try:
            async with begin(context, late=True) as tx:
                await speak.confirm_sent(tx, *sent)
            return
        except Exception as problem:
            if is_passing(problem) and loop.time() < deadline:
                await asyncio.sleep(backoff.delay(attempt, most=2.0))
                attempt += 1
            elif is_passing(problem) or len(sent) == 1:
                raise
            else:
                # Noted one by one, the fault of one holds up no other.
                await _finish([_note_sent(context, [each]) for each in sent])
                return


async def _fetch(context: Context, waiting: media.WaitingMedia) -> None:
    resources = resources_of(context)
    try:
        content = await resources.whatsapp.fetch_media(waiting.media_id)
    except SendingFailed as trouble:
        log.warning("media_not_fetched", contact_id=str(waiting.contact_id), code=trouble.code)
        async with begin(context) as tx:
            give_up = trouble.lasting or waiting.attempts >= MEDIA_ATTEMPTS
            due = None if give_up else tx.wall + wait_after(waiting.attempts)
            await media.update_trouble(
                tx, contact_id=waiting.contact_id, media_id=waiting.media_id, code=trouble.code, due=due
            )
        return
    reference = ContentReference(
        sha256=await resources.files.put(content),
        size=len(content),
        media_type=await asyncio.to_thread(sniff, content),
        name=safe_name(waiting.name, ordinal=1),
    )
    async with begin(context) as tx:
        await media.update_stored(tx, contact_id=waiting.contact_id, media_id=waiting.media_id, content=reference)
