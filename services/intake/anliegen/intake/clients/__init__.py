"""What intake calls outside: a mail server and WhatsApp's provider."""

from .mail import MailFile, MailSender, OutgoingMail, SmtpSender
from .trouble import SendingFailed
from .whatsapp import GraphSender, OutgoingText, WhatsAppSender

__all__ = [
    "GraphSender",
    "MailFile",
    "MailSender",
    "OutgoingMail",
    "OutgoingText",
    "SendingFailed",
    "SmtpSender",
    "WhatsAppSender",
]
