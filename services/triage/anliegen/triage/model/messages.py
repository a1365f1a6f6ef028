"""The messages in `training/`, and what is learned from each of them."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tokens import Token, tokens_of

TEXTS = Path(__file__).parents[3] / "training"
FLAGS = ("legal", "churn", "repeat", "vulnerable", "press")
Message = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """A text to learn from: a message, or the part of it that speaks of one matter."""

    tokens: tuple[Token, ...]
    group: str
    labels: Mapping[str, str]
    message: Message
    whole: bool = True


def read_messages(folder: Path = TEXTS) -> list[Message]:
    """All messages, in an order that does not change."""
    files = sorted(folder.glob("*/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def group_of(message: Message) -> str:
    """What may not be parted: a group within its language; French and Spanish tell the same situations by number."""
    if message["language"] in {"fr", "es"} and re.fullmatch(r"(fr|es)-\w+-\w+-\d+", message["id"]):
        return f"fr+es {message['id'][3:]}"
    return f"{message['language']} {message['group']}"


def examples_of(messages: Iterable[Message]) -> list[Example]:
    """Each message as a whole, and each of several matters by itself."""
    found = []
    for message in messages:
        concerns = message["concerns"]
        labels = {
            "intent": concerns[0]["intent"], "priority": message["priority"], "sentiment": message["sentiment"],
            "origin": message["origin"], "stage": message["stage"], "language": message["language"],
        } | {flag: str(flag in message["flags"]).lower() for flag in FLAGS}  # fmt: skip
        group = group_of(message)
        found.append(Example(tokens_of(message["text"], message.get("subject")), group, labels, message))
        if len(concerns) > 1:
            found.extend(
                Example(tokens_of(one["part"]), group, {"intent": one["intent"]}, message, whole=False)
                for one in concerns
            )
    return found
