"""Compare what was accepted with what is there: lost, doubled, out of order. Pure, so that it can be tried itself."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .load import Ledger

SHOWN = 5
ACKNOWLEDGED = frozenset({"email", "whatsapp", "web_form", "app"})
ACKNOWLEDGEMENT_STATES = frozenset({"sent", "delivered", "suppressed"})
INTAKE, TRIAGE, JOURNEY = "intake", "triage", "journey"


@dataclass(frozen=True, slots=True)
class Kept:
    """A contact as intake keeps it. `number` is the ledger's, read from its text."""

    number: int
    contact_id: str
    journey_id: str
    channel: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An acknowledgement as intake keeps it, in the order `ord`."""

    ord: int
    reply_id: str
    contact_id: str
    channel: str
    state: str
    message_id: str | None
    recipient: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it lies in Kafka, in the order of its partition. `contact_id` where it speaks of one."""

    topic: str
    key: str
    event_id: str
    service: str
    type: str
    sequence: int
    contact_id: str | None = None
    case_id: str | None = None


@dataclass
class Evidence:
    """What the databases, Kafka and the mailbox hold after the run."""

    contacts: list[Kept] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    """Contacts that triage decided about or gave to a person."""
    sent_where: list[tuple[str, str, str]] = field(default_factory=list)
    """Service, case and contact for each concern that triage sent to a task."""
    cases: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Case and contact for everything that each task works on."""
    told: list[str] = field(default_factory=list)
    """Contacts of which journey tells both that they came and what became of them."""
    timeline: list[str] = field(default_factory=list)
    """The events that journey keeps."""
    standing: dict[str, dict[str, int]] = field(default_factory=dict)
    """For each service that follows cases, the sequence of the last event it has followed."""
    heard: dict[str, list[str]] = field(default_factory=dict)
    """For each service the events it should have heard."""
    inboxes: dict[str, list[str]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    """The Message-IDs of the mails that reached the mailbox."""
    leftovers: dict[str, int] = field(default_factory=dict)
    """What should be empty or settled by now, and how much of it is not."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: how many effects one place has, and what is wrong with them. `again` counts what was
    handed to the outside more than once, which at-least-once allows."""

    place: str
    expected: int
    effects: int
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    again: int = 0
    examples: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.out_of_order)


def compare(
    place: str,
    expected: Iterable[Hashable],
    found: Iterable[Hashable],
    *,
    uncertain: Iterable[Hashable] = (),
    order: Sequence[Hashable] = (),
    again_is_fine: bool = False,
) -> Line:
    """Each of `expected` is found as often as it is there, and nothing else; `uncertain` may be there once, or not.

    `order` lists what came out of its order; `again_is_fine` counts repetitions apart.
    """
    wanted, there, open_ = Counter(list(expected)), Counter(list(found)), set(uncertain)
    lost = wanted - there
    more = {key: count - wanted[key] for key, count in there.items() if count > wanted[key]}
    more = {key: count - (key in open_ and key not in wanted) for key, count in more.items()}
    again = 0
    if again_is_fine:
        again = sum(count for key, count in more.items() if key in wanted)
        more = {key: count for key, count in more.items() if key not in wanted}
    wrong = [*lost, *(key for key, count in more.items() if count), *order]
    return Line(
        place, wanted.total(), there.total(), lost.total(), sum(more.values()), len(order), again,
        tuple(str(key) for key in wrong[:SHOWN]),
    )  # fmt: skip


def out_of_order(
    announced: Mapping[Hashable, Sequence[Hashable]], followed: Mapping[Hashable, Sequence[Hashable]]
) -> list[Hashable]:
    """What was followed after something that had been announced later under the same key."""
    late = []
    for key, order in followed.items():
        places = {one: place for place, one in enumerate(announced.get(key, ()))}
        furthest = -1
        for one in order:
            place = places.get(one, furthest)
            if place < furthest:
                late.append(one)
            furthest = max(furthest, place)
    return late


def reconcile(ledger: Ledger, evidence: Evidence) -> list[Line]:
    """Every line of the table."""
    records = first_appearances(evidence.records)
    return [
        _accepted(ledger, evidence, records),
        _acknowledged(evidence),
        _decided(evidence, records),
        *(_worked_on(evidence, records, service) for service in sorted(evidence.cases)),
        compare("journey: contacts told", (one.contact_id for one in evidence.contacts), evidence.told),
        compare("journey: timeline", (record.event_id for record in records), evidence.timeline),
        *(_standing(evidence, records, service) for service in sorted(evidence.standing)),
        *(
            compare(f"{service}: inbox", evidence.heard[service], evidence.inboxes[service])
            for service in sorted(evidence.inboxes)
        ),
        _sequences(evidence.records, records),
        *_outside(ledger, evidence, records),
    ]


def first_appearances(records: Iterable[Record]) -> list[Record]:
    """Each event once, where it came first: a relay may publish what it had published before it was killed."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.event_id, record)
    return list(first.values())


