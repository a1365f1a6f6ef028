"""What a token says to the model: the word, its pieces of two to five letters, and the pair it forms with the next.

A text is the set of its words and pairs. Each block, words and pieces, is brought to length one by the root of the sum
of the squares of what its words bring, so that a text's scores are a sum over its words: parts of it are scored as
quickly as the whole, and what carried a decision can be named.
"""

import zlib
from collections.abc import Iterable, Iterator

from .tokens import Gap, Token

SHORTEST, LONGEST = 2, 5
_PIECE = zlib.crc32(b"c")


def name_of(feature: str) -> int:
    """The number under which a feature is kept: 32 bits."""
    return zlib.crc32(feature.encode())


def word_feature(form: str) -> str:
    """The feature of a word as a whole."""
    return f"w {form}"


def pair_feature(first: str, second: str) -> str:
    """The feature of two words that follow each other."""
    return f"p {first} {second}"


def pieces_of(form: str) -> list[int]:
    """The names of a word's pieces; its edges count as a blank. A piece that is there twice is named twice."""
    letters = [letter.encode() for letter in f" {form} "]
    names = []
    for place in range(len(letters)):
        name = _PIECE
        for length, letter in enumerate(letters[place : place + LONGEST], start=1):
            # The number of a longer piece goes on from that of the shorter one.
            name = zlib.crc32(letter, name)
            if length >= SHORTEST:
                names.append(name)
    return names


def pairs_of(tokens: Iterable[Token]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Which words follow each other within a sentence, each with the place of the second one."""
    before: Token | None = None
    for place, token in enumerate(tokens):
        if before is not None and token.gap < Gap.SENTENCE:
            yield place, (before.form, token.form)
        before = token
