"""Which of our four languages a text is written in."""

from typing import Any

from .domain.replies import LANGUAGES

LONGEST_SAMPLE = 300
"""Characters; more cost time and change nothing."""
SHORTEST_SAMPLE = 12
LEAST_CONFIDENCE = 0.85
"""Below this it is a guess, and the account's own language is the better one."""


class Languages:
    """A detector for our four languages that is loaded at its first use (12 MB, then 0.1 ms a text)."""

    def __init__(self) -> None:
        self._detector: Any = None

    def detect(self, text: str) -> str | None:
        """The language (ISO 639-1), or None where the text is too short or does not say."""
        sample = text[:LONGEST_SAMPLE]
        if sum(character.isalpha() for character in sample) < SHORTEST_SAMPLE:
            return None
        if self._detector is None:
            self._detector = _load()
        values = self._detector.compute_language_confidence_values(sample)
        if not values or values[0].value < LEAST_CONFIDENCE:
            return None
        found = str(values[0].language.iso_code_639_1.name).lower()
        return found if found in LANGUAGES else None


def _load() -> Any:
    from lingua import Language, LanguageDetectorBuilder

    languages = (Language.GERMAN, Language.ENGLISH, Language.FRENCH, Language.ITALIAN)
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()
