"""A contact as tokens with their places: its own words, without quoted threads and signatures, numbers masked."""

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from ..words import MOST_CHARACTERS, fold

_TOKEN = re.compile(
    r"(?P<mail>[^\s@]+@[^\s@]+\.\w+)"
    r"|(?P<url>https?://\S+|www\.\S+)"
    r"|(?P<iban>\b[A-Z]{2}\d{2}(?:\s?[0-9A-Z]{4}){2,7}(?:\s?[0-9A-Z]{1,4})?\b)"
    r"|(?P<word>[^\W_]+)"
    r"|(?P<mark>[?!€£$%]|[\U0001F300-\U0001FAFF\u2600-\u27BF])"
)
_SENTENCE_END = re.compile(r"[!?\n;…]|\.(?:\s|$)")
_CLAUSE_END = re.compile(r"[,:()–—/]|\s-\s")
_QUOTED = re.compile(
    r"^\s*(?:(?:Am|On|Le|Il|El)\b.{4,90}\b(?:schrieb|wrote|écrit|scritto|escribió)\b.{0,60}:?\s*$"
    r"|-{2,}\s*(?:Urspr|Original|Message d|Messaggio|Mensaje|Weitergeleitete|Forwarded)"
    r"|(?:Von|From|De|Da)\s?:\s.*@)"
)
_CLOSING = re.compile(
    r"^\s*(?:--\s*$|(?:(?:mit|viele|liebe|beste|freundliche[mn]?|herzliche|schöne|nette|en)\s+)*(?:gr(?:ü|ue)(?:ß|ss)|gruss|gruß)"
    r"|(?:mfg|lg|vg|hochachtungsvoll|sincerely|yours|kind regards|best regards|best wishes|regards|cheers,?$"
    r"|cordialement|bien à vous|meilleures salutations|salutations|cordiali saluti|distinti saluti|saluti|un cordiale"
    r"|atentamente|saludos|un saludo|cordialmente)\b)",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"^\s*P\.?\s?S\b", re.IGNORECASE)
_LONG_NUMBER = 5


class Gap(IntEnum):
    """What stands before a token: nothing that parts, the end of a clause, of a sentence, of the subject line."""

    NONE = 0
    CLAUSE = 1
    SENTENCE = 2
    SUBJECT = 3


class Token(NamedTuple):
    """One folded word, mask or mark. `start` and `end` are offsets into the text, None in the subject line."""

    form: str
    gap: Gap
    start: int | None
    end: int | None


def tokens_of(text: str, subject: str | None = None) -> tuple[Token, ...]:
    """What a contact says itself. Where nothing but quoted words or a signature is left, these are read."""
    found = [Token(t.form, t.gap, None, None) for t in _cut(subject[:1000], 0)] if subject else []
    own = [token for start, end in own_parts(text[:MOST_CHARACTERS]) for token in _cut(text[start:end], start)]
    if not own:
        own = list(_cut(text[:MOST_CHARACTERS], 0))
    if found and own:
        own[0] = Token(own[0].form, Gap.SUBJECT, own[0].start, own[0].end)
    return (*found, *own)


def own_parts(text: str) -> Iterator[tuple[int, int]]:
    """Where the sender's own words stand: not what is quoted, nor what follows a closing, but postscripts."""
    begin, at, closed = 0, 0, False
    for line in text.splitlines(keepends=True):
        end = at + len(line)
        if _QUOTED.match(line):
            break
        if closed and _POSTSCRIPT.match(line):
            begin, closed = at, False
        elif line.lstrip().startswith(">") or (not closed and begin < at and _CLOSING.match(line)):
            if not closed and begin < at:
                yield begin, at
            closed = closed or not line.lstrip().startswith(">")
            begin = end
        elif closed:
            begin = end
        at = end
    if not closed and begin < at:
        yield begin, at


def _cut(text: str, offset: int) -> Iterator[Token]:
    before = 0
    gap = Gap.SENTENCE
    for match in _TOKEN.finditer(text):
        between = text[before : match.start()]
        # Most words stand beside each other.
        if before and between != " ":
            after_number = text[before - 1].isdigit() and between.startswith(".") and "\n" not in between
            if _SENTENCE_END.search(between) and not after_number:
                gap = Gap.SENTENCE
            elif gap is Gap.NONE and _CLAUSE_END.search(between):
                gap = Gap.CLAUSE
        kind = match.lastgroup
        form = plain(match[0]) if kind == "word" else match[0] if kind == "mark" else f"<{kind}>"
        yield Token(form, gap, offset + match.start(), offset + match.end())
        gap = Gap.SENTENCE if form in {"?", "!"} else Gap.NONE
        before = match.end()


@lru_cache(maxsize=50_000)
def plain(word: str) -> str:
    """A word folded; numbers by how long they are, since nobody's number says what a contact is about."""
    folded = fold(word)
    if any(letter.isdigit() for letter in folded):
        if folded.isdigit():
            return "0" * min(len(folded), _LONG_NUMBER)
        return "<code>" if len(folded) >= _LONG_NUMBER else folded
    return folded
