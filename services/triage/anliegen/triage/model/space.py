"""Texts as rows of numbers, as the scorer sees them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .features import name_of, pair_feature, pairs_of, pieces_of, word_feature
from .tokens import Token

Matrix = Any
"""A sparse matrix of scipy, which tells no types."""


@dataclass
class Space:
    """The features that are known: their places, and how much each counts."""

    places: dict[int, int] = field(default_factory=dict)
    idf: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


def counted(tokens: Sequence[Token]) -> tuple[Counter[int], Counter[int]]:
    """The features of a text and how often each is there: words and pairs, and pieces."""
    forms = dict.fromkeys(token.form for token in tokens)
    words = Counter(name_of(word_feature(form)) for form in forms)
    words.update({name_of(pair_feature(*pair)) for _, pair in pairs_of(tokens)})
    pieces = Counter(name_of(piece) for form in forms for piece in pieces_of(form))
    return words, pieces


Counted = Sequence[tuple[Counter[int], Counter[int]]]


def space_of(counts: Counted) -> Space:
    """Every feature that is in two texts at least, or is a whole word or pair."""
    words = Counter(name for one, _ in counts for name in one)
    pieces = Counter(name for _, one in counts for name in one)
    held = {name: times for name, times in pieces.items() if times > 1} | words
    names = sorted(held)
    idf = np.array([math.log((1 + len(counts)) / (1 + held[name])) + 1 for name in names])
    return Space({name: place for place, name in enumerate(names)}, idf)


def matrix_of(counts: Counted, space: Space) -> Matrix:
    """One row for each text, as the scorer sees it."""
    rows, columns, values = [], [], []
    for row, blocks in enumerate(counts):
        for block in blocks:
            known = [(space.places[name], times) for name, times in block.items() if name in space.places]
            if not known:
                continue
            places, times = np.array([p for p, _ in known]), np.array([t for _, t in known], float)
            length = math.sqrt(float((times * space.idf[places] ** 2).sum()))
            rows.append(np.full(len(places), row))
            columns.append(places)
            values.append(times * space.idf[places] / length)
    shape = (len(counts), len(space.places))
    return csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
