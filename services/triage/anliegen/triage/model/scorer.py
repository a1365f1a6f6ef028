"""Reading with the trained model: a few sums over the words of a text."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .features import name_of, pair_feature, pairs_of, pieces_of, word_feature
from .tokens import Gap, Token

Floats = NDArray[np.float32]
Word = tuple[Floats, Floats, bool]
Curve = Sequence[tuple[float, float]]
"""Points (seems, is), both rising."""
FILE = files(__package__) / "triage.model"
MOST_WORDS_KEPT = 20_000
"""How many words' contributions are remembered (about 600 bytes each); then it begins anew."""


class ModelMissing(RuntimeError):
    """There is no trained model here: `make model` trains it."""


@dataclass(frozen=True, slots=True)
class Head:
    """One question to a text, and its possible answers; `temperature` makes scores into confidences."""

    name: str
    labels: tuple[str, ...]
    first: int
    temperature: float

    @property
    def columns(self) -> slice:
        """Where its scores stand."""
        return slice(self.first, self.first + len(self.labels))


@dataclass(frozen=True, slots=True)
class Proof:
    """How evidence becomes a confidence that there is another matter: a logistic curve over weighed evidence."""

    weights: tuple[float, ...]
    bias: float
    threshold: float

    def of(self, evidence: Sequence[float]) -> float:
        """The confidence, 0 to 1."""
        said = sum(weight * one for weight, one in zip(self.weights, evidence, strict=True)) + self.bias
        return 1 / (1 + math.exp(-max(min(said, 30.0), -30.0)))


class Model:
    """What was learned: for each feature how much it speaks for each answer of each head."""

    def __init__(
        self, *, names: NDArray[np.uint32], scales: Floats, squares: Floats, weights: NDArray[np.int8], bias: Floats,
        heads: Sequence[Head], proof: Proof, curve: Curve, facts: Mapping[str, object],
    ) -> None:  # fmt: skip
        self._rows = {name: row for row, name in enumerate(names.tolist())}
        self._scales, self._squares, self._weights = scales, squares, weights
        self.bias = bias
        self.heads = {head.name: head for head in heads}
        self.proof = proof
        self.curve = curve
        self._seems, self._is = np.array(curve).T
        self.facts = facts
        """What it was trained from, and how well it fared."""
        self._words: dict[str, Word] = {}
        self._starts = np.array([head.first for head in heads])
        self._head_of = np.repeat(np.arange(len(heads)), [len(head.labels) for head in heads])
        self._temperatures = np.array([head.temperature for head in heads], np.float32)

    @classmethod
    def load(cls, file: Traversable = FILE) -> Self:
        """Read the trained model. Raises ModelMissing."""
        if not file.is_file():
            raise ModelMissing(ModelMissing.__doc__)
        return cls.of(file.read_bytes())

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The model in a file's content."""
        length = int.from_bytes(content[:4], "little")
        told = json.loads(content[4 : 4 + length])
        rest = memoryview(content)[4 + length :]
        count, width = told["features"], told["width"]
        arrays, at = {}, 0
        for name, kind, size in (
            ("names", "<u4", count), ("scales", "<f2", count), ("squares", "<f2", count),
            ("bias", "<f4", width), ("weights", "i1", count * width),
        ):  # fmt: skip
            arrays[name] = np.frombuffer(rest, dtype=kind, count=size, offset=at)
            at += arrays[name].nbytes
        heads = [Head(**one | {"labels": tuple(one["labels"])}) for one in told["heads"]]
        proof = Proof(**told["proof"] | {"weights": tuple(told["proof"]["weights"])})
        return cls(
            names=arrays["names"], scales=arrays["scales"].astype(np.float32),
            squares=arrays["squares"].astype(np.float32), weights=arrays["weights"].reshape(count, width),
            bias=arrays["bias"], heads=heads, proof=proof, curve=told["curve"], facts=told["facts"],
        )  # fmt: skip

    def read(self, tokens: Sequence[Token]) -> "Read":
        """Everything that can be asked about a text."""
        return Read(self, tokens)

    def calibrated(self, sure: float) -> float:
        """The share of tasks that are right among those that seem so sure."""
        return float(np.interp(sure, self._seems, self._is))

    def tune(self, name: str, temperature: float) -> None:
        """Take another temperature for a head."""
        self.heads[name] = replace(self.heads[name], temperature=temperature)
        self._temperatures[list(self.heads).index(name)] = temperature

    def shares(self, scores: Floats) -> Floats:
        """Scores as shares of one, head by head."""
        warm = scores / self._temperatures[self._head_of]
        powers = np.exp(warm - np.maximum.reduceat(warm, self._starts)[self._head_of])
        return np.asarray(powers / np.add.reduceat(powers, self._starts)[self._head_of], np.float32)

    def word(self, form: str) -> "Word":
        """What a word brings to every score, as a word and by its pieces, the squares of both, and if it is known."""
        known = self._words.get(form)
        if known is None:
            if len(self._words) >= MOST_WORDS_KEPT:
                self._words.clear()
            known = self._words[form] = self._look_up(form)
        return known

    def _look_up(self, form: str) -> "Word":
        brought = np.zeros((2, len(self.bias)), np.float32)
        whole, own = self._rows.get(name_of(word_feature(form))), 0.0
        if whole is not None:
            brought[0], own = self._weights[whole] * self._scales[whole], self._squares[whole]
        found = [row for name in pieces_of(form) if (row := self._rows.get(name)) is not None]
        rows = np.array(found, np.intp)
        if found:
            brought[1] = self._scales[rows] @ self._weights[rows].astype(np.float32)
        return brought, np.array([own, self._squares[rows].sum()], np.float32), whole is not None

    def pair(self, first: str, second: str) -> tuple[Floats, float] | None:
        """What a pair of words brings, where it was learned."""
        row = self._rows.get(name_of(pair_feature(first, second)))
        if row is None:
            return None
        return self._weights[row] * self._scales[row], float(self._squares[row])


