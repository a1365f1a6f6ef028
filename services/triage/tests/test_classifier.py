"""What is read from contacts: matters, moods, flags and the words that carried it; odd texts; how the model is kept."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.events import Flag, Priority, Sentiment, Task
from anliegen.triage.classifier import Reading
from anliegen.triage.learned import load_classifier
from anliegen.triage.model import training
from anliegen.triage.model.scorer import Model, ModelMissing
from anliegen.triage.packs import load_packs

PACKS = load_packs()
CLASSIFIER = load_classifier(PACKS)


def read(text: str, *, language: str | None = None, **fields: Any) -> Reading:
    given = {"subject": None, "channel": "email", "stated_task": None} | fields
    return CLASSIFIER.classify(text=text, language=language, **given)


def test_the_model_was_learned_from_the_messages_that_lie_here() -> None:
    assert training.is_current(), "the messages or the training changed: make model"


def test_the_model_is_small(tmp_path: Any) -> None:
    assert training.FILE.stat().st_size <= 6_000_000
    with pytest.raises(ModelMissing):
        Model.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text",
    [
        "Ich kündige meinen Vertrag.", "ich kuendige meinen vertrag", "ICH KUNDIGE MEINEN VERTRAG",
        "Ich kündige hiermit meine Verträge, Gruss",
    ],
)  # fmt: skip
def test_spelling_does_not_matter(text: str) -> None:
    (concern,) = read(text).concerns
    assert (concern.task, concern.intent) == (Task.ADMINISTRATION, "cancellation")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Guten Tag, wo bleibt mein Paket?", "de"),
        ("Hello, where is my parcel?", "en"),
        ("Bonjour, où est mon colis ?", "fr"),
        ("Hola, ¿dónde está mi paquete?", "es"),
    ],
)
def test_the_language_is_recognised_where_nobody_said_it(text: str, language: str) -> None:
    assert read(text).language == language
    assert read(text, language="it").language == language, "the words say it, whatever is said of them"


def test_what_is_said_of_a_few_words_is_believed() -> None:
    assert read("Ok, super", language="it").language == "it"


@pytest.mark.parametrize("text", ["Faturam yanlış, lütfen kontrol edin.", "Моя посылка не пришла, где она?"])
def test_a_language_that_was_not_learned_is_for_people(text: str) -> None:
    reading = read(text)
    assert (reading.language, reading.concerns, reading.other) == ("und", (), None)


def test_reasons_point_at_the_words() -> None:
    text = "Guten Tag. Bei der Lieferung fehlt das Netzteil – bitte nachsenden!"
    reasons = read(text).concerns[0].reasons
    spans = " ".join(text[reason.start : reason.end] for reason in reasons if reason.start is not None)
    assert "fehlt" in spans or "Lieferung" in spans
    assert reasons and all(len(reason.rule) <= 100 for reason in reasons)


def test_subject_line_counts_and_has_no_offsets() -> None:
    (concern,) = read("Siehe oben.", subject="Rechnung falsch, Betrag zu hoch").concerns
    assert concern.task is Task.BILLING_INQUIRY
    assert any(reason.start is None for reason in concern.reasons)


def test_what_is_quoted_and_who_signs_says_nothing() -> None:
    quoted = (
        "Danke, das hat geholfen!\n\nFreundliche Grüsse\nEva Frei\nRechnungswesen, Mahnwesen\n\n"
        "Am 3. März 2026 schrieb Kundenservice:\n> Ihre Rechnung ist falsch und Sie kündigen.\n> Die Mahnung folgt."
    )
    (concern,) = read(quoted).concerns
    assert concern.task is Task.FEEDBACK


def test_what_is_said_after_the_closing_as_postscript_is_read() -> None:
    text = "Vielen Dank!\n\nLG Eva\n\nPS: Meine neue Adresse lautet Gartenweg 3, 8001 Zürich, ich bin umgezogen."
    assert Task.ADMINISTRATION in [concern.task for concern in read(text).concerns]


def test_several_matters_are_several_concerns_each_with_its_own_words() -> None:
    text = (
        "Guten Tag\n\nMeine Rechnung vom Februar ist viel zu hoch, bitte prüfen Sie den Betrag.\n\n"
        "Ausserdem bin ich umgezogen, meine neue Anschrift lautet Gartenweg 3, 8001 Zürich."
    )
    found = {concern.task: concern for concern in read(text).concerns}
    assert set(found) == {Task.BILLING_INQUIRY, Task.ADMINISTRATION}
    half = text.index("Ausserdem")
    for reason in found[Task.BILLING_INQUIRY].reasons:
        assert reason.end is None or reason.end <= half
    for reason in found[Task.ADMINISTRATION].reasons:
        assert reason.start is None or reason.start >= half


def test_a_stated_task_is_taken_as_said() -> None:
    (concern,) = read("Bitte melden Sie sich.", stated_task=Task.CLAIMS).concerns
    assert (concern.task, concern.confidence) == (Task.CLAIMS, 1.0)
    assert concern.reasons[0].rule == "stated by the customer"


@pytest.mark.parametrize(
    "text",
    [
        "Bewerbung als Kundenberaterin: anbei sende ich Ihnen meinen Lebenslauf und meine Zeugnisse.",
        "Ich bin bis 15. August nicht im Büro. Ihre E-Mail wird nicht weitergeleitet.",
        "Herzlichen Glückwunsch! Sie haben 1.000.000 Euro gewonnen. Klicken Sie hier, um Ihren Preis abzuholen!!!",
    ],
)
def test_strangers_are_not_taken_for_customers(text: str) -> None:
    reading = read(text)
    assert reading.other is not None and not reading.concerns


@pytest.mark.parametrize(
    ("text", "flag", "priority"),
    [
        ("Ich übergebe die Sache meinem Anwalt, die Rechnung ist falsch.", Flag.LEGAL, Priority.HIGH),
        ("Mein Mann ist verstorben, ich möchte seinen Vertrag kündigen.", Flag.VULNERABLE, None),
        ("Hiermit kündige ich meinen Vertrag.", Flag.CANCELLATION, None),
        ("Die Rechnung stimmt nicht. Sonst wechsle ich zur Konkurrenz!", Flag.CHURN, None),
        ("Ich habe Ihnen schon zweimal geschrieben: die Rechnung ist falsch. Frechheit!", Flag.REPEAT, None),
        ("Die Rechnung ist falsch, ich gehe damit zur Zeitung und informiere die Presse.", Flag.PRESS, Priority.HIGH),
    ],
)
def test_flags_are_raised(text: str, flag: Flag, priority: Priority | None) -> None:
    reading = read(text)
    assert flag in {*reading.flags, *(flag for concern in reading.concerns for flag in concern.flags)}
    assert priority is None or reading.priority is priority


def test_danger_is_urgent_and_praise_can_wait() -> None:
    assert read("Der Akku vom Router qualmt, er funktioniert nicht mehr!").concerns[0].priority is Priority.URGENT
    (praise,) = read("Vielen Dank für die schnelle Hilfe, Ihr Team ist super!").concerns
    assert (praise.priority, praise.sentiment) == (Priority.LOW, Sentiment.POSITIVE)


def test_empty_and_odd_texts_are_read_without_trouble() -> None:
    for text in ("", " ", "👍", "\x00", "?" * 5000, "a" * 50_000, "Rechnung\n" * 5000, "ß" * 100, "> quoted", "-- \nx"):
        assert isinstance(read(text), Reading)
    assert read("").other == "empty"


PIECES = [
    sentence
    for line in (Path(__file__).parent.parent / "held_out" / "de.jsonl").read_text("utf-8").splitlines()
    for sentence in re.split(r"(?<=[.!?])\s+", json.loads(line)["text"])
]


@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=8),
    st.sampled_from([" ", "\n\n", ", und ", "\n> ", "\n\nPS: ", "\n-- \n"]),
    st.sampled_from([None, "", "Frage", "Re: Rechnung"]),
    st.sampled_from([None, "de", "fr", "tr"]),
    st.sampled_from([None, None, Task.CLAIMS, Task.FEEDBACK]),
)
def test_whatever_is_written_is_read_and_every_reason_points_into_it(
    pieces: list[str], between: str, subject: str | None, language: str | None, stated: Task | None
) -> None:
    text = between.join(pieces)
    reading = read(text, subject=subject, language=language, stated_task=stated)
    assert len({concern.intent for concern in reading.concerns}) == len(reading.concerns)
    assert not (reading.other and reading.concerns)
    assert stated is None or [concern.task for concern in reading.concerns] == [stated]
    for concern in reading.concerns:
        assert 0 <= concern.confidence <= 1
        for reason in concern.reasons:
            assert reason.start is None or (reason.end is not None and 0 <= reason.start < reason.end <= len(text))


def test_long_text_is_read_in_a_moment() -> None:
    text = "Guten Tag, meine Rechnung ist zu hoch und das Internet geht nicht. " * 700
    read(text)
    began = time.process_time()
    for _ in range(5):
        read(text[:50_000])
    # Only its beginning is read: the worker's loop is not held up. The bound is far above what it takes.
    assert (time.process_time() - began) / 5 < 0.25
