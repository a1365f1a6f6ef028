"""`make eval`: measure how well triage understands, print it, and write services/triage/MODEL.md."""

import csv
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.svm import LinearSVC

from anliegen.triage.learned import LearnedClassifier
from anliegen.triage.model import training
from anliegen.triage.model.messages import FLAGS, Message, examples_of, group_of, read_messages
from anliegen.triage.model.scorer import Model
from anliegen.triage.model.space import matrix_of, space_of, table_of
from anliegen.triage.model.tokens import tokens_of
from anliegen.triage.packs import load_packs

from .figures import (
    Outcome,
    by,
    calibration,
    concerns_found,
    coverage_at,
    coverage_line,
    flag_figures,
    read_all,
    share,
    split_wrongly,
)
from .plots import write_plots

ROOT = Path(__file__).parents[2]
HELD_OUT = ROOT / "services" / "triage" / "held_out"
CARD = ROOT / "services" / "triage" / "MODEL.md"
PLOTS = CARD.with_suffix(".svg")
PUBLIC = ROOT.parent / "shared" / "data"
"""Public data sets, for measuring the method alone; where they do not lie, that is said and left out."""
SEEDS = 5
PRECISION = 0.95
FEWEST_DRAWN = 5
"""Of fewer messages no point is drawn: it would tell of chance."""
PACKS = load_packs()


def main() -> None:
    """Measure everything."""
    fast = "--fast" in sys.argv
    lines = ["# How well triage understands", "", "Written by `make eval`; do not edit.", ""]
    held_out = _read_held_out()
    lines += [*_model(), *_held_out(held_out), *_speed()]
    if not fast:
        lines += [*_development(), *_public()]
    text = "\n".join(lines).rstrip() + "\n"
    sys.stdout.write(text)
    if not fast:
        CARD.write_text(text, encoding="utf-8")
        _draw(held_out)


def _draw(held_out: dict[str, list[Outcome]]) -> None:
    bins = {name: calibration(of)[1] for name, of in held_out.items()}
    write_plots(
        PLOTS,
        reliability={
            name: [(said, right) for said, right, count in of if count >= FEWEST_DRAWN] for name, of in bins.items()
        },
        coverage={name: coverage_line(of) for name, of in held_out.items()},
        precision=PRECISION,
    )


def _model() -> Iterator[str]:
    messages = read_messages()
    by_language: dict[str, int] = {}
    for message in messages:
        by_language[message["language"]] = by_language.get(message["language"], 0) + 1
    yield "## The model"
    yield ""
    told = ", ".join(f"{count} {language}" for language, count in sorted(by_language.items(), key=lambda one: -one[1]))
    yield f"Linear heads over words, pieces of words and pairs, learned from {len(messages)} messages ({told}),"
    yield f"which were written for this purpose. The file takes {training.FILE.stat().st_size / 1e6:.1f} MB."
    yield ""


def _read_held_out() -> dict[str, list[Outcome]]:
    """By language, messages by somebody who had not seen those that the model learned from."""
    classifier = LearnedClassifier(PACKS, Model.load())
    texts = {file.stem: file.read_text("utf-8").splitlines() for file in sorted(HELD_OUT.glob("*.jsonl"))}
    return {name: read_all(classifier, PACKS, [json.loads(line) for line in of]) for name, of in texts.items()}


def _held_out(held_out: dict[str, list[Outcome]]) -> Iterator[str]:
    yield "![Reliability and coverage of the held-out messages](MODEL.svg)"
    yield ""
    for language, outcomes in held_out.items():
        yield f"## Held out: {len(outcomes)} messages in `{language}.jsonl`, written without sight of the training text"
        yield ""
        yield from _told(outcomes)
        yield "| task | messages | right task | right intent |"
        yield "|---|---|---|---|"
        for task, of in by(outcomes, lambda one: str(one.main["task"])).items():
            right, intent = share(of, lambda one: one.is_right), share(of, lambda one: one.intent == one.main["intent"])
            yield f"| {task} | {len(of)} | {right:.1%} | {intent:.1%} |"
        yield ""
        yield "| channel | messages | right task |"
        yield "|---|---|---|"
        for channel, of in by(outcomes, lambda one: str(one.message["channel"])).items():
            yield f"| {channel} | {len(of)} | {share(of, lambda one: one.is_right):.1%} |"
        yield ""
        yield from _confusion(outcomes)


