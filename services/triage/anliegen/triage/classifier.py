"""What a contact says: the interface that understands it, and the rules that do so today."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from anliegen.events import FailureOrigin, Flag, JourneyStage, Priority, Reason, Sentiment, Task

from .packs import OTHER, Intent, LanguagePack, Packs, Routing
from .words import Matcher, Pattern, Span, Text

UNSPECIFIED = "unspecified"
"""The intent of a concern whose task was said by the customer, where the words do not tell more."""


@dataclass(frozen=True, slots=True)
class ReadConcern:
    """One matter as it was read. `confidence` is the share of such readings that are right, 0 to 1."""

    task: Task
    intent: str
    confidence: float
    origin: FailureOrigin = FailureOrigin.UNKNOWN
    stage: JourneyStage = JourneyStage.UNKNOWN
    priority: Priority = Priority.NORMAL
    sentiment: Sentiment = Sentiment.NEUTRAL
    hardness: int = 1
    flags: tuple[Flag, ...] = ()
    skills: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one contact: its matters, the main one first. `other` names what is for none of the tasks.

    Flags, priority and sentiment are those of the contact as a whole, for a follow-up and for those who review it.
    """

    language: str
    concerns: tuple[ReadConcern, ...] = ()
    other: str | None = None
    flags: tuple[Flag, ...] = ()
    priority: Priority = Priority.NORMAL
    sentiment: Sentiment = Sentiment.NEUTRAL


class Classifier(Protocol):
    """Whatever understands contacts. It sees the words; what it returns holds codes and offsets only."""

    def classify(
        self, *, text: str, subject: str | None, language: str, channel: str, stated_task: Task | None
    ) -> Reading:
        """Read one contact. `language` is ISO 639-1; a `stated_task` is taken as said."""
        ...


@dataclass(frozen=True, slots=True)
class _Hit:
    """A pattern that was found."""

    target: str
    weight: float
    source: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Score:
    """The best intent of one task over some sentences, with the evidence of the task and of the next best one."""

    task: Task | str
    intent: str
    evidence: float
    rival: float


class _Language:
    """The patterns of one language, ready to be looked for all at once."""

    def __init__(self, pack: LanguagePack) -> None:
        entries: list[tuple[str, str, float, str]] = []
        for intent, weighed in pack.intents.items():
            entries.extend(("intent", intent, pattern.weight, pattern.find) for pattern in weighed)
        for mood, weighed in pack.sentiment.items():
            entries.extend(("sentiment", mood, pattern.weight, pattern.find) for pattern in weighed)
        for flag, finds in pack.flags.items():
            entries.extend(("flag", flag.value, 1.0, find) for find in finds)
        for priority, finds in pack.priority.items():
            entries.extend(("priority", priority, 1.0, find) for find in finds)
        self._entries = entries
        self._matcher = Matcher(tuple(Pattern.of(find) for _, _, _, find in entries))

    def find(self, text: Text) -> dict[str, list[_Hit]]:
        """What was found, by kind: intent, sentiment, flag, priority."""
        found: dict[str, list[_Hit]] = defaultdict(list)
        for index, span in sorted(self._matcher.find(text).items()):
            kind, target, weight, source = self._entries[index]
            found[kind].append(_Hit(target, weight, source, span))
        return found


