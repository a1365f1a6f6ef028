"""Words without what names a person: addresses, numbers, accounts, links, names as far as one can tell. Pure."""

import re
from collections.abc import Iterable

from ..model.tokens import own_parts

NAME = "<name>"
_TOLD = (
    ("<mail>", re.compile(r"[^\s@<>]+@[^\s@<>]+\.\w+")),
    ("<url>", re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)),
    ("<iban>", re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[0-9A-Z]{4}){2,7}(?:\s?[0-9A-Z]{1,4})?\b")),
    ("<code>", re.compile(r"\b(?=(?:[\w-]*?\d){3})(?=[\w-]*[A-Za-z])[\w-]{5,}\b")),
    ("<number>", re.compile(r"\+?\d(?:[\s./-]?\d){4,}")),
)
_NAME_WORD = r"[A-ZÄÖÜÉÈÀÇÑ][\w'’-]+"
_NAMED = re.compile(
    r"(?P<before>\b(?:Herrn?|Frau|Fr\.|Hr\.|Familie|Fam\.|Mr|Mrs|Ms|Miss|Monsieur|Madame|Mme|Mlle|Signor[ae]?|Sig\.(?:ra)?"
    r"|Señora?|Sra?\.|Dr\.|Prof\."
    r"|[Mm]ein Name ist|[Ii]ch hei(?:ß|ss)e|[Mm]y name is|[Jj]e m['’]appelle|[Mm]i chiamo|[Mm]e llamo)\.?\s+)"
    rf"{_NAME_WORD}(?:\s+{_NAME_WORD})?"
)
_STREET = re.compile(
    rf"\b(?:{_NAME_WORD}(?:stra(?:ß|ss)e|str\.|weg|gasse|platz|allee|ring|damm)"
    rf"|(?:[Rr]ue|[Aa]venue|[Vv]ia|[Pp]iazza|[Cc]alle|[Aa]venida)\s+(?:\w+\s+)?{_NAME_WORD})\s+\d+\s?\w?\b"
)
SHORTEST_NAME = 3


def masked(text: str, *, names: Iterable[str | None] = ()) -> str:
    """What the sender wrote, without quotes and signature, with marks for what names a person.

    `names` are known ones, such as the sender's. Names that nothing tells (no title, no "my name is") stay: who takes
    these words into a training text reads them first.
    """
    own = "".join(text[start:end] for start, end in own_parts(text)).strip() or text.strip()
    for mark, pattern in _TOLD[:3]:
        own = pattern.sub(mark, own)
    own = _STREET.sub("<street>", own)
    for mark, pattern in _TOLD[3:]:
        own = pattern.sub(mark, own)
    own = _NAMED.sub(lambda found: found["before"] + NAME, own)
    for word in {word for name in names if name for word in re.findall(r"[^\W\d_]+", name)}:
        if len(word) >= SHORTEST_NAME:
            own = re.sub(rf"\b{re.escape(word)}\b", NAME, own, flags=re.IGNORECASE)
    return own
