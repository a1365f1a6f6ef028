"""`anliegen events`: what whoever is on call types, on a real database."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit import command_line
from anliegen.kit.cli import main
from anliegen.kit.operations.cli import group, settle

SECRET = "an illness that nobody is to know of"


@pytest.fixture
def anliegen(database, context, monkeypatch):
    """Type a command; tells what came out of it."""
    for module in (group, settle):
        monkeypatch.setattr(module, "load_service", lambda name: context.service)
    monkeypatch.setattr(group, "all_services", lambda: ["kit-toy"])
    environment = {"ANLIEGEN_DATABASE_URL": database.address, "ANLIEGEN_ENVIRONMENT": "test", "COLUMNS": "200"}

    async def run(*words: str, status: int = 0, **changes: str | None):
        runner = CliRunner(env={**environment, **changes})
        result = await asyncio.to_thread(runner.invoke, main, ["events", *words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        return result

    return run


@pytest.fixture
async def parked(deliver, toy) -> tuple[str, list[str]]:
    """A key behind which two events wait; tells the key and their ids."""
    toy.broken.add(SECRET)
    journey = uuid4()
    mail = await deliver(*(build(ContactReceived, journey_id=journey, text=text) for text in (SECRET, "second")))
    return str(journey), [str(one.envelope.id) for one in mail]


async def test_nothing_is_told_where_nothing_is(anliegen) -> None:
    assert "No dead letters." in (await anliegen("dead-letters")).output
    assert "Nothing is parked." in (await anliegen("parked")).output
    assert json.loads((await anliegen("dead-letters", "--json")).stdout) == []


async def test_a_key_is_looked_at_set_aside_and_its_letter_redriven(
    anliegen, parked, toy, clock, retry_parked, ledger
) -> None:
    key, (first, second) = parked
    listed = (await anliegen("parked")).output
    assert key in listed and first in listed and "RuntimeError" in listed
    shown = (await anliegen("show", "kit-toy", key)).output
    assert shown.index(first) < shown.rindex(second)
    await anliegen("set-aside", "kit-toy", key, "--event", first, "--as", "anna", "--reason", "broken for good")
    (letter,) = json.loads((await anliegen("dead-letters", "kit-toy", "--json")).stdout)
    assert (letter["service"], letter["event_id"]) == ("kit-toy", first)
    shown = (await anliegen("show", "kit-toy", letter["id"])).output
    assert "envelope.ce_type" in shown and "broken for good" in shown
    clock.time = datetime.now(UTC) + timedelta(seconds=5)
    await retry_parked()
    toy.broken.clear()
    assert "Redriven: 1." in (await anliegen("redrive", "kit-toy", letter["id"], "--as", "ben")).output
    await retry_parked()
    assert await ledger() == ["second", SECRET]
    assert "No dead letters." in (await anliegen("dead-letters")).output
    assert "redriven by ben" in (await anliegen("dead-letters", "--settled")).output
    logged = (await anliegen("log")).output
    assert logged.index("redriven") < logged.index("set aside")
    assert "anna" in logged


async def test_many_are_redriven_by_what_they_are_and_what_is_refused_is_named(
    anliegen, parked, postman, context, monkeypatch
) -> None:
    key, ids = parked
    for event_id in ids:
        await anliegen("set-aside", "kit-toy", key, "--event", event_id, "--as", "anna", "--reason", "x")
    await postman.deliver_raw(
        "anliegen.intake.words", key=b"k", headers=[("ce_type", b"intake.contact_received.v1")], value=b""
    )
    monkeypatch.setattr(settle.actions.redrive_many, "__kwdefaults__", {"after": 0, "limit": 1})
    done = await anliegen("redrive", "kit-toy", "--since", "1h", "--as", "anna", status=1)
    assert "Redriven: 2." in done.output and "Refused: 1." in done.output
    assert "ce_specversion" in done.output
    assert "2 so far" in done.stderr


async def test_a_letter_is_discarded_with_a_reason_and_all_named_ones_or_none(anliegen, parked) -> None:
    key, ids = parked
    for event_id in ids:
        await anliegen("set-aside", "kit-toy", key, "--event", event_id, "--as", "anna", "--reason", "x")
    numbers = [one["id"] for one in json.loads((await anliegen("dead-letters", "--json")).stdout)]
    await anliegen("discard", "kit-toy", *numbers, "--as", "anna", status=2)
    await anliegen("discard", "kit-toy", *numbers, "--as", " ", "--reason", "x", status=2)
    refused = await anliegen("discard", "kit-toy", *numbers, "999999999", "--as", "anna", "--reason", "x", status=1)
    assert "There is no dead letter of this number." in refused.output
    assert len(json.loads((await anliegen("dead-letters", "--json")).stdout)) == 2
    await anliegen("discard", "kit-toy", *numbers, "--as", "anna", "--reason", "a test")
    assert json.loads((await anliegen("dead-letters", "--json")).stdout) == []
    again = await anliegen("redrive", "kit-toy", *numbers, "--as", "anna")
    assert "Settled before: 2." in again.output


async def test_a_parked_key_is_tried_now(anliegen, parked, clock, retry_parked, toy, ledger) -> None:
    key, _ = parked
    toy.broken.clear()
    clock.time = datetime.now(UTC) - timedelta(days=400)  # the key was parked on the toy's clock, long ago
    await anliegen("retry", "kit-toy", key, "--as", "anna")
    missing = await anliegen("retry", "kit-toy", "elsewhere", "--as", "anna", status=1)
    assert "Nothing is parked under this key" in missing.output
    clock.time = datetime.now(UTC)
    await retry_parked()
    assert await ledger() == [SECRET, "second"]


async def test_what_people_wrote_is_told_by_content_alone(anliegen, parked) -> None:
    key, (first, _) = parked
    for words in (("parked",), ("parked", "--json"), ("show", "kit-toy", key), ("show", "kit-toy", key, "--json")):
        assert SECRET not in (await anliegen(*words)).output
    await anliegen("content", "kit-toy", key, "--event", first, status=2)
    found = json.loads((await anliegen("content", "kit-toy", key, "--event", first, "--as", "anna")).stdout)
    assert found["payload"]["text"] == SECRET
    assert "read" in (await anliegen("log")).output


async def test_a_fenced_service_is_looked_at_and_takes_no_commands(anliegen, parked, begin) -> None:
    key, (first, _) = parked
    async with begin() as tx:
        await tx.execute("INSERT INTO fences (fenced_by, reason) VALUES ('anna', 'a restore')")
    assert key in (await anliegen("parked")).output
    for words in (
        ("retry", "kit-toy", key), ("set-aside", "kit-toy", key, "--event", first, "--reason", "x"),
        ("redrive", "kit-toy", "1"), ("discard", "kit-toy", "1", "--reason", "x"),
    ):  # fmt: skip
        assert "fenced" in (await anliegen(*words, "--as", "anna", status=1)).output
    assert "Nobody did anything." in (await anliegen("log")).output


async def test_a_slip_redrives_nothing(anliegen, parked) -> None:
    for words in ((), ("1", "--since", "1h"), ("one",), ("--since", "yesterday")):
        await anliegen("redrive", "kit-toy", *words, "--as", "anna", status=2)
    await anliegen("redrive", "kit-toi", "1", "--as", "anna", status=2)


async def test_a_service_that_cannot_be_reached_is_named(anliegen, monkeypatch) -> None:
    address = "postgresql://nobody:x@127.0.0.1:1/x"
    refused = await anliegen("parked", status=1, ANLIEGEN_DATABASE_URL=address)
    assert "kit-toy cannot be looked at" in refused.stderr
    refused = await anliegen("show", "kit-toy", "1", status=1, ANLIEGEN_DATABASE_URL=address)
    assert "cannot be reached" in refused.output


async def test_settings_that_are_missing_are_named(anliegen, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(command_line, "entry_points", lambda group: [])
    refused = await anliegen("show", "kit-toy", "1", status=1, ANLIEGEN_DATABASE_URL=None)
    assert "ANLIEGEN_DATABASE_URL" in refused.output and "anliegen up" in refused.output


@pytest.mark.parametrize(
    ("text", "ago", "told"),
    [
        ("2h", timedelta(hours=2), "2h0m"),
        ("1d12h", timedelta(days=1.5), "1d12h"),
        ("1w90s", timedelta(weeks=1, seconds=90), "1w0d"),
    ],
)
def test_times_are_said_as_how_long_ago(text: str, ago: timedelta, told: str) -> None:
    assert datetime.now(UTC) - command_line.moment(text) == pytest.approx(ago, abs=timedelta(seconds=5))
    assert command_line.age(datetime.now(UTC) - ago - timedelta(milliseconds=10)) == told
    assert command_line.moment("2026-03-02T08:00:00") == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_nothing_that_came_from_outside_steers_the_terminal() -> None:
    assert command_line.table(("A", "B"), [("\x1b[31mred", None), ("x", 7)]) == "A         B\n�[31mred  -\nx         7"
