"""Three toy services: `front` takes commands and announces, `desk` hears, decides and announces, `view` projects.

Each enters what took effect in a ledger. `place` is what a decision saw: how many rows its key had, so two decisions
that did not wait for each other have the same. It is empty where nothing was decided.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from anliegen.events import ContactReceived, JourneysMerged, QuestionOpened, registry
from anliegen.events.builders import build
from anliegen.kit import Handlers, Service, ids
from anliegen.kit.errors import NotYet, Refusal
from anliegen.kit.transaction import Transaction

FRONT, DESK, VIEW = "machine-front", "machine-desk", "machine-view"
WORDS, FACTS, CASES = (registry.topic_of(cls) for cls in (ContactReceived, JourneysMerged, QuestionOpened))
HEARD = {DESK: (WORDS, FACTS), VIEW: (WORDS, CASES)}

TABLES = """
CREATE TABLE IF NOT EXISTS ledger (
    nth bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, topic text NOT NULL, event_id uuid NOT NULL,
    announced uuid, place int, members uuid[] NOT NULL DEFAULT '{}', of_person int NOT NULL DEFAULT 0
);
"""

Pause = Callable[[str], Awaitable[Any]]

FINE = "fine"
FATES = {
    FINE: None,
    "fails once": (RuntimeError, 1),
    "fails twice": (RuntimeError, 2),
    "fails for long": (RuntimeError, 4),
    "fails for ever": (RuntimeError, 10**9),
    "is refused": ("refused", 10**9),
    "is refused later": ("refused later", 10**9),
    "comes too early": (NotYet, 3),
    "meets passing trouble": (ConnectionError, 2),
}


class NotOurs(Refusal):
    """This is not for us."""


@dataclass
class Fates:
    """What becomes of each event in each group: it fails, or is refused, so and so many times."""

    named: dict[tuple[str, UUID], str] = field(default_factory=dict)
    tries: dict[tuple[str, UUID], int] = field(default_factory=dict)

    def set(self, event_id: UUID, *, desk: str, view: str) -> None:
        """Say what will become of an event."""
        self.named[DESK, event_id] = desk
        self.named[VIEW, event_id] = view

    def of(self, group: str, event_id: UUID) -> str:
        """What becomes of an event."""
        return self.named.get((group, event_id), FINE)

    def heal(self, group: str, event_id: UUID) -> None:
        """From now on it succeeds."""
        self.named[group, event_id] = FINE

    def meet(self, group: str, event_id: UUID) -> None:
        """One try; raises what is to be raised."""
        fate = FATES[self.of(group, event_id)]
        tried = self.tries[group, event_id] = self.tries.get((group, event_id), 0) + 1
        if fate is None or tried > fate[1]:
            return
        problem = fate[0]
        if problem == "refused later":
            problem = RuntimeError if tried <= 2 else "refused"
        raise NotOurs if problem == "refused" else problem("on purpose")


async def enter(
    tx: Transaction, pause: Pause, *, key: str, topic: str, event_id: UUID, fates: Fates | None, over_person: bool
) -> None:
    """Look, decide, wait where the play wants it, meet one's fate, write."""
    of_topic = "%" if tx.may_publish else topic  # a projection promises an order within a topic alone
    place = await tx.fetchval("SELECT count(*) FROM ledger WHERE key = $1 AND topic LIKE $2", key, of_topic)
    members: list[UUID] = []
    of_person = 0
    if over_person:
        members = await tx.members(UUID(key))
        of_person = await tx.fetchval("SELECT count(*) FROM ledger WHERE key = ANY ($1::uuid[]::text[])", members)
    await pause("decided")
    if fates is not None:
        fates.meet(tx.context.service.name, event_id)
    await tx.execute(
        """
        INSERT INTO ledger (key, topic, event_id, place, members, of_person) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        key, topic, event_id, place, members, of_person,
    )  # fmt: skip


def make_services(pause: Pause, fates: Fates) -> dict[str, Service]:
    """The three, by name."""
    desk, view = Handlers(DESK, attempts=2), Handlers(VIEW, projection=True, attempts=2, policy="stay")

    @desk.on(ContactReceived, over_person=True)
    async def open_question(event: ContactReceived, tx: Transaction) -> None:
        assert tx.cause is not None
        await enter(tx, pause, key=event.key, topic=WORDS, event_id=tx.cause.id, fates=fates, over_person=True)
        announced = tx.publish(question(event))
        fates.named[VIEW, announced] = fates.of(VIEW, tx.cause.id)
        await tx.execute("UPDATE ledger SET announced = $2 WHERE event_id = $1", tx.cause.id, announced)

    @desk.on(JourneysMerged)
    async def note_merge(event: JourneysMerged, tx: Transaction) -> None:
        assert tx.cause is not None
        await enter(tx, pause, key=event.key, topic=FACTS, event_id=tx.cause.id, fates=fates, over_person=False)

    @view.on_many(ContactReceived)
    async def show_contacts(deliveries: list[Any], tx: Transaction) -> None:
        for one in deliveries:
            await enter(
                tx, pause, key=one.envelope.key, topic=WORDS, event_id=one.envelope.id, fates=fates, over_person=False
            )

    @view.on(QuestionOpened)
    async def show_question(event: QuestionOpened, tx: Transaction) -> None:
        assert tx.cause is not None
        await enter(tx, pause, key=event.key, topic=CASES, event_id=tx.cause.id, fates=fates, over_person=False)

    return {
        name: Service(name=name, title=name, description="A toy.", handlers=handlers)
        for name, handlers in ((FRONT, Handlers(FRONT)), (DESK, desk), (VIEW, view))
    }


_contact = build(ContactReceived, text="hello")


def contact(journey: UUID) -> ContactReceived:
    """What somebody wrote."""
    return _contact.model_copy(update={"journey_id": journey, "contact_id": uuid4()})


def merge(one: UUID, other: UUID) -> JourneysMerged:
    """Two journeys are one person's."""
    a, b = sorted((one, other))
    return build(JourneysMerged, link_id=uuid4(), journey_a=a, journey_b=b)


def question(event: ContactReceived) -> QuestionOpened:
    """What the desk makes of it."""
    return QuestionOpened(
        journey_id=event.journey_id,
        case_id=ids.derived("case", event.contact_id),
        task="helpdesk",
        status="opened",
        concern_id=event.contact_id,
        intent="toy",
    )
