"""A Kafka that asks who one is and lets everybody do what is written for them in `services/<name>/deploy/platform`.

The broker has the authorizer that a cluster of Strimzi's has. Its passwords are sent as they are instead of by SCRAM:
what is tried here is what one may do, not how one shows who one is.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from anliegen.events.topics import manifest
from anliegen.stack.kafka import start_kafka
from anliegen.stack.ports import LOOPBACK, any_free

SERVICES = Path(__file__).resolve().parents[2] / "services"
PASSWORD = "a-password-of-this-test"
REFUSALS = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
# Kafka's numbers in its protocol: org.apache.kafka.common.resource and .acl.
RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
PATTERNS = {"literal": 3, "prefix": 4}
OPERATIONS = {
    "All": 2, "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "ClusterAction": 9,
    "DescribeConfigs": 10, "AlterConfigs": 11, "IdempotentWrite": 12,
}  # fmt: skip
ALLOW = 3
Acl = dict[str, Any]


def written_for(service: str) -> tuple[str, list[Acl]]:
    """The account of a service's workers and its rights, as the file that is applied says them."""
    path = SERVICES / service / "deploy" / "platform" / "kafka.yaml"
    (user,) = [found for found in yaml.safe_load_all(path.read_text()) if found["kind"] == "KafkaUser"]
    assert user["spec"]["authorization"]["type"] == "simple"
    return user["metadata"]["name"], user["spec"]["authorization"]["acls"]


class CreateAclsResponse(Response):
    """What became of each."""

    API_KEY = 30
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("results", Array(("error_code", Int16), ("error_message", String("utf-8"))))
    )


class CreateAclsStruct(RequestStruct):
    """Its form since Kafka knows prefixes."""

    API_KEY = 30
    API_VERSION = 1
    RESPONSE_TYPE = CreateAclsResponse
    SCHEMA = Schema(
        (
            "creations",
            Array(
                ("resource_type", Int8), ("resource_name", String("utf-8")), ("pattern", Int8),
                ("principal", String("utf-8")), ("host", String("utf-8")), ("operation", Int8), ("permission", Int8),
            ),
        )
    )  # fmt: skip


class CreateAcls(Request[CreateAclsStruct]):
    """Enters rights; the client library has no such request, and Kafka's own tool takes a second for each."""

    API_KEY = 30

    def __init__(self, creations: list[tuple[int, str, int, str, str, int, int]]) -> None:
        self._creations = creations

    def build(self, request_struct_class: type[CreateAclsStruct]) -> CreateAclsStruct:
        return request_struct_class(self._creations)


@dataclass(frozen=True)
class GuardedKafka:
    """Two addresses of one broker: `open` is the administrator's, who may do everything; `guarded` asks who one is."""

    open: str
    guarded: str

    def settings_of(self, user: str) -> dict[str, str]:
        """What a service is told so that it comes as this user."""
        return {
            "kafka_bootstrap": self.guarded,
            "kafka_security_protocol": "SASL_PLAINTEXT",
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_username": user,
            "kafka_password": PASSWORD,
        }

    def client_of(self, user: str) -> dict[str, str]:
        """The same for a client of the library."""
        return {
            "bootstrap_servers": self.guarded,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": user,
            "sasl_plain_password": PASSWORD,
        }

    @contextlib.asynccontextmanager
    async def administrator(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """One who may do everything."""
        async with _started(AIOKafkaAdminClient(bootstrap_servers=self.open)) as client:
            yield client

    async def grant(self, user: str, acls: list[Acl]) -> None:
        """Enter these rights."""
        entries = [
            (
                RESOURCES[acl["resource"]["type"]], acl["resource"]["name"], PATTERNS[acl["resource"]["patternType"]],
                f"User:{user}", "*", OPERATIONS[operation], ALLOW,
            )
            for acl in acls
            for operation in acl["operations"]
        ]  # fmt: skip
        async with self.administrator() as client:
            answer: Any = await client._send_request(CreateAcls(entries))
        assert [result for result in answer.results if result[0]] == []


@contextlib.contextmanager
def guarded_kafka(folder: Path, users: list[str]) -> Iterator[GuardedKafka]:
    """A broker with all topics and these users, who may do nothing yet."""
    port, controller, guarded = any_free(), any_free(), any_free()
    known = " ".join(f'user_{user}="{PASSWORD}"' for user in users)
    settings = {
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller},GUARDED://{LOOPBACK}:{guarded}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port},GUARDED://{LOOPBACK}:{guarded}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_PLAINTEXT",
        "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.guarded.plain.sasl.jaas.config": f"{LOGIN} required {known};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    (folder / "ports.json").write_text(json.dumps({"kafka": port, "kafka_controller": controller}))
    server = start_kafka(folder, topics=manifest("development"), settings=settings)
    try:
        yield GuardedKafka(server.bootstrap, f"{LOOPBACK}:{guarded}")
    finally:
        server.stop()


@dataclass(frozen=True)
class Attempts:
    """What somebody tries who has taken this user's password; each tells what Kafka let through."""

    kafka: GuardedKafka
    user: str

    async def seen(self) -> set[str]:
        """The topics whose existence is shown."""
        async with self._administering() as client:
            return set(await client.list_topics())

    async def read(self, topics: set[str]) -> set[str]:
        """Those of the topics, each with a record in partition 0, that give it."""
        consumer = AIOKafkaConsumer(
            **self.kafka.client_of(self.user), auto_offset_reset="none", enable_auto_commit=False, fetch_max_wait_ms=100
        )
        given = set()
        async with _started(consumer):
            for topic in topics:
                consumer.assign([place := TopicPartition(topic, 0)])
                consumer.seek(place, 0)
                with contextlib.suppress(TopicAuthorizationFailedError):
                    if await consumer.getmany(place, timeout_ms=3_000):
                        given.add(topic)
        return given

    async def write(self, topics: set[str]) -> set[str]:
        """Those of the topics that take a record."""
        taken = set()
        async with _started(AIOKafkaProducer(**self.kafka.client_of(self.user))) as producer:
            for topic in topics:
                with contextlib.suppress(TopicAuthorizationFailedError):
                    await producer.send_and_wait(topic, b"not an event", partition=0)
                    taken.add(topic)
        return taken

    async def belong(self, groups: set[str]) -> set[str]:
        """Those of the groups that let one see who leads them, the least of what a member may do."""
        let_in = set()
        async with self._administering() as client:
            for group in groups:
                with contextlib.suppress(GroupAuthorizationFailedError):
                    await client.find_coordinator(group)
                    let_in.add(group)
        return let_in

    async def administer(self, topic: str) -> set[str]:
        """Those of an administrator's doings that are let through: making a topic, changing and deleting this one."""
        async with self._administering() as client:
            made = await client.create_topics([NewTopic("anliegen.of-nobody", 1, 1)])
            changed = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "1"})
            answers = {
                "create": made.topic_errors[0][1],
                "alter": (await client.alter_configs([changed]))[0].resources[0][0],
                "delete": (await client.delete_topics([topic])).topic_error_codes[0][1],
            }
        return {doing for doing, code in answers.items() if for_code(code) not in REFUSALS}

    def _administering(self) -> contextlib.AbstractAsyncContextManager[AIOKafkaAdminClient]:
        return _started(AIOKafkaAdminClient(**self.kafka.client_of(self.user)))


@contextlib.asynccontextmanager
async def _started(client: Any) -> AsyncIterator[Any]:
    await client.start()
    try:
        yield client
    finally:
        await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
