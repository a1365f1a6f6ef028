"""Which of our four languages a text is written in."""

import re
from typing import Any

from .domain.replies import LANGUAGES

LONGEST_SAMPLE = 300
"""Characters; more cost time and change nothing."""
SHORTEST_SAMPLE = 12
LEAST_CONFIDENCE = 0.85
"""Below this it is a guess, and the account's own language is the better one."""
ENOUGH_WORDS = 3
"""So many little words of one language, and none of another, leave no doubt."""

# Little words that no text of some length does without, and that no other language nearby has, Dutch and Spanish
# among them.
_WORDS = {
    "de": "ich und der das ist nicht mit auf eine einen meine meiner sie wir für wann wie bitte haben habe wurde guten "
    "ein dem den von zu zum zur ihnen ihre aber noch nur kann können keine auch bei nach seit",
    "en": "the and not my you your with for have has this that please could when how what would been they are it from "
    "there",
    "fr": "je le les et est pas mon ma mes vous votre nous avec pour une des du dans bonjour merci quand comment cette "
    "ce qui été sur je j'ai",
    "it": "il lo gli è mio mia miei sono ho con per una dei della delle nel buongiorno grazie quando come questo "
    "questa che di alla anche vorrei",
}
_SHARED = {word for word in " ".join(_WORDS.values()).split() if sum(word in w.split() for w in _WORDS.values()) > 1}
_LANGUAGE_OF = {word: code for code, words in _WORDS.items() for word in words.split() if word not in _SHARED}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


class Languages:
    """A detector for our four languages that is loaded at its first use (12 MB, then 0.1 ms a text)."""

    def __init__(self) -> None:
        self._detector: Any = None

    def detect(self, text: str) -> str | None:
        """The language (ISO 639-1), or None where the text is too short or does not say."""
        sample = text[:LONGEST_SAMPLE]
        if sum(map(str.isalpha, sample)) < SHORTEST_SAMPLE:
            return None
        return plain_language(sample) or self._weigh(sample)

    def _weigh(self, sample: str) -> str | None:
        if self._detector is None:
            self._detector = _load()
        values = self._detector.compute_language_confidence_values(sample)
        if not values or values[0].value < LEAST_CONFIDENCE:
            return None
        found = str(values[0].language.iso_code_639_1.name).lower()
        return found if found in LANGUAGES else None


def plain_language(sample: str) -> str | None:
    """The language that the little words of a text leave no doubt about; most texts need no more than this."""
    found = [_LANGUAGE_OF[word] for word in _WORD.findall(sample.lower()) if word in _LANGUAGE_OF]
    return found[0] if len(found) >= ENOUGH_WORDS and len(set(found)) == 1 else None


def _load() -> Any:
    from lingua import Language, LanguageDetectorBuilder

    languages = (Language.GERMAN, Language.ENGLISH, Language.FRENCH, Language.ITALIAN)
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()
