"""What of a journey its customer may see: a list of types, and of each only the fields named here."""

from collections.abc import Mapping
from typing import Any

_CASE = ("case_id", "task", "status", "promise")
_REPLY = ("reply_id", "case_id", "task", "contact_id", "template", "values", "language")

# What is not here, the customer does not see: how we understand, rank and review a contact is our own business, and a
# type that is new stays hidden until somebody has decided on it.
CUSTOMER_SEES: Mapping[str, tuple[str, ...]] = {
    "intake.contact_received.v1": (
        "contact_id", "channel", "received_at", "subject_line", "text", "language", "attachments",
    ),
    "intake.reply_sent.v1": ("reply_id", "contact_id", "case_id", "task", "channel", "language", "sent_at"),
    "helpdesk.question_opened.v1": _CASE,
    "helpdesk.question_answered.v1": _CASE,
    "helpdesk.question_resolved.v1": _CASE,
    "helpdesk.question_closed.v1": _CASE,
    "helpdesk.question_reopened.v1": _CASE,
    "helpdesk.reply_requested.v1": _REPLY,
    "billing_inquiry.inquiry_opened.v1": _CASE,
    "billing_inquiry.inquiry_answered.v1": _CASE,
    "billing_inquiry.inquiry_resolved.v1": _CASE,
    "billing_inquiry.inquiry_closed.v1": _CASE,
    "billing_inquiry.inquiry_reopened.v1": _CASE,
    "billing_inquiry.reply_requested.v1": _REPLY,
    "complaints.reply_requested.v1": _REPLY,
}  # fmt: skip


def for_customer(event_type: str, data: Any) -> dict[str, Any]:
    """The fields of an event that its customer sees."""
    fields = CUSTOMER_SEES.get(event_type, ())
    return {name: data[name] for name in fields if name in data} if isinstance(data, dict) else {}
