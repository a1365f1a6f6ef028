"""The topic manifest: which topics there are, and how they are cut and kept. It is the only place that says so."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

Size = Literal["development", "production"]
PARTNER = "anliegen.partner."
"""What the names of the topics begin with that partner systems write to: `anliegen.partner.<name>`."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic. `retention_hours` is -1 for ever."""

    name: str
    partitions: int
    replication: int
    min_insync_replicas: int
    retention_hours: int

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka names them."""
        milliseconds = -1 if self.retention_hours < 0 else self.retention_hours * 3_600_000
        return {"retention.ms": str(milliseconds), "min.insync.replicas": str(self.min_insync_replicas)}


def manifest(size: Size, *, partners: Iterable[str] = ()) -> list[TopicSpec]:
    """Every topic with its settings for a development machine or for production, sorted by name.

    `partners` are the names of a deployment's partner systems, each of which has a topic of its own.
    """
    content = tomllib.loads(files(__package__).joinpath("topics.toml").read_text())
    common = content["sizes"][size]
    names = {*content["topics"]["names"], *map(partner_topic, {*common["partners"], *partners})}
    return sorted(
        (
            TopicSpec(
                name=name,
                partitions=common["partitions"],
                replication=common["replication"],
                min_insync_replicas=common["min_insync_replicas"],
                retention_hours=content["retention_hours"][_kind(name)],
            )
            for name in names
        ),
        key=lambda spec: spec.name,
    )


def partner_topic(partner: str) -> str:
    """The topic that this partner system writes to."""
    return PARTNER + partner


def is_partner_topic(topic: str) -> bool:
    """Whether a partner system writes to this topic, so that nothing on it is one of our own events."""
    return topic.startswith(PARTNER)


def _kind(name: str) -> str:
    if is_partner_topic(name):
        return "partner"
    return "words" if name.endswith(".words") else "facts"
