"""The dispatcher: takes what is due to reach outside, hands it over outside any transaction, notes what became of it.

Each kind of work has a lane with places of its own: the words of each outgoing channel, and files to be fetched. A
place is free again once its work is noted, and the next look fills it, whatever else is under way; so neither a slow
channel nor a slow conversation holds up any other. One look, one transaction, serves all lanes, and whoever looks rests
by what was found (decision 0018). A lane that was full is looked for again once half of its places are free, or 0.2 s
after the first of them, so that it takes many at once; the other lanes are looked for meanwhile.

Who locks what: a look locks rows of `outgoing_messages`, then of `media`, and passes over those that others hold. Who
notes words locks the streams of their journeys, sorted, then the rows, each with its provider's name for it, sorted.
Who notes a file locks its contact, then its row. Claims that are ended pass over what is being noted. So whoever waits
for a row holds only what comes before it, and no circle closes. Within a lane one task at a time notes what was sent,
all of it together; what cannot be noted so is noted singly, each by a task that waits for no other.

If the process ends between handing over and noting, the words are handed over again as soon as it is back, with the
same Message-ID or the same `biz_opaque_callback_data`; channels have nothing better to offer. Nothing else hands them
over again: see `noting`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from anliegen.events import Channel
from anliegen.kit import Context, backoff, begin
from anliegen.kit.database import connect, is_passing
from anliegen.kit.notifier import CHANNEL
from anliegen.kit.settings import address_for
from anliegen.kit.telemetry import logs, metrics, traces

from . import fetching, noting
from .actions import speak
from .clients import SendingFailed
from .domain.replies import OUTGOING, Reply, Sent
from .lanes import Lane, finish
from .resources import resources_of
from .sending import hand_over
from .store import media

log = structlog.get_logger(__name__)

AT_ONCE = 96
"""Words under way in each lane: more than a channel has conversations, so that none of those waits for a look."""
MEDIA_AT_ONCE = 4
HOLD = timedelta(minutes=4)
HANDED_OVER_WITHIN = 150.0
"""Seconds that a channel may take, the wait for a free conversation included; well within the claim's time, HOLD."""
STOP_SECONDS = 12.0
"""How long a worker that is told to stop waits for what is under way."""
RELEASE_SECONDS = 3.0
LOOK_EVERY = 2.0
"""Seconds between two looks without a hint: for words whose hint was lost, and for those whose wait is over."""
REST_SECONDS = 0.05
"""After a look that found nothing. Most hints are the relay's, many a second under load: one look serves them all."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of one dispatcher."""

    words: dict[Channel, Lane[Reply]]
    files: Lane[media.WaitingMedia]
    many_free: asyncio.Event
    """A lane that was full is to be looked for."""

    @property
    def all(self) -> tuple[Lane[Any], ...]:
        """Every lane."""
        return (*self.words.values(), self.files)

    @property
    def tasks(self) -> set[asyncio.Task[Any]]:
        """What is under way."""
        return {task for lane in self.all for task in lane.tasks}


async def run(context: Context) -> None:
    """Dispatch for as long as the worker lives."""
    wake = resources_of(context).wake
    listening = asyncio.create_task(_listen(context))
    attempt, begun = 0, False
    try:
        async with open_lanes(context) as lanes:
            while True:
                try:
                    if not begun:
                        # Its own slot's alone: what another worker has taken is on its way.
                        await _release(context)
                        begun = True
                    await _rest(lanes, await look(context, lanes))
                    attempt = 0
                except Exception as problem:
                    if not is_passing(problem):
                        raise
                    # What is under way goes on, and is noted once the database is back.
                    log.info("dispatching_postponed", error=type(problem).__name__)
                    await asyncio.sleep(backoff.delay(attempt, most=LOOK_EVERY))
                    attempt += 1
                    continue
                # Not `wait_for`: in Python 3.11 it forgets that it was cancelled where the hint comes at that moment.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await wake.wait()
                wake.clear()
    finally:
        listening.cancel()
        await asyncio.wait({listening})


async def dispatch_due(context: Context) -> int:
    """Send everything that is due and fetch the files that wait; tells how many, once all of it is noted."""
    total = 0
    async with open_lanes(context) as lanes:
        while True:
            found = await look(context, lanes)
            total += found
            if not found and not lanes.tasks:
                return total
            if not found:
                await asyncio.wait(lanes.tasks, return_when=asyncio.FIRST_COMPLETED)


@contextlib.asynccontextmanager
async def open_lanes(context: Context) -> AsyncIterator[Lanes]:
    """Lanes without anything in them. Whoever leaves waits for what is under way; what had to be broken off is put back
    for the next, but for what a channel has."""
    many_free = asyncio.Event()
    lanes = Lanes(
        words={channel: Lane(context, _hand_over, places=AT_ONCE, many_free=many_free) for channel in OUTGOING},
        files=Lane(context, fetching.fetch, places=MEDIA_AT_ONCE, many_free=many_free),
        many_free=many_free,
    )
    try:
        yield lanes
    except BaseException:
        await finish(lanes.all, seconds=STOP_SECONDS)
        # Where that fails, it is put back when this worker starts, or the claims end by themselves.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(RELEASE_SECONDS):
                await _release(context, lanes)
        raise


