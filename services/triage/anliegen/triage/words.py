"""A text as folded words with their places in the original, and patterns over such words."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

MOST_CHARACTERS = 5_000
"""What a person wants is said early; the rest of a long text is not read."""
MOST_WORDS_KEPT = 10_000
"""Of how many words it is remembered which patterns they belong to; then that begins anew."""
WIDEST_GAP = 4
"""How many words `..` lets through."""

_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"[!?\n;]|\.(?:\s|$)")
_SAME = {"ae": "a", "oe": "o", "ue": "u"}
_SAME_PATTERN = re.compile("ae|oe|ue")


@lru_cache(maxsize=30_000)
def fold(word: str) -> str:
    """A word as it is compared: small letters, no accents, `ß` as `ss`, and `ä`, `ae` and `a` as one.

    So "kündigen", "kuendigen" and "kundigen" are the same word, as people type them.
    """
    plain = word.casefold()
    if not plain.isascii():
        taken_apart = unicodedata.normalize("NFKD", plain.replace("œ", "oe"))
        plain = "".join(letter for letter in taken_apart if not unicodedata.combining(letter))
    return _SAME_PATTERN.sub(lambda match: _SAME[match[0]], plain)


class Word(NamedTuple):
    """One folded word. `start` and `end` are offsets into the original text, None for a word of the subject line."""

    folded: str
    sentence: int
    start: int | None
    end: int | None


@dataclass(frozen=True)
class Text:
    """The words of a contact, sentence by sentence; the subject line is the first sentence."""

    words: tuple[Word, ...]

    @classmethod
    def of(cls, text: str, subject: str | None = None) -> "Text":
        """Cut a text into words."""
        words: list[Word] = []
        sentence = 0
        if subject:
            words.extend(Word(fold(match[0]), 0, None, None) for match in _WORD.finditer(subject[:1000]))
            sentence = 1
        read = text[:MOST_CHARACTERS]
        before = 0
        for match in _WORD.finditer(read):
            gap = read[before : match.start()]
            if before and gap != " " and _SENTENCE_END.search(gap):
                # "am 1.5. um 8.15 Uhr" is one sentence: a full stop after a number ends nothing.
                after_number = read[before - 1].isdigit() and "\n" not in gap
                sentence += not (after_number and gap.startswith("."))
            words.append(Word(fold(match[0]), sentence, match.start(), match.end()))
            before = match.end()
        return cls(tuple(words))

    @cached_property
    def places(self) -> Mapping[str, tuple[int, ...]]:
        """Where each different word stands."""
        found: dict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self.words):
            found[word.folded].append(place)
        return {word: tuple(places) for word, places in found.items()}

    @property
    def sentences(self) -> int:
        """How many sentences there are."""
        return self.words[-1].sentence + 1 if self.words else 0


class PatternMalformed(ValueError):
    """A pattern is words, `|` between phrases, `..` for a gap, `&` between parts, `!` before parts that may not be."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One place of a phrase: a whole word, a beginning (`stem*`), an end (`*end`), a part (`*part*`), or several of
    these in brackets, `(tomorrow|tonight)`.
    """

    forms: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, source: str) -> "Atom":
        """Read an atom. Raises PatternMalformed."""
        forms = []
        for form in source.strip("()").split("|"):
            folded = fold(form.strip("*"))
            if not _WORD.fullmatch(folded):
                raise PatternMalformed(f"{PatternMalformed.__doc__} {source!r}")
            forms.append((_KINDS[form.startswith("*"), form.endswith("*")], folded))
        return cls(tuple(forms))


_KINDS = {(False, False): "whole", (False, True): "begin", (True, False): "end", (True, True): "part"}
_TOKEN = re.compile(r"\([^()]*\)|[^\s()]+")
_OUTSIDE_BRACKETS = re.compile(r"\|(?![^(]*\))")
Phrase = tuple[Atom, ...]
Part = tuple[tuple[Phrase, ...], ...]
"""Segments that follow each other with a gap between them; of each segment one of its phrases."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Parts that stand in one sentence: `wanted` all of them, in any order, `unwanted` none."""

    wanted: tuple[Part, ...]
    unwanted: tuple[Part, ...] = ()

    @classmethod
    def of(cls, source: str) -> "Pattern":
        """Read a pattern such as `invoice* & wrong|too (high|much) ! not`. Raises PatternMalformed."""
        wanted, *unwanted = source.split("!")
        return cls(tuple(_part(part) for part in wanted.split("&")), tuple(_part(part) for part in unwanted))

    @property
    def atoms(self) -> Iterable[Atom]:
        """Every atom of the pattern."""
        return (atom for part in (*self.wanted, *self.unwanted) for phrases in part for p in phrases for atom in p)


