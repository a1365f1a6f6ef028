"""What a complaint is, which ways it can go, and what was promised. Pure: time and ids come in as arguments."""

from .complaint import Complaint
from .course import follow_up_of, is_due, reason_for, waits
from .matters import Assessment, Contact, Decision, Matter, reply_id_of

__all__ = [
    "Assessment",
    "Complaint",
    "Contact",
    "Decision",
    "Matter",
    "follow_up_of",
    "is_due",
    "reason_for",
    "reply_id_of",
    "waits",
]
