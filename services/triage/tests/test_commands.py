"""`anliegen triage classify`: JSON lines in, JSON lines out, without a server."""

import json
from typing import Any

from click.testing import CliRunner, Result

from anliegen.triage.commands import classify
from anliegen.triage.learned import load_classifier
from anliegen.triage.packs import load_packs

PARCEL = {"id": "p", "channel": "sms", "text": "Wo bleibt mein Paket? Die Sendung steht seit Tagen auf unterwegs."}


def run(*lines: object) -> Result:
    content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return CliRunner().invoke(classify, input=content)


def answers(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_message_is_answered_in_order_with_its_id() -> None:
    result = run(PARCEL, {"id": "j", "channel": "email", "text": "Bewerbung als Lagerhelfer, Lebenslauf anbei."})
    assert result.exit_code == 0
    parcel, job = answers(result)
    assert (parcel["id"], parcel["language"], parcel["concerns"][0]["task"]) == ("p", "de", "helpdesk")
    assert set(parcel) == {"id", "language", "concerns", "priority", "sentiment", "flags"}
    assert set(parcel["concerns"][0]) == {"task", "intent", "confidence", "automate", "reasons"}
    assert "Paket" in " ".join(parcel["concerns"][0]["reasons"])
    assert (job["id"], job["concerns"][0]["task"], job["concerns"][0]["automate"]) == ("j", "other", False)


def test_it_reads_as_the_service_does() -> None:
    text = "Ich kündige meinen Vertrag zum Monatsende. Und die Rechnung vom März stimmt auch nicht."
    reading = load_classifier(load_packs()).classify(
        text=text, subject=None, language=None, channel="email", stated_task=None
    )
    (told,) = answers(run({"id": 1, "channel": "email", "text": text}))
    assert [(one["task"], one["intent"], one["confidence"]) for one in told["concerns"]] == [
        (one.task.value, one.intent, one.confidence) for one in reading.concerns
    ]


def test_a_line_that_is_no_message_is_told_with_its_number_and_the_others_are_answered() -> None:
    half = b'{"id": "h", "text": "\\ud800 Rechnung"}'
    bad = [
        b"nonsense",
        b"[1]",
        b'{"id": "t"}',
        b'{"id": "u", "text": "\xff"}',
        half,
        b'{"text": "a", "subject": 7}',
        b"[" * 9_999,
    ]
    result = run(PARCEL, b"", *bad, PARCEL)
    assert result.exit_code == 1
    first, *errors, last = answers(result)
    assert first["id"] == last["id"] == "p"
    assert [one["line"] for one in errors] == [3, 4, 5, 6, 7, 8, 9]
    told = [one["error"].split(":")[0] for one in errors]
    assert told == [
        "not JSON", "a line is an object with id, channel and text", "text has to be a text", "not UTF-8",
        "half a character", "subject has to be a text", "nested too deeply",
    ]  # fmt: skip


def test_a_message_without_words_is_for_no_task() -> None:
    (told,) = answers(run({"id": "e", "channel": "chat", "text": ""}))
    assert [(one["task"], one["intent"], one["automate"]) for one in told["concerns"]] == [("other", "empty", False)]
    assert told["language"] == "und"


def test_a_bare_number_waits_for_a_person() -> None:
    (told,) = answers(run({"id": "n", "channel": "sms", "text": "2"}))
    assert not told["concerns"][0]["automate"]
