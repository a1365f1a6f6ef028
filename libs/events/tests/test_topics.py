"""The topic manifest says what the classes need, and no more."""

import pytest

from anliegen.events import registry
from anliegen.events.topics import Size, is_partner_topic, manifest, partner_topic


@pytest.mark.parametrize("size", ["development", "production"])
def test_manifest_has_the_topics_that_the_classes_need_and_no_other(size: Size) -> None:
    own = [topic.name for topic in manifest(size) if not is_partner_topic(topic.name)]
    assert own == registry.topics_of(registry.classes_in("anliegen.events"))


def test_every_partner_has_a_topic_that_is_kept_for_days() -> None:
    partners = [t for t in manifest("production", partners=["crm", "erp"]) if is_partner_topic(t.name)]
    assert [topic.name for topic in partners] == ["anliegen.partner.crm", "anliegen.partner.erp"]
    assert {(topic.partitions, topic.replication, topic.retention_hours) for topic in partners} == {(24, 3, 168)}
    assert [t.name for t in manifest("development") if is_partner_topic(t.name)] == [partner_topic("erp")]


def test_words_are_kept_for_days_and_facts_for_long() -> None:
    for topic in manifest("production"):
        days = topic.retention_hours / 24
        assert days <= 14 if topic.name.endswith(".words") else days >= 365, topic


def test_production_bears_the_loss_of_a_broker() -> None:
    for topic in manifest("production"):
        assert (topic.partitions, topic.replication, topic.min_insync_replicas) == (24, 3, 2)


def test_development_runs_on_one_broker() -> None:
    for topic in manifest("development"):
        assert (topic.partitions, topic.replication, topic.min_insync_replicas) == (6, 1, 1)


def test_settings_are_named_as_kafka_names_them() -> None:
    words = next(topic for topic in manifest("production") if topic.name == "anliegen.intake.words")
    assert words.config == {"retention.ms": str(7 * 24 * 60 * 60 * 1000), "min.insync.replicas": "2"}


def test_topic_may_be_kept_for_ever() -> None:
    topic = manifest("development")[0]
    assert type(topic)(topic.name, 6, 1, 1, retention_hours=-1).config["retention.ms"] == "-1"
