"""Which mail is a machine's, and is never answered (RFC 3834, RFC 2369, RFC 3464)."""

import re
from collections.abc import Callable, Collection

_MACHINES = re.compile(
    r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|noreply\b.*|no-?reply[-+.].*|bounces?([-+.].*)?|"
    r"notifications?|daemon|root)@",
    re.I,
)
_BULK = frozenset({"bulk", "list", "junk", "auto_reply"})
_REPORTS = frozenset({"multipart/report", "message/delivery-status", "message/disposition-notification"})

Header = Callable[[str], str | None]


def why_automatic(
    header: Header, *, sender: str | None, content_type: str, own_addresses: Collection[str]
) -> str | None:
    """Why nobody sits behind this mail, as a code; None for a person's. `header` gives a header's text or None."""
    submitted = (header("Auto-Submitted") or "").split(";")[0].strip().lower()
    found: str | None = None
    if content_type in _REPORTS:
        found = "report"
    elif submitted and submitted != "no":
        found = "auto_submitted"
    elif (header("Precedence") or "").strip().lower() in _BULK:
        found = "precedence"
    elif header("List-Id") or header("List-Unsubscribe"):
        found = "list"
    elif header("X-Autoreply") or header("X-Autorespond"):
        found = "auto_reply"
    elif (header("Return-Path") or "-").strip() == "<>":
        found = "empty_return_path"
    elif sender is not None and sender.lower() in own_addresses:
        found = "own_address"
    elif sender is not None and _MACHINES.match(sender):
        found = "machine_address"
    return found


def why_unanswered(header: Header, *, sender: str | None, own_addresses: Collection[str]) -> str | None:
    """Why a person's mail gets no automatic answer all the same, as a code: none is wanted, or they are our own."""
    if header("X-Auto-Response-Suppress"):
        return "answer_suppressed"
    own_domains = {address.rpartition("@")[2] for address in own_addresses}
    if sender is not None and sender.rpartition("@")[2] in own_domains:
        return "own_domain"
    return None
