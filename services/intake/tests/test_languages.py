"""The language of a text, where it says enough; else nobody guesses."""

import pytest

from anliegen.intake.languages import Languages, plain_language

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


@pytest.mark.parametrize(
    "text",
    [
        "Ik heb een vraag over mijn factuur, wanneer is de winkel open en wat kost het om te bellen?",
        "Buenos días, quiero saber cuándo llega mi pedido y por qué no está con los otros, que son de la casa.",
        "Grüezi, je voudrais una informazione, please",
        "WLAN 4711",
    ],
)
def test_little_words_alone_do_not_decide_what_they_do_not_tell(text: str) -> None:
    assert plain_language(text) is None


def test_little_words_agree_with_the_detector() -> None:
    for text in (
        "Guten Tag, ich habe eine Frage zu meiner letzten Rechnung.",
        "When is the shop open and how could I reach you on a Sunday, please?",
        "Bonjour, je voudrais savoir quand vous ouvrez le dimanche, merci.",
        "Buongiorno, vorrei sapere quando arriva il mio ordine, grazie.",
    ):
        assert plain_language(text) == LANGUAGES._weigh(text) is not None
