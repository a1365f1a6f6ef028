"""Learning from the messages in `training/`: run when the package is built, the same to the byte each time.

    python -m anliegen.triage.model.training

Every head is a linear one over the same features, one against the rest (liblinear's dual solver). What was learned is
cut down to the features that say most, learned again on these, and rounded to eight bits. How sure an answer is, is
measured on messages that the model had not learned from, by groups.
"""

import hashlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.svm import LinearSVC

from .messages import FLAGS, TEXTS, Example, Message, examples_of, read_messages
from .scorer import Curve, Head, Model, Proof, softmax
from .space import Matrix, Space, Table, matrix_of, space_of, table_of
from .splitting import candidates_of, evidence_for

HERE = Path(__file__).parent
FILE = HERE / "triage.model"
SOURCES = (
    "tokens.py",
    "features.py",
    "scorer.py",
    "splitting.py",
    "messages.py",
    "space.py",
    "training.py",
    "../words.py",
)
MOST_FEATURES = 60_000
FOLDS = 3
FOLDS_ASKED = 1
"""Of how many of them it is asked how sure readings are: thousands of messages, which tell enough."""
NO_WORD = -3.0
"""The score of an answer that a fold had no example of."""
STRENGTH = 0.5
"""How closely the heads follow the messages (liblinear's C)."""
RARE_STRENGTH = 0.1
TOLERANCE = 0.1
"""When a head is learned well enough (liblinear's). A thousandth of it takes twice the time and decides the same."""
ROUGHLY = 1.0
"""The same for a look at which features say anything."""
PROVEN = 0.2
"""From which confidence on something is a matter of its own: one that is missed is worse than one too many."""
EVERYTHING = Proof((), 0.0, 0.0)
STRAIGHT: Curve = ((0.0, 0.0), (1.0, 1.0))
HEADS = ("intent", "priority", "sentiment", "origin", "stage", "language", *FLAGS)
"""What is asked of a text."""


# Learning -------------------------------------------------------------------------------------------------------------
def fit(
    features: Matrix, answers: Sequence[str], *, rare: bool = False, tolerance: float = TOLERANCE
) -> tuple[list[str], Any, Any]:
    """A head: its labels, weights (label by feature) and biases. Two answers have a column each, too.

    Of what is `rare` one that is missed weighs as much as all that are raised for nothing.
    """
    strength, weight = (RARE_STRENGTH, "balanced") if rare else (STRENGTH, None)
    learned = LinearSVC(C=strength, class_weight=weight, tol=tolerance, random_state=0).fit(features, answers)
    weights, bias = learned.coef_, learned.intercept_
    if len(learned.classes_) == 2:
        weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
    return [str(label) for label in learned.classes_], weights, bias