def _told(outcomes: list[Outcome]) -> Iterator[str]:
    hard = [one for one in outcomes if one.message.get("hard")]
    error, bins = calibration(outcomes)
    automated = [one for one in outcomes if one.automated]
    yield "| | |"
    yield "|---|---|"
    yield f"| right task first | {share(outcomes, lambda one: one.is_right):.1%} |"
    own = [one for one in outcomes if one.main["task"] != "other"]
    yield f"| the same, of what belongs to a task ({len(own)}) | {share(own, lambda one: one.is_right):.1%} |"
    yield f"| right intent first | {share(outcomes, lambda one: one.intent == one.main['intent']):.1%} |"
    if hard:
        yield f"| right task of hard cases ({len(hard)}) | {share(hard, lambda one: one.is_right):.1%} |"
    yield f"| language recognised | {share(outcomes, lambda o: o.reading.language == o.message['language']):.1%} |"
    yield f"| coverage at {PRECISION:.0%} precision, strangers in the stream | {coverage_at(outcomes, PRECISION):.1%} |"
    right = share(automated, lambda one: one.is_right)
    yield f"| decided at the thresholds in force | {len(automated) / len(outcomes):.1%}, of which {right:.1%} right |"
    yield f"| expected calibration error | {error:.1%} |"
    for level in ("task", "intent"):
        precision, recall, f1 = concerns_found(outcomes, level)
        yield f"| several matters, by {level}: F1 (precision, recall) | {f1:.1%} ({precision:.1%}, {recall:.1%}) |"
    yield f"| one matter taken for several | {split_wrongly(outcomes):.1%} |"
    for flag in FLAGS:
        recall, precision, count = flag_figures(outcomes, flag)
        yield f"| flag {flag} ({count}): recall, precision | {recall:.1%}, {precision:.1%} |"
    for name in ("priority", "sentiment"):
        same = share(outcomes, lambda one, name=name: getattr(one.reading, name).value == one.message[name])  # type: ignore[misc]
        yield f"| {name} | {same:.1%} |"
    yield ""
    yield "| said | right | messages |"
    yield "|---|---|---|"
    for said, was, count in bins:
        yield f"| {said:.2f} | {was:.2f} | {count} |"
    yield ""


def _confusion(outcomes: list[Outcome]) -> Iterator[str]:
    tasks = sorted({str(one.main["task"]) for one in outcomes} | {one.task for one in outcomes})
    yield "| is \\ read as | " + " | ".join(tasks) + " |"
    yield "|---|" + "---|" * len(tasks)
    for task, of in by(outcomes, lambda one: str(one.main["task"])).items():
        yield f"| {task} | " + " | ".join(str(sum(one.task == read for one in of)) for read in tasks) + " |"
    yield ""


