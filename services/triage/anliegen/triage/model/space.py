"""Texts as rows of numbers, as the scorer sees them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .features import name_of, pair_feature, pairs_of, pieces_of, word_feature
from .tokens import Token

Matrix = Any
"""A sparse matrix of scipy, which tells no types."""


@dataclass(frozen=True)
class Space:
    """The features that are known: their names, rising, and how much each counts."""

    names: NDArray[np.uint32]
    idf: NDArray[np.float64]

    def only(self, kept: NDArray[Any]) -> Self:
        """These of them, by their places."""
        return type(self)(self.names[kept], self.idf[kept])


@dataclass(frozen=True)
class Table:
    """How often each text has each feature: a row a text, in two blocks, words and pairs, and pieces."""

    names: NDArray[np.uint32]
    blocks: tuple[Matrix, Matrix]

    def only(self, rows: Sequence[int]) -> Self:
        """These texts of it."""
        words, pieces = self.blocks
        return type(self)(self.names, (words[rows], pieces[rows]))


def table_of(texts: Iterable[Sequence[Token]]) -> Table:
    """Count the features of texts."""
    counts = [_counted(tokens) for tokens in texts]
    found = [_flat([one[block] for one in counts]) for block in (0, 1)]
    names = np.unique(np.concatenate([named for named, _, _ in found]))
    blocks = [
        csr_matrix((times, np.searchsorted(names, named), ends), shape=(len(counts), len(names)))
        for named, times, ends in found
    ]
    return Table(names, (blocks[0], blocks[1]))


_pieces_of = lru_cache(maxsize=None)(pieces_of)
"""Each word is in many texts."""


def _counted(tokens: Sequence[Token]) -> tuple[Counter[int], Counter[int]]:
    forms = dict.fromkeys(token.form for token in tokens)
    words = Counter(name_of(word_feature(form)) for form in forms)
    words.update({name_of(pair_feature(*pair)) for _, pair in pairs_of(tokens)})
    pieces = Counter(piece for form in forms for piece in _pieces_of(form))
    return words, pieces


def _flat(counts: Sequence[Counter[int]]) -> tuple[Any, Any, Any]:
    named = np.array([name for one in counts for name in one], np.uint32)
    times = np.array([times for one in counts for times in one.values()], np.float64)
    return named, times, np.concatenate([[0], np.cumsum([len(one) for one in counts])])


def space_of(table: Table) -> Space:
    """Every feature that is in two texts at least: one text alone says nothing of others."""
    held = np.max([np.bincount(block.indices, minlength=len(table.names)) for block in table.blocks], axis=0)
    kept = np.flatnonzero(held > 1)
    return Space(table.names[kept], np.log((1 + table.blocks[0].shape[0]) / (1 + held[kept])) + 1)


def matrix_of(table: Table, space: Space) -> Matrix:
    """One row for each text, as the scorer sees it."""
    places = np.searchsorted(space.names, table.names).clip(max=len(space.names) - 1)
    known = space.names[places] == table.names
    count = table.blocks[0].shape[0]
    found = []
    for block in table.blocks:
        rows, columns = np.repeat(np.arange(count), np.diff(block.indptr)), places[block.indices]
        own = known[block.indices]
        rows, columns, times = rows[own], columns[own], block.data[own]
        lengths = np.sqrt(np.bincount(rows, times * space.idf[columns] ** 2, minlength=count))
        found.append((times * space.idf[columns] / lengths[rows], rows, columns))
    values, rows, columns = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return csr_matrix((values, (rows, columns)), shape=(count, len(space.names)))
