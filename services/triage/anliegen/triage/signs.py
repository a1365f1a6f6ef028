"""Signs that one can read in a rule pack: flags, urgency and mood, found by patterns of words. Rather one too many."""

from collections.abc import Mapping
from dataclasses import dataclass

from anliegen.events import Flag, Priority

from .packs import LanguagePack
from .words import Matcher, Pattern, Text


@dataclass(frozen=True, slots=True)
class Sign:
    """A pattern that was found, and where: offsets into the text, None in the subject line."""

    means: Flag | Priority
    pattern: str
    start: int | None
    end: int | None


class Signs:
    """The patterns of all languages, each ready to be looked for at once."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        self._entries: dict[str, list[tuple[Flag | Priority, str]]] = {}
        self._matchers: dict[str, Matcher] = {}
        for language, pack in packs.items():
            entries: list[tuple[Flag | Priority, str]] = [
                (flag, find) for flag in pack.flags for find in pack.flags[flag]
            ]
            entries += [(Priority(name), find) for name in pack.priority for find in pack.priority[name]]
            self._entries[language] = entries
            self._matchers[language] = Matcher(tuple(Pattern.of(find) for _, find in entries))

    def find(self, text: str, subject: str | None, language: str) -> list[Sign]:
        """What is found; nothing in a language without a pack."""
        matcher = self._matchers.get(language)
        if matcher is None:
            return []
        words = Text.of(text, subject)
        found = []
        for index, span in sorted(matcher.find(words).items()):
            means, pattern = self._entries[language][index]
            first, last = words.words[span.first], words.words[span.last]
            found.append(Sign(means, pattern, first.start, last.end))
        return found
