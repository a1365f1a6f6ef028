"""Read a webhook of WhatsApp's Cloud API. Shapes that the provider adds are kept, never refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..domain.contacts import Media

MEDIA_TYPES = frozenset({"image", "document", "audio", "video", "sticker"})
SILENT_TYPES = frozenset({"reaction", "system"})
"""They say something about another message, or about the account: nobody waits for an answer."""


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class WebhookUnreadable(Exception):
    """It is signed, but it is not a webhook of WhatsApp."""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message of a customer. `sender` is the WhatsApp id, `sent_at` the provider's time, None where unreadable."""

    message_id: str
    account: str
    sender: str
    name: str | None
    kind: str
    text: str
    sent_at: datetime | None
    answers: str | None
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What became of a message of ours."""

    provider_id: str
    status: str
    code: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Everything in one webhook. `strange` counts pieces that could not be understood; their bytes are kept."""

    messages: tuple[InboundMessage, ...]
    statuses: tuple[StatusUpdate, ...]
    strange: int


def read_webhook(payload: Any, *, account: str) -> Webhook:
    """Take a webhook apart; `account` is the phone number id where the webhook does not say it.

    Raises WebhookUnreadable where it has another form altogether.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("entry"), list):
        raise WebhookUnreadable(WebhookUnreadable.__doc__)
    messages: list[InboundMessage] = []
    statuses: list[StatusUpdate] = []
    strange = 0
    for value in _values(payload):
        number = _text(_dict(value.get("metadata")).get("phone_number_id")) or account
        names = {
            _text(contact.get("wa_id")): _text(_dict(contact.get("profile")).get("name"))
            for contact in _dicts(value.get("contacts"))
        }
        for entry in _list(value.get("messages")):
            message = _message(entry, number, names)
            if message is None:
                strange += 1
            else:
                messages.append(message)
        for entry in _list(value.get("statuses")):
            status = _status(entry)
            if status is None:
                strange += 1
            else:
                statuses.append(status)
    return Webhook(tuple(messages), tuple(statuses), strange)


def _values(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in _dicts(payload.get("entry")):
        for change in _dicts(entry.get("changes")):
            yield _dict(change.get("value"))


def _message(entry: Any, number: str, names: dict[str, str]) -> InboundMessage | None:
    entry = _dict(entry)
    message_id, sender = _text(entry.get("id")), _text(entry.get("from"))
    if not message_id or not sender:
        return None
    kind = _text(entry.get("type")) or "unknown"
    content = _dict(entry.get(kind))
    media: tuple[Media, ...] = ()
    if kind in MEDIA_TYPES and (media_id := _text(content.get("id"))):
        name = _text(content.get("filename")) or kind
        media = (Media(media_id, _text(content.get("mime_type")) or "application/octet-stream", name[:255]),)
    return InboundMessage(
        message_id=message_id[:500],
        account=number[:320],
        sender=sender,
        name=names.get(sender) or None,
        kind=kind,
        text=_words(kind, entry, content),
        sent_at=_time(entry.get("timestamp")),
        answers=_text(_dict(entry.get("context")).get("id")) or _text(content.get("message_id")) or None,
        media=media,
    )


def _words(  # noqa: PLR0911 - one for each kind
    kind: str, entry: dict[str, Any], content: dict[str, Any]
) -> str:
    """What was said; a message without words is told by its kind, such as `[image]`."""
    match kind:
        case "text":
            return _text(content.get("body")) or "[text]"
        case "interactive":
            chosen = _dict(content.get("button_reply")) or _dict(content.get("list_reply"))
            return _text(chosen.get("title")) or "[interactive]"
        case "button":
            return _text(content.get("text")) or "[button]"
        case "reaction":
            return f"[reaction] {_text(content.get('emoji'))}".strip()
        case "location":
            place = ", ".join(
                filter(None, (_text(content.get(key)) for key in ("name", "address", "latitude", "longitude")))
            )
            return f"[location] {place}".strip()
        case "contacts":
            names = [_text(_dict(c.get("name")).get("formatted_name")) for c in _dicts(entry.get("contacts"))]
            return f"[contacts] {', '.join(filter(None, names))}".strip()
        case "system":
            return f"[system] {_text(content.get('type'))}".strip()
        case _:
            return f"[{kind[:40]}] {_text(content.get('caption'))}".strip()


def _status(entry: Any) -> StatusUpdate | None:
    entry = _dict(entry)
    provider_id, status = _text(entry.get("id")), _text(entry.get("status"))
    if not provider_id or not status:
        return None
    codes = [_text(error.get("code")) for error in _dicts(entry.get("errors"))]
    return StatusUpdate(provider_id[:500], status[:40], next((code[:40] for code in codes if code), None))


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(value), tz=UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _text(value: Any) -> str:
    """A text as a database takes it, or a number as text; anything else says nothing."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]
