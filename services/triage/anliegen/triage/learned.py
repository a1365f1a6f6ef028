"""Reads contacts by the trained model; flags and urgency by signs that one can read, too, whichever finds them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from anliegen.events import FailureOrigin, Flag, JourneyStage, Priority, Reason, Sentiment, Task

from .classifier import UNDETERMINED, UNSPECIFIED, ReadConcern, Reading
from .model.scorer import Floats, Model, Read
from .model.splitting import Matter, matters_of
from .model.tokens import Token, tokens_of
from .packs import OTHER, Packs
from .signs import Sign, Signs

EMPTY = "empty"
RAISED = -0.25
"""From which score on the model raises a flag by itself: a flag that is missed is worse than one too many."""
AGREED = -0.8
"""From which score on a sign raises its flag: below it the text speaks of something else."""
SURE_LABEL = 0.5
"""From which confidence on what the model says of a text is preferred to what follows from its intent."""
MOST_REASONS = 20
KNOWN_WORDS = 0.3
"""The share of words that are known in a text of a language that was learned, at least."""
LIKELY = 3
"""How many tasks are told by how sure each of them is."""
FEW_WORDS = 4
"""Of fewer words no share is taken."""
CERTAIN = 0.99
OF_FEW_WORDS = 0.75
"""How often the task of so few words is right at most, unless they are quite certain; of a bare number always: it
answers something that we may not know of."""
SURE_LANGUAGE = 0.8
"""From which confidence on a text's own words say its language, whatever is said of it."""


def load_classifier(packs: Packs) -> "LearnedClassifier":
    """The classifier by the model that was trained here. Raises ModelMissing."""
    return LearnedClassifier(packs, Model.load())