def _development() -> Iterator[str]:
    """Parts of our own messages, by group, each read by a model that learned from the rest."""
    messages = read_messages()
    groups = [group_of(message) for message in messages]
    figures: dict[tuple[str, str], list[float]] = {}
    model = Model.load()
    temperatures = {name: head.temperature for name, head in model.heads.items()}
    curve = model.curve
    for learn, ask in GroupShuffleSplit(SEEDS, test_size=0.2, random_state=1).split(messages, groups=groups):
        examples = examples_of([messages[index] for index in learn])
        content = training.pack(
            examples, table_of([one.tokens for one in examples]), temperatures, proof=model.proof, curve=curve
        )
        outcomes = read_all(LearnedClassifier(PACKS, Model.of(content)), PACKS, [messages[index] for index in ask])
        for language, of in by(outcomes, lambda one: str(one.message["language"])).items():
            for name, value in _short(of):
                figures.setdefault((language, name), []).append(value)
        for name, value in _short(outcomes):
            figures.setdefault(("all", name), []).append(value)
    names = list(dict.fromkeys(name for _, name in figures))
    yield f"## Our own messages, by group, {SEEDS} times a fifth held back (mean ± standard deviation)"
    yield ""
    yield "| language | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for language in sorted({language for language, _ in figures}):
        cells = [figures[language, name] for name in names]
        yield f"| {language} | " + " | ".join(_spread(values) for values in cells) + " |"
    yield ""


def _short(outcomes: list[Outcome]) -> Iterator[tuple[str, float]]:
    yield "right task", share(outcomes, lambda one: one.is_right)
    yield "right intent", share(outcomes, lambda one: one.intent == one.main["intent"])
    yield f"coverage at {PRECISION:.0%}", coverage_at(outcomes, PRECISION)
    yield "calibration error", calibration(outcomes)[0]
    yield "matters F1 (task)", concerns_found(outcomes, "task")[2]
    yield "language", share(outcomes, lambda one: one.reading.language == one.message["language"])


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.1%} ± {statistics.stdev(values):.1%}"


def _speed() -> Iterator[str]:
    messages: list[Message] = [one for one in read_messages() if len(one["text"]) <= 1_000][::3]
    process = psutil.Process()
    before = process.memory_info().rss
    classifier = LearnedClassifier(load_packs(), Model.load())
    took = []
    for message in messages:
        begun = time.perf_counter()
        classifier.classify(
            text=message["text"], subject=message.get("subject"), language=None, channel="email", stated_task=None
        )
        took.append(time.perf_counter() - begun)
    grown = (process.memory_info().rss - before) / 1e6
    yield f"## Speed: {len(messages)} messages of up to 1,000 characters, each once, one core"
    yield ""
    yield f"p50 {np.percentile(took, 50) * 1e3:.2f} ms, p99 {np.percentile(took, 99) * 1e3:.2f} ms, "
    yield f"{len(took) / sum(took):.0f} messages a second; memory grown by {grown:.0f} MB."
    yield ""


def _public() -> Iterator[str]:
    """The same features and solver on public data, on parts of the training splits: nothing is tuned on a test."""
    yield "## The method on public data"
    yield ""
    if not PUBLIC.is_dir():
        yield "Not measured: the data sets do not lie beside this folder (`../shared/data`)."
        return
    with (PUBLIC / "banking77" / "train.csv").open(encoding="utf-8") as file:
        banking = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    scores = []
    splits = StratifiedShuffleSplit(SEEDS, test_size=0.1, random_state=1)
    for learn, ask in splits.split(banking, [label for _, label in banking]):
        scores.append(_accuracy([banking[index] for index in learn], [banking[index] for index in ask]))
    yield f"- Banking77, a tenth of the training split held back, {SEEDS} times: {_spread(scores)}"
    clinc = json.loads((PUBLIC / "clinc150" / "data_full.json").read_text("utf-8"))
    yield f"- CLINC150, in scope, validation split: {_accuracy(clinc['train'], clinc['val']):.1%}"
    yield ""


def _accuracy(learn: list[tuple[str, str]], ask: list[tuple[str, str]]) -> float:
    table = table_of([tokens_of(text) for text, _ in learn])
    space = space_of(table)
    solver = LinearSVC(C=training.STRENGTH, random_state=0).fit(matrix_of(table, space), [label for _, label in learn])
    asked = matrix_of(table_of([tokens_of(text) for text, _ in ask]), space)
    return float(np.mean(solver.predict(asked) == np.array([label for _, label in ask])))


if __name__ == "__main__":
    main()
