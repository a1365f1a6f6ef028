"""The language of a text, where it says enough; else nobody guesses."""

import pytest

from anliegen.intake.languages import Languages

LANGUAGES = Languages()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Guten Tag, ich habe eine Frage zu meiner letzten Rechnung.", "de"),
        ("Hello, I would like to know where my order is, please.", "en"),
        ("Bonjour, je voudrais savoir où se trouve ma commande.", "fr"),
        ("Buongiorno, vorrei sapere dove si trova il mio ordine.", "it"),
        ("ok", None),
        ("4711 4711 4711 4711", None),
        ("", None),
    ],
)
def test_a_language_is_told_or_left_open(text: str, language: str | None) -> None:
    assert LANGUAGES.detect(text) == language
