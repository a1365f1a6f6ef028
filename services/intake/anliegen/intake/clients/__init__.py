"""What intake calls outside: a mail server and WhatsApp's provider."""

from .mail import MailSender, OutgoingMail, SmtpSender
from .trouble import SendingFailed
from .whatsapp import GraphSender, OutgoingText, WhatsAppSender

__all__ = [
    "GraphSender",
    "MailSender",
    "OutgoingMail",
    "OutgoingText",
    "SendingFailed",
    "SmtpSender",
    "WhatsAppSender",
]
