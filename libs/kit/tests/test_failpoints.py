"""Failpoints: off unless armed, once each, and never where customers are served."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

import anliegen.kit
from anliegen.kit import Settings, failpoints

KIT = Path(anliegen.kit.__file__).parent


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.disarm()


def test_nothing_fails_unless_it_is_armed():
    for name in failpoints.POINTS:
        failpoints.reach(name)


def test_an_armed_point_fails_once_at_the_time_that_was_named():
    failpoints.arm("relay.sent=raise@2")
    failpoints.reach("relay.sent")
    failpoints.reach("relay.fetched")
    with pytest.raises(failpoints.FailedOnPurpose):
        failpoints.reach("relay.sent")
    failpoints.reach("relay.sent")
    assert not failpoints.armed()


def test_trouble_looks_like_a_connection_that_broke():
    failpoints.arm("write.flushed=trouble")
    with pytest.raises(ConnectionError):
        failpoints.reach("write.flushed")


@pytest.mark.parametrize("setting", ["relay.sent", "relay.gone=raise", "relay.sent=explode", "relay.sent=kill@soon"])
def test_what_cannot_be_armed_is_refused_with_what_can(setting):
    with pytest.raises(failpoints.FailpointUnknown, match="raise, trouble, kill and stop"):
        failpoints.arm(setting)


def test_the_environment_arms_a_process_once():
    failpoints.arm_at_start("relay.leads=raise,timer.locked=raise")
    failpoints.disarm()
    failpoints.arm_at_start("relay.leads=raise,timer.locked=raise")
    assert not failpoints.armed()


def test_failpoints_are_refused_where_customers_are_served():
    with pytest.raises(ValidationError, match="embedded or test"):
        Settings(environment="production", database_url="postgres://x", failpoints="relay.sent=kill")


def test_every_point_is_reached_by_some_line_of_the_kit_and_no_line_reaches_another():
    reached = re.findall(r'failpoints\.reach\("([^"]+)"\)', "".join(p.read_text() for p in KIT.rglob("*.py")))
    assert sorted(reached) == sorted(failpoints.POINTS)
