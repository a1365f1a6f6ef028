"""Which matters a text speaks of, and where: the likeliest course of matters over its clauses.

A text is cut where a clause ends or a word joins two of them. Each clause speaks more or less for each intent; of all
courses that one is taken which explains the clauses best, where every change of matter has to be worth its `COST`. What
this finds beside the main matter may be a part of its story. That is decided by a proof, which was learned.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .scorer import Floats, Head, Proof, Read, softmax
from .tokens import Gap, Token

COST = 3.5
"""What a change of matter has to bring, as log-likelihood."""
SOFT = 2.0
"""How much less sure a clause is than a text: its temperature is that of a text times this."""
NOISE = 0.1
"""How much of what a clause says is no sign of its matter."""
SURE_ENOUGH = 0.3
"""Below this confidence in its intent a block is no matter of its own."""
SAME_TASK = 0.3
"""From which proof on a second matter of the same task is one of its own."""
MOST_CLAUSES = 20
FEWEST_TOKENS = 3
MOST_MATTERS = 4
JOINING = frozenset({
    "und", "ausserdem", "ubrigens", "zudem", "dazu", "weiters", "ferner", "zweitens",
    "zusatzlich", "auch", "noch", "u", "and", "also", "plus", "besides",
    "furthermore", "secondly", "btw", "et", "aussi", "puis", "ensuite", "deuxiemement",
    "e", "anche", "inoltre", "poi", "y", "tambien", "ademas", "aparte",
    "segundo", "ps",
})  # fmt: skip
"""Words, folded, that may begin another matter."""


@dataclass(frozen=True, slots=True)
class Matter:
    """One matter: the place of its intent in the head, how sure it is, its tokens from `first` up to `last`."""

    intent: int
    confidence: float
    first: int
    last: int


def clauses_of(tokens: Sequence[Token]) -> list[int]:
    """Where the clauses begin, and at last where the text ends."""
    begins = [0]
    for place, token in enumerate(tokens):
        parts = token.gap >= Gap.CLAUSE or token.form in JOINING
        if parts and place - begins[-1] >= FEWEST_TOKENS and len(tokens) - place >= FEWEST_TOKENS:
            begins.append(place)
    while len(begins) > MOST_CLAUSES:
        # The two that are shortest together become one.
        ends = [*begins[1:], len(tokens)]
        at = min(range(1, len(begins)), key=lambda one: ends[one] - begins[one - 1])
        del begins[at]
    return [*begins, len(tokens)]


def matters_of(
    read: Read, head: Head, proof: Proof, *, tasks: Sequence[str], later: frozenset[int] = frozenset()
) -> list[Matter]:
    """The matters, the main one first; one at least, where there are words.

    `tasks` is the task of each intent, `later` are intents that are never main. Another matter of the same task needs
    more proof: the same people settle both, and a story told in two sentences is one case.
    """
    found = candidates_of(read, head, later=later)
    main, others = found[:1], found[1:]
    needed = {other: SAME_TASK if tasks[other.intent] == tasks[main[0].intent] else proof.threshold for other in others}
    proven = [other for other in others if proof.of(evidence_for(read, head, main[0], other)) >= needed[other]]
    return [*main, *proven] if proven else whole_of(read, head)


def whole_of(read: Read, head: Head) -> list[Matter]:
    """The text as one matter, where there are words."""
    return [_matter(read.confidences(head.name), 0, len(read.tokens))] if read.tokens else []


def candidates_of(read: Read, head: Head, *, later: frozenset[int] = frozenset()) -> list[Matter]:
    """What may be matters of their own, the one that is said first before the others."""
    edges = clauses_of(read.tokens)
    if len(edges) <= 2:
        return whole_of(read, head)
    windows = read.windows(edges)[..., head.columns]
    places = np.arange(len(edges) - 1)
    said = softmax(windows[places, places + 1] / (head.temperature * SOFT))
    likely = np.log((1 - NOISE) * said + NOISE / said.shape[1])
    by_intent: dict[int, Matter] = {}
    for begin, end in _blocks(likely, COST):
        block = _matter(softmax(windows[begin, end] / head.temperature), edges[begin], edges[end])
        known = by_intent.get(block.intent)
        if block.confidence >= SURE_ENOUGH and (known is None or block.confidence > known.confidence):
            by_intent[block.intent] = block
    if len(by_intent) < 2:
        return whole_of(read, head)
    surest = sorted(by_intent.values(), key=lambda one: -one.confidence)[:MOST_MATTERS]
    return sorted(surest, key=lambda one: (one.intent in later, one.first))


def evidence_for(read: Read, head: Head, main: Matter, other: Matter) -> list[float]:
    """What tells whether `other` is a matter beside the main one, or a part of its story."""
    whole = read.confidences(head.name)
    in_other = read.confidences(head.name, other.first, other.last)
    in_main = read.confidences(head.name, main.first, main.last)
    begin = read.tokens[other.first]
    near = read.tokens[max(0, other.first - 1) : other.first + 4]
    length, count = other.last - other.first, len(read.tokens)
    return [
        _odds(other.confidence), _odds(main.confidence),
        _log(whole[other.intent]), _log(whole[main.intent]), _log(in_other[main.intent]), _log(in_main[other.intent]),
        math.log(length), length / count, math.log(count),
        float(begin.gap >= Gap.SENTENCE), float(begin.gap is Gap.CLAUSE),
        float(any(token.form in JOINING for token in near)),
    ]  # fmt: skip


def _log(share: float) -> float:
    return math.log(float(share) + 1e-4)


def _odds(share: float) -> float:
    return math.log((share + 1e-3) / (1 - share + 1e-3))


def _blocks(likely: Floats, cost: float) -> list[tuple[int, int]]:
    """The likeliest course of the matters over the clauses (Viterbi's way), where each change of matter costs."""
    count = len(likely)
    worth = likely[0].copy()
    changed = np.zeros((count, likely.shape[1]), bool)
    best_before = np.zeros(count, int)
    for place in range(1, count):
        best = int(worth.argmax())
        best_before[place] = best
        changed[place] = worth[best] - cost > worth
        worth = np.maximum(worth, worth[best] - cost) + likely[place]
    matter, end, blocks = int(worth.argmax()), count, []
    for place in range(count - 1, 0, -1):
        if changed[place, matter]:
            blocks.append((place, end))
            matter, end = int(best_before[place]), place
    blocks.append((0, end))
    return blocks[::-1]


def _matter(sure: Floats, first: int, last: int) -> Matter:
    intent = int(sure.argmax())
    return Matter(intent, float(sure[intent]), first, last)
