"""What a person wrote in a mail: HTML made readable, quotes and signatures left behind."""

import re
from html import unescape

LONGEST_HTML = 1_000_000
LONGEST_FOR_QUOTES = 20_000
"""Characters at the beginning in which the end of the newest message is looked for: it costs more than linear time."""
LONGEST_ATTRIBUTION = 300
"""Characters of a line such as "On Monday … wrote:"."""
_BLANK_LINES = re.compile(r"\n(?:[ \t\r]*\n){3,}")
_LONG_ATTRIBUTION = re.compile(rf"^(?=[> \t]{{0,40}}(?:On|Am|Le|Il)\b.{{{LONGEST_ATTRIBUTION}}})", re.I | re.M)
_MARK = "\ue000"
QUOTE_LANGUAGES = ["de", "en", "fr", "it"]
_DROPPED = frozenset({"script", "style", "title", "head", "template", "noscript", "object", "svg"})


DEEPEST_HTML = 300
"""Levels; for each the parser looks at all above it."""
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_ANY_TAG = re.compile(r"<[^<>]{0,2000}>")
_NOT_NESTED = frozenset({"br", "hr", "img", "input", "li", "link", "meta", "p", "td", "th", "tr", "option", "wbr"})


def is_deep(html: str) -> bool:
    """Whether elements are nested more deeply than a program for people would write."""
    depth = 0
    for tag in _TAG.finditer(html):
        if tag[2].lower() not in _NOT_NESTED:
            depth = max(0, depth - 1) if tag[1] else depth + 1
            if depth > DEEPEST_HTML:
                return True
    return False


def from_html(html: str) -> str:
    """HTML as plain text: cleaned first, so that nothing but structure and words reaches the converter."""
    html = html[:LONGEST_HTML]
    if is_deep(html):
        return unescape(_ANY_TAG.sub(" ", html)).strip()
    import html2text
    import nh3

    cleaned = nh3.clean(html, clean_content_tags=set(_DROPPED), link_rel=None)
    converter = html2text.HTML2Text(bodywidth=0)
    converter.ignore_images = True
    converter.ignore_emphasis = True
    converter.ignore_links = True
    converter.ignore_tables = True
    try:
        return converter.handle(cleaned).strip()
    except (ValueError, IndexError, AssertionError, RecursionError):
        # The converter has its limits; the words alone are better than nothing.
        return nh3.clean(html, tags=set()).strip()


def own_words(text: str) -> str:
    """The newest message without quotes and signature; the whole text where nothing would be left."""
    from mailparser_reply import EmailReplyParser

    # The library's expressions take minutes for many blank lines and for a long line that begins as an attribution.
    beginning = _LONG_ATTRIBUTION.sub(_MARK, _BLANK_LINES.sub("\n\n\n", text[:LONGEST_FOR_QUOTES]))
    try:
        message = EmailReplyParser(languages=QUOTE_LANGUAGES).read(beginning)
        if len(text) > LONGEST_FOR_QUOTES and len(message.replies) < 2:
            return text
        latest = str(message.replies[0].body or "") if message.replies else ""
    except Exception:
        # Whatever a text does to the expressions of the library, it is kept as it is.
        return text
    return latest.replace(_MARK, "").strip() or text
