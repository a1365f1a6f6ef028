"""Which class has which type, and where a type travels."""

import importlib
import sys
from pathlib import Path

import pytest

from anliegen.events import CaseEvent, Event, JourneyEvent, ReplyRequested, registry
from anliegen.events.registry import EventTypeMalformed, EventTypeTaken

CLASSES = registry.classes_in("anliegen.events")
MODULE = """
from anliegen.events import JourneyEvent

class LampLit(JourneyEvent, type="lighthouse.lamp_lit.v1"):
    \"\"\"A light shines.\"\"\"
"""


def test_class_is_found_by_its_type(own_registry: None) -> None:
    class LampLit(JourneyEvent, type="lighthouse.lamp_lit.v1"):
        """A light shines."""

    assert registry.find_class("lighthouse.lamp_lit.v1") is LampLit
    assert LampLit in registry.all_classes()
    assert LampLit in registry.classes_of(JourneyEvent)
    assert LampLit not in registry.classes_of(CaseEvent)
    assert LampLit not in registry.classes_in("anliegen.events")
    assert registry.find_class("lighthouse.lamp_lit.v2") is None


def test_two_classes_cannot_have_one_type(own_registry: None) -> None:
    class LampLit(JourneyEvent, type="lighthouse.lamp_lit.v1"):
        """A light shines."""

    with pytest.raises(EventTypeTaken, match=r"lighthouse\.lamp_lit\.v1"):

        class LampLitAgain(JourneyEvent, type="lighthouse.lamp_lit.v1"):
            """A light shines."""

    assert registry.find_class("lighthouse.lamp_lit.v1") is LampLit


def test_versions_of_a_type_stand_side_by_side(own_registry: None) -> None:
    class LampLit(JourneyEvent, type="lighthouse.lamp_lit.v1"):
        """A light shines."""

    class LampLitV2(JourneyEvent, type="lighthouse.lamp_lit.v2"):
        """A light shines in a colour."""

    assert registry.find_class("lighthouse.lamp_lit.v1") is LampLit
    assert registry.find_class("lighthouse.lamp_lit.v2") is LampLitV2


@pytest.mark.parametrize(
    "event_type",
    [
        "lighthouse",
        "lighthouse.lamp_lit",
        "lighthouse.lamp_lit.v0",
        "lighthouse.lamp_lit.v01",
        "lighthouse.lamp_lit.1",
        "lighthouse.lamp-lit.v1",
        "light-house.lamp_lit.v1",
        "Lighthouse.lamp_lit.v1",
        "lighthouse.lampLit.v1",
        "lighthouse.lamp.lit.v1",
        ".lamp_lit.v1",
        "lighthouse..v1",
        " lighthouse.lamp_lit.v1",
        "lighthouse.lamp_lit.v1\n",
    ],
)
def test_malformed_type_is_refused(own_registry: None, event_type: str) -> None:
    before = registry.all_classes()
    with pytest.raises(EventTypeMalformed):

        class LampLit(JourneyEvent, type=event_type):
            """A light shines."""

    assert registry.all_classes() == before


def test_module_that_is_loaded_again_replaces_its_own_class(
    own_registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lighthouse_events.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("lighthouse_events")
    try:
        first = module.LampLit
        module = importlib.reload(module)
        assert module.LampLit is not first
        assert registry.find_class("lighthouse.lamp_lit.v1") is module.LampLit
    finally:
        del sys.modules["lighthouse_events"]


def test_class_in_another_module_cannot_take_over_a_type_by_its_name(own_registry: None) -> None:
    with pytest.raises(EventTypeTaken):
        type(
            "ContactReceived",
            (JourneyEvent,),
            {"__module__": "somewhere.else", "__qualname__": "ContactReceived"},
            type="intake.contact_received.v1",
        )


def test_service_topic_and_address_follow_from_the_type(own_registry: None) -> None:
    class LampLit(JourneyEvent, type="light_house.lamp_lit.v1"):
        """A light shines."""

    class KeeperSpoke(JourneyEvent, type="light_house.keeper_spoke.v1", words=True):
        """Somebody said something."""

    assert registry.service_of("light_house.lamp_lit.v1") == "light-house"
    assert registry.topic_of(LampLit) == "anliegen.light-house"
    assert registry.topic_of(KeeperSpoke) == "anliegen.light-house.words"
    assert registry.topics_of([KeeperSpoke, LampLit, LampLit]) == ["anliegen.light-house", "anliegen.light-house.words"]
    assert registry.dataschema_of(LampLit.event_type) == "urn:anliegen:schema:light_house.lamp_lit.v1"


def test_catalogue_is_sorted_by_type() -> None:
    types = [cls.event_type for cls in registry.all_classes()]
    assert types == sorted(types)
    assert len(types) == len(set(types))


def test_handlers_of_a_base_find_all_its_facts() -> None:
    assert {cls.event_type for cls in registry.classes_of(ReplyRequested)} >= {
        "billing_inquiry.reply_requested.v1",
        "helpdesk.reply_requested.v1",
    }


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_class_is_declared_in_the_module_of_its_service(cls: type[Event]) -> None:
    # A service with many has them by subject: `intake_billing.py`.
    own = f"anliegen.events.{cls.event_type.partition('.')[0]}"
    assert cls.__module__ == own or cls.__module__.startswith(f"{own}_")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_class_says_what_happened(cls: type[Event]) -> None:
    assert cls.__doc__
    assert cls.__doc__.rstrip().endswith(".")
