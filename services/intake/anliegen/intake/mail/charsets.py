"""Bytes to text, whatever the sender said about them."""

import codecs

_NEARLY_EVERYTHING = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
}
"""What is meant where these are named: Windows' characters call themselves ISO 8859-1, and ASCII is part of UTF-8."""
LONGEST_GUESS = 200_000
"""Bytes from which a charset is guessed."""


def decode(content: bytes, charset: str | None) -> tuple[str, bool]:
    """The text, and whether it is what its sender said: the named charset → UTF-8 → a guess → UTF-8 with holes."""
    named = (charset or "").strip().strip("\"'").lower()
    named = _NEARLY_EVERYTHING.get(named, named)
    for candidate in dict.fromkeys((named, "utf-8")):
        try:
            # A codec such as `base64` or `rot13` is no charset, and `utf-7` hides characters from every check.
            if candidate and candidate not in {"utf-7", "utf7"} and codecs.lookup(candidate)._is_text_encoding:
                return content.decode(candidate), candidate == named or not named
        except (LookupError, UnicodeError, ValueError):
            continue
    return _guess(content), False


def _guess(content: bytes) -> str:
    from charset_normalizer import from_bytes

    try:
        best = from_bytes(content[:LONGEST_GUESS]).best()
        if best is not None:
            return content.decode(best.encoding, errors="replace")
    except (LookupError, UnicodeError, ValueError, OverflowError):
        pass
    return content.decode("utf-8", errors="replace")
