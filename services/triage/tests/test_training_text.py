"""The text that triage learns from is what its guide says: labels that exist, each message once, parts verbatim."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from anliegen.events import Flag, JourneyStage, Priority, Sentiment
from anliegen.events.triage import FailureOrigin
from anliegen.triage.packs import load_packs

TRAINING = Path(__file__).parent.parent / "training"
FILES = sorted(TRAINING.glob("*/*.jsonl"))
CHANNELS = {
    "email", "web_form", "whatsapp", "sms", "chat", "phone_note", "letter", "review", "app", "voice", "social",
}  # fmt: skip
ONLY_IN_TEXT = {"empty": "other", "press": "other"}
"""Labels of what no rule reads: the text of one is nothing, and the other is a flag of the rules."""


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    return [message for file in FILES for message in read(file)]


@pytest.fixture(scope="module")
def task_of() -> dict[str, str]:
    intents = load_packs().intents.intents
    return {name: str(intent.task) for name, intent in intents.items()} | ONLY_IN_TEXT


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_message_is_labelled_as_the_guide_says(file: Path, task_of: dict[str, str]) -> None:
    for message in read(file):
        said = (file, message["id"])
        assert message["language"] == file.parent.name, said
        assert message["concerns"][0]["task"] == file.stem, said
        assert message["channel"] in CHANNELS, said
        assert message["priority"] in {p.value for p in Priority} - {"unknown"}, said
        assert message["sentiment"] in {s.value for s in Sentiment} - {"unknown"}, said
        assert set(message["flags"]) <= {f.value for f in Flag} - {"unknown", "cancellation"}, said
        assert message["origin"] in {o.value for o in FailureOrigin} - {"unknown"}, said
        assert message["stage"] in {s.value for s in JourneyStage} - {"unknown"}, said
        assert message["group"], said
        for concern in message["concerns"]:
            assert task_of[concern["intent"]] == concern["task"], said
            if len(message["concerns"]) > 1:
                assert concern["part"] and concern["part"] in message["text"], said


def test_no_message_is_there_twice(messages: list[dict[str, Any]]) -> None:
    assert [name for name, times in Counter(message["id"] for message in messages).items() if times > 1] == []
    words: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for message in messages:
        plain = re.sub(r"\W+", " ", message["text"].lower()).strip()
        words[message["language"], plain].append(message["id"])
    assert [same for (_, plain), same in words.items() if plain and len(same) > 1] == []


def test_no_opening_is_worn_out(messages: list[dict[str, Any]]) -> None:
    for language in {message["language"] for message in messages}:
        own = [message["text"].lower().split()[:2] for message in messages if message["language"] == language]
        opening, times = Counter(map(tuple, own)).most_common(1)[0]
        assert times <= max(3, 0.04 * len(own)), (language, opening, times)


def test_nobody_real_is_written_to_or_named_by_an_address(messages: list[dict[str, Any]]) -> None:
    for message in messages:
        for address in re.findall(r"[\w.+-]+@([\w.-]+\w)", message["text"]):
            assert re.search(r"(^|\.)(example|invalid|test)(\.\w+)?$", address), (message["id"], address)
