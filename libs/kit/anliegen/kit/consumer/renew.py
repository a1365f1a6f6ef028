"""Positions that Kafka does not know any more are set anew, where everything that is read again takes effect once."""

from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition

from .. import kafka
from ..errors import Conflict
from ..fence.look import limits, open_log
from ..operations import journal
from ..operations.journal import Operator
from ..service import Context
from ..transaction import begin
from . import store
from .records import Place

MOST_DAYS = 34
"""A day less than the inbox remembers."""


class NothingLost(Conflict):
    """Kafka knows every position of this service: it goes on by itself."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A position that Kafka does not know: it is outside what the partition holds, or belongs to another cluster."""

    place: Place
    offset: int
    cluster_id: str
    beginning: int
    end: int
    following: int
    """Where to go on: with the first record that is young enough for the inbox to know it, else at the end."""


async def find_lost(context: Context, *, since: datetime) -> tuple[str, list[Lost]]:
    """The id of the cluster, and the positions of this service that it does not know. Raises KafkaError."""
    group, topics = context.service.name, context.service.handlers.topics_under(context.settings)
    cluster_id, partitions = await kafka.describe(context.settings, topics)
    places = [Place(topic, part) for topic, count in partitions.items() for part in range(count)]
    async with context.pool.acquire() as connection:
        known = await store.load_positions(connection, group=group, places=places)
    asked = {TopicPartition(*place): int(since.timestamp() * 1000) for place in known}
    if not asked:
        return cluster_id, []
    async with open_log(context) as log:
        beginnings, ends = await kafka.in_one_go(limits(log, list(asked)))
        young = await kafka.in_one_go(log.offsets_for_times(asked))
    lost = []
    for place, row in known.items():
        partition, offset = TopicPartition(*place), row["next_offset"]
        if row["cluster_id"] == cluster_id and beginnings[partition] <= offset <= ends[partition]:
            continue
        first = young[partition]
        lost.append(
            Lost(
                place, offset, row["cluster_id"], beginnings[partition], ends[partition],
                ends[partition] if first is None else first.offset,
            )
        )  # fmt: skip
    return cluster_id, sorted(lost, key=lambda one: one.place)


async def renew(context: Context, *, since: datetime, operator: Operator) -> list[Lost]:
    """Set the positions anew that Kafka does not know, and tell which; the others stay.

    What is read again, from `since` on (at most MOST_DAYS ago), is in the inbox where it had its effect. A worker that
    stopped at a lost position goes on within seconds. Needs `operator.reason`. Raises NothingLost, KafkaError.
    """
    cluster_id, lost = await find_lost(context, since=since)
    if not lost:
        raise NothingLost
    async with begin(context) as tx:
        await store.replace_positions(
            tx.connection, group=context.service.name, cluster_id=cluster_id,
            offsets={one.place: one.following for one in lost},
        )  # fmt: skip
        await journal.record(tx, operator, did="renewed positions", about=f"cluster/{cluster_id}")
    return lost