async def _release(context: Context, lanes: Lanes | None = None) -> None:
    taken_over = [reply_id for lane in lanes.words.values() for reply_id in lane.taken_over] if lanes else []
    async with begin(context) as tx:
        await speak.release_claims(tx, taken_over=taken_over)


async def look(context: Context, lanes: Lanes) -> int:
    """Take what is due for the places that are free, and begin with it; tells with how much."""
    lanes.many_free.clear()
    places = {channel: asked for channel, lane in lanes.words.items() if (asked := lane.asks_for)}
    files = lanes.files.asks_for
    if not places and not files:
        return 0
    found: list[media.WaitingMedia] = []
    replies: list[Reply] = []
    async with begin(context) as tx:
        if places:
            replies = await speak.claim_replies(tx, places=places, hold=HOLD)
        if files:
            found = await media.claim_due(tx, limit=files, hold=HOLD)
    begun = 0
    for channel, asked in places.items():
        mine = {reply.reply_id: reply for reply in replies if reply.way.channel is channel}
        begun += lanes.words[channel].take(mine, asked=asked)
    if files:
        begun += lanes.files.take({(each.contact_id, each.media_id): each for each in found}, asked=files)
    return begun


async def _rest(lanes: Lanes, found: int) -> None:
    """Rest by what a look found (decision 0018), but no longer than until a lane that was full can take many."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(backoff.breath(found) if found else REST_SECONDS):
            await lanes.many_free.wait()


async def _listen(context: Context) -> None:
    """Look when there is a hint: every new contact is announced, so the relay's is ours, too, and costs the writer
    nothing more. Without the connection words are found a little later, so nobody else needs to know of its trouble."""
    wake, attempt = resources_of(context).wake, 0
    address = address_for(context.settings.database_url, context.service.package, context.service.package)
    while True:
        try:
            async with connect(address, application="anliegen intake dispatcher") as listening:
                closed = asyncio.Event()
                listening.add_termination_listener(lambda *_, ended=closed: ended.set())
                await listening.add_listener(CHANNEL, lambda *_: wake.set())
                wake.set()
                attempt = 0
                await closed.wait()
        except Exception as problem:
            log.info("hints_missing", error=type(problem).__name__)
        await asyncio.sleep(backoff.delay(attempt))
        attempt += 1


async def _hand_over(context: Context, reply: Reply) -> Sent | None:
    if reply.sent_at is not None:
        # The channel has it: what is missing is the note.
        return Sent(reply, provider_id=reply.provider_id, message_id=reply.message_id)
    labels = context.service.name, reply.way.channel.value
    if reply.attempts == 1 and reply.created_at is not None:
        waited = (context.clock.now() - reply.created_at).total_seconds()
        metrics.delivery_wait.labels(*labels).observe(max(0.0, waited))
    try:
        with _spoken_of(context, reply):
            sent = await _hand_over_in_time(context, reply)
            # What is announced of it follows from this span.
            sent = replace(sent, reply=_traced(sent.reply))
            log.debug("reply_sent", reply_id=str(reply.reply_id))
    except SendingFailed as trouble:
        log.warning(
            "reply_not_sent", reply_id=str(reply.reply_id), channel=reply.way.channel.value, code=trouble.code,
            attempts=reply.attempts,
        )  # fmt: skip
        # The code stands in the log and in the event: channels have too many of them for a label.
        metrics.delivery_attempts.labels(*labels, "rejected" if trouble.lasting else "failed").inc()
        await noting.note_failed(context, reply, trouble)
        return None
    metrics.delivery_attempts.labels(*labels, "sent").inc()
    return sent


@contextlib.contextmanager
def _spoken_of(context: Context, reply: Reply) -> Iterator[None]:
    """A span, in the trace of what asked for the words, and log lines that name what began it all."""
    channel, cause = reply.way.channel.value, reply.cause
    correlation = {"correlation_id": cause.correlation} if cause else {}
    with (
        traces.work_span(
            f"send {channel}",
            service=context.service.name,
            traceparent=cause.traceparent if cause else None,
            reaches_out=True,
            attributes={"anliegen.channel": channel, "anliegen.reply_id": str(reply.reply_id)},
        ),
        logs.fields(**correlation),
    ):
        yield


def _traced(reply: Reply) -> Reply:
    cause = reply.cause
    return replace(reply, cause=replace(cause, traceparent=traces.inject()[0])) if cause else reply


async def _hand_over_in_time(context: Context, reply: Reply) -> Sent:
    try:
        if reply.attempts > resources_of(context).settings.send_attempts:
            # Each time before, it came to no end: it took the process with it, or could not be noted.
            raise SendingFailed("attempts_used_up", lasting=True)
        async with asyncio.timeout(HANDED_OVER_WITHIN):
            return await hand_over(context, reply)
    except TimeoutError as problem:
        raise SendingFailed("channel_too_slow", lasting=False) from problem
    except SendingFailed:
        raise
    except Exception as problem:
        # A fault of ours: tried again and given up like a channel's, or these words would be tried for ever.
        log.exception("reply_broke", reply_id=str(reply.reply_id), channel=reply.way.channel.value)
        raise SendingFailed("unexpected", lasting=False) from problem
