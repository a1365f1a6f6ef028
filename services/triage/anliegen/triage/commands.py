"""`anliegen triage …`: what triage would make of messages, without a server."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

if TYPE_CHECKING:
    from .classifier import ReadConcern
    from .learned import LearnedClassifier
    from .packs import Packs


@click.group()
def triage() -> None:
    """Try triage on messages."""


@triage.command()
@click.option("--file", "source", type=click.File("rb"), default="-", help="Left out, standard input.")
def classify(source: BinaryIO) -> None:
    """Classify messages: JSON lines in, one JSON line each out, in order.

    A line in is {"id", "channel", "text", "subject"?}. A line out is {"id", "language", "concerns": [{"task", "intent",
    "confidence", "automate", "reasons"}], "priority", "sentiment", "flags"}: the main concern first; `automate` says
    whether triage would act on it without a person having looked; what none of the seven tasks settles is "other".
    A line that is no such object is answered with {"line", "error"}, and the exit code is 1 at the end.
    """
    # Loaded here, since every `anliegen` command looks at all commands there are.
    from .learned import load_classifier
    from .model.scorer import ModelMissing
    from .packs import load_packs

    packs = load_packs()
    try:
        classifier = load_classifier(packs)
    except ModelMissing as missing:
        raise click.ClickException(str(missing)) from missing
    wrong = False
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            message = _message(line)
        except ValueError as problem:
            wrong = True
            answer: dict[str, Any] = {"line": number, "error": str(problem)}
        else:
            answer = {"id": message.get("id"), **_answer(message, classifier, packs)}
        click.echo(json.dumps(answer, ensure_ascii=False))
    sys.exit(1 if wrong else 0)


def _message(line: bytes) -> dict[str, Any]:
    """The message of a line. Raises ValueError, which says what is wrong with it."""
    try:
        message = json.loads(line)
    except UnicodeDecodeError as problem:
        raise ValueError(f"not UTF-8: byte {problem.start + 1} of the line") from problem
    except ValueError as problem:
        raise ValueError(f"not JSON: {problem}") from problem
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem
    if not isinstance(message, dict):
        raise ValueError("a line is an object with id, channel and text")
    if any(_half(value) for value in message.values()):
        raise ValueError("half a character: a lone surrogate")
    for name, wanted in (("text", True), ("subject", False), ("channel", False)):
        value = message.get(name)
        if not isinstance(value, str) and (wanted or value is not None):
            raise ValueError(f"{name} has to be a text")
    return message


def _half(value: object) -> bool:
    """Whether a text holds half a character, which JSON can say and nothing can write."""
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


def _answer(message: dict[str, Any], classifier: "LearnedClassifier", packs: "Packs") -> dict[str, Any]:
    from .modes.domain import reach
    from .packs import OTHER, Mode

    text = message["text"]
    reading = classifier.classify(
        text=text, subject=message.get("subject"), language=None, channel=message.get("channel") or "email",
        stated_task=None,
    )  # fmt: skip
    modes = {one.task: packs.routing.policy(one.task).mode for one in reading.concerns}
    automate = reach(reading, packs.routing, modes) is Mode.AUTOMATE
    concerns = [
        {
            "task": concern.task.value,
            "intent": concern.intent,
            "confidence": concern.confidence,
            "automate": automate,
            "reasons": list(_phrases(concern, text)),
        }
        for concern in reading.concerns
    ]
    if reading.other is not None:
        none: dict[str, Any] = {"task": OTHER, "intent": reading.other, "confidence": reading.confidence}
        concerns.insert(0, none | {"automate": False, "reasons": []})
    return {
        "language": reading.language,
        "concerns": concerns,
        "priority": reading.priority.value,
        "sentiment": reading.sentiment.value,
        "flags": [flag.value for flag in reading.flags if flag.value != "cancellation"],
    }


def _phrases(concern: "ReadConcern", text: str) -> Iterator[str]:
    """The reasons as people read them: the rule, and the words it rests on."""
    for reason in concern.reasons:
        words = text[reason.start : reason.end] if reason.start is not None else None
        yield f"{reason.rule}: “{words}”" if words else reason.rule


commands = [triage]