class Read:
    """One text: its scores as a whole and in parts. Confidences are shares of such answers that are right."""

    def __init__(self, model: Model, tokens: Sequence[Token]) -> None:
        self._model = model
        self.tokens = tokens
        count, width = len(tokens), len(model.bias)
        brought = np.zeros((count, 2, width), np.float32)
        squares = np.zeros((count, 2), np.float32)
        seen: set[str] = set()
        learned = 0
        for place, token in enumerate(tokens):
            # A text is a set of words: said twice is said once.
            if token.form not in seen:
                seen.add(token.form)
                brought[place], squares[place], known = model.word(token.form)
                learned += known
        pairs: set[tuple[str, str]] = set()
        for place, pair in pairs_of(tokens):
            if pair not in pairs and (found := model.pair(*pair)) is not None:
                pairs.add(pair)
                brought[place, 0] += found[0]
                squares[place, 0] += found[1]
        self._brought = brought
        self._shares: dict[tuple[int, int | None], Floats] = {}
        self.known = learned / max(len(seen), 1)
        """The share of its words that were learned."""
        self._sums = np.concatenate([np.zeros((1, 2, width), np.float32), brought.cumsum(0)])
        self._squares = np.concatenate([np.zeros((1, 2), np.float32), squares.cumsum(0)])

    def scores(self, first: int = 0, last: int | None = None) -> Floats:
        """The scores of the tokens from `first` up to, not with, `last`."""
        end = len(self.tokens) if last is None else last
        sums = self._sums[end] - self._sums[first]
        lengths = np.sqrt(np.maximum(self._squares[end] - self._squares[first], 1e-6))
        return np.asarray((sums / lengths[:, None]).sum(0) + self._model.bias, np.float32)

    def score(self, head: str, label: str, first: int = 0, last: int | None = None) -> float:
        """The score of one answer for the text or a part of it: above zero it is likelier than not."""
        asked = self._model.heads[head]
        scores = self.scores(first, last) if (first, last) != (0, None) else self._whole
        return float(scores[asked.first + asked.labels.index(label)])

    def sentence_at(self, offset: int) -> tuple[int, int]:
        """From which token up to which the sentence goes that stands at this offset of the text."""
        begins = [place for place, token in enumerate(self.tokens) if place == 0 or token.gap >= Gap.SENTENCE]
        offsets = [self.tokens[place].start for place in begins]
        at = max((i for i, start in enumerate(offsets) if start is not None and start <= offset), default=0)
        return begins[at], begins[at + 1] if at + 1 < len(begins) else len(self.tokens)

    def confidences(self, head: str, first: int = 0, last: int | None = None) -> Floats:
        """How sure each answer of a head is, in the order of its labels; they sum up to one."""
        known = self._shares.get((first, last))
        if known is None:
            scores = self.scores(first, last) if (first, last) != (0, None) else self._whole
            known = self._shares[first, last] = self._model.shares(scores)
        return known[self._model.heads[head].columns]

    def windows(self, edges: Sequence[int]) -> Floats:
        """The scores of every part from one of these places up to another: `[begin, end]`, those with begin < end."""
        sums, squares = self._sums[list(edges)], self._squares[list(edges)]
        parts = sums[None, :] - sums[:, None]
        lengths = np.sqrt(np.maximum(squares[None, :] - squares[:, None], 1e-6))
        return np.asarray((parts / lengths[..., None]).sum(2) + self._model.bias, np.float32)

    @cached_property
    def _whole(self) -> Floats:
        return self.scores()

    def carried_by(self, column: int, first: int = 0, last: int | None = None, *, most: int = 4) -> list[int]:
        """The places of the words, from `first` up to `last`, that spoke most for the answer in this column."""
        part = slice(first, len(self.tokens) if last is None else last)
        lengths = np.sqrt(np.maximum(self._squares[-1], 1e-6))
        says = (self._brought[part, :, column] / lengths).sum(1)
        best = np.argsort(-says, kind="stable")[:most]
        return [first + int(place) for place in best if says[place] > 0]


def softmax(scores: Floats) -> Floats:
    """Scores as shares of one."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
