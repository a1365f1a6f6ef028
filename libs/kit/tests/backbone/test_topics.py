"""A worker holds Kafka's topics against the manifest before it announces or hears anything."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError

from anliegen.events import ContactReceived
from anliegen.events.topics import TopicSpec, manifest, partner_topic
from anliegen.kit import Handlers, Service, topics, worker
from anliegen.kit.settings import Settings
from anliegen.kit.telemetry import metrics
from anliegen.kit.topics import Cluster, Topic, TopicCheck, TopicsDiffer, describe, differences, wanted_by

WANTED = TopicSpec("anliegen.intake", partitions=24, replication=3, min_insync_replicas=2, retention_hours=1)
RIGHT = Topic(24, 3, {**WANTED.config, "cleanup.policy": "delete"})


def told(found: Topic | None, wanted: TopicSpec = WANTED) -> dict[str, bool]:
    return {difference.what: difference.stops for difference in differences(wanted, found)}


def test_topic_as_the_manifest_says_has_no_difference() -> None:
    assert told(RIGHT) == {}
    assert told(replace(RIGHT, replication=5)) == {}


def test_what_would_lose_events_or_their_order_stops() -> None:
    assert told(None) == {"missing": True}
    assert told(replace(RIGHT, partitions=23)) == {"partitions": True}
    assert told(replace(RIGHT, partitions=25)) == {"partitions": True}
    for policy in ("compact", "compact,delete"):
        assert told(replace(RIGHT, config={**RIGHT.config, "cleanup.policy": policy})) == {"cleanup.policy": True}


def test_what_only_weakens_is_told_and_stops_nobody() -> None:
    assert told(replace(RIGHT, replication=2)) == {"replication": False}
    assert told(replace(RIGHT, config={**RIGHT.config, "retention.ms": "1"})) == {"retention.ms": False}
    assert told(replace(RIGHT, config={**RIGHT.config, "min.insync.replicas": "1"})) == {"min.insync.replicas": False}


def test_settings_that_we_may_not_see_are_no_difference() -> None:
    assert told(replace(RIGHT, config={})) == {}


def test_topic_of_a_partner_stops_nobody() -> None:
    partner = replace(WANTED, name=partner_topic("acme"))
    assert told(None, partner) == {"missing": False}
    assert told(replace(RIGHT, partitions=1), partner) == {"partitions": False}


def test_sentence_says_what_to_do() -> None:
    (missing,) = differences(WANTED, None)
    assert str(missing) == (
        "anliegen.intake: is not there, or we may not see it. Create it: kafka-topics.sh --create "
        "--topic anliegen.intake --partitions 24 --replication-factor 3 --config retention.ms=3600000 "
        "--config min.insync.replicas=2"
    )
    (cut,) = differences(WANTED, replace(RIGHT, partitions=12))
    assert "has 12 partitions, the manifest says 24" in str(cut)
    assert "let the manifest say what it has" in str(cut)


def service(name: str = "lighthouse") -> Service:
    handlers = Handlers(name)

    @handlers.on(ContactReceived)
    async def light(event: ContactReceived, tx: Any) -> None:
        """Nothing."""

    return Service(name=name, title="Lighthouse", description="Lights.", handlers=handlers)


def settings_for(environment: str = "test", bootstrap: str = "127.0.0.1:1") -> Settings:
    return Settings(environment=environment, database_url="postgresql:///x", kafka_bootstrap=bootstrap)


def test_service_wants_what_it_hears_and_what_it_announces() -> None:
    heard = {"anliegen.intake", "anliegen.intake.words"}  # merges and splits are heard by all
    assert {spec.name for spec in wanted_by(service(), settings_for())} == heard
    announced = {"anliegen.helpdesk", "anliegen.helpdesk.words"}
    assert {spec.name for spec in wanted_by(service("helpdesk"), settings_for())} == heard | announced


def test_size_follows_the_environment() -> None:
    assert {spec.partitions for spec in wanted_by(service(), settings_for("test"))} == {6}
    assert {spec.partitions for spec in wanted_by(service(), settings_for("production"))} == {24}


def cluster(**changes: Any) -> Cluster:
    found = {spec.name: Topic(spec.partitions, spec.replication, spec.config) for spec in manifest("development")}
    return Cluster({name: replace(topic, **changes) for name, topic in found.items()}, makes_topics=False)


class Away:
    """A cluster that answers as a test says, and counts how often it is asked."""

    def __init__(self, *answers: Cluster | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def describe(self, settings: Settings) -> Cluster:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    def answer(*answers: Cluster | Exception) -> Away:
        away = Away(*answers)
        monkeypatch.setattr(topics, "describe", away.describe)
        return away

    return answer


async def test_cluster_is_asked_once_for_all_services_of_a_process(answers: Any) -> None:
    away, check = answers(cluster()), TopicCheck()
    names = [f"lighthouse-{n}" for n in range(11)]
    await asyncio.gather(*(check.wait_until_known(service(name), settings_for()) for name in names * 2))
    assert away.asked == 1


async def test_kafka_that_is_away_is_waited_for(answers: Any) -> None:
    away, check = answers(KafkaConnectionError(), OSError(), TimeoutError(), cluster()), TopicCheck()
    async with asyncio.timeout(10):
        await asyncio.gather(*(check.wait_until_known(service(f"lighthouse-{n}"), settings_for()) for n in range(5)))
    assert away.asked == 4


async def test_wrong_topics_stop_the_services_that_use_them_alone(answers: Any) -> None:
    found = dict(cluster().topics)
    found["anliegen.helpdesk"] = replace(found["anliegen.helpdesk"], partitions=5)
    answers(Cluster(found))
    check = TopicCheck()
    await check.wait_until_known(service(), settings_for())
    with pytest.raises(TopicsDiffer, match=r"does not start\. anliegen\.helpdesk: has 5 partitions") as differ:
        await check.wait_until_known(service("helpdesk"), settings_for())
    assert "anliegen.intake" not in str(differ.value)


async def test_mended_topics_are_seen_without_a_restart(answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    away, check = answers(Cluster({}), cluster()), TopicCheck()
    with pytest.raises(TopicsDiffer):
        await check.wait_until_known(service(), settings_for())
    with pytest.raises(TopicsDiffer):
        await check.wait_until_known(service(), settings_for())
    assert away.asked == 1, "an answer holds for a moment"
    monkeypatch.setattr(topics, "ANSWER_SECONDS", 0.0)
    await check.wait_until_known(service(), settings_for())


async def test_difference_that_stops_nobody_is_measured_and_told_once(answers: Any, caplog: Any, capsys: Any) -> None:
    answers(replace(cluster(config={"retention.ms": "1"}), makes_topics=True))
    check = TopicCheck()
    for name in ("lighthouse-a", "lighthouse-b"):
        await check.wait_until_known(service(name), settings_for())
        found = metrics.topic_differences.labels(name, "anliegen.intake", "retention.ms")
        assert found._value.get() == 1
        assert metrics.topic_differences.labels(name, "cluster", "auto.create.topics.enable")._value.get() == 1
    said = caplog.text + capsys.readouterr().out
    assert said.count("topic_differs") == 3  # the two topics and the cluster


async def test_worker_begins_without_kafka_what_needs_none(
    answers: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, ran = answers(KafkaConnectionError()), []

    class Recorded:
        """A part that does nothing but tell that it runs."""

        def __init__(self, part: str) -> None:
            self.part = part

        async def run(self, *_: Any) -> None:
            ran.append(self.part)
            if self.part == "Relay":
                context.gate.passed.set()  # as the relay does once it knows that nothing was lost
            await asyncio.Event().wait()

    for part in ("Relay", "Consumer"):
        monkeypatch.setattr(worker, part, lambda context, part=part: Recorded(part))
    monkeypatch.setattr(worker.ticker, "run", Recorded("ticker").run)
    working = asyncio.create_task(worker.run_parts(context))
    async with asyncio.timeout(20):
        while away.asked < 3:
            await asyncio.sleep(0.01)
        assert (ran, context.health.started) == (["ticker"], True)
        away.answers = [cluster()]
        while len(ran) < 3:
            await asyncio.sleep(0.01)
    assert ran == ["ticker", "Relay", "Consumer"]
    working.cancel()
    await asyncio.wait({working})


@contextlib.asynccontextmanager
async def made(bootstrap: str, *made: NewTopic) -> Any:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(list(made))
        yield
        await admin.delete_topics([topic.name for topic in made])
    finally:
        await admin.close()


async def test_real_cluster_tells_its_topics(kafka: str) -> None:
    configs = {"retention.ms": "3600000", "cleanup.policy": "compact", "min.insync.replicas": "1"}
    async with made(kafka, NewTopic("lighthouse", 3, 1, topic_configs=configs)):
        async with asyncio.timeout(20):
            while "lighthouse" not in (told := await describe(settings_for(bootstrap=kafka))).topics:
                await asyncio.sleep(0.1)
    assert told.topics["lighthouse"] == Topic(3, 1, configs)
    assert told.makes_topics is False
    for spec in manifest("development"):
        assert list(differences(spec, told.topics[spec.name])) == []


async def test_worker_does_not_start_on_wrong_topics(
    database: Any, kafka: str, monkeypatch: pytest.MonkeyPatch, service: Any, caplog: Any, capsys: Any
) -> None:
    """The manifest's production size against the cluster of this machine: more partitions and replicas than it has."""
    started: list[str] = []
    monkeypatch.setattr(worker, "run_parts", lambda context, topics: started.append(context.service.name))
    given = {"ANLIEGEN_DATABASE_URL": database.address, "ANLIEGEN_KAFKA_BOOTSTRAP": kafka}
    for name, value in {**given, "ANLIEGEN_ENVIRONMENT": "production"}.items():
        monkeypatch.setenv(name, value)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.work([service], stop=stop))
    said = ""
    async with asyncio.timeout(20):
        while "service_does_not_start" not in said:
            await asyncio.sleep(0.05)
            said += caplog.text + capsys.readouterr().out
    assert "the manifest says 24" in said
    assert not started
    stop.set()
    await asyncio.wait({working}, timeout=10)
