"""What people do: stop a service, and let it go on after a restore."""

from dataclasses import dataclass

from ..errors import Conflict
from ..operations import journal
from ..operations.journal import Operator
from ..transaction import Transaction
from . import lists, store
from .store import Fence


class NotFenced(Conflict):
    """This service is not fenced: there is nothing to release."""


class NotListedYet(Conflict):
    """The worker has not yet compared the whole log with the restored database: look at the list when it is complete,
    and release then. Without a running worker and Kafka it never is."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a release did: `streams` is how many keys go on after numbers that only others knew."""

    fence_id: int
    streams: int


async def set_fence(tx: Transaction, *, operator: Operator) -> Fence:
    """Stop a service before it is restored, or while somebody looks into it; one that is stopped stays so.

    It serves reads; its worker stops and its commands are refused within a second or two. Needs `operator.reason`.
    """
    await store.lock_fences(tx)
    fence = await store.insert_fence(tx, by=operator.name, reason=operator.reason or "")
    await journal.record(tx, operator, did="fenced", about=fence.about)
    return fence


async def release(tx: Transaction, *, operator: Operator) -> Released:
    """Let a fenced service go on: no number that others have heard is used again, and its worker takes up its events.

    Raises NotFenced, NotListedYet.
    """
    await store.lock_fences(tx)
    fence = await store.find_open_fence(tx)
    if fence is None:
        raise NotFenced
    if fence.listed_at is None:
        raise NotListedYet
    await tx.lock(*await lists.list_keys(tx, fence_id=fence.fence_id))
    streams = await lists.raise_sequences(tx, fence_id=fence.fence_id)
    await store.update_released(tx, fence_id=fence.fence_id, by=operator.name, reason=operator.reason or "")
    await journal.record(tx, operator, did="released", about=fence.about)
    return Released(fence.fence_id, streams)
