import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from anliegen.stack.errors import StackError
from anliegen.stack.kafka import KafkaServer, make_topics, start_kafka
from anliegen.stack.processes import Processes


@dataclass(frozen=True)
class Spec:
    name: str
    partitions: int = 3
    config: dict[str, str] = field(default_factory=lambda: {"retention.ms": "-1"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("kafka")
    yield folder
    _running(folder).stop("kafka")


def _running(data: Path) -> Processes:
    return Processes(data / "run", data / "run")


def _start(data: Path, *topics: str) -> KafkaServer:
    return start_kafka(data, topics=[Spec(name) for name in topics])


async def _say(bootstrap: str, *words: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for word in words:
            await producer.send_and_wait("facts", word.encode(), partition=0)
    finally:
        await producer.stop()


async def _hear(bootstrap: str, count: int) -> list[str]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        consumer.assign([TopicPartition("facts", 0)])
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value.decode() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_broker_starts_with_its_topics_and_makes_no_others(data: Path) -> None:
    server = _start(data, "facts", "words")
    client = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap)
    await client.start()
    try:
        assert {"facts", "words"} <= set(await client.list_topics())
        described = await client.describe_topics(["facts", "never-made"])
        assert {topic["topic"]: len(topic["partitions"]) for topic in described} == {"facts": 3, "never-made": 0}
    finally:
        await client.close()
    await _say(server.bootstrap, "one", "two")
    assert await _hear(server.bootstrap, 2) == ["one", "two"]


def test_running_broker_is_taken_and_gets_new_topics(data: Path) -> None:
    first = _start(data, "facts")
    assert _start(data, "facts", "added") == first


def test_topic_that_is_cut_into_another_number_of_partitions_is_named(data: Path) -> None:
    _start(data, "facts")
    with pytest.raises(StackError, match=r"The topic facts at .* has 3 partitions, the manifest says 5\."):
        start_kafka(data, topics=[Spec("facts", partitions=5)])


async def test_killed_broker_is_started_again_with_everything_acknowledged(data: Path) -> None:
    first = _start(data, "facts")
    await _say(first.bootstrap, "three")
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    again = _start(data, "facts")
    assert again.pid != first.pid
    assert again.bootstrap == first.bootstrap
    assert await _hear(again.bootstrap, 3) == ["one", "two", "three"]


def test_broker_whose_record_was_lost_is_found(data: Path) -> None:
    first = _start(data, "facts")
    (data / "run" / "kafka.json").unlink()
    assert _start(data, "facts") == first


def test_broker_outlives_the_command_that_started_it(data: Path) -> None:
    code = (
        "import os, pathlib, signal; from anliegen.stack.kafka import start_kafka\n"
        f"print(start_kafka(pathlib.Path({str(data)!r})).pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert _start(data).pid == int(said.stdout)


def test_stopped_broker_leaves_only_its_data(data: Path) -> None:
    server = _start(data)
    server.stop()
    assert server.pid is not None
    assert not psutil.pid_exists(server.pid) or psutil.Process(server.pid).status() == psutil.STATUS_ZOMBIE
    assert {path.name for path in data.iterdir()} <= {"logs", "run", "ports.json", "server.properties"}
    assert {path.name for path in (data / "run").iterdir()} == {"kafka.log"}


async def test_data_stays_over_a_stop(data: Path) -> None:
    server = _start(data, "facts")
    assert await _hear(server.bootstrap, 3) == ["one", "two", "three"]


def test_broker_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "meta.properties").write_text("version=99\n")
    with pytest.raises(StackError, match=r"Kafka ended while it started\. The end of its log") as failed:
        start_kafka(tmp_path)
    assert "meta.properties" in str(failed.value)


def test_kafka_that_is_not_there_is_named() -> None:
    begun = time.monotonic()
    with pytest.raises(StackError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        make_topics("127.0.0.1:1", [], patience=0.3)
    assert time.monotonic() - begun < 10


def test_interrupted_first_start_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "logs.unfinished").mkdir()
    (tmp_path / "logs.unfinished" / "bootstrap.checkpoint").write_text("half")
    server = start_kafka(tmp_path)
    server.stop()
    assert not (tmp_path / "logs.unfinished").exists()