def _part(source: str) -> Part:
    # Apostrophes and hyphens part words in a text, so they do in a pattern.
    plain = source.replace("'", " ").replace("’", " ").replace("-", " ")
    part = tuple(
        tuple(tuple(Atom.of(token) for token in _TOKEN.findall(phrase)) for phrase in _OUTSIDE_BRACKETS.split(segment))
        for segment in plain.split("..")
    )
    if not all(phrase for phrases in part for phrase in phrases):
        raise PatternMalformed(f"{PatternMalformed.__doc__} {source!r}")
    return part


@dataclass(frozen=True, slots=True)
class Span:
    """Where a pattern was found: words `first` to `last` of the text, in one sentence."""

    sentence: int
    first: int
    last: int


Places = Mapping[int, set[int]]
_Part = tuple[tuple[tuple[int, ...], ...], ...]
"""A part whose atoms are numbers."""


class Matcher:
    """Finds many patterns in a text at once: each different word is looked up once, whatever the number of patterns."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._tables: dict[str, dict[str, list[int]]] = {kind: defaultdict(list) for kind in _KINDS.values()}
        numbers: dict[Atom, int] = {}
        # A pattern is tried only where its first word is found at all.
        self._by_first: dict[int, list[int]] = defaultdict(list)
        self._patterns: list[tuple[list[_Part], list[_Part]]] = []
        self._known: dict[str, frozenset[int]] = {}
        for index, pattern in enumerate(patterns):
            wanted = [self._numbered(part, numbers) for part in pattern.wanted]
            self._patterns.append((wanted, [self._numbered(part, numbers) for part in pattern.unwanted]))
            for first in {phrase[0] for phrase in wanted[0][0]}:
                self._by_first[first].append(index)

    def _numbered(self, part: Part, numbers: dict[Atom, int]) -> _Part:
        return tuple(tuple(tuple(self._number(a, numbers) for a in phrase) for phrase in phrases) for phrases in part)

    def _number(self, atom: Atom, numbers: dict[Atom, int]) -> int:
        if atom not in numbers:
            numbers[atom] = len(numbers)
            for kind, form in atom.forms:
                self._tables[kind][form].append(numbers[atom])
        return numbers[atom]

    def find(self, text: Text) -> dict[int, Span]:
        """The patterns that the text holds, by their number, each with the first place where it was found."""
        places: dict[int, set[int]] = defaultdict(set)
        for word, found in text.places.items():
            for atom in self._atoms_of(word):
                places[atom].update(found)
        tried = {index for atom in places for index in self._by_first.get(atom, ())}
        spans = ((index, self._match(self._patterns[index], text, places)) for index in sorted(tried))
        return {index: span for index, span in spans if span is not None}

    def _atoms_of(self, word: str) -> frozenset[int]:
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= MOST_WORDS_KEPT:
                self._known.clear()
            known = self._known[word] = frozenset(self._look_up(word))
        return known

    def _look_up(self, word: str) -> set[int]:
        found = set(self._tables["whole"].get(word, ()))
        for length in range(1, len(word) + 1):
            found.update(self._tables["begin"].get(word[:length], ()))
            found.update(self._tables["end"].get(word[-length:], ()))
        for part, atoms in self._tables["part"].items():
            if part in word:
                found.update(atoms)
        return found

    def _match(self, pattern: tuple[list[_Part], list[_Part]], text: Text, places: Places) -> Span | None:
        wanted, unwanted = pattern
        parts = []
        for part in wanted:
            by_sentence: dict[int, Span] = {}
            for span in self._spans(part, text, places):
                by_sentence.setdefault(span.sentence, span)
            if not by_sentence:
                return None
            parts.append(by_sentence)
        together = set(parts[0]).intersection(*parts[1:])
        for part in unwanted if together else ():
            together -= {span.sentence for span in self._spans(part, text, places)}
        if not together:
            return None
        sentence = min(together)
        spans = [by_sentence[sentence] for by_sentence in parts]
        return Span(sentence, min(span.first for span in spans), max(span.last for span in spans))

    def _spans(self, part: _Part, text: Text, places: Places) -> Iterable[Span]:
        for start in sorted({place for phrase in part[0] for place in places.get(phrase[0], ())}):
            last = self._follow(part, start, text, places)
            if last is not None:
                yield Span(text.words[start].sentence, start, last)

    def _follow(self, part: _Part, start: int, text: Text, places: Places) -> int | None:
        """The last word of the part where it begins at this one, else None."""
        for phrase in part[0]:
            if start not in places.get(phrase[0], ()):
                continue
            last = self._read(phrase, start, text, places)
            if last is None:
                continue
            if len(part) == 1:
                return last
            for following in range(last + 1, min(last + WIDEST_GAP + 2, len(text.words))):
                if text.words[following].sentence != text.words[start].sentence:
                    break
                end = self._follow(part[1:], following, text, places)
                if end is not None:
                    return end
        return None

    def _read(self, phrase: tuple[int, ...], start: int, text: Text, places: Places) -> int | None:
        for place, atom in enumerate(phrase[1:], start + 1):
            if place not in places.get(atom, ()) or text.words[place].sentence != text.words[start].sentence:
                return None
        return start + len(phrase) - 1