class RuleClassifier:
    """Reads contacts by the rule packs: every decision can be traced to the patterns that made it."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._languages = {code: _Language(pack) for code, pack in packs.languages.items()}

    @property
    def _routing(self) -> Routing:
        return self._packs.routing

    def classify(
        self,
        *,
        text: str,
        subject: str | None,
        language: str,
        channel: str,  # noqa: ARG002 - the rules are the same on every channel
        stated_task: Task | None,
    ) -> Reading:
        """Read one contact. A language without a pack finds nothing, so that a person looks."""
        rules = self._languages.get(language)
        if rules is None and stated_task is None:
            return Reading(language)
        words = Text.of(text, subject)
        found: Mapping[str, list[_Hit]] = rules.find(words) if rules else {}
        hits = found.get("intent", [])
        if stated_task is not None:
            matters = [(self._stated(stated_task, hits), frozenset(range(words.sentences)))]
        else:
            matters = self._separate(hits, words)
        flags = tuple(flag for flag in Flag if flag in {Flag(hit.target) for hit in found.get("flag", [])})
        sentiment = _sentiment(found.get("sentiment", []))
        urgency = [Priority(hit.target) for hit in found.get("priority", [])]
        # Anger after a repeat, or together with the thought of leaving, cannot wait.
        if sentiment is Sentiment.NEGATIVE and {Flag.REPEAT, Flag.CHURN} & {*flags}:
            urgency.append(Priority.HIGH)
        priority = self._routing.highest(Priority.NORMAL, self._routing.raised_priority(flags), *urgency)
        whole = Reading(language, flags=flags, priority=priority, sentiment=sentiment)
        return replace(
            whole,
            concerns=tuple(
                self._concern(score, sentences, whole, found, words)
                for score, sentences in matters
                if score.task != OTHER
            ),
            other=next((score.intent for score, _ in matters if score.task == OTHER), None),
        )

    # Which matters there are ----------------------------------------------------------------------------------------
    def _separate(self, hits: list[_Hit], words: Text) -> list[tuple[_Score, frozenset[int]]]:
        """The matters of a contact, the main one first, each with the sentences that speak of it.

        Two matters are separate only where each has sentences of its own with enough evidence: "the invoice is wrong.
        Also, I am moving." Otherwise it is one matter, and what speaks against it lowers its confidence.
        """
        everything = frozenset(range(words.sentences))
        whole = self._best(hits)
        if whole is None:
            return []
        needed = self._routing.scoring.separate_matter
        groups: dict[Task | str, set[int]] = defaultdict(set)
        for sentence in sorted({hit.span.sentence for hit in hits}):
            best = self._best([hit for hit in hits if hit.span.sentence == sentence])
            if best is not None and best.evidence >= needed and best.rival <= best.evidence / 2:
                groups[best.task].add(sentence)
        if len(groups) < 2 or whole.task not in groups or OTHER in groups or whole.task == OTHER:
            return [(whole, everything)]
        parts = [
            (score, frozenset(sentences))
            for sentences in groups.values()
            if (score := self._best([hit for hit in hits if hit.span.sentence in sentences])) is not None
        ]
        return sorted(parts, key=lambda part: (part[0].task != whole.task, -part[0].evidence, min(part[1])))

    def _best(self, hits: list[_Hit]) -> _Score | None:
        by_intent: dict[str, float] = defaultdict(float)
        for hit in hits:
            by_intent[hit.target] += hit.weight
        by_task: dict[Task | str, list[tuple[float, str]]] = defaultdict(list)
        for intent, evidence in by_intent.items():
            by_task[self._intent(intent).task].append((evidence, intent))
        if not by_task:
            return None
        ranked = []
        for task, intents in by_task.items():
            (best, name), *rest = sorted(intents, key=lambda entry: (-entry[0], entry[1]))
            ranked.append((best + self._routing.scoring.same_task * sum(e for e, _ in rest), task, name))
        ranked.sort(key=lambda entry: (-entry[0], str(entry[1])))
        return _Score(ranked[0][1], ranked[0][2], ranked[0][0], ranked[1][0] if len(ranked) > 1 else 0.0)

    def _intent(self, name: str) -> Intent:
        return self._packs.intents.intents[name]

    def _confidence(self, score: _Score) -> float:
        scoring = self._routing.scoring
        strength = 1.0 - math.exp(-score.evidence / scoring.scale)
        margin = (score.evidence - score.rival) / score.evidence
        return scoring.calibrated(strength * math.sqrt(margin))

    # What follows from a matter -------------------------------------------------------------------------------------
    def _stated(self, task: Task, hits: list[_Hit]) -> _Score:
        """What the customer said it is about; the words only tell the intent within that task."""
        best = self._best([hit for hit in hits if self._intent(hit.target).task == task])
        return _Score(task, best.intent if best else UNSPECIFIED, math.inf, 0.0)

    def _concern(
        self, score: _Score, sentences: frozenset[int], whole: Reading, found: Mapping[str, list[_Hit]], words: Text
    ) -> ReadConcern:
        routing = self._routing
        intent = self._packs.intent(score.intent)
        # A threat, an illness or an urgency said anywhere in the contact holds for all of it; the mood of a matter is
        # in its own sentences.
        flags = {*whole.flags, *(intent.flags if intent else ())}
        priority = intent.priority if intent else Priority.NORMAL
        if whole.priority is not Priority.NORMAL or routing.raised_priority(flags) is Priority.HIGH:
            priority = routing.highest(priority, whole.priority, routing.raised_priority(flags))
        hits = [hit for hit in found.get("intent", []) if hit.target == score.intent and hit.span.sentence in sentences]
        reasons = [_reason(f"{hit.target}: {hit.source}", hit, words) for hit in hits]
        reasons += [_reason(f"flag {hit.target}: {hit.source}", hit, words) for hit in found.get("flag", [])]
        stated = score.evidence == math.inf
        if stated:
            reasons.insert(0, Reason(rule="stated by the customer"))
        return ReadConcern(
            task=Task(score.task),
            intent=score.intent,
            confidence=1.0 if stated else self._confidence(score),
            origin=intent.origin if intent else FailureOrigin.UNKNOWN,
            stage=intent.stage if intent else JourneyStage.UNKNOWN,
            priority=priority,
            sentiment=_sentiment([hit for hit in found.get("sentiment", []) if hit.span.sentence in sentences]),
            hardness=min((intent.hardness if intent else 1) + routing.added_hardness(flags), 5),
            flags=tuple(flag for flag in Flag if flag in flags),
            skills=intent.skills if intent else (),
            reasons=tuple(reasons[:20]),
        )


def _sentiment(hits: list[_Hit]) -> Sentiment:
    negative = sum(hit.weight for hit in hits if hit.target == "negative")
    positive = sum(hit.weight for hit in hits if hit.target == "positive")
    if negative > positive:
        return Sentiment.NEGATIVE
    return Sentiment.POSITIVE if positive > negative else Sentiment.NEUTRAL


def _reason(rule: str, hit: _Hit, words: Text) -> Reason:
    first, last = words.words[hit.span.first], words.words[hit.span.last]
    return Reason(rule=rule[:100], start=first.start, end=last.end)
