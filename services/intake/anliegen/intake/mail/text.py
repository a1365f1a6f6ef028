"""What a person wrote in a mail: HTML made readable, quotes and signatures left behind."""

LONGEST_HTML = 2_000_000
LONGEST_FOR_QUOTES = 100_000
"""Characters; a longer text is taken as it is, for looking for quotes costs more than linear time."""
QUOTE_LANGUAGES = ["de", "en", "fr", "it"]
_DROPPED = frozenset({"script", "style", "title", "head", "template", "noscript", "object", "svg"})


def from_html(html: str) -> str:
    """HTML as plain text: cleaned first, so that nothing but structure and words reaches the converter."""
    import html2text
    import nh3

    cleaned = nh3.clean(html[:LONGEST_HTML], clean_content_tags=set(_DROPPED), link_rel=None)
    converter = html2text.HTML2Text(bodywidth=0)
    converter.ignore_images = True
    converter.ignore_emphasis = True
    converter.ignore_links = True
    converter.ignore_tables = True
    try:
        return converter.handle(cleaned).strip()
    except (ValueError, IndexError, AssertionError, RecursionError):
        # The converter has its limits; the words alone are better than nothing.
        return nh3.clean(html[:LONGEST_HTML], tags=set()).strip()


def own_words(text: str) -> str:
    """The newest message without quotes and signature; the whole text where nothing would be left."""
    if len(text) > LONGEST_FOR_QUOTES:
        return text
    from mailparser_reply import EmailReplyParser

    try:
        message = EmailReplyParser(languages=QUOTE_LANGUAGES).read(text)
        latest = str(message.replies[0].body or "") if message.replies else ""
    except Exception:
        # Whatever a text does to the expressions of the library, it is kept as it is.
        return text
    return latest.strip() or text
