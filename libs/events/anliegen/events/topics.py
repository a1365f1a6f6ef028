"""The topic manifest: which topics there are, and how they are cut and kept. It is the only place that says so."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

Size = Literal["development", "production"]


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


def manifest(size: Size) -> list[TopicSpec]:
    """Every topic with its settings for a development machine or for production, sorted by name."""
    content = tomllib.loads(files(__package__).joinpath("topics.toml").read_text())
    common = content["sizes"][size]
    return sorted(
        (
            TopicSpec(
                name=name,
                partitions=common["partitions"],
                replication=common["replication"],
                min_insync_replicas=common["min_insync_replicas"],
                retention_hours=content["retention_hours"]["words" if name.endswith(".words") else "facts"],
            )
            for name in content["topics"]["names"]
        ),
        key=lambda spec: spec.name,
    )
