"""The real Apache Kafka, one node that is broker and controller, on a Java runtime that needs no installation."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from anliegen.stack.apart import run_apart
from anliegen.stack.errors import StackError
from anliegen.stack.jars import fetch_jars
from anliegen.stack.java import Java, find_java
from anliegen.stack.ports import LOOPBACK, Ports, answers
from anliegen.stack.processes import Processes, ProcessRecord, tail

NAME = "kafka"
START_PATIENCE = 90.0  # seconds; after a crash every segment that was open is read again
STOP_PATIENCE = 30.0  # seconds
UNUSED = 30 * 86_400  # seconds after which a class archive of some former Java is removed
TOPIC_EXISTS = 36  # Kafka's error code

# Measured on two cores: the first compiler alone starts in 0.6 s (both: 1.1 s), uses half the CPU for that and 25 MB
# less, and carries as many records a second. Nothing is written outside the data folder.
OPTIONS = (
    "-XX:+UseSerialGC", "-Xms96m", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData", "-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true",
)  # fmt: skip

Progress = Callable[[int, int], None]


class Topic(Protocol):
    """A line of the topic manifest. `config` holds Kafka's own names and values."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    @property
    def config(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class KafkaServer:
    """A Kafka: its bootstrap address, and (when it is ours) its process and how to stop it."""

    bootstrap: str
    pid: int | None = None
    processes: Processes | None = None
    data: Path | None = None

    def stop(self) -> None:
        if self.processes is not None and self.data is not None:
            stop_kafka(self.data, processes=self.processes)


def start_kafka(
    data: Path,
    *,
    topics: Sequence[Topic] = (),
    processes: Processes | None = None,
    ports: Ports | None = None,
    settings: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> KafkaServer:
    """Start a broker whose files are all below `data`, wait until it answers, and make the topics that are missing.

    A broker that runs there already is taken as it is. `processes` and `ports` keep its record and its ports (without:
    beside the data). `settings` are added to ours and hold instead of them. `progress` hears how many of the jars are
    there. Raises StackError.
    """
    data = data.resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    processes = processes or Processes(data / "run", data / "run")
    processes.run.mkdir(mode=0o700, exist_ok=True)
    ports = ports or Ports(data / "ports.json")
    adopted = _adopt(processes, ports)
    record = adopted or _start(data, processes, ports, settings or {}, progress)
    try:
        try:
            return _when_ready(record, topics, processes, data)
        except StackError:
            if adopted is None or adopted.process() is not None:
                raise
            # It was already dying when we took it for alive.
            return _when_ready(_start(data, processes, ports, settings or {}, progress), topics, processes, data)
    except StackError as failed:
        log = processes.log(NAME)
        raise StackError(f"{failed} The end of its log ({log}):\n{tail(log)}") from failed


def stop_kafka(data: Path, *, processes: Processes) -> None:
    """End the broker after it has written everything, and keep the class archive it made on its way out."""
    processes.stop(NAME, patience=STOP_PATIENCE)
    shutil.rmtree(data / "tmp", ignore_errors=True)
    made = data / "classes.jsa"
    if made.is_file():
        target = Path((data / "classes.target").read_text())
        temporary = target.with_suffix(f".{os.getpid()}")
        shutil.copyfile(made, temporary)
        temporary.replace(target)
        made.unlink()
        for archive in target.parent.glob("*.jsa"):
            if time.time() - archive.stat().st_mtime > UNUSED:
                archive.unlink(missing_ok=True)


def make_topics(
    bootstrap: str, topics: Sequence[Topic], *, patience: float, alive: Callable[[], bool] = lambda: True
) -> None:
    """Wait until the broker answers, and create those of the topics that it does not have.

    Raises StackError, also where a topic is there and cut into another number of partitions. (The workers look at the
    rest of its settings when they start: `anliegen.kit.topics`.)
    """
    run_apart(_make_topics(bootstrap, topics, patience, alive))


async def _make_topics(bootstrap: str, topics: Sequence[Topic], patience: float, alive: Callable[[], bool]) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError

    deadline = time.monotonic() + patience
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # that a starting broker does not answer yet is no news
    try:
        while True:
            client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
            try:
                await client.start()
                known = {found["topic"]: len(found["partitions"]) for found in await client.describe_topics()}
                for topic in topics:
                    if (known.get(topic.name) or topic.partitions) != topic.partitions:
                        raise StackError(
                            f"The topic {topic.name} at {bootstrap} has {known[topic.name]} partitions, the manifest "
                            f"says {topic.partitions}. Give topics.toml the number it has; or, where its events are of "
                            "no use, delete it (`anliegen reset` deletes all data of the embedded Kafka)."
                        )
                wanted = [
                    NewTopic(topic.name, topic.partitions, 1, topic_configs=topic.config)
                    for topic in topics
                    if topic.name not in known
                ]
                if wanted:
                    answer: Any = await client.create_topics(wanted)
                    for name, code, message in answer.topic_errors:
                        if code not in {0, TOPIC_EXISTS}:
                            raise StackError(f"Kafka refused the topic {name}: {message}.")
                # The first question makes Kafka create the topic that coordinates consumers, which takes a moment that
                # otherwise the first worker would have to wait.
                with contextlib.suppress(KafkaError):
                    await client.find_coordinator("anliegen")
                return
            except (KafkaError, OSError, TimeoutError) as not_yet:
                if not alive():
                    raise StackError("Kafka ended while it started.") from not_yet
                if time.monotonic() > deadline:
                    raise StackError(
                        f"Kafka at {bootstrap} does not answer ({type(not_yet).__name__}). Start it, or correct the "
                        "address."
                    ) from not_yet
                await asyncio.sleep(0.05)
            finally:
                await client.close()
    finally:
        logger.setLevel(level)


def _start(
    data: Path, processes: Processes, ports: Ports, settings: Mapping[str, str], progress: Progress | None
) -> ProcessRecord:
    java = find_java()
    jars = fetch_jars(progress)
    port, controller_port = ports.choose(NAME), ports.choose(f"{NAME}_controller")
    configured = data / "server.properties"
    logs = data / "logs"
    _format(java, jars, data)
    # Of two lines of one name Kafka takes the later.
    added = "".join(f"{name}={value}\n" for name, value in settings.items())
    configured.write_text(_settings(logs, port, controller_port) + added)
    temporary = data / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    command = [
        *(str(java.program), *OPTIONS, *_class_archive(java, jars, data)),
        *(f"-Djava.io.tmpdir={temporary}", f"-XX:ErrorFile={data}/crash-%p.log"),
        *_main(jars, "kafka.Kafka", str(configured)),
    ]
    return processes.start(NAME, command, environment=_environment(), port=port, folder=data)


def _adopt(processes: Processes, ports: Ports) -> ProcessRecord | None:
    """The record of a broker that runs and answers; one that only runs is ended."""
    record = processes.running(NAME)
    if record is not None and record.port is None:
        record = processes.record(NAME, record.pid, record.command, port=ports.read().get(NAME))
    if record is not None and not _comes_up(record):
        processes.stop(NAME, patience=STOP_PATIENCE)
        return None
    return record


def _when_ready(record: ProcessRecord, topics: Sequence[Topic], processes: Processes, data: Path) -> KafkaServer:
    bootstrap = f"{LOOPBACK}:{record.port}"
    make_topics(bootstrap, topics, patience=START_PATIENCE, alive=lambda: record.process() is not None)
    return KafkaServer(bootstrap, record.pid, processes, data)


def _comes_up(record: ProcessRecord) -> bool:
    """Whether a broker that was just being started when our predecessor was killed opens its port after all."""
    deadline = time.monotonic() + START_PATIENCE
    while record.port and record.process() is not None and time.monotonic() < deadline:
        if answers(record.port):
            return True
        time.sleep(0.05)
    return False


def _format(java: Java, jars: Path, data: Path) -> None:
    """Make the first files, in a folder that gets its name only when they are complete."""
    logs, unfinished = data / "logs", data / "logs.unfinished"
    if logs.is_dir():
        return
    shutil.rmtree(unfinished, ignore_errors=True)
    configured = data / "format.properties"
    # The ports are written again at every start; a lone voter takes its own new address.
    configured.write_text(_settings(unfinished, 1, 2))
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    if cluster.startswith("-"):
        cluster = f"A{cluster[1:]}"  # the tool would take it for an option
    words = ("kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(configured))
    made = subprocess.run(  # noqa: S603 - our own words and paths
        [str(java.program), *OPTIONS, *_main(jars, *words)],
        capture_output=True, text=True, check=False, env=_environment(), stdin=subprocess.DEVNULL, cwd=data,
    )  # fmt: skip
    configured.unlink()
    if made.returncode != 0:
        raise StackError(f"Kafka's first files could not be made in {data}:\n{made.stdout}{made.stderr}".strip())
    unfinished.rename(logs)


def _settings(logs: Path, port: int, controller_port: int) -> str:
    template = files(__package__).joinpath("kafka-server.properties").read_text()
    # A backslash begins an escape in a properties file.
    where = str(logs).replace("\\", "\\\\")
    return template.format(logs=where, port=port, controller_port=controller_port)


def _main(jars: Path, *words: str) -> list[str]:
    logging_file = Path(str(files(__package__).joinpath("kafka-log4j2.xml")))
    return [f"-Dlog4j2.configurationFile={logging_file}", "-cp", f"{jars}/*", *words]


def _environment() -> dict[str, str]:
    # MALLOC_ARENA_MAX keeps the C library from reserving memory for every thread.
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}


def _class_archive(java: Java, jars: Path, data: Path) -> list[str]:
    """Options to load Kafka's classes from an archive (0.6 s instead of 2 s), or to make it when the broker ends."""
    archive = jars.with_name(f"{jars.name}-{java.identity}.jsa")
    base = jars.with_name(f"java-{java.identity}.jsa")
    for used in (archive, base):
        with contextlib.suppress(FileNotFoundError):
            os.utime(used)
    if archive.is_file():
        return [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr"]
    options = []
    if not java.has_base_archive:
        if not base.is_file():
            temporary = base.with_suffix(f".{os.getpid()}")
            made = subprocess.run(  # noqa: S603 - our own words and paths
                [str(java.program), "-Xshare:dump", f"-XX:SharedArchiveFile={temporary}", "-XX:+UseSerialGC"],
                capture_output=True, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if made.returncode != 0:
                temporary.unlink(missing_ok=True)
                return []  # it only costs a second at every start
            temporary.replace(base)
        options = [f"-XX:SharedArchiveFile={base}"]
    (data / "classes.target").write_text(str(archive))
    return [*options, f"-XX:ArchiveClassesAtExit={data / 'classes.jsa'}", "-Xlog:disable", "-Xlog:all=error:stderr"]
