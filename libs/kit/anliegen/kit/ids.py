"""Ids: UUIDv7 where they are new, derived where two doors must agree or a repetition must name the same thing."""

import hashlib
import hmac
import secrets
import threading
from datetime import datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7(moment: datetime) -> UUID:
    """A fresh UUIDv7 (RFC 9562) of this time; within one process the ids of one millisecond rise, too."""
    global _last  # noqa: PLW0603 - one counter per process is what makes the ids rise
    milliseconds = int(moment.timestamp() * 1000)
    with _lock:
        # 12 bits count within the millisecond, so that ids made one after the other sort one after the other.
        _last = max(_last + 1, milliseconds << 12)
        stamp = _last
    high = (stamp >> 12) << 16 | 0x7000 | (stamp & 0xFFF)
    low = 0x8000_0000_0000_0000 | secrets.randbits(62)
    return UUID(int=high << 64 | low)


def derived(*parts: object) -> UUID:
    """The id that follows from these parts (SHA-256, shaped as a UUIDv8): the same everywhere, at every repetition."""
    return _shaped(hashlib.sha256(_joined(parts)).digest())


def keyed(secret: bytes, *parts: object) -> UUID:
    """Like `derived`, but nobody without the secret can tell which parts it came from (HMAC-SHA256)."""
    return _shaped(hmac.new(secret, _joined(parts), hashlib.sha256).digest())


def derived_event_id(cause: UUID, cause_time: datetime, *parts: object) -> UUID:
    """The id of an event that a handler announces: UUIDv7 layout, the cause's time and a hash of cause and parts.

    A handler that runs again announces the same id, so every inbox drops the repetition.
    """
    digest = hashlib.sha256(_joined((cause, *parts))).digest()
    milliseconds = int(cause_time.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    high = milliseconds << 16 | 0x7000 | int.from_bytes(digest[:2]) & 0xFFF
    low = 0x8000_0000_0000_0000 | int.from_bytes(digest[2:10]) & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=high << 64 | low)


def _joined(parts: tuple[object, ...]) -> bytes:
    # Each part is preceded by its length, so that ("ab", "c") and ("a", "bc") differ.
    pieces = [str(part).encode() for part in parts]
    return b"".join(len(piece).to_bytes(4) + piece for piece in pieces)


def _shaped(digest: bytes) -> UUID:
    number = int.from_bytes(digest[:16])
    number &= ~(0xF000 << 64) & ~(0xC000 << 48)
    return UUID(int=number | 0x8000 << 64 | 0x8000 << 48)
