"""A lane: places for one kind of work that reaches outside, each free again as soon as its own work is noted."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar
from uuid import UUID

import structlog

from anliegen.kit import Context
from anliegen.kit.backoff import BREATH_MOST

from . import noting
from .domain.replies import Sent
from .resources import resources_of

log = structlog.get_logger(__name__)

Item = TypeVar("Item")


class Lane(Generic[Item]):
    """Work of one kind, `places` of it at once. What `do` tells as sent is noted together with what else was by then.

    Work that was taken keeps its place until what became of it is noted, so no more than that is ever open.
    """

    def __init__(
        self,
        context: Context,
        do: Callable[[Context, Item], Coroutine[Any, Any, Sent | None]],
        *,
        places: int,
        many_free: asyncio.Event,
    ) -> None:
        """`many_free` is set when a lane that was full is to be looked for, so that nobody rests any longer."""
        self._context = context
        self._do = do
        self._places = places
        self._many_free = many_free
        self._wake = resources_of(context).wake
        self._open: dict[Hashable, bool] = {}
        """What has a place; whether the channel has taken it over."""
        self._sent: list[Sent] = []
        self._noting = False
        self._gathers = False
        """More waits than it had places for, and it waits for some places: a look costs the same for one as for fifty.
        """
        self._timer: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[Any]] = set()
        """What is under way."""

    @property
    def asks_for(self) -> int:
        """How many the next look may take for it."""
        return 0 if self._gathers else self._places - len(self._open)

    @property
    def taken_over(self) -> list[UUID]:
        """The words that a channel has, and that are not noted yet."""
        return [key for key, is_sent in self._open.items() if is_sent and isinstance(key, UUID)]

    def take(self, found: Mapping[Any, Item], *, asked: int) -> int:
        """Begin with what a look found that was asked for so many; tells with how much. What has a place already is
        only claimed for longer."""
        new = [key for key in found if key not in self._open]
        for key in new:
            self._open[key] = False
            self._start(key, self._do(self._context, found[key]))
        self._gathers = len(found) >= asked
        if self._gathers:
            self._gather()
        return len(new)

    def _start(self, key: Hashable, work: Coroutine[Any, Any, Sent | None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(lambda done: self._end(key, done))

    def _end(self, key: Hashable, task: asyncio.Task[Sent | None]) -> None:
        self.tasks.discard(task)
        if task.cancelled():
            if self._open[key]:
                return
        elif problem := task.exception():
            # Whatever it was, its claim ends by itself, and attempts are counted when it is taken.
            log.error("outgoing_work_broke", exc_info=problem)
        elif sent := task.result():
            self._open[key] = True
            self._sent.append(sent)
            if not self._noting:
                self._noting = True
                noter = asyncio.create_task(self._note())
                self.tasks.add(noter)
                noter.add_done_callback(self.tasks.discard)
            return
        self._leave(key)

    async def _note(self) -> None:
        """Note what was sent; what is sent meanwhile is noted with the next."""
        try:
            while self._sent:
                batch, self._sent = self._sent, []
                try:
                    await noting.note_together(self._context, batch)
                except Exception as problem:
                    log.warning("sent_noted_one_by_one", count=len(batch), error=type(problem).__name__)
                    for each in batch:
                        self._start(each.reply.reply_id, noting.note_alone(self._context, each))
                else:
                    for each in batch:
                        self._leave(each.reply.reply_id)
        finally:
            self._noting = False

    def _leave(self, key: Hashable) -> None:
        del self._open[key]
        if self._gathers:
            self._gather()
        else:
            # The next words for the same recipient may have waited for these.
            self._wake.set()

    def _gather(self) -> None:
        if len(self._open) * 2 <= self._places:
            self._ask()
        elif self._timer is None and len(self._open) < self._places:
            self._timer = asyncio.get_running_loop().call_later(BREATH_MOST, self._ask)

    def _ask(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._gathers = False
        self._many_free.set()
        self._wake.set()


async def finish(lanes: Iterable[Lane[Any]], *, seconds: float) -> None:
    """Let everything that is under way come to its own end: what is broken off while a channel takes it over is handed
    over again later. What takes longer than `seconds` is broken off."""
    until, lanes = time.monotonic() + seconds, list(lanes)
    tasks: set[asyncio.Task[Any]] = set()
    try:
        # Again, since what was handed over is then noted.
        while (tasks := {task for lane in lanes for task in lane.tasks}) and (left := until - time.monotonic()) > 0:
            await asyncio.wait(tasks, timeout=left)
    finally:
        for task in tasks:
            task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1.0)