class LearnedClassifier:
    """The model and the rule packs, put together."""

    def __init__(self, packs: Packs, model: Model) -> None:
        self.version = f"model/{model.facts['sources']}"[:20]
        """Names the model behind a decision."""
        self._packs = packs
        self._model = model
        self._signs = Signs(packs.languages)
        self._intents = model.heads["intent"]
        tasks = [packs.intents.intents[label].task for label in self._intents.labels]
        self._tasks = np.array([str(task) for task in tasks])
        self._task_names = sorted(set(self._tasks.tolist()))
        self._in_task = np.array([[task == name for name in self._task_names] for task in self._tasks], np.float32)
        """Which intent (row) belongs to which task (column)."""
        # Thanks and opinions come after what somebody has to do.
        self._later = frozenset(np.flatnonzero(np.isin(self._tasks, [Task.FEEDBACK.value, OTHER])).tolist())

    def classify(
        self,
        *,
        text: str,
        subject: str | None,
        language: str | None,
        channel: str,  # noqa: ARG002 - what is read is the same on every channel
        stated_task: Task | None,
    ) -> Reading:
        """Read one contact."""
        tokens = tokens_of(text, subject)
        read = self._model.read(tokens)
        language = self._language(read, given=language)
        signs = self._signs.find(text, subject, language)
        flags = self._flags(read, signs) if tokens else ()
        whole = Reading(
            language, flags=flags, priority=self._priority(read, signs, flags),
            sentiment=Sentiment(self._answer(read, "sentiment")[0]) if tokens else Sentiment.NEUTRAL,
        )  # fmt: skip
        if stated_task is not None:
            return replace(self._with(whole, [self._stated(read, stated_task, whole, signs)]), stated=True)
        if not tokens:
            return self._with(whole, [], other=EMPTY, confidence=1.0)
        if language not in self._model.heads["language"].labels:
            return self._with(whole, [], confidence=0.0)
        sure = read.confidences("intent")
        if self._surest_task(sure) == OTHER:
            confidence = self._confidence(read, OTHER, None)
            other = self._best_within(sure, OTHER)
            intent = self._packs.intent(other)
            return self._with(whole, [], other=other, confidence=confidence, flags=intent.flags if intent else ())
        matters = self._matters(read)
        whole = replace(whole, likely=self._likely(sure))
        return self._with(
            whole, [self._concern(read, matter, whole, signs, alone=len(matters) == 1) for matter in matters]
        )

    @staticmethod
    def _with(
        whole: Reading, concerns: Sequence[ReadConcern], *, other: str | None = None, confidence: float | None = None,
        flags: Iterable[Flag] = (),
    ) -> Reading:  # fmt: skip
        sure = concerns[0].confidence if confidence is None else confidence
        raised = {*whole.flags, *(flag for one in concerns for flag in one.flags), *flags}
        return replace(
            whole, concerns=tuple(concerns), other=other, confidence=sure,
            flags=tuple(flag for flag in Flag if flag in raised),
        )  # fmt: skip

    # Which matters there are ------------------------------------------------------------------------------------------
    def _matters(self, read: Read) -> list[Matter]:
        """The matters, the main one first."""
        found = matters_of(read, self._intents, self._model.proof, tasks=self._tasks.tolist(), later=self._later)
        own = [matter for matter in found if self._tasks[matter.intent] != OTHER]
        if len(own) > 1:
            return own
        # A task is surer than any of its intents: the best intent of the surest task.
        whole = read.confidences("intent")
        best = self._intents.labels.index(self._best_within(whole, self._surest_task(whole)))
        return [Matter(best, float(whole[best]), 0, len(read.tokens))]

    def _best_within(self, sure: Floats, task: str) -> str:
        return self._intents.labels[int(np.where(self._tasks == task, sure, -1.0).argmax())]

    def _language(self, read: Read, *, given: str | None) -> str:
        """The language of a text, or that nobody knows: of one that was not learned hardly any word is known.

        What is said of a few words or of what is unclear counts, as it may be where the text came in.
        """
        if len(read.tokens) < FEW_WORDS and (given is not None or not read.tokens):
            return given or UNDETERMINED
        if len(read.tokens) >= FEW_WORDS and read.known < KNOWN_WORDS:
            return UNDETERMINED
        found, sure = self._answer(read, "language")
        return found if sure >= SURE_LANGUAGE else given or found

    def _surest_task(self, sure: Floats) -> str:
        return str(self._task_names[int((sure @ self._in_task).argmax())])

    def _likely(self, sure: Floats) -> tuple[tuple[Task, float], ...]:
        shares = zip(self._task_names, (sure @ self._in_task).tolist(), strict=True)
        known = sorted(((share, task) for task, share in shares if task != OTHER), reverse=True)[:LIKELY]
        return tuple((Task(task), round(share, 4)) for share, task in known)

    def _confidence(self, read: Read, task: str, matter: Matter | None) -> float:
        first, last = (matter.first, matter.last) if matter else (0, None)
        sure = read.confidences("intent", first, last)
        share = float((sure @ self._in_task)[self._task_names.index(task)])
        told = self._model.calibrated(share)
        only_numbers = all(token.form.isdigit() for token in read.tokens)
        if only_numbers or (len(read.tokens) < FEW_WORDS and share < CERTAIN):
            told = min(told, OF_FEW_WORDS)
        return round(told, 4)

    # What is known of them --------------------------------------------------------------------------------------------
    def _concern(
        self, read: Read, matter: Matter, whole: Reading, signs: Sequence[Sign], *, alone: bool
    ) -> ReadConcern:
        intent, task = self._intents.labels[matter.intent], str(self._tasks[matter.intent])
        confidence = self._confidence(read, task, None if alone else matter)
        reasons = self._reasons(read, matter, intent)
        return self._told(
            read, task=Task(task), name=intent, confidence=confidence, whole=whole, reasons=reasons, signs=signs,
            matter=None if alone else matter,
        )  # fmt: skip

    def _stated(self, read: Read, task: Task, whole: Reading, signs: Sequence[Sign]) -> ReadConcern:
        """What the customer said it is about; the words only tell the intent within that task."""
        intent, reasons = UNSPECIFIED, [Reason(rule="stated by the customer")]
        if read.tokens:
            sure = read.confidences("intent")
            within = np.where(self._tasks == task.value, sure, 0.0)
            # Among the intents of this task alone it has to be the likely one.
            if within.max() >= 0.5 * within.sum() and self._surest_task(sure) == task.value:
                intent = self._intents.labels[int(within.argmax())]
                reasons += self._reasons(read, Matter(int(within.argmax()), 1.0, 0, len(read.tokens)), intent)
        return self._told(read, task=task, name=intent, confidence=1.0, whole=whole, reasons=reasons, signs=signs)

    def _told(
        self, read: Read, *, task: Task, name: str, confidence: float, whole: Reading, reasons: Iterable[Reason],
        signs: Sequence[Sign], matter: Matter | None = None,
    ) -> ReadConcern:  # fmt: skip
        routing, intent = self._packs.routing, self._packs.intent(name)
        first, last = (matter.first, matter.last) if matter else (0, None)
        # A threat, an illness or an urgency said anywhere in the contact holds for all of it; the mood of a matter is
        # in its own words.
        flags = {*whole.flags, *(intent.flags if intent else ())}
        priority = routing.highest(
            intent.priority if intent else Priority.LOW, whole.priority, routing.raised_priority(flags)
        )
        origin, origin_sure = self._answer(read, "origin", first, last)
        stage, stage_sure = self._answer(read, "stage", first, last)
        mood, _ = self._answer(read, "sentiment", first, last)
        shown = [*reasons, *(_of_sign(sign) for sign in signs if sign.means in flags or sign.means is priority)]
        return ReadConcern(
            task=task,
            intent=name,
            confidence=confidence,
            origin=FailureOrigin(origin) if intent is None or origin_sure >= SURE_LABEL else intent.origin,
            stage=JourneyStage(stage) if intent is None or stage_sure >= SURE_LABEL else intent.stage,
            priority=priority,
            sentiment=Sentiment(mood),
            hardness=min((intent.hardness if intent else 1) + routing.added_hardness(flags), 5),
            flags=tuple(flag for flag in Flag if flag in flags),
            skills=intent.skills if intent else (),
            reasons=tuple(shown[:MOST_REASONS]),
        )

    def _flags(self, read: Read, signs: Sequence[Sign]) -> tuple[Flag, ...]:
        found = set()
        for flag in Flag:
            signed = [sign for sign in signs if sign.means is flag]
            if flag.value not in self._model.heads:
                raised = bool(signed)
            elif signed:
                # A threat in the last sentence of a long story is one all the same.
                places = {read.sentence_at(sign.start) for sign in signed if sign.start is not None}
                said = [read.score(flag.value, "true", *place) for place in ((0, None), *places)]
                raised = max(said) >= AGREED
            else:
                raised = read.score(flag.value, "true") >= RAISED
            if raised:
                found.add(flag)
        return tuple(flag for flag in Flag if flag in found)

    def _priority(self, read: Read, signs: Sequence[Sign], flags: Sequence[Flag]) -> Priority:
        raised = [sign.means for sign in signs if isinstance(sign.means, Priority)]
        said = Priority(self._answer(read, "priority")[0]) if read.tokens else Priority.NORMAL
        return self._packs.routing.highest(said, self._packs.routing.raised_priority(flags), *raised)

    def _answer(self, read: Read, head: str, first: int = 0, last: int | None = None) -> tuple[str, float]:
        sure = read.confidences(head, first, last)
        best = int(sure.argmax())
        return self._model.heads[head].labels[best], float(sure[best])

    def _reasons(self, read: Read, matter: Matter, intent: str) -> list[Reason]:
        """The words that carried it, as offsets; words that stand side by side are one phrase."""
        column = self._intents.first + matter.intent
        places = sorted(read.carried_by(column, matter.first, matter.last))
        reasons: list[Reason] = []
        before: int | None = None
        for place in places:
            token = read.tokens[place]
            if reasons and before == place - 1 and reasons[-1].end is not None and token.end is not None:
                reasons[-1] = Reason(rule=intent, start=reasons[-1].start, end=token.end)
            else:
                reasons.append(_of_token(intent, token))
            before = place
        return reasons


def _of_token(intent: str, token: Token) -> Reason:
    return Reason(rule=intent, start=token.start, end=token.end)


def _of_sign(sign: Sign) -> Reason:
    kind = "flag" if isinstance(sign.means, Flag) else "priority"
    return Reason(rule=f"{kind} {sign.means.value}: {sign.pattern}"[:100], start=sign.start, end=sign.end)
