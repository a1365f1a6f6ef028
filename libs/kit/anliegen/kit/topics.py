"""The topic manifest against the cluster, at a worker's start: what would lose events or their order stops a service.

A topic that is missing, cut into another number of partitions, or compacted stops the services that hear or announce on
it. Everything else (replicas, retention, topics made by themselves) is told in the log and by the metric
`topic_differences`: a person should mend it, and nobody's start should wait for that. See docs/decisions.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from anliegen.events import registry
from anliegen.events.topics import PARTNER, Size, TopicSpec, is_partner_topic, manifest

from . import backoff, kafka
from .service import Service
from .settings import Settings
from .telemetry import metrics

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 5.0
"""For so long an answer of the cluster holds for the other services of the process."""
_ASKED = ("retention.ms", "min.insync.replicas", "cleanup.policy")
_AUTO_CREATION = "auto.create.topics.enable"


class TopicsDiffer(RuntimeError):
    """Topics in Kafka are not as the manifest (libs/events, topics.toml) says, so this service does not start."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the cluster has it. `config` has Kafka's names; it is empty where we may not look."""

    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a cluster tells of itself; `makes_topics` is None where we may not look."""

    topics: Mapping[str, Topic]
    makes_topics: bool | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a topic is not as the manifest says, with what to do about it."""

    topic: str
    what: str
    sentence: str
    stops: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {self.sentence}"


def wanted_by(service: Service, settings: Settings) -> list[TopicSpec]:
    """The topics that this service hears or announces on, as the manifest says they are."""
    names = set(service.handlers.topics_under(settings))
    names |= {registry.topic_of(c) for c in registry.all_classes() if registry.service_of(c.event_type) == service.name}
    partners = [name.removeprefix(PARTNER) for name in names if is_partner_topic(name)]
    size: Size = "development" if settings.is_development else "production"
    return [spec for spec in manifest(size, partners=partners) if spec.name in names]


def differences(wanted: TopicSpec, found: Topic | None) -> Iterator[Difference]:
    """How the topic differs from the manifest. A partner's topic never stops us: no event of ours travels on it."""
    ours = not is_partner_topic(wanted.name)
    if found is None:
        made = f"--topic {wanted.name} --partitions {wanted.partitions} --replication-factor {wanted.replication}"
        config = " ".join(f"--config {name}={value}" for name, value in wanted.config.items())
        how = f"Create it: kafka-topics.sh --create {made} {config}"
        yield Difference(wanted.name, "missing", f"is not there, or we may not see it. {how}", stops=ours)
        return
    if found.partitions != wanted.partitions:
        sentence = (
            f"has {found.partitions} partitions, the manifest says {wanted.partitions}. A key stays in its partition "
            "for ever: if the topic has never carried an event, delete it and create it anew; else let the manifest "
            "say what it has."
        )
        yield Difference(wanted.name, "partitions", sentence, stops=ours)
    if "compact" in found.config.get("cleanup.policy", "delete"):
        sentence = "is compacted, so earlier events of a journey are forgotten. Set cleanup.policy=delete."
        yield Difference(wanted.name, "cleanup.policy", sentence, stops=ours)
    if found.replication < wanted.replication:
        sentence = f"has {found.replication} replicas, the manifest says {wanted.replication}. Reassign its partitions."
        yield Difference(wanted.name, "replication", sentence)
    for name, value in wanted.config.items():
        if found.config.get(name, value) != value:
            sentence = (
                f"{name} is {found.config[name]}, the manifest says {value}. Set it with kafka-configs.sh --alter."
            )
            yield Difference(wanted.name, name, sentence)


async def describe(settings: Settings) -> Cluster:
    """Ask the cluster for its topics over one connection. Raises KafkaError or OSError where it is away."""
    admin = AIOKafkaAdminClient(**kafka.client_options(settings))
    try:
        await kafka.start(admin)
        # Asking for all of them makes none: asking for one by its name might.
        described = [topic for topic in await admin.describe_topics() if not topic["is_internal"]]
        brokers = [broker["node_id"] for broker in (await admin.describe_cluster())["brokers"]]
        configs = await _configs(admin, [topic["topic"] for topic in described], brokers[0])
    finally:
        await admin.close()
    topics = {
        topic["topic"]: Topic(
            partitions=len(topic["partitions"]),
            replication=min(len(partition["replicas"]) for partition in topic["partitions"]),
            config=configs.get(topic["topic"], {}),
        )
        for topic in described
        if topic["partitions"]
    }
    said = configs.get("", {}).get(_AUTO_CREATION)
    return Cluster(topics, None if said is None else said == "true")


async def _configs(admin: AIOKafkaAdminClient, topics: list[str], broker: int) -> dict[str, dict[str, str]]:
    """The settings of these topics by name, and of the broker under the empty name; without those we may not see."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_ASKED, "")) for name in topics]
    asked.append(ConfigResource(ConfigResourceType.BROKER, str(broker), {_AUTO_CREATION: ""}))
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for error_code, _, kind, name, entries in answer.resources:
            if error_code == 0:
                place = name if kind == ConfigResourceType.TOPIC else ""
                found[place] = {entry[0]: entry[1] for entry in entries}
    return found


class TopicCheck:
    """Holds the topics against the manifest: one question to the cluster for all services of a process."""

    def __init__(self) -> None:
        self._right: set[str] = set()
        self._told: set[Difference] = set()
        self._answers: dict[str, tuple[float, Cluster]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def wait_until_known(self, service: Service, settings: Settings) -> None:
        """Return once this service's topics are known to be right. Waits while Kafka is away; raises TopicsDiffer."""
        if service.name in self._right:
            return
        cluster = await self._ask(settings)
        found = [
            difference
            for wanted in wanted_by(service, settings)
            for difference in differences(wanted, cluster.topics.get(wanted.name))
        ]
        if cluster.makes_topics:
            sentence = (
                f"topics are made by themselves, wrongly cut, as soon as one is named. Set {_AUTO_CREATION}=false."
            )
            found.append(Difference("cluster", _AUTO_CREATION, sentence))
        for difference in found:
            metrics.topic_differences.labels(service.name, difference.topic, difference.what).set(1)
        if stopping := [str(difference) for difference in found if difference.stops]:
            raise TopicsDiffer(" ".join([TopicsDiffer.__doc__ or "", *stopping]))
        for difference in set(found) - self._told:
            log.warning("topic_differs", topic=difference.topic, what=difference.what, detail=difference.sentence)
        self._told.update(found)
        self._right.add(service.name)

    async def _ask(self, settings: Settings) -> Cluster:
        address, attempt = settings.kafka_bootstrap, 0
        async with self._asking[address]:
            asked_at, cluster = self._answers.get(address, (0.0, None))
            if cluster is not None and time.monotonic() - asked_at < ANSWER_SECONDS:
                return cluster
            while True:
                try:
                    cluster = await describe(settings)
                except (KafkaError, OSError, TimeoutError) as problem:
                    log.warning("kafka_is_away", address=address, error=type(problem).__name__)
                    await asyncio.sleep(backoff.delay(attempt))
                    attempt += 1
                else:
                    self._answers[address] = (time.monotonic(), cluster)
                    return cluster