def _accepted(ledger: Ledger, evidence: Evidence, records: Sequence[Record]) -> Line:
    number_of = {one.contact_id: one.number for one in evidence.contacts}
    person_of = {one.number: one.person for one in ledger.accepted}
    accepted, announced = defaultdict(list), defaultdict(list)
    for one in ledger.accepted:
        accepted[one.person].append(one.number)
    for record in _in_order(records, "intake.contact_received.v1"):
        number = number_of.get(record.contact_id or "")
        if number in person_of:
            announced[person_of[number]].append(number)
    return compare(
        "intake: contacts",
        (one.number for one in ledger.accepted),
        (one.number for one in evidence.contacts),
        uncertain=ledger.unsettled,
        order=out_of_order(accepted, announced),
    )


def _acknowledged(evidence: Evidence) -> Line:
    return compare(
        "intake: acknowledgements",
        (one.contact_id for one in evidence.contacts if one.channel in ACKNOWLEDGED),
        (reply.contact_id for reply in evidence.replies if reply.state in ACKNOWLEDGEMENT_STATES),
    )


def _decided(evidence: Evidence, records: Sequence[Record]) -> Line:
    late = out_of_order(
        _contacts_by_key(records, "intake.contact_received.v1"), _contacts_by_key(records, f"{TRIAGE}.")
    )
    return compare("triage: decisions", (one.contact_id for one in evidence.contacts), evidence.decided, order=late)


def _worked_on(evidence: Evidence, records: Sequence[Record], service: str) -> Line:
    sent = [(case, contact) for task, case, contact in evidence.sent_where if task == service]
    theirs = {contact for _, contact in sent}
    announced = {
        key: [one for one in contacts if one in theirs]
        for key, contacts in _contacts_by_key(records, "triage.contact_triaged.v1").items()
    }
    late = out_of_order(announced, _contacts_by_key(records, f"{service.replace('-', '_')}."))
    return compare(f"{service}: cases", sent, evidence.cases[service], order=late)


def _standing(evidence: Evidence, records: Sequence[Record], service: str) -> Line:
    last: dict[str, int] = {}
    for record in records:
        if record.case_id is not None:
            last[record.case_id] = max(record.sequence, last.get(record.case_id, 0))
    return compare(f"{service}: cases followed to their end", last.items(), evidence.standing[service].items())


def _sequences(everything: Sequence[Record], records: Sequence[Record]) -> Line:
    """Kafka: no gap within all that a service says under a key, and in each of its topics a rising sequence."""
    streams, topics = defaultdict(list), defaultdict(list)
    # What is announced again under the same id has a number of its own, which is no gap.
    for record in {(one.event_id, one.sequence): one for one in reversed(everything)}.values():
        streams[record.service, record.key].append(record.sequence)
    for record in records:
        topics[record.topic, record.key].append(record.sequence)
    expected = ((*stream, number) for stream, told in streams.items() for number in range(1, max(told) + 1))
    found = ((*stream, number) for stream, told in streams.items() for number in told)
    late = out_of_order({key: sorted(told) for key, told in topics.items()}, topics)
    line = compare("Kafka: sequences per journey", expected, found, order=late)
    return replace(line, again=len(everything) - len(records))


def _outside(ledger: Ledger, evidence: Evidence, records: Sequence[Record]) -> list[Line]:
    sent = [reply for reply in evidence.replies if reply.state in {"sent", "delivered"}]
    handed = [reply for reply in sent if reply.recipient is not None]
    mails = (reply.message_id for reply in handed if reply.channel == "email")
    messages = [reply for reply in sorted(handed, key=lambda one: one.ord) if reply.channel == "whatsapp"]
    queued, reached = defaultdict(list), defaultdict(list)
    recipients = {reply.reply_id: reply.recipient for reply in messages}
    for reply in messages:
        queued[reply.recipient].append(reply.reply_id)
    for reply_id in dict.fromkeys(ledger.messages):
        reached[recipients.get(reply_id)].append(reply_id)
    told = (record.contact_id for record in records if record.type == "intake.reply_sent.v1")
    return [
        compare("intake: acknowledgements announced", (reply.contact_id for reply in sent), told),
        compare("mailbox: mails", mails, evidence.mails, again_is_fine=True),
        compare(
            "WhatsApp: messages", recipients, ledger.messages, again_is_fine=True, order=out_of_order(queued, reached)
        ),
    ]


def _contacts_by_key(records: Sequence[Record], kind: str) -> dict[Hashable, list[Hashable]]:
    found: dict[Hashable, dict[Hashable, None]] = defaultdict(dict)
    for record in _in_order(records, kind):
        if record.contact_id is not None:
            found[record.key].setdefault(record.contact_id)
    return {key: list(contacts) for key, contacts in found.items()}


def _in_order(records: Sequence[Record], kind: str) -> list[Record]:
    return sorted((one for one in records if one.type.startswith(kind)), key=lambda one: (one.key, one.sequence))