def temperature_of(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The one at which confidences are likeliest. `right` marks every answer that would be right, row by row."""
    best, least = 1.0, math.inf
    for candidate in np.exp(np.linspace(math.log(0.05), math.log(2.0), 60)):
        sure = (softmax((scores / candidate).astype(np.float32)) * right).sum(1)
        loss = -float(np.log(np.maximum(sure, 1e-9)).mean())
        if loss < least:
            best, least = float(candidate), loss
    return round(best, 4)


def folds_of(examples: Sequence[Example], table: Table) -> "Asked":
    """Whole messages, each with a model that learned from the groups of others, and that model's scores."""
    groups = [one.group for one in examples]
    asked = []
    folds = list(GroupKFold(FOLDS).split(groups, groups=groups))[:FOLDS_ASKED]
    for fold, (learn, ask) in enumerate(folds):
        space = space_of(table.only(learn))
        # Of what is asked beside the intent, a third of the messages tells enough of how sure it is.
        heads = HEADS[:1] if fold else HEADS
        learned = _learn([examples[i] for i in learn], matrix_of(table.only(learn), space), heads)
        model = _model(space, learned, dict.fromkeys(HEADS, 1.0))
        scores = matrix_of(table.only(ask), space) @ np.vstack([one[1] for one in learned]).T + model.bias
        asked += [(examples[i], model, said) for i, said in zip(ask, scores, strict=True) if examples[i].whole]
    return asked


def train(messages: Sequence[Message]) -> bytes:
    """The model as its file has it."""
    examples = examples_of(messages)
    table = table_of([one.tokens for one in examples])
    asked = folds_of(examples, table)
    temperatures = {head: _temperature(head, asked) for head in HEADS}
    sure, task_of = temperatures["intent"], task_by_intent(examples)
    proof, curve = prove(asked, task_of, sure), curve_of(asked, task_of, sure)
    return pack(examples, table, temperatures, proof=proof, curve=curve)


def pack(
    examples: Sequence[Example], table: Table, temperatures: Mapping[str, float], *, proof: Proof, curve: Curve
) -> bytes:
    """Learn from all of it, cut down to what says most, learn again, and round to eight bits."""
    space = space_of(table)
    features = matrix_of(table, space)
    _, weights, _ = fit(features, [one.labels["intent"] for one in examples], tolerance=ROUGHLY)
    says = np.sqrt((weights**2).sum(0)) * np.sqrt(np.asarray(features.power(2).sum(0)).ravel())
    space = space.only(np.sort(np.argsort(-says, kind="stable")[:MOST_FEATURES]))
    learned = _learn(examples, matrix_of(table, space), HEADS)
    heads, weights, bias = _stacked(space, learned, temperatures)
    scales = np.maximum(np.abs(weights).max(1), 1e-6) / 127
    told = {
        "features": len(space.names), "width": len(bias), "heads": [asdict(head) for head in heads],
        "proof": asdict(proof), "curve": curve,
        "facts": {"sources": fingerprint(), "messages": sum(one.whole for one in examples)},
    }  # fmt: skip
    header = json.dumps(told, sort_keys=True).encode()
    arrays = (
        space.names.astype("<u4"), scales.astype("<f2"), (space.idf**2).astype("<f2"), bias.astype("<f4"),
        np.rint(weights / scales[:, None]).astype("i1"),
    )  # fmt: skip
    return len(header).to_bytes(4, "little") + header + b"".join(array.tobytes() for array in arrays)


Learned = Sequence[tuple[list[str], Any, Any]]


def _stacked(space: Space, learned: Learned, temperatures: Mapping[str, float]) -> tuple[list[Head], Any, Any]:
    heads, first = [], 0
    for name, (labels, _, _) in zip(HEADS, learned, strict=False):
        heads.append(Head(name, tuple(labels), first, temperatures[name]))
        first += len(labels)
    weights = np.vstack([one[1] for one in learned]).T * space.idf[:, None]
    return heads, weights, np.concatenate([one[2] for one in learned])


def _model(space: Space, learned: Learned, temperatures: Mapping[str, float]) -> Model:
    """A model as it was learned, neither cut down nor rounded."""
    heads, weights, bias = _stacked(space, learned, temperatures)
    return Model(
        names=space.names, scales=np.ones(len(space.names), np.float32), squares=(space.idf**2).astype(np.float32),
        weights=weights.astype(np.float32), bias=bias.astype(np.float32), heads=heads,
        proof=EVERYTHING, curve=STRAIGHT, facts={},
    )  # fmt: skip


# How sure it is -------------------------------------------------------------------------------------------------------
Asked = Sequence[tuple[Example, Model, NDArray[np.float64]]]
"""Each whole message, a model that knew nothing of it, and that model's scores."""


def _scores_of(head: str, asked: Asked) -> tuple[list[str], NDArray[np.float64], list[str]]:
    """The labels of a head, the scores of each for each message, and the answers that would be right."""
    asked = [one for one in asked if head in one[1].heads]
    labels = sorted({one.labels[head] for one, _, _ in asked})
    rows = np.full((len(asked), len(labels)), NO_WORD)
    for row, (_, model, scores) in zip(rows, asked, strict=True):
        known = model.heads[head]
        row[[labels.index(label) for label in known.labels]] = scores[known.columns]
    return labels, rows, [one.labels[head] for one, _, _ in asked]


def _temperature(head: str, asked: Asked) -> float:
    labels, scores, answers = _scores_of(head, asked)
    return temperature_of(scores, np.array([[label == answer for label in labels] for answer in answers]))


def curve_of(asked: Asked, task_of: Mapping[str, str], temperature: float) -> Curve:
    """How often a task is right that seems so sure: points of a line that rises, from messages not learned from."""
    labels, scores, answers = _scores_of("intent", asked)
    tasks = sorted(set(task_of.values()))
    sums = np.array([[float(task_of[label] == task) for task in tasks] for label in labels])
    sure = softmax((scores / temperature).astype(np.float32)) @ sums
    right = [tasks[best] == task_of[answer] for best, answer in zip(sure.argmax(1), answers, strict=True)]
    risen = IsotonicRegression(out_of_bounds="clip").fit(sure.max(1), right)
    # Most readings are nearly sure, so that is where the points are dense.
    knots = np.concatenate([np.linspace(0, 0.8, 9), 1 - np.logspace(math.log10(0.15), -5, 24), [1.0]])
    return tuple((round(float(x), 6), round(float(y), 4)) for x, y in zip(knots, risen.predict(knots), strict=True))


def task_by_intent(examples: Sequence[Example]) -> dict[str, str]:
    """The task of each intent."""
    return {concern["intent"]: concern["task"] for one in examples for concern in one.message["concerns"]}


def prove(asked: Asked, task_of: Mapping[str, str], temperature: float) -> Proof:
    """Learn what tells a matter of its own from a part of the story, from what models found that knew neither."""
    evidence, right = [], []
    for one, model, _ in asked:
        model.tune("intent", temperature)
        read, head = model.read(one.tokens), model.heads["intent"]
        found = candidates_of(read, head, later=later_of(head, task_of))
        matters = {concern["intent"] for concern in one.message["concerns"]}
        for other in found[1:]:
            evidence.append(evidence_for(read, head, found[0], other))
            right.append(len(matters) > 1 and head.labels[other.intent] in matters)
    rows = np.array(evidence)
    mean, scale = rows.mean(0), rows.std(0) + 1e-9
    learned = LogisticRegression(C=0.3, max_iter=500).fit((rows - mean) / scale, right)
    weights = learned.coef_[0] / scale
    bias = float(learned.intercept_[0] - (weights * mean).sum())
    return Proof(tuple(round(float(weight), 5) for weight in weights), round(bias, 5), PROVEN)


def later_of(head: Head, task_of: Mapping[str, str]) -> frozenset[int]:
    """The intents that are never the main matter beside another one: opinions, and what is for no task."""
    return frozenset(place for place, label in enumerate(head.labels) if task_of[label] in {"feedback", "other"})


def _learn(examples: Sequence[Example], features: Matrix, heads: Sequence[str]) -> list[tuple[list[str], Any, Any]]:
    found = []
    for head in heads:
        own = [index for index, one in enumerate(examples) if head in one.labels]
        found.append(fit(features[own], [examples[index].labels[head] for index in own], rare=head in FLAGS))
    return found


# Whether it has to be learned again -----------------------------------------------------------------------------------
def fingerprint() -> str:
    """Of everything that the model follows from: the messages, and how they are learned from."""
    whole = hashlib.sha256()
    for file in _followed():
        whole.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return whole.hexdigest()


def _followed() -> Iterator[Path]:
    yield from (HERE / name for name in SOURCES)
    yield from sorted(TEXTS.glob("*/*.jsonl"))


def is_current() -> bool:
    """Whether the model that lies here was learned from what lies here."""
    if not FILE.is_file():
        return False
    content = FILE.read_bytes()
    told = json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")])
    return bool(told["facts"]["sources"] == fingerprint())


def main() -> None:
    """Train the model where it is not there, or follows from something else than what lies here."""
    if is_current() and "--again" not in sys.argv:
        return
    begun = time.monotonic()
    content = train(read_messages())
    FILE.write_bytes(content)
    sys.stdout.write(f"Learned to triage: {len(content) / 1e6:.1f} MB in {time.monotonic() - begun:.0f} s.\n")


if __name__ == "__main__":
    main()
