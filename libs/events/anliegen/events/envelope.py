"""CloudEvents 1.0 in binary mode on Kafka: the attributes that travel as headers beside the data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

Headers = list[tuple[str, bytes]]

_ATTRIBUTES = {
    "id": "ce_id", "source": "ce_source", "type": "ce_type", "subject": "ce_subject", "time": "ce_time",
    "dataschema": "ce_dataschema", "partitionkey": "ce_partitionkey", "sequence": "ce_sequence",
    "correlationid": "ce_correlationid", "causationid": "ce_causationid",
    "traceparent": "traceparent", "tracestate": "tracestate",
}  # fmt: skip


class EnvelopeMalformed(ValueError):
    """The record is not a CloudEvent that we can place: its id, type, source or key is missing or not readable."""


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


def from_headers(headers: Iterable[tuple[str, bytes]], key: bytes | None) -> Envelope:
    """Read the attributes of a record in binary mode.

    Raises EnvelopeMalformed where id, type, source, time or key is missing or unreadable.
    """
    try:
        given = {name.lower(): value.decode() for name, value in headers if value is not None}
        if given.get("ce_specversion") != "1.0":
            raise EnvelopeMalformed(f"{EnvelopeMalformed.__doc__} ce_specversion is not 1.0.")
        text_key = (key or b"").decode()
        if not text_key:
            raise EnvelopeMalformed(f"{EnvelopeMalformed.__doc__} The record has no key.")
        return Envelope(
            id=UUID(given["ce_id"]), source=given["ce_source"], type=given["ce_type"],
            time=parse_time(given["ce_time"]), key=text_key, sequence=int(given.get("ce_sequence", "0")),
            **{name: given.get(_ATTRIBUTES[name]) for name in _OPTIONAL},
        )  # fmt: skip
    except EnvelopeMalformed:
        raise
    except (KeyError, ValueError) as problem:
        raise EnvelopeMalformed(f"{EnvelopeMalformed.__doc__} {type(problem).__name__}: {problem}.") from problem


_OPTIONAL = ("subject", "dataschema", "correlationid", "causationid", "traceparent", "tracestate")


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time with a zone; raises ValueError where there is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no zone")
    return moment.astimezone(UTC)
