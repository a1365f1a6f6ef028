"""CloudEvents 1.0 in binary mode on Kafka: the attributes that travel as headers beside the data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

Headers = list[tuple[str, bytes]]
T = TypeVar("T")

_OPTIONAL = {
    "subject": "ce_subject", "dataschema": "ce_dataschema", "correlationid": "ce_correlationid",
    "causationid": "ce_causationid", "traceparent": "traceparent", "tracestate": "tracestate",
}  # fmt: skip
# Our trace travels as Kafka's own headers, where every tracing library looks; others may write it as attributes
# (CloudEvents extension "distributed tracing"), which are read where the headers are missing.
_TRACE = {"traceparent": "ce_traceparent", "tracestate": "ce_tracestate"}
_READ = {
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_sequence", *_OPTIONAL.values(), *_TRACE.values(),
}  # fmt: skip
_LARGEST_SEQUENCE = 2**63 - 1


class EnvelopeMalformed(ValueError):
    """The record is not a CloudEvent that we can place: its id, type, source, time or key is missing or unreadable."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of one event. `key` is the record's key, `sequence` counts up by one within it per producer."""

    id: UUID
    source: str
    type: str
    time: datetime
    key: str
    sequence: int = 0
    subject: str | None = None
    dataschema: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def service(self) -> str:
        """The producing service: `/anliegen/billing-inquiry` → `billing-inquiry`."""
        return self.source.rpartition("/")[2]

    def attributes(self) -> dict[str, str]:
        """Every attribute that is set, by header name, as text: what the outbox keeps."""
        values = {
            "ce_specversion": "1.0", "content-type": "application/json", "ce_id": str(self.id),
            "ce_source": self.source, "ce_type": self.type, "ce_time": format_time(self.time),
            "ce_partitionkey": self.key, "ce_sequence": str(self.sequence), "ce_subject": self.subject,
            "ce_dataschema": self.dataschema, "ce_correlationid": self.correlationid,
            "ce_causationid": self.causationid, "traceparent": self.traceparent, "tracestate": self.tracestate,
        }  # fmt: skip
        return {name: value for name, value in values.items() if value is not None}

    def to_headers(self) -> Headers:
        """The attributes as Kafka headers."""
        return to_headers(self.attributes())


def to_headers(attributes: Mapping[str, str]) -> Headers:
    """Text attributes as Kafka headers (UTF-8)."""
    return [(name, value.encode()) for name, value in attributes.items()]


def from_headers(headers: Iterable[tuple[str, bytes | None]], key: bytes | None) -> Envelope:
    """Read the attributes of a record in binary mode. Headers that are not ours are left alone: they may be binary.

    Raises EnvelopeMalformed where id, type, source, time or key is missing or unreadable; its text names the
    attribute, never its value.
    """
    given: dict[str, str] = {}
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in _READ and value:
            try:
                given[name] = value.decode()
            except UnicodeDecodeError:
                # A broken trace costs us the trace, not the event.
                if not name.endswith(("traceparent", "tracestate")):
                    raise _malformed(f"{name} is not UTF-8.") from None
    for name, attribute in _TRACE.items():
        if name not in given and attribute in given:
            given[name] = given[attribute]
    if given.get("ce_specversion") != "1.0":
        raise _malformed("ce_specversion is not 1.0.")
    if not key:
        raise _malformed("The record has no key.")
    try:
        text_key = key.decode()
    except UnicodeDecodeError:
        raise _malformed("The record's key is not UTF-8.") from None
    return Envelope(
        id=_read(given, "ce_id", UUID),
        source=_read(given, "ce_source", str),
        type=_read(given, "ce_type", str),
        time=_read(given, "ce_time", parse_time),
        key=text_key,
        sequence=_read(given, "ce_sequence", _parse_sequence) if "ce_sequence" in given else 0,
        **{name: given.get(header) for name, header in _OPTIONAL.items()},
    )


def _malformed(what: str) -> EnvelopeMalformed:
    return EnvelopeMalformed(f"{EnvelopeMalformed.__doc__} {what}")


def _read(given: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T:
    if name not in given:
        raise _malformed(f"{name} is missing.")
    try:
        return parse(given[name])
    except ValueError:
        raise _malformed(f"{name} is not readable.") from None


def _parse_sequence(text: str) -> int:
    # int() alone would also read "-1", "1_000" and the digits of other scripts.
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > _LARGEST_SEQUENCE:
        raise ValueError("the sequence is not a whole number that a bigint holds")
    return int(text)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`; raises ValueError for a time without a zone."""
    if moment.utcoffset() is None:
        raise ValueError("the time has no zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time with a zone; raises ValueError where there is none."""
    # The letters T and Z may be small (RFC 3339, 5.6).
    moment = datetime.fromisoformat(text.upper())
    if moment.utcoffset() is None:
        raise ValueError("the time has no zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None
