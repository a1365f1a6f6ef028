"""The reconciliation says so when a contact is lost, doubled or out of order: a judge that never condemns is none."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from chaos.contacts import draw_contacts
from chaos.load import Accepted, Ledger
from chaos.plan import draw_faults, fingerprint
from chaos.reconcile import Evidence, Kept, Line, Record, Reply, compare, out_of_order, reconcile
from chaos.report import Report, text

SERVICES = ["billing-inquiry", "helpdesk", "intake", "journey", "triage"]
CONTACTS = ("c0", "c1", "c2")
KEY = "journey"


def record(service: str, type_: str, sequence: int, contact: str, case: str | None = None) -> Record:
    topic = f"anliegen.{service}.words" if type_ == "contact_received" else f"anliegen.{service}"
    kind = f"{service.replace('-', '_')}.{type_}.v1"
    return Record(topic, KEY, f"{service}-{sequence}", service, kind, sequence, contact, case)


@pytest.fixture
def ledger() -> Ledger:
    """One person brought three contacts over the phone, by mail and by WhatsApp."""
    channels = ("phone", "email", "whatsapp")
    return Ledger([Accepted(n, 7, channel, float(n)) for n, channel in enumerate(channels)], messages=["r2"])


@pytest.fixture
def evidence() -> Evidence:
    """Everything as it should be."""
    records = [
        *(record("intake", "contact_received", n + 1, contact) for n, contact in enumerate(CONTACTS)),
        record("intake", "reply_sent", 4, "c1"),
        record("intake", "reply_sent", 5, "c2"),
        *(record("triage", "contact_triaged", n + 1, contact) for n, contact in enumerate(CONTACTS)),
        *(record("helpdesk", "question_opened", n + 1, contact, f"q{n}") for n, contact in enumerate(CONTACTS)),
    ]
    ids = [one.event_id for one in records]
    return Evidence(
        contacts=[
            Kept(0, "c0", KEY, "phone"), Kept(1, "c1", KEY, "email"), Kept(2, "c2", KEY, "whatsapp"),
        ],
        replies=[
            Reply(1, "r1", "c1", "email", "sent", "<m1>", "somebody@post.example"),
            Reply(2, "r2", "c2", "whatsapp", "sent", None, "4179"),
        ],
        decided=list(CONTACTS),
        sent_where=[("helpdesk", f"q{n}", contact) for n, contact in enumerate(CONTACTS)],
        cases={"helpdesk": [(f"q{n}", contact) for n, contact in enumerate(CONTACTS)]},
        told=list(CONTACTS),
        timeline=list(ids),
        standing={"journey": {f"q{n}": n + 1 for n in range(3)}},
        heard={"triage": [f"intake-{n}" for n in (1, 2, 3)]},
        inboxes={"triage": [f"intake-{n}" for n in (1, 2, 3)]},
        records=records,
        mails=["<m1>"],
    )  # fmt: skip


def broken(ledger: Ledger, evidence: Evidence) -> dict[str, tuple[int, int, int]]:
    """Every line that is not well, with what is wrong."""
    lines = reconcile(ledger, evidence)
    return {line.place: (line.lost, line.doubled, line.out_of_order) for line in lines if not line.is_well}


def test_all_is_well_where_everything_is_there_once(ledger: Ledger, evidence: Evidence) -> None:
    assert broken(ledger, evidence) == {}
    report = Report(1, 1, 3, "plan", planned=3, people=1, accepted=3, lines=reconcile(ledger, evidence))
    assert report.faults_found == []
    assert text(report).endswith("All is well.")


LOST: dict[str, tuple[Callable[[Evidence], object], str]] = {
    "contact": (lambda found: found.contacts.pop(), "intake: contacts"),
    "acknowledgement": (lambda found: found.replies.pop(0), "intake: acknowledgements"),
    "decision": (lambda found: found.decided.pop(), "triage: decisions"),
    "case": (lambda found: found.cases["helpdesk"].pop(), "helpdesk: cases"),
    "told": (lambda found: found.told.pop(), "journey: contacts told"),
    "timeline": (lambda found: found.timeline.pop(), "journey: timeline"),
    "standing": (lambda found: found.standing["journey"].pop("q1"), "journey: cases followed to their end"),
    "inbox": (lambda found: found.inboxes["triage"].pop(), "triage: inbox"),
    "record": (lambda found: found.records.pop(6), "Kafka: sequences per journey"),
    "mail": (lambda found: found.mails.clear(), "mailbox: mails"),
}


@pytest.mark.parametrize("what", LOST)
def test_lost_is_said(ledger: Ledger, evidence: Evidence, what: str) -> None:
    lose, place = LOST[what]
    lose(evidence)
    assert broken(ledger, evidence)[place][0] == 1


DOUBLED: dict[str, tuple[Callable[[Evidence], object], str]] = {
    "contact": (lambda found: found.contacts.append(Kept(0, "c9", KEY, "phone")), "intake: contacts"),
    "acknowledgement": (
        lambda found: found.replies.append(replace(found.replies[0], reply_id="r9")), "intake: acknowledgements",
    ),
    "case": (lambda found: found.cases["helpdesk"].append(("q9", "c0")), "helpdesk: cases"),
    "event": (
        lambda found: found.records.append(replace(found.records[6], event_id="again")),
        "Kafka: sequences per journey",
    ),
    "reply announced": (
        lambda found: found.records.append(record("intake", "reply_sent", 6, "c1")),
        "intake: acknowledgements announced",
    ),
    "mail that nobody sent": (lambda found: found.mails.append("<m9>"), "mailbox: mails"),
}  # fmt: skip


@pytest.mark.parametrize("what", DOUBLED)
def test_doubled_is_said(ledger: Ledger, evidence: Evidence, what: str) -> None:
    double, place = DOUBLED[what]
    double(evidence)
    assert broken(ledger, evidence)[place][1] == 1


def test_mail_that_was_handed_over_again_is_counted_apart(ledger: Ledger, evidence: Evidence) -> None:
    evidence.mails.append("<m1>")
    lines = {line.place: line for line in reconcile(ledger, evidence)}
    assert lines["mailbox: mails"].again == 1
    assert lines["mailbox: mails"].is_well


def test_record_that_was_published_again_is_no_effect(ledger: Ledger, evidence: Evidence) -> None:
    evidence.records.append(evidence.records[0])
    lines = {line.place: line for line in reconcile(ledger, evidence)}
    assert broken(ledger, evidence) == {}
    assert lines["Kafka: sequences per journey"].again == 1


def test_event_that_was_announced_again_under_its_id_leaves_no_gap(ledger: Ledger, evidence: Evidence) -> None:
    evidence.records.append(replace(evidence.records[3], sequence=6))
    assert broken(ledger, evidence) == {}


def exchange(evidence: Evidence, first: str, second: str) -> None:
    """Let two events of one service come in the other order."""
    places = {one.event_id: place for place, one in enumerate(evidence.records)}
    a, b = evidence.records[places[first]], evidence.records[places[second]]
    evidence.records[places[first]] = replace(b, sequence=a.sequence, event_id=a.event_id)
    evidence.records[places[second]] = replace(a, sequence=b.sequence, event_id=b.event_id)


@pytest.mark.parametrize(
    ("events", "place"),
    [
        (("intake-1", "intake-2"), "intake: contacts"),
        (("triage-1", "triage-2"), "triage: decisions"),
        (("helpdesk-1", "helpdesk-3"), "helpdesk: cases"),
    ],
)
def test_effects_in_another_order_are_said(
    ledger: Ledger, evidence: Evidence, events: tuple[str, str], place: str
) -> None:
    exchange(evidence, *events)
    assert broken(ledger, evidence)[place][2] >= 1


def test_records_that_lie_in_another_order_are_said(ledger: Ledger, evidence: Evidence) -> None:
    evidence.records[0], evidence.records[1] = evidence.records[1], evidence.records[0]
    assert broken(ledger, evidence) == {"Kafka: sequences per journey": (0, 0, 1)}


def test_messages_that_arrive_in_another_order_are_said(ledger: Ledger, evidence: Evidence) -> None:
    evidence.replies.append(Reply(3, "r3", "c3", "whatsapp", "sent", None, "4179"))
    ledger.messages[:] = ["r3", "r2"]
    assert broken(ledger, evidence)["WhatsApp: messages"] == (0, 0, 1)


def test_contact_whose_client_gave_up_may_be_there_once_or_not(ledger: Ledger) -> None:
    assert compare("x", [1], [1, 2], uncertain=[2, 3]).is_well
    assert compare("x", [1], [1, 2, 2], uncertain=[2, 3]).doubled == 1


def test_late_is_what_comes_after_a_later_one() -> None:
    assert out_of_order({"k": [1, 2, 3]}, {"k": [1, 2, 3]}) == []
    assert out_of_order({"k": [1, 2, 3]}, {"k": [3, 1, 2]}) == [1, 2]
    assert out_of_order({"k": [1, 2, 3]}, {"k": [1, 3]}) == []


def test_run_that_brought_too_little_or_left_something_fails() -> None:
    line = Line("x", 1, 1)
    assert Report(1, 1, 1, "", planned=100, people=1, accepted=90, lines=[line]).faults_found == []
    assert Report(1, 1, 1, "", planned=100, people=1, accepted=89, lines=[line]).faults_found
    assert Report(1, 1, 1, "", planned=1, people=1, accepted=1, leftovers={"intake: outbox": 1}).faults_found


def test_same_seed_gives_the_same_plan() -> None:
    first, again, other = (draw_faults(seed=seed, minutes=20, services=SERVICES) for seed in (1, 1, 2))
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    assert sum(fault.is_kill for fault in first) >= 60
    assert draw_contacts(seed=1, planned=50, rate=5) == draw_contacts(seed=1, planned=50, rate=5)


def test_every_kind_of_fault_and_every_target_comes_within_twenty_minutes() -> None:
    faults = draw_faults(seed=3, minutes=20, services=SERVICES)
    kinds = {fault.kind for fault in faults}
    assert len(kinds) == 19
    killed = {fault.target for fault in faults if fault.kind in {"kill_worker", "kill_http"}}
    assert {f"worker-{name}" for name in SERVICES} | {f"http-{name}" for name in SERVICES} | {"http"} <= killed
