"""One Kafka for many tests, and databases that are emptied between them."""

from aiokafka import TopicPartition

from .. import kafka
from ..consumer import store as consumer_store
from ..consumer.records import Place as Heard
from ..fence import store
from ..fence.look import open_log
from ..fence.store import Place
from ..service import Context


async def skip_the_past(context: Context) -> None:
    """Let a service with an empty database begin behind what earlier tests left in the log.

    Otherwise it would hear that, and find that it had announced events which its database does not know: to the kit
    an emptied database is one that was restored to its beginning.
    """
    service, heard = context.service, context.service.handlers.topics_under(context.settings)
    topics = {*service.topics, *heard}
    if not topics:
        return
    cluster_id, partitions = await kafka.describe(context.settings, topics)
    async with open_log(context) as log:
        places = [Place(topic, part) for topic, count in partitions.items() for part in range(count)]
        ends = await log.end_offsets([TopicPartition(*place) for place in places])
    offsets = {Place(*partition): end for partition, end in ends.items()}
    own = {place: end for place, end in offsets.items() if place.topic in service.topics}
    async with context.pool.acquire() as connection:
        await store.upsert_positions(connection, cluster_id=cluster_id, positions=own)
        for place, end in offsets.items():
            if place.topic in heard:
                await consumer_store.insert_position(
                    connection, group=service.name, place=Heard(*place), cluster_id=cluster_id, offset=end
                )
